"""Pictures of results that know interactions of several sizes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from captum_interactions import visualization as pictures
from captum_interactions._signature import checked_methods
from captum_interactions.results._core import ResultCore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SizePictures"]

Output = tuple[int, ...]


@checked_methods
class SizePictures(ResultCore):
    """Pictures of results that know interactions of coalitions of several sizes."""

    @abstractmethod
    def signed_size_strength(self) -> tuple[Tensor, Tensor]:
        """Positive and negative sums by size |S|, the last axis."""

    def plot_size_strength(
        self, example: int = 0, output: Output = (), ax: Axes | None = None
    ) -> tuple[Figure, Axes]:
        """Σ I(S) by size |S|, positive sums upwards and negative ones downwards.

        Args:
            example: Which example.
            output: Which output, if there are several.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example or output.
        """
        up, down = (
            self._pick(sums, example, output) for sums in self.signed_size_strength()
        )
        return pictures.plot_size_strength(up, down, ax)

    def plot_sorted_interactions(
        self,
        example: int = 0,
        output: Output = (),
        thresholds: Sequence[float] = (0.05,),
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """All |I(S)| of S ≠ ∅, largest first: a sparse form falls off a cliff.

        Args:
            example: Which example.
            output: Which output, if there are several.
            thresholds: Parts of the largest |I| to mark, each with how many are above.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example or a threshold is not inside (0, 1).
        """
        values = self._pick(self._listing().values, example, output)
        sigma = float(self._pick(self._sigma, example, output))
        return pictures.plot_sorted_interactions(values, thresholds, sigma, ax)

    def _noise_gain(self) -> Sequence[float]:
        # A signed sum of 2^s values.
        return [2 ** (size / 2) for size in range(len(self.players) + 1)]

    def _steps(self, k: int, example: int, output: Output) -> list[Any]:
        """The interactions themselves, which add up to v(N) − v(∅)."""
        terms = self.top_k(k)
        for index in (example, *output):
            terms = terms[index]
        return terms
