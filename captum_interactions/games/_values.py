"""Values as they come, block by block, along the coalition axis; what they must be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional.coalitions import accumulation_dtype

__all__ = [
    "ValueBlocks",
    "bad_rows",
    "check_finite",
    "check_table_size",
    "coalition_values",
]

# All outputs of all coalitions, if no target was chosen, stay below this: 16 outputs of
# 24 players, the most that are enumerated.
_MOST_TABLE_BYTES = 1 << 31


class ValueBlocks:
    """Gathers blocks of values ``(batch, *outputs, C)``.

    Args:
        total: Coalitions to come.
        gradients: Keep the graph; otherwise blocks are written into one tensor.
        members: Gives the players of the coalition at a position, for messages.
    """

    def __init__(
        self, total: int, gradients: bool, members: Callable[[int], tuple[int, ...]]
    ) -> None:
        self._total = total
        self._gradients = gradients
        self._members = members
        self._blocks: list[Tensor] = []
        self._out: Tensor | None = None
        self._new: list[Tensor] = []  # not yet looked at
        self._filled = self._added = 0

    def add(self, block: Tensor) -> None:
        """Append values ``(batch, *outputs, C)``, which later writes don't reach.

        Raises:
            ValueError: If a value is NaN or infinite. On a GPU, where asking waits for
                what is queued, that is seen in the first blocks, every eighth and at
                the end.
        """
        start, self._filled = self._filled, self._filled + block.shape[-1]
        if self._gradients:
            self._blocks.append(block.to(accumulation_dtype(block.device)))
            self._new.append(self._blocks[-1].detach())
        else:
            if self._out is None:
                self._out = self._room_for(block)
            self._new.append(self._out[..., start : self._filled])
            self._new[-1].copy_(block)
        self._added += 1
        often = self._added % 8 == 0 or not self._added & (self._added - 1)
        if often or block.device.type == "cpu":
            self._check()

    def _room_for(self, block: Tensor) -> Tensor:
        # A normal tensor also under inference_mode: what is fitted to the values later
        # needs gradients.
        with torch.inference_mode(False):
            shape = (*block.shape[:-1], self._total)
            return block.new_empty(shape, dtype=accumulation_dtype(block.device))

    def result(self) -> Tensor:
        """Return all values, ``(batch, *outputs, total)``."""
        self._check()
        return torch.cat(self._blocks, dim=-1) if self._out is None else self._out

    def _check(self) -> None:
        """Refuse what came since the last time, if it is not finite."""
        # The sum of finite doubles is finite, for all that a network returns.
        total = 0.0
        if self._new:
            sums = [part.sum() for part in self._new]
            total = (sums[0] if len(sums) == 1 else torch.stack(sums).sum()).item()
        if not math.isfinite(total):
            start = self._filled - sum(part.shape[-1] for part in self._new)
            check_finite(torch.cat(self._new, -1), lambda i: self._members(start + i))
        self._new.clear()


def check_finite(values: Tensor, members: Callable[[int], tuple[int, ...]]) -> None:
    """Refuse NaN and infinity.

    Raises:
        ValueError: If there are any.
    """
    finite = torch.isfinite(values.detach()).reshape(-1, values.shape[-1]).all(0)
    if not bool(finite.all()):
        bad = (~finite).nonzero()[:, 0]
        raise ValueError(
            f"`forward_func` must return finite values, got NaN or infinity on "
            f"{len(bad)} of {len(finite)} coalitions, first on the one that keeps "
            f"players {members(int(bad[0]))}; check the baselines, or explain a value "
            "that stays finite (log_odds instead of the logarithm of a probability)"
        )


def check_table_size(outputs: int, n_coalitions: int, batch_size: int) -> None:
    """Refuse to keep so many outputs that no memory holds them, if none was chosen.

    Raises:
        ValueError: If they are too many.
    """
    size = 8 * outputs * n_coalitions * batch_size
    if outputs > 1 and size > _MOST_TABLE_BYTES:
        bad_value(
            "target",
            f"given for an output of {outputs:,} values",
            f"None, so that v of {n_coalitions:,} coalitions and "
            f"{batch_size} examples would take {size / 2**30:.1f} GiB",
            "choose the output to explain",
        )


def bad_rows(output: Tensor, n_coalitions: int, batch_size: int) -> NoReturn:
    """Say that an output has neither a row per input row nor one scalar in all.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f"`forward_func` must return one row per input row "
        f"({n_coalitions * batch_size} for {n_coalitions} coalitions of {batch_size} "
        f"examples), or one scalar for the whole batch, got shape "
        f"{tuple(output.shape)}; wrap it so that its first dimension is the batch"
    )


def coalition_values(
    output: Tensor,  # (C·K·batch, *outputs)
    n_coalitions: int,
    n_baselines: int,
) -> Tensor:
    """Raw output as values ``(batch, *outputs, C)``, averaged over K baselines."""
    if n_baselines == 1:
        return output.view(n_coalitions, -1, *output.shape[1:]).movedim(0, -1)
    values = output.unflatten(0, (n_coalitions, n_baselines, -1)).movedim(0, -1)
    return values.to(accumulation_dtype(values.device)).mean(0)
