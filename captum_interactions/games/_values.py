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
        start, self._filled = self._filled, self._filled + block.shape[-1]
        if self._gradients:
            self._blocks.append(block.to(accumulation_dtype(block.device)))
            return
        if self._out is None:
            self._out = self._room_for(block)
        part = self._out[..., start : self._filled]
        part.copy_(block)
        self._added += 1
        if self._out.device.type == "cpu":
            if not math.isfinite(part.sum().item()):
                self._check()
        elif not self._added & (self._added - 1):
            self._check()

    def _room_for(self, block: Tensor) -> Tensor:
        # A normal tensor also under inference_mode: what is fitted to the values later
        # needs gradients.
        with torch.inference_mode(False):
            shape = (*block.shape[:-1], self._total)
            return block.new_empty(shape, dtype=accumulation_dtype(block.device))

    def result(self) -> Tensor:
        """Return all values, ``(batch, *outputs, total)``."""
        if self._out is None:
            values = torch.cat(self._blocks, dim=-1)
            check_finite(values, self._members)
            return values
        if self._out.device.type != "cpu":
            self._check()
        return self._out

    def _check(self) -> None:
        if self._out is not None:
            check_finite(self._out[..., : self._filled], self._members)


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
