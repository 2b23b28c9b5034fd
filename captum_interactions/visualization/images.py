"""Pictures over an image, painted by Captum's ``visualize_image_attr``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._palette import diverging, signed
from captum_interactions.visualization.and_or import AndOrResult, strongest_terms
from captum_interactions.visualization.pixels import (
    frame,
    membership,
    on_pixels,
    paint,
)
from captum_interactions.visualization.reading import check_image, read_matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_coalitions_on_image", "plot_pairs_on_image"]


def _panels(count: int, ax: Sequence[Axes] | None) -> tuple[Figure, list[Axes]]:
    """Up to four panels in a row; those too many are switched off."""
    from matplotlib.figure import Figure

    if ax is not None:
        if len(ax) != count:
            bad_value("ax", f"{count} axes, one per panel", len(ax), "or None")
        figure: Any = ax[0].figure
        return figure, list(ax)
    columns = min(4, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(2.4 * columns, 2.7 * rows))
    figure.set_layout_engine("constrained", h_pad=0.08)
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in grid[count:]:
        axes.axis("off")
    return figure, grid[:count]


def plot_coalitions_on_image(
    result: AndOrResult,
    image: Tensor,  # (channels, height, width)
    k: int = 4,
    example: int = 0,
    output: tuple[int, ...] = (),
    position: int = 0,
    ax: Sequence[Axes] | None = None,
) -> tuple[Figure, list[Axes]]:
    """The k strongest interactions, each painted over the image it belongs to.

    Args:
        result: Result of ``AndOrInteraction.interactions`` on images.
        image: The image to show, ``(channels, height, width)``, values in 0..1.
        k: How many interactions.
        example: Which example.
        output: Which output, if there are several.
        position: Which of the inputs is the image, if they were a tuple.
        ax: As many axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and one axes per interaction, drawn by Captum's
        ``visualize_image_attr``.

    Raises:
        ValueError: If ``image`` is not the one that was explained, there is no such
            example, k is not positive, or there are not as many axes.

    Example:
        >>> from captum_interactions import AndOrInteraction
        >>> image = torch.ones(1, 1, 2, 2)
        >>> model = lambda x: x[:, 0, 0, 0] * x[:, 0, 1, 1]
        >>> result = AndOrInteraction(model).interactions(image)
        >>> _, axes = plot_coalitions_on_image(result, image[0], k=1)
        >>> axes[0].get_title()
        'AND +1'
    """
    check_image(image)
    terms = strongest_terms(result, k, example, output)
    inside = membership(result.players, example, position, image)
    figure, panels = _panels(len(terms), ax)
    for axes, term in zip(panels, terms, strict=True):
        values = torch.zeros(len(inside)).double()
        values[list(term.players)] = term.value
        # The colors of the bars, not the darkest of the map.
        paint(axes, on_pixels(values, inside), image, 1.5 * abs(term.value) or None)
        axes.set_title(f"{term.kind.upper()} {signed(term.value)}", fontsize=9)
    return figure, panels


def plot_pairs_on_image(
    pairs: Any,
    image: Tensor,  # (channels, height, width)
    k: int = 4,
    example: int = 0,
    output: tuple[int, ...] = (),
    order: int | None = None,
    position: int = 0,
    players: Sequence[int] | None = None,
    ax: Sequence[Axes] | None = None,
) -> tuple[Figure, list[Axes]]:
    """With which regions does a region interact? I(i, ·) over the image, for some i.

    Each panel is about one player, framed in black: blue regions do more together with
    it than apart, vermilion ones less. All panels share one scale.

    Args:
        pairs: Result of ``ShapleyInteraction``, ``MultiOrderInteraction``,
            ``AndInteraction`` or ``AndOrInteraction`` on images.
        image: The image to show, ``(channels, height, width)``, values in 0..1.
        k: How many players: those with the largest Σ_j |I(i,j)|.
        example: Which example.
        output: Which output, if there are several.
        order: Which context size m of a ``MultiOrderInteraction``; ``None`` takes the
            mean over all its orders.
        position: Which of the inputs is the image, if they were a tuple.
        players: Indices of the players to show instead of the k strongest.
        ax: As many axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and one axes per player, drawn by Captum's ``visualize_image_attr``.

    Raises:
        TypeError: If ``pairs`` is not a result that has pairs.
        ValueError: If ``image`` is not the one that was explained, there is no such
            example, output, order or player, k is not positive, or there are not as
            many axes.

    Example:
        >>> from captum_interactions import ShapleyInteraction
        >>> image = torch.ones(1, 1, 2, 2)
        >>> model = lambda x: x[:, 0, 0, 0] * x[:, 0, 1, 1]
        >>> result = ShapleyInteraction(model).interactions(image)
        >>> _, axes = plot_pairs_on_image(result, image[0], players=[3])
        >>> axes[0].images[-1].get_array().tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    check_image(image)
    check_positive_int("k", k, "ask for at least one player")
    matrix = read_matrix(pairs, example, output, order)
    inside = membership(matrix.players, example, position, image)
    n = len(inside)
    strength = matrix.values.nan_to_num().abs().sum(1)
    if players is None:
        shown = strength.argsort(descending=True, stable=True)[:k].tolist()
    else:
        shown = list(players)
    if not shown or not all(0 <= i < n for i in shown):
        bad_value("players", f"indices in 0..{n - 1}", shown, "players count from 0")
    figure, panels = _panels(len(shown), ax)
    for axes, player in zip(panels, shown, strict=True):
        row = matrix.values[player].nan_to_num()
        paint(axes, on_pixels(row, inside), image, matrix.largest)
        frame(axes, inside[player])
        axes.set_title(f"with {matrix.names[player]}", fontsize=9)
    figure.colorbar(
        _scale(matrix.largest), ax=panels, label=matrix.label, shrink=0.8, pad=0.02
    )
    return figure, panels


def _scale(largest: float) -> Any:
    """What the colors stand for."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(-largest, largest), diverging())
