"""Pictures that every result can draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions import visualization as pictures
from captum_interactions._checks import check_example, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.results._core import Interaction, ResultCore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Pictures"]

Output = tuple[int, ...]


@checked_methods
class Pictures(ResultCore):
    """The ``plot_…`` methods that need nothing but what every result has."""

    def plot_shapley_values(
        self,
        example: int = 0,
        output: Output = (),
        names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """Bars of the players' Shapley values, in the order of the players.

        Args:
            example: Which example.
            output: Which output, if there are several.
            names: What to write for each player; ``None`` for their names.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example or output, or not one name per
                player.
        """
        labels = self._labels(names)
        values = self._singles(example, output).tolist()
        figure, axes = pictures.plot_strongest(
            [Interaction((i,), (labels[i],), v) for i, v in enumerate(values)], ax
        )
        axes.set_xlabel("Shapley value")
        return figure, axes

    def plot_strongest(
        self,
        k: int = 10,
        example: int = 0,
        output: Output = (),
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """Bars of the k strongest interactions: blue adds, vermilion takes away.

        Args:
            k: How many.
            example: Which example.
            output: Which output, if there are several.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example or output, or k is not positive.
        """
        return pictures.plot_strongest(self._strongest(k, example, output), ax)

    def plot_waterfall(
        self,
        k: int = 10,
        example: int = 0,
        output: Output = (),
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """How the k strongest terms lead from v(∅) to v(N), one step per row.

        The terms are of a decomposition of v(N) − v(∅): AND (and OR) interactions where
        the result has them; Shapley values less what their pairs share, and pairs
        (k-SII), where it has pairs; else the Shapley values.

        Args:
            k: How many steps; the others are one step together.
            example: Which example.
            output: Which output, if there are several.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example or output, or k is not positive.
        """
        check_positive_int("k", k, "ask for at least one step")
        start, end = (
            float(self._pick(v, example, output))
            for v in (self.info.v_empty, self.info.v_full)
        )
        steps = self._steps(k, example, output)
        return pictures.plot_waterfall(steps, start, end, ax)

    def plot_summary(
        self,
        k: int = 12,
        output: Output = (),
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """All examples at once: a swarm of dots for each of the k strongest terms.

        The players must mean the same in every example, as the columns of a table do.

        Args:
            k: How many terms: those with the largest mean |value|.
            output: Which output, if there are several.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such output, or k is not positive.
        """
        check_positive_int("k", k, "ask for at least one term")
        check_example(self.info.v_full.shape, 0, output)
        listing = self._listing()
        values = torch.stack([row[output] for row in listing.values])
        strength = values.abs().nan_to_num().mean(0)
        best = strength.topk(min(k, len(strength))).indices
        labels = []
        for position in best.tolist():
            sign = {"and": " ∧ ", "or": " \N{LOGICAL OR} "}[listing.kind(position)]
            labels.append(
                sign.join(self.players.names[p] for p in listing.players(position))
            )
        return pictures.plot_summary(values[:, best], labels, k, ax)

    def plot_coalitions_on_image(
        self,
        image: Tensor,  # (channels, height, width)
        k: int = 4,
        example: int = 0,
        output: Output = (),
        position: int = 0,
        ax: Sequence[Axes] | None = None,
    ) -> tuple[Figure, list[Axes]]:
        """The k strongest interactions, each with its players lit in the image.

        Args:
            image: The image to show, ``(channels, height, width)``.
            k: How many interactions.
            example: Which example.
            output: Which output, if there are several.
            position: Which of the inputs is the image, if they were a tuple.
            ax: As many axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and one axes per interaction.

        Raises:
            ValueError: If ``image`` is not the one that was explained, there is no such
                example, k is not positive, or there are not as many axes.
        """
        terms = self._strongest(k, example, output)
        mask = self._feature_mask(example, position)
        return pictures.plot_coalitions_on_image(terms, image, mask, ax)

    def plot_coalitions_on_text(
        self,
        k: int = 6,
        example: int = 0,
        output: Output = (),
        names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """The players as words: Shapley values, then the k strongest interactions.

        Args:
            k: How many interactions.
            example: Which example.
            output: Which output, if there are several.
            names: The text of each player; ``None`` for their names.
            ax: Axes to draw on; ``None`` makes a figure that fits the text.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example, k is not positive, or there is not
                one word per player.
        """
        return pictures.plot_coalitions_on_text(
            self._strongest(k, example, output),
            self._labels(names),
            self._singles(example, output),
            ax,
        )

    def plot_and_or_graph(
        self,
        k: int = 12,
        example: int = 0,
        output: Output = (),
        names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """And-Or graph: players below, the k strongest interactions, then the output.

        Args:
            k: How many interactions.
            example: Which example.
            output: Which output, if there are several.
            names: What to write for each player; ``None`` for their names.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example, k is not positive, or there is not
                one name per player.
        """
        terms = self._strongest(k, example, output)
        return pictures.plot_and_or_graph(terms, self._labels(names), ax)
