"""Pictures of results that know all pairs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from captum_interactions import visualization as pictures
from captum_interactions._signature import checked_methods
from captum_interactions.functional.noise import order_noise_gain, pair_noise_gain
from captum_interactions.results._core import ResultCore
from captum_interactions.results._noise import warn_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PairPictures", "Pairs"]

Output = tuple[int, ...]


class Pairs(NamedTuple):
    """The pairs of one example and output.

    Attributes:
        values: I(i,j), ``(n, n)``; NaN where a pair was not asked for.
        errors: Standard errors, ``(n, n)``, or None where exact.
        label: What the values are.
    """

    values: Tensor
    errors: Tensor | None
    label: str


@checked_methods
class PairPictures(ResultCore):
    """Pictures of results that know all pairs."""

    @abstractmethod
    def _pairs(self, example: int, output: Output, order: int | None) -> Pairs:
        """Read the pairs of one example; an order where the result has them."""

    def _shown(self, example: int, output: Output, order: int | None) -> Pairs:
        """What a picture shows, with a warning if all of it is noise."""
        pairs, n = self._pairs(example, output, order), len(self.players)
        gain = pair_noise_gain(n) if order is None else order_noise_gain(n, [order])[0]
        warn_below(pairs.values, self._pick(self._sigma, example, output) * gain)
        return pairs

    def plot_pairs(
        self,
        example: int = 0,
        output: Output = (),
        order: int | None = None,
        names: Sequence[str] | None = None,
        singles: bool = False,
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """Heat map of all pairs: blue together, vermilion against each other.

        A small cross marks a sampled pair within two standard errors of 0; a pair that
        was not asked for is gray.

        Args:
            example: Which example.
            output: Which output, if there are several.
            order: A context size m; ``None`` takes the Shapley interaction index, the
                mean over all of them.
            names: What to write for each player; ``None`` for their names.
            singles: Whether Shapley values go on the diagonal.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example, output or order, or not one name
                per player.
        """
        pairs = self._shown(example, output, order)
        return pictures.plot_pairs(
            pairs.values,
            self.players.names if names is None else names,
            pairs.errors,
            self._singles(example, output) if singles else None,
            pairs.label,
            ax,
        )

    def plot_network(
        self,
        k: int = 20,
        example: int = 0,
        output: Output = (),
        order: int | None = None,
        layout: Any = None,
        image: Tensor | None = None,
        names: Sequence[str] | None = None,
        singles: bool = False,
        position: int = 0,
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """Network of the k strongest pairs: on an image, along a sentence, in a circle.

        A sampled pair within two standard errors of 0 is dotted.

        Args:
            k: How many pairs at most; pairs of interaction 0 are never drawn.
            example: Which example.
            output: Which output, if there are several.
            order: A context size m, as for :meth:`plot_pairs`.
            layout: ``"image"``, ``"sentence"`` or ``"circle"``; ``None`` takes the
                first if there is an image, else the last.
            image: The image under the network, ``(channels, height, width)``.
            names: What to write for each player; ``None`` for their names.
            singles: Whether nodes take the colors of their Shapley values.
            position: Which of the inputs is the image, if they were a tuple.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example, output or order, k is not positive,
                the layout is unknown, or the image is not the one that was explained.
        """
        pairs = self._shown(example, output, order)
        return pictures.plot_network(
            pairs.values,
            k,
            self.players.names if names is None else names,
            layout,
            image,
            None if image is None else self._feature_mask(example, position),
            self._singles(example, output) if singles else None,
            pairs.errors,
            ax,
        )

    def plot_pairs_on_image(
        self,
        image: Tensor,
        k: int = 4,
        example: int = 0,
        output: Output = (),
        order: int | None = None,
        players: Sequence[int] | None = None,
        position: int = 0,
        ax: Sequence[Axes] | None = None,
    ) -> tuple[Figure, list[Axes]]:
        """With which regions does a region interact? I(i, ·) over the image.

        A sampled pair within two standard errors of 0 is left without color.

        Args:
            image: The image to show, ``(channels, height, width)``.
            k: How many players: those with the largest Σ_j |I(i,j)|.
            example: Which example.
            output: Which output, if there are several.
            order: A context size m, as for :meth:`plot_pairs`.
            players: Indices of the players to show instead of the k strongest.
            position: Which of the inputs is the image, if they were a tuple.
            ax: One more axes than players to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes: the image, then one per player.

        Raises:
            ValueError: If the image is not the one that was explained, there is no such
                example, output, order or player, k is not positive, or there are not as
                many axes.
        """
        pairs = self._shown(example, output, order)
        return pictures.plot_pairs_on_image(
            pairs.values,
            image,
            self._feature_mask(example, position),
            k,
            players,
            self.players.names,
            pairs.label,
            pairs.errors,
            ax,
        )

    def _steps(self, k: int, example: int, output: Output) -> list[Any]:
        """The k-SII of singles and pairs, which add up to v(N) − v(∅)."""
        pairs = self._pairs(example, output, None).values.double().cpu().clone()
        pairs.diagonal().zero_()
        singles = self._singles(example, output).double().cpu() - pairs.sum(-1) / 2
        i, j = torch.triu_indices(len(singles), len(singles), offset=1)
        values = torch.cat([singles, pairs[i, j]])
        members: list[tuple[int, ...]] = [(p,) for p in range(len(singles))]
        members += list(zip(i.tolist(), j.tolist(), strict=True))
        best = values.abs().argsort(descending=True, stable=True)[:k].tolist()
        return [self._interaction(members[b], float(values[b])) for b in best]

    def _strongest_pairs(self, k: int, example: int, output: Output) -> list[Any]:
        """The k pairs with the largest |I(i,j)|, NaN left out."""
        values = self._pairs(example, output, None).values.double().cpu()
        n = len(values)
        i, j = torch.triu_indices(n, n, offset=1)
        strength = values[i, j].nan_to_num().abs()
        best = strength.argsort(descending=True, stable=True)[:k].tolist()
        return [
            self._interaction((int(i[b]), int(j[b])), float(values[i[b], j[b]]))
            for b in best
            if strength[b] > 0
        ]
