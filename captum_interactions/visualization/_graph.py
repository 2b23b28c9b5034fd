"""The And-Or graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._inputs import (
    SIGNS,
    Term,
    read_names,
    read_terms,
)
from captum_interactions.visualization._style import (
    INK,
    MUTED,
    aligned,
    figure_for,
    sign_color,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_and_or_graph"]

_CURVE_STEPS = 24


@checked
def plot_and_or_graph(
    terms: Iterable[Any],
    names: Sequence[str],
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    r"""And-Or graph: players below, the strongest interactions above, then the output.

    The layout depends on nothing but the terms: they stand above the mean of their
    players, ties by rank, evenly spread. Blue adds to the output, vermilion takes away;
    the stronger an interaction, the wider its edges.

    Args:
        terms: One example's interactions, such as ``result.top_k(12)[0]``.
        names: One name per player.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If a term has a player without a name.

    Example:
        >>> from captum_interactions.results import Interaction
        >>> both = Interaction((0, 1), ("not", "bad"), 2.5)
        >>> _, axes = plot_and_or_graph([both], ["not", "bad"])
        >>> [text.get_text() for text in axes.texts]
        ['∧\n+2.50', 'not', 'bad', 'output']
    """
    shown = read_terms(terms)
    names = read_names(names, len(names))
    n = len(names)
    last = max((p for term in shown for p in term.players), default=-1)
    if last >= n:
        bad_value("names", f"at least {last + 1} texts, one per player", n, "add some")
    figure, axes = figure_for(ax, max(6, 0.72 * max(n, len(shown))), 4)
    # The empty coalition has no players to stand above: it goes first.
    order = sorted(
        range(len(shown)),
        key=lambda t: (
            sum(shown[t].players) / max(1, len(shown[t].players)),
            t,
        ),
    )
    largest = max((abs(term.value) for term in shown), default=1.0) or 1.0
    texts = aligned(term.value for term in shown)
    leaf_x = [(i + 0.5) / n for i in range(n)]
    for place, t in enumerate(order):
        x, strength = (place + 0.5) / len(shown), abs(shown[t].value) / largest
        _draw_term(axes, shown[t], texts[t], x, leaf_x, strength)
    axes.scatter(leaf_x, [0] * n, color=INK, s=16, zorder=2)
    slanted = _write_players(axes, names, leaf_x)
    axes.text(
        0.5,
        2,
        "output",
        ha="center",
        va="center",
        bbox={"boxstyle": "round,pad=0.4", "fc": "white", "ec": INK},
        zorder=4,
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.65 if slanted else -0.35, 2.25)
    axes.axis("off")
    return figure, axes


def _write_players(axes: Axes, names: Sequence[str], leaf_x: Sequence[float]) -> bool:
    slanted = max(map(len, names), default=0) * len(names) > 90
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
    return slanted


def _draw_term(
    axes: Axes,
    term: Term,
    text: str,
    x: float,
    leaf_x: Sequence[float],
    strength: float,
) -> None:
    """One interaction: edges to its players below and to the output above."""
    color = sign_color(term.value)
    width, alpha = 0.8 + 2.4 * strength, 0.3 + 0.5 * strength
    for low, high in ((x, 0.5), *((leaf_x[player], x) for player in term.players)):
        above = (low, high) == (x, 0.5)
        axes.plot(
            *_curve(low, high, 1 if above else 0),
            color=color,
            lw=width,
            alpha=alpha,
            zorder=1 + strength,
            solid_capstyle="round",
        )
    axes.text(
        x,
        1,
        f"{SIGNS[term.kind].strip()}\n{text}",
        ha="center",
        va="center",
        fontsize=8,
        color="white",
        bbox={
            "boxstyle": "round",
            "fc": color if term.value else MUTED,
            "ec": "white",
            "lw": 1.2,
        },
        zorder=3,
    )


def _curve(low: float, high: float, floor: int) -> tuple[list[float], list[float]]:
    """An edge that leaves its nodes upright, so that crossing edges differ in slope."""
    steps = [step / _CURVE_STEPS for step in range(_CURVE_STEPS + 1)]
    xs = [low + (high - low) * t * t * (3 - 2 * t) for t in steps]
    return xs, [floor + t for t in steps]
