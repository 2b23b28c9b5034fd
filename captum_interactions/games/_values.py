"""Values as they come, block by block, along the coalition axis."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from captum_interactions.functional.coalitions import accumulation_dtype

__all__ = ["ValueBlocks", "check_finite"]


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
        self._filled = 0
        self._added = 0

    def add(self, block: Tensor) -> None:
        """Append values ``(batch, *outputs, C)``, which later writes don't reach.

        Raises:
            ValueError: If a value is NaN or infinite: seen at once on a CPU, and
                elsewhere, where asking means waiting, at blocks 1, 2, 4, 8 and so on.
        """
        dtype = accumulation_dtype(block.device)
        start, self._filled = self._filled, self._filled + block.shape[-1]
        if self._gradients:
            block = block.to(dtype)
            self._blocks.append(block)
        else:
            if self._out is None:
                # Normal tensors also under inference_mode: what is fitted to the
                # values later needs gradients.
                with torch.inference_mode(False):
                    self._out = block.new_empty(
                        *block.shape[:-1], self._total, dtype=dtype
                    )
            self._out[..., start : self._filled] = block
        self._added += 1
        often = block.device.type == "cpu"
        if self._out is not None and (often or not self._added & (self._added - 1)):
            check_finite(self._out[..., : self._filled], start if often else 0,
                         self._members)  # fmt: skip

    def result(self) -> Tensor:
        """Return all values, ``(batch, *outputs, total)``."""
        values = torch.cat(self._blocks, dim=-1) if self._out is None else self._out
        if self._gradients or values.device.type != "cpu":
            check_finite(values, 0, self._members)
        return values


def check_finite(
    values: Tensor, start: int, members: Callable[[int], tuple[int, ...]]
) -> None:
    """Refuse NaN and infinity among the values from ``start`` on.

    Raises:
        ValueError: If there are any; it counts them among all values.
    """
    # The sum of finite doubles is finite, for all that a network returns, and one
    # number is quicker to look at than all.
    if math.isfinite(values[..., start:].detach().sum().item()):
        return
    finite = torch.isfinite(values.detach()).reshape(-1, values.shape[-1]).all(0)
    if not bool(finite.all()):
        bad = (~finite).nonzero()[:, 0]
        raise ValueError(
            f"`forward_func` must return finite values, got NaN or infinity on "
            f"{len(bad)} of {len(finite)} coalitions, first on the one that keeps "
            f"players {members(int(bad[0]))}; check the baselines, or explain a value "
            "that stays finite (log_odds instead of the logarithm of a probability)"
        )
