"""Pictures along a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from captum_interactions._checks import check_example
from captum_interactions._palette import MUTED, figure_for, sign_color, signed
from captum_interactions.visualization.and_or import AndOrResult, strongest_terms
from captum_interactions.visualization.reading import shown_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_coalitions_on_text"]


def plot_coalitions_on_text(
    result: AndOrResult,
    k: int = 6,
    example: int = 0,
    output: tuple[int, ...] = (),
    words: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The players as words: Shapley values first, then the k strongest interactions.

    Each row is the text; a word's color is its Shapley value (first row) or the
    interaction it takes part in (blue adds to the output, vermilion takes away).

    Args:
        result: Result of ``AndOrInteraction.interactions`` on a text.
        k: How many interactions.
        example: Which example.
        output: Which output, if there are several.
        words: The text of each player; ``None`` takes their names.
        ax: Axes to draw on; ``None`` makes a figure that fits the text.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is no such example, k is not positive, or there is not one
            word per player.
    """
    index = check_example(result.parts.shape[:-2], example, output)
    terms = strongest_terms(result, k, example, output)
    names = shown_names(words, result.players.names)
    phi = result.shapley_values()[index].detach().cpu().tolist()
    rows = [("Shapley values", phi)]
    for term in terms:
        values = [term.value if i in term.players else 0.0 for i in range(len(names))]
        rows.append((f"{term.kind.upper()} {signed(term.value)}", values))
    starts, at = [], 0.0
    for name in names:
        starts.append(at)
        at += len(name) + 1.5
    figure, axes = figure_for(ax, max(5, 0.1 * at + 1.8), 0.36 * len(rows) + 0.3)
    for row, (label, values) in enumerate(rows):
        largest = max(map(abs, values), default=0.0) or 1.0
        axes.text(-2, -row, label, ha="right", va="center", fontsize=8, color=MUTED)
        for x, name, value in zip(starts, names, values, strict=True):
            strength = abs(value) / largest
            axes.text(
                x + len(name) / 2,
                -row,
                name,
                ha="center",
                va="center",
                fontsize=9,
                family="monospace",
                bbox={
                    "boxstyle": "square,pad=0.15",
                    "fc": sign_color(value),
                    "ec": "none",
                    "alpha": 0.6 * strength,
                },
            )
    axes.set_xlim(-18, at)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.axis("off")
    return figure, axes
