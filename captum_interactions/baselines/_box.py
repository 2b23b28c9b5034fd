"""Where baselines start, and how far they may go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.baselines._settings import FitSettings
from captum_interactions.baselines.examples import InputStatistics

__all__ = ["BoundedBaselines", "read_starts"]


class BoundedBaselines:
    """Baselines that move inside a box, in steps of a unit of their own.

    Args:
        start: Where they start, one tensor per input.
        unit: What a step of one means, for each element; 0 keeps the element fixed.
        low: Lower bounds.
        high: Upper bounds.

    Attributes:
        parameters: Leaf tensors to optimize: how far they have moved, in units.
        slope: Largest gradient in any step, to tell a flat loss from a minimum.
    """

    def __init__(
        self,
        start: tuple[Tensor, ...],
        unit: tuple[Tensor, ...],
        low: tuple[Tensor, ...],
        high: tuple[Tensor, ...],
    ) -> None:
        self._start = start
        self._unit = unit
        self._low = low
        self._high = high
        self.parameters = tuple(torch.zeros_like(s, requires_grad=True) for s in start)
        self.slope = 0.0

    @classmethod
    def around(
        cls,
        starts: tuple[Tensor, ...],
        settings: FitSettings,
        statistics: InputStatistics,
    ) -> BoundedBaselines:
        """Return baselines at their start, with the box and units of the settings.

        Raises:
            ValueError: If the bounds have no known form, or exclude the start.
        """
        parts = [
            _box(start, settings, statistics.size, *_pooled(mean, std, start.shape))
            for start, mean, std in zip(
                starts, statistics.mean, statistics.std, strict=True
            )
        ]
        unit, low, high = zip(*parts, strict=True)
        return cls(starts, unit, low, high)

    @property
    def size(self) -> int:
        """The number of baselines: 1, or one for each example."""
        return len(self._start[0])

    def record_slope(self) -> None:
        """Take note of the steepest gradient so far."""
        for moved in self.parameters:
            if moved.grad is not None:
                self.slope = max(self.slope, float(moved.grad.abs().max()))

    def rows(self, index: Tensor) -> BoundedBaselines:
        """Return some of the baselines, to be moved on their own."""
        start, unit, low, high = (
            tuple(tensor[index.to(tensor.device)] for tensor in tensors)
            for tensors in (self._start, self._unit, self._low, self._high)
        )
        return BoundedBaselines(start, unit, low, high)

    def values(self) -> tuple[Tensor, ...]:
        """Return the baselines, differentiable with respect to the parameters."""
        return tuple(
            start + unit * moved
            for start, unit, moved in zip(
                self._start, self._unit, self.parameters, strict=True
            )
        )

    @torch.no_grad()
    def project(self) -> None:
        """Put the parameters back to where the baselines are inside the box."""
        for start, unit, low, high, moved in zip(
            self._start, self._unit, self._low, self._high, self.parameters, strict=True
        ):
            scale = torch.where(unit > 0, unit, 1.0)
            moved.clamp_((low - start) / scale, (high - start) / scale)

    @torch.no_grad()
    def final(self, shapes: Sequence[torch.Size]) -> tuple[Tensor, ...]:
        """Return the baselines inside the box, with tied elements written out."""
        return tuple(
            value.clamp(low, high).expand(len(value), *shape).clone()
            for value, low, high, shape in zip(
                self.values(), self._low, self._high, shapes, strict=True
            )
        )


def read_starts(
    init: Any, statistics: InputStatistics, rows: int
) -> tuple[Tensor, ...]:
    """Return where baselines start, one tensor per input.

    Args:
        init: ``"mean"``, ``"zero"``, a number, a tensor, or a tuple of those.
        statistics: Of all examples.
        rows: How many baselines: 1, or one for each example.

    Raises:
        TypeError: If init has a wrong type.
        ValueError: If it doesn't fit the inputs.
    """
    n_inputs = len(statistics.mean)
    given = init if isinstance(init, tuple) else (init,) * n_inputs
    if len(given) != n_inputs:
        bad_value(
            "init", f"one start per input tensor ({n_inputs})", len(given), "pass all"
        )
    starts = []
    for one, mean in zip(given, statistics.mean, strict=True):
        start = _read_init(one, rows, mean).detach()
        starts.append(start.expand(rows, *start.shape[1:]).clone())
    return tuple(starts)


def _box(
    start: Tensor, settings: FitSettings, size: int, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the unit of each element of a baseline, and its bounds."""
    low, high = (
        side.expand_as(start).clone()
        for side in _read_bounds(settings.bounds, size, start, mean, std)
    )
    if settings.outside == "widen":
        low, high = low.minimum(start), high.maximum(start)
    elif settings.outside == "refuse":
        outside = (start < low) | (start > high)
        if bool(outside.any()):
            bad_value(
                "bounds",
                "a range that contains the init",
                f"{int(outside.sum())} of {start.numel()} elements outside it",
                "widen the bounds, or start from init='mean'",
            )
    if not settings.adam:
        return torch.ones_like(start), low, high
    # Elements that don't vary have no deviation. Their box gives a unit, or if that is
    # open, the other elements.
    peers = std[std > 0].mean() if bool((std > 0).any()) else torch.ones_like(std.sum())
    spare = torch.where(torch.isinf(high - low), peers, (high - low) / 2)
    return torch.where(std > 0, std, spare), low, high


def _read_init(init: Any, rows: int, mean: Tensor) -> Tensor:
    if isinstance(init, str):
        if init not in ("mean", "zero"):
            bad_value(
                "init",
                "'mean', 'zero', a number, a tensor or a tuple of those",
                repr(init),
                "the functions in `baselines` give other tensors to start from",
            )
        return mean if init == "mean" else torch.zeros_like(mean)
    if isinstance(init, (int, float)) and not isinstance(init, bool):
        if not math.isfinite(init):
            bad_value("init", "finite", init, "pass a number")
        return torch.full_like(mean, init)
    if not isinstance(init, Tensor):
        bad_type(
            "init",
            "'mean', 'zero', a number, a tensor or a tuple of those",
            init,
            "convert it with torch.as_tensor",
        )
    start = init.to(mean).reshape((1,) * (mean.dim() - init.dim()) + init.shape)
    wanted = (rows, *mean.shape[1:])
    fits = len(start.shape) == len(wanted) and all(
        size in (1, full) for size, full in zip(start.shape, wanted, strict=True)
    )
    if not fits or not bool(torch.isfinite(start).all()):
        bad_value(
            "init",
            f"finite and broadcastable to {wanted}",
            f"shape {tuple(init.shape)}" if not fits else "NaN or infinity",
            "an axis of size 1 keeps the baseline constant along it",
        )
    return start


def _pooled(mean: Tensor, std: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Mean and deviation over the elements that share one value of the baseline."""
    tied = [
        axis
        for axis, size in enumerate(shape)
        if axis and size == 1 and mean.shape[axis] > 1
    ]
    if not tied:
        return mean, std
    pooled = mean.mean(tied, keepdim=True)
    spread = std.square().mean(tied, keepdim=True)
    spread = spread + (mean - pooled).square().mean(tied, keepdim=True)
    return pooled, spread.sqrt()


def _read_bounds(
    bounds: Any, size: int, start: Tensor, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    if bounds is None:
        return torch.full_like(start, -torch.inf), torch.full_like(start, torch.inf)
    kind = bounds[0] if isinstance(bounds, (tuple, list)) and bounds else None
    if kind == "sigma" and len(bounds) == 2:
        k = bounds[1]
        if isinstance(k, bool) or not isinstance(k, (int, float)) or not k > 0:
            bad_value("bounds", "('sigma', k) with k > 0", bounds, "try ('sigma', 1)")
        if size < 2:
            bad_value(
                "bounds",
                "('abs', low, high) or None where there is a single example",
                bounds,
                "one example has no standard deviation; pass a range, or more examples",
            )
        return mean - k * std, mean + k * std
    if kind == "abs" and len(bounds) == 3:
        low, high = (torch.as_tensor(side).to(start) for side in bounds[1:])
        try:
            low, high = (side.expand_as(start) for side in (low, high))
        except RuntimeError as error:
            raise ValueError(
                f"`bounds` must broadcast to the baselines of shape "
                f"{tuple(start.shape)}, got {tuple(low.shape)} and "
                f"{tuple(high.shape)}; pass two numbers"
            ) from error
        if bool((low > high).any()) or bool(torch.isnan(low + high).any()):
            bad_value(
                "bounds", "('abs', low, high) with low ≤ high", bounds, "swap them"
            )
        return low, high
    return bad_value(
        "bounds", "('sigma', k), ('abs', low, high) or None", repr(bounds), "pick one"
    )
