"""Networks of pairs: over an image, along a sentence, in a circle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._palette import (
    INK,
    NEGATIVE,
    POSITIVE,
    diverging,
    figure_for,
    sign_color,
    signed,
)
from captum_interactions.visualization.pixels import centers_of_players, show_gray
from captum_interactions.visualization.reading import (
    PairMatrix,
    check_image,
    read_matrix,
    read_singles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_network"]

Layout = Literal["circle", "sentence", "image"]
Point = tuple[float, float]

_ARC_STEPS = 40


def plot_network(
    pairs: Any,
    k: int = 20,
    example: int = 0,
    output: tuple[int, ...] = (),
    order: int | None = None,
    layout: Layout | None = None,
    image: Tensor | None = None,  # (channels, height, width)
    names: Sequence[str] | None = None,
    singles: Tensor | None = None,  # (n,)
    position: int = 0,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Network of the k strongest pairs: over an image, along a sentence, in a circle.

    Blue edges join players that do more together than apart, vermilion ones those that
    work against each other; the stronger, the wider. Along a sentence blue arcs run
    above the words and vermilion ones below.

    Args:
        pairs: As in :func:`plot_pairs`.
        k: How many pairs at most; pairs of interaction 0 are never drawn.
        example: Which example of a result.
        output: Which output of a result, if there are several.
        order: As in :func:`plot_pairs`.
        layout: ``"image"``, ``"sentence"`` or ``"circle"``; ``None`` takes the first if
            there is an image, else the last.
        image: The image under the network, ``(channels, height, width)``, values in
            0..1. Players stand at the mean position of their pixels.
        names: One name per player; ``None`` takes those of the result, or numbers. They
            are not written over an image.
        singles: Values of single players, such as Shapley values, ``(n,)``: nodes (or
            words) take their colors.
        position: Which of the inputs is the image, if they were a tuple.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        TypeError: As :func:`plot_pairs`.
        ValueError: As :func:`plot_pairs`. If k is not positive, the layout is unknown,
            or players can't be placed over the image.

    Example:
        >>> import torch
        >>> from captum_interactions import ShapleyInteraction
        >>> model = lambda x: 3 * x[:, 0] * x[:, 1] - x[:, 1] * x[:, 2]
        >>> result = ShapleyInteraction(model).interactions(torch.ones(1, 3))
        >>> _, axes = plot_network(result, names=["not", "very", "good"])
        >>> [text.get_text() for text in axes.get_legend().get_texts()]
        ['together, up to +3', 'against, down to −1']
    """
    check_positive_int("k", k, "ask for at least one pair")
    if layout is None:
        layout = "circle" if image is None else "image"
    if layout not in get_args(Layout):
        bad_value("layout", f"one of {get_args(Layout)}", repr(layout), "pick one")
    matrix = read_matrix(pairs, example, output, order, names)
    own = read_singles(singles, len(matrix.names))
    strongest = matrix.strongest(k)
    if layout == "sentence":
        return _along_a_sentence(matrix, strongest, own, ax)
    if layout == "circle":
        return _in_a_circle(matrix, strongest, own, ax)
    if image is None:
        bad_value("image", "given with layout='image'", None, "pass the image")
    check_image(image)
    centers = centers_of_players(matrix.players, example, position, image)
    return _over_an_image(matrix, strongest, own, image, centers, ax)


def _over_an_image(
    matrix: PairMatrix,
    strongest: Sequence[tuple[int, int]],
    singles: Sequence[float] | None,
    image: Tensor,
    centers: Sequence[Point],
    ax: Axes | None,
) -> tuple[Figure, Axes]:
    figure, axes = figure_for(ax, 3.2, 3.7)
    show_gray(axes, image)
    # A white line around each edge sets it off from the image.
    _draw_edges(axes, matrix, strongest, lambda i, j: [centers[i], centers[j]], 1.6)
    used = sorted({player for pair in strongest for player in pair})
    shown = [i for i in used if not math.isnan(centers[i][0])]
    _draw_nodes(axes, [centers[i] for i in shown], shown, singles, size=30)
    _explain_edges(axes, matrix, strongest)
    return figure, axes


def _in_a_circle(
    matrix: PairMatrix,
    strongest: Sequence[tuple[int, int]],
    singles: Sequence[float] | None,
    ax: Axes | None,
) -> tuple[Figure, Axes]:
    n = len(matrix.names)
    side = min(6.0, 3.2 + 0.1 * n)
    room = 0.11 * max(map(len, matrix.names))
    figure, axes = figure_for(ax, side + room, side)
    turns = [math.pi / 2 - 2 * math.pi * i / n for i in range(n)]
    places = [(math.cos(turn), math.sin(turn)) for turn in turns]
    _draw_edges(axes, matrix, strongest, lambda i, j: [places[i], places[j]])
    _draw_nodes(axes, places, range(n), singles, size=70)
    for (x, y), name in zip(places, matrix.names, strict=True):
        side_of = "center" if abs(x) < 0.05 else ("left" if x > 0 else "right")
        height = "center" if abs(y) < 0.9 else ("bottom" if y > 0 else "top")
        axes.annotate(
            name,
            (x, y),
            xytext=(9 * x, 9 * y),
            textcoords="offset points",
            ha=side_of,
            va=height,
            fontsize=9,
        )
    axes.set_aspect("equal")
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-1.2, 1.2)
    axes.axis("off")
    _explain_edges(axes, matrix, strongest)
    return figure, axes


def _along_a_sentence(
    matrix: PairMatrix,
    strongest: Sequence[tuple[int, int]],
    singles: Sequence[float] | None,
    ax: Axes | None,
) -> tuple[Figure, Axes]:
    """Data units are inches of the figure that is made here."""
    middles, edge = [], 0.0
    for name in matrix.names:
        room = 0.22 + 0.085 * max(3, len(name))
        middles.append(edge + room / 2)
        edge += room

    def height(i: int, j: int) -> float:
        return 0.2 + 0.3 * abs(middles[i] - middles[j]) ** 0.7

    def arc(i: int, j: int) -> list[Point]:
        up = 1 if matrix.values[i, j] > 0 else -1
        middle, half = (middles[i] + middles[j]) / 2, (middles[j] - middles[i]) / 2
        angles = [math.pi * step / _ARC_STEPS for step in range(_ARC_STEPS + 1)]
        return [
            (middle - half * math.cos(a), up * (0.17 + height(i, j) * math.sin(a)))
            for a in angles
        ]

    peaks = {+1: 0.05, -1: 0.05}
    for i, j in strongest:
        side = 1 if matrix.values[i, j] > 0 else -1
        peaks[side] = max(peaks[side], height(i, j))
    up, down = peaks[1] + 0.25, peaks[-1] + 0.25
    figure, axes = figure_for(ax, max(4.0, edge), up + down + 0.5)
    _draw_edges(axes, matrix, strongest, arc)
    largest = max(map(abs, singles), default=0.0) if singles else 0.0
    for i, (x, name) in enumerate(zip(middles, matrix.names, strict=True)):
        value = singles[i] if singles else 0.0
        box = {
            "boxstyle": "round,pad=0.2",
            "ec": "none",
            "fc": sign_color(value),
            "alpha": 0.5 * abs(value) / largest if largest else 0.0,
        }
        axes.text(x, 0, name, ha="center", va="center", fontsize=10, bbox=box)
    axes.set_xlim(0, edge)
    axes.set_ylim(-down, up)
    axes.axis("off")
    _explain_edges(axes, matrix, strongest)
    return figure, axes


def _draw_edges(
    axes: Axes,
    matrix: PairMatrix,
    strongest: Sequence[tuple[int, int]],
    path: Any,
    halo: float = 0.0,
) -> None:
    """One line per pair, the strongest last and on top."""
    for i, j in reversed(strongest):
        value = float(matrix.values[i, j])
        points = path(i, j)
        if any(math.isnan(x) for x, _ in points):  # not in this image
            continue
        strength = abs(value) / matrix.largest
        width = 0.6 + 4.4 * strength
        x, y = zip(*points, strict=True)
        if halo:
            axes.plot(x, y, color="white", lw=width + halo, zorder=1 + strength)
        axes.plot(
            x,
            y,
            color=sign_color(value),
            lw=width,
            alpha=1.0 if halo else 0.35 + 0.6 * strength,
            solid_capstyle="round",
            zorder=1 + strength,
        )


def _draw_nodes(
    axes: Axes,
    places: Sequence[Point],
    players: Sequence[int],
    singles: Sequence[float] | None,
    size: float,
) -> None:
    if not places:
        return
    largest = max(map(abs, singles), default=1.0) or 1.0 if singles else 1.0
    x, y = zip(*places, strict=True)
    axes.scatter(
        x,
        y,
        s=size,
        c=[singles[i] if singles else 0.0 for i in players],
        cmap=diverging(),
        vmin=-largest,
        vmax=largest,
        edgecolors=INK,
        linewidths=1,
        zorder=3,
    )


def _explain_edges(
    axes: Axes, matrix: PairMatrix, strongest: Sequence[tuple[int, int]]
) -> None:
    """Say below the picture what the colors mean and how strong the strongest are."""
    from matplotlib.lines import Line2D

    values = [float(matrix.values[i, j]) for i, j in strongest]
    handles = []
    for word, color, some in (
        ("together", POSITIVE, [v for v in values if v > 0]),
        ("against", NEGATIVE, [v for v in values if v < 0]),
    ):
        if some:
            best = max(some, key=abs)
            text = f"{word}, {'up' if best > 0 else 'down'} to {signed(best)}"
            width = 0.6 + 4.4 * abs(best) / matrix.largest
            handles.append(Line2D([], [], color=color, lw=width, label=text))
    if handles:
        axes.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            frameon=False,
            fontsize=8,
        )
