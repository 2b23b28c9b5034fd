"""What the examples of a data set look like, element by element."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["InputStatistics", "statistics_of"]


@dataclass(frozen=True)
class InputStatistics:
    """What the examples look like, element by element; tensors ``(1, *features)``.

    Attributes:
        size: Number of examples.
        mean: Mean of each input element.
        std: Standard deviation (of the population, as the examples are all there are).
        low: Smallest value.
        high: Largest value.
    """

    size: int
    mean: tuple[Tensor, ...]
    std: tuple[Tensor, ...]
    low: tuple[Tensor, ...]
    high: tuple[Tensor, ...]

    def only_example(self) -> tuple[Tensor, ...] | None:
        """Return the one example that all are, if they are all alike."""
        alike = map(torch.equal, self.low, self.high)
        return self.low if all(alike) else None


class _Moments:
    """Sums of one input, in float64, by the parallel form of Welford's algorithm."""

    def __init__(self, like: Tensor) -> None:
        self._dtype = like.dtype
        self.size = 0
        self._mean = like.new_zeros(1, *like.shape[1:], dtype=torch.float64)
        self._squares = torch.zeros_like(self._mean)
        self.low = self.high = like[:1]

    def add(self, tensor: Tensor) -> None:
        """Take note of some examples."""
        exact, new = tensor.detach().double(), len(tensor)
        here = exact.mean(0, keepdim=True)
        gap = here - self._mean
        self._squares += (exact - here).square().sum(0, keepdim=True)
        self._squares += gap.square() * (self.size * new / (self.size + new))
        self._mean += gap * (new / (self.size + new))
        self.low = self.low.minimum(tensor.amin(0, keepdim=True))
        self.high = self.high.maximum(tensor.amax(0, keepdim=True))
        self.size += new

    @property
    def mean(self) -> Tensor:
        return self._mean.to(self._dtype)

    @property
    def std(self) -> Tensor:
        return (self._squares / max(self.size, 1)).sqrt().to(self._dtype)


def statistics_of(batches: Iterable[tuple[Tensor, ...]]) -> InputStatistics:
    """Accumulate the statistics of all inputs, batch by batch.

    Example:
        >>> statistics_of([(torch.tensor([[0.0]]),), (torch.tensor([[2.0]]),)]).mean
        (tensor([[1.]]),)
    """
    moments: list[_Moments] = []
    for inputs in batches:
        moments = moments or [_Moments(tensor) for tensor in inputs]
        for own, tensor in zip(moments, inputs, strict=True):
            own.add(tensor)
    return InputStatistics(
        size=moments[0].size if moments else 0,
        mean=tuple(own.mean for own in moments),
        std=tuple(own.std for own in moments),
        low=tuple(own.low for own in moments),
        high=tuple(own.high for own in moments),
    )
