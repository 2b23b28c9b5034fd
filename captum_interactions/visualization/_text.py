"""Pictures along a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._inputs import (
    read_names,
    read_singles,
    read_terms,
)
from captum_interactions.visualization._style import (
    MUTED,
    aligned,
    figure_for,
    sign_color,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_coalitions_on_text"]

# Characters of a line, and inches that one character and one line take.
_LINE, _CHARACTER, _HEIGHT = 84, 0.1, 0.36


@checked
def plot_coalitions_on_text(
    terms: Iterable[Any],
    names: Sequence[str],
    singles: Tensor | None = None,  # (n,)
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The text once per interaction, with the words that take part in it colored.

    Blue adds to the output, vermilion takes away. Long texts are broken into lines.

    Args:
        terms: One example's interactions, such as ``result.top_k(6)[0]``.
        names: The text of each player.
        singles: Shapley values, shown in a first row of their own; ``None`` for none.
        ax: Axes to draw on; ``None`` makes a figure that fits the text.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is not one word and single value per player.

    Example:
        >>> from captum_interactions.results import Interaction
        >>> both = Interaction((1, 2), ("not", "bad"), 2.5)
        >>> _, axes = plot_coalitions_on_text([both], ["it's", "not", "bad"])
        >>> [text.get_text() for text in axes.texts]
        ['AND +2.50', "it's", 'not', 'bad']
    """
    shown = read_terms(terms)
    names = read_names(names, len(names))
    n = len(names)
    last = max((p for term in shown for p in term.players), default=-1)
    if last >= n:
        bad_value("names", f"at least {last + 1} texts, one per player", n, "add words")
    own = read_singles(singles, n)
    rows = [] if own is None else [("Shapley values", own)]
    for term, text in zip(shown, aligned(t.value for t in shown), strict=True):
        values = [term.value if i in term.players else 0.0 for i in range(n)]
        rows.append((f"{term.kind.upper()} {text}", values))
    places, lines, width = _places(names)
    height = max(1, len(rows)) * lines + 0.4 * (len(rows) - 1)
    figure, axes = figure_for(
        ax, max(5, _CHARACTER * width + 1.8), _HEIGHT * height + 0.3
    )
    y = 0.0
    for label, values in rows:
        largest = max(map(abs, values), default=0.0) or 1.0
        axes.text(-2, y, label, ha="right", va="center", fontsize=8, color=MUTED)
        for (x, line), name, value in zip(places, names, values, strict=True):
            _draw_word(axes, x, y - line, name, value / largest)
        y -= lines + 0.4
    axes.set_xlim(-18, width)
    axes.set_ylim(-height + 0.4, 0.6)
    axes.axis("off")
    return figure, axes


def _places(names: Sequence[str]) -> tuple[list[tuple[float, int]], int, float]:
    """Middle and line of every word, the number of lines, and the longest of them."""
    places: list[tuple[float, int]] = []
    at, line, widest = 0.0, 0, 0.0
    for name in names:
        if at and at + len(name) > _LINE:
            at, line = 0.0, line + 1
        places.append((at + len(name) / 2, line))
        at += len(name) + 1.5
        widest = max(widest, at)
    return places, line + 1, widest


def _draw_word(axes: Axes, x: float, y: float, name: str, share: float) -> None:
    axes.text(
        x,
        y,
        name,
        ha="center",
        va="center",
        fontsize=9,
        family="monospace",
        bbox={
            "boxstyle": "square,pad=0.15",
            "fc": sign_color(share),
            "ec": "none",
            "alpha": 0.6 * abs(share),
        },
    )
