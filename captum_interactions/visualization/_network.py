"""Networks of pairs: over an image, along a sentence, in a circle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.visualization._inputs import (
    check_image,
    membership,
    read_names,
    read_pairs,
    read_singles,
    strongest_pairs,
)
from captum_interactions.visualization._pixels import centers, show_pale
from captum_interactions.visualization._style import (
    figure_for,
    sign_color,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from captum_interactions.visualization._network_parts import (
    Network,
    draw_edges,
    draw_nodes,
    explain_edges,
)

__all__ = ["plot_network"]

Layout = Literal["circle", "sentence", "image"]
Point = tuple[float, float]

_ARC_STEPS = 40
# Widths of the weakest and the strongest edge in points; over an image less, so that
# what is below stays visible.
_WIDTHS, _WIDTHS_ON_IMAGE = (0.6, 5.0), (0.8, 3.4)


@checked
def plot_network(
    values: Tensor,  # (n, n)
    k: int = 20,
    names: Sequence[str] | None = None,
    layout: Layout | None = None,
    image: Tensor | None = None,  # (channels, height, width)
    feature_mask: Tensor | None = None,  # (channels, height, width) or (height, width)
    singles: Tensor | None = None,  # (n,)
    errors: Tensor | None = None,  # (n, n)
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Network of the k strongest pairs: over an image, along a sentence, in a circle.

    Blue edges join players that do more together than apart, vermilion ones those that
    work against each other; the stronger, the wider. Dotted ones are within two
    standard errors of 0. Along a sentence blue arcs run
    above the words and vermilion ones below.

    Args:
        values: A symmetric matrix of pairs.
        k: How many pairs at most; pairs of interaction 0 are never drawn.
        names: One name per player; ``None`` writes their numbers. Over an image only
            players that are not in it are written, below it.
        layout: ``"image"``, ``"sentence"`` or ``"circle"``; ``None`` takes the first if
            there is an image, else the last.
        image: The image under the network, values in 0..1 (others are brought there).
            Players stand at the mean position of their pixels.
        feature_mask: With an image, the index of the player of every element.
        singles: Values of single players, such as Shapley values: nodes (or words) take
            their colors.
        errors: Standard errors of the pairs; ``None`` where exact.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        TypeError: If ``values`` is no tensor.
        ValueError: If the matrix is not square and symmetric, k is not positive, the
            layout is unknown, names or singles do not fit, or players can't be placed
            over the image.

    Example:
        >>> import torch
        >>> values = torch.tensor([[0.0, 3.0, 0.0], [3.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
        >>> _, axes = plot_network(values, names=["not", "very", "good"])
        >>> [text.get_text() for text in axes.get_legend().get_texts()]
        ['together, up to +3', 'against, down to −1']
    """
    check_positive_int("k", k, "ask for at least one pair")
    if layout is None:
        layout = "circle" if image is None else "image"
    if layout not in get_args(Layout):
        bad_value("layout", f"one of {get_args(Layout)}", repr(layout), "pick one")
    values = read_pairs(values)
    n = len(values)
    network = Network(
        values,
        strongest_pairs(values, k),
        read_names(names, n),
        read_singles(singles, n),
        _WIDTHS_ON_IMAGE if layout == "image" else _WIDTHS,
        None if errors is None else read_pairs(errors),
    )
    if layout == "sentence":
        return _along_a_sentence(network, ax)
    if layout == "circle":
        return _in_a_circle(network, ax)
    if image is None:
        bad_value("image", "given with layout='image'", None, "pass the image")
    check_image(image)
    places = centers(membership(feature_mask, n, image))
    return _over_an_image(network, image, places, ax)


def _over_an_image(
    network: Network, image: Tensor, places: list[Point], ax: Axes | None
) -> tuple[Figure, Axes]:
    height, width = image.shape[-2:]
    used = sorted({player for pair in network.pairs for player in pair})
    outside = [i for i in used if math.isnan(places[i][0])]
    figure, axes = figure_for(ax, 3.4, 3.9 + (0.5 if outside else 0.0))
    show_pale(axes, image)
    for number, i in enumerate(outside):
        # In a row of their own below the image, on two levels so that names fit.
        level = 1.1 + 0.09 * (number % 2)
        x = (number + 0.5) / len(outside) * width - 0.5
        places[i] = (x, level * height)
        axes.annotate(
            network.names[i],
            places[i],
            xytext=(0, -6),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8,
        )
    # A white line around each edge sets it off from the image.
    draw_edges(axes, network, lambda i, j: [places[i], places[j]], halo=1.6)
    draw_nodes(axes, network, [places[i] for i in used], used, size=26)
    if outside:
        axes.set_ylim(1.32 * height, -0.5)
    explain_edges(axes, network)
    return figure, axes


def _in_a_circle(network: Network, ax: Axes | None) -> tuple[Figure, Axes]:
    n = len(network.names)
    side = min(6.0, 3.2 + 0.1 * n)
    room = 0.11 * max(map(len, network.names))
    figure, axes = figure_for(ax, side + room, side)
    turns = [math.pi / 2 - 2 * math.pi * i / n for i in range(n)]
    places = [(math.cos(turn), math.sin(turn)) for turn in turns]
    draw_edges(axes, network, lambda i, j: [places[i], places[j]])
    draw_nodes(axes, network, places, range(n), size=70)
    for (x, y), name in zip(places, network.names, strict=True):
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
    explain_edges(axes, network)
    return figure, axes


def _along_a_sentence(network: Network, ax: Axes | None) -> tuple[Figure, Axes]:
    """Data units are inches of the figure that is made here."""
    middles, edge = [], 0.0
    for name in network.names:
        room = 0.22 + 0.085 * max(3, len(name))
        middles.append(edge + room / 2)
        edge += room

    def height(i: int, j: int) -> float:
        return 0.2 + 0.3 * abs(middles[i] - middles[j]) ** 0.7

    def arc(i: int, j: int) -> list[Point]:
        up = 1 if network.value((i, j)) > 0 else -1
        middle, half = (middles[i] + middles[j]) / 2, (middles[j] - middles[i]) / 2
        angles = [math.pi * step / _ARC_STEPS for step in range(_ARC_STEPS + 1)]
        return [
            (middle - half * math.cos(a), up * (0.17 + height(i, j) * math.sin(a)))
            for a in angles
        ]

    peaks = {+1: 0.05, -1: 0.05}
    for pair in network.pairs:
        side = 1 if network.value(pair) > 0 else -1
        peaks[side] = max(peaks[side], height(*pair))
    up, down = peaks[1] + 0.25, peaks[-1] + 0.25
    figure, axes = figure_for(ax, max(4.0, edge), up + down + 0.5)
    draw_edges(axes, network, arc)
    for i, (x, name) in enumerate(zip(middles, network.names, strict=True)):
        share = network.share(i)
        box = {
            "boxstyle": "round,pad=0.2",
            "ec": "none",
            "fc": sign_color(share),
            "alpha": 0.5 * abs(share),
        }
        axes.text(x, 0, name, ha="center", va="center", fontsize=10, bbox=box)
    axes.set_xlim(0, edge)
    axes.set_ylim(-down, up)
    axes.axis("off")
    explain_edges(axes, network)
    return figure, axes
