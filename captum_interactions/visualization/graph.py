"""The And-Or graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from captum_interactions._palette import (
    INK,
    MUTED,
    figure_for,
    sign_color,
    signed,
)
from captum_interactions.visualization.and_or import (
    SIGNS,
    AndOrResult,
    Term,
    strongest_terms,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_and_or_graph"]


def plot_and_or_graph(
    result: AndOrResult,
    k: int = 12,
    example: int = 0,
    output: tuple[int, ...] = (),
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """And-Or graph: players below, the k strongest interactions above, then the output.

    The layout depends on nothing but the terms: they stand above the mean of their
    players, ties by rank, evenly spread. Blue adds to the output, vermilion takes away;
    the width of an edge to the output shows |I(S)|. There is no limit on nodes.

    Args:
        result: Result of ``AndOrInteraction.interactions``.
        k: How many interactions.
        example: Which example.
        output: Which output, if there are several.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is no such example or k is not positive.
    """
    terms = strongest_terms(result, k, example, output)
    names, n = result.players.names, len(result.players)
    figure, axes = figure_for(ax, max(6, 0.72 * max(n, len(terms))), 4)
    order = sorted(
        range(len(terms)),
        key=lambda t: (sum(terms[t].players) / len(terms[t].players), t),
    )
    largest = max((abs(term.value) for term in terms), default=1.0) or 1.0
    leaf_x = [(i + 0.5) / n for i in range(n)]
    for place, t in enumerate(order):
        _draw_term(axes, terms[t], (place + 0.5) / len(terms), leaf_x, largest)
    axes.scatter(leaf_x, [0] * n, color=MUTED, s=16, zorder=2)
    slanted = max(map(len, names)) * n > 90
    for x, name in zip(leaf_x, names, strict=True):
        axes.text(
            x,
            -0.06,
            name,
            ha="right" if slanted else "center",
            va="top",
            fontsize=9,
            rotation=30 if slanted else 0,
            rotation_mode="anchor" if slanted else "default",
            zorder=3,
        )
    axes.text(
        0.5,
        2,
        "output",
        ha="center",
        va="center",
        bbox={"boxstyle": "round,pad=0.4", "fc": "white", "ec": INK},
        zorder=3,
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.65 if slanted else -0.35, 2.25)
    axes.axis("off")
    return figure, axes


def _draw_term(
    axes: Axes, term: Term, x: float, leaf_x: Sequence[float], largest: float
) -> None:
    """One interaction: edges to its players below and to the output above."""
    color = sign_color(term.value)
    width = 0.6 + 3.4 * abs(term.value) / largest
    axes.plot([x, 0.5], [1, 2], color=color, lw=width, alpha=0.5, zorder=1)
    for player in term.players:
        axes.plot([leaf_x[player], x], [0, 1], color=MUTED, lw=0.7, alpha=0.6, zorder=1)
    axes.text(
        x,
        1,
        f"{SIGNS[term.kind].strip()}\n{signed(term.value)}",
        ha="center",
        va="center",
        fontsize=8,
        color="white",
        bbox={"boxstyle": "round", "fc": color, "ec": "none"},
        zorder=3,
    )
