"""Many examples at once: where the values of the strongest terms are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.visualization._style import (
    INK,
    MUTED,
    NEGATIVE,
    POSITIVE,
    figure_for,
    literal,
    open_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_summary"]

# A dot takes this part of the width of the picture and of the height of its row; a row
# of dots beyond the second figure would run into the next.
_DOT, _STEP, _REACH = 0.012, 0.07, 0.4


@checked
def plot_summary(
    values: Tensor,  # (examples, K)
    labels: Sequence[str],
    k: int = 12,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """A swarm of dots per term, one for each example: blue adds, vermilion takes away.

    The terms are those with the largest mean |value| over the examples; the black mark
    is the mean.

    Args:
        values: The terms of all examples.
        labels: What the K terms are.
        k: How many rows.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is no example, not one label per term, or k is not
            positive.

    Example:
        >>> values = torch.tensor([[1.0, 0.1], [-2.0, 0.2]])
        >>> _, axes = plot_summary(values, ["age", "dose"], k=1)
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['age']
    """
    check_positive_int("k", k, "ask for at least one term")
    if values.dim() != 2 or len(values) == 0 or values.shape[1] != len(labels):
        bad_value(
            "values",
            f"of shape (examples, {len(labels)}), one column per label",
            f"shape {tuple(values.shape)}",
            "choose one output",
        )
    values = values.detach().cpu().double()
    strength = values.abs().nan_to_num().mean(0)
    rows = strength.argsort(descending=True, stable=True)[:k].tolist()
    shown = values[:, rows].abs().nan_to_num().flatten().tolist()
    largest = max(shown, default=0.0) or 1.0
    figure, axes = figure_for(ax, 5.8, 1.0 + 0.36 * max(1, len(rows)))
    for at, term in enumerate(rows):
        column = values[:, term]
        column = column[column.isfinite()]
        heights = at + _swarm(column, 2 * largest)
        for color, some in (
            (POSITIVE, column > 0),
            (NEGATIVE, column < 0),
            (MUTED, column == 0),
        ):
            axes.scatter(
                column[some].numpy(),
                heights[some].numpy(),
                s=11,
                color=color,
                alpha=0.75,
                linewidths=0,
            )
        mean = float(column.mean()) if len(column) else 0.0
        axes.plot([mean, mean], [at - 0.42, at + 0.42], color=INK, lw=1.4)
    axes.set_yticks(range(len(rows)), [literal(labels[r]) for r in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(0, color=INK, lw=0.8, zorder=0)
    axes.set_xlabel(f"interaction, one dot for each of {len(values)} examples")
    open_frame(axes)
    return figure, axes


def _swarm(values: Tensor, width: float) -> Tensor:
    """Heights at which dots of near values lie beside each other, around 0."""
    bins = (values / (_DOT * width)).round()
    heights = torch.zeros_like(values)
    for place in bins.unique():
        inside = (bins == place).nonzero()[:, 0]
        steps = torch.arange(len(inside), dtype=values.dtype)
        # 0, 1, −1, 2, −2, …
        offsets = ((steps + 1) // 2) * torch.where(steps % 2 == 0, -1.0, 1.0)
        reach = float(offsets.abs().max()) * _STEP
        heights[inside] = offsets * _STEP * min(1.0, _REACH / max(reach, _REACH))
    return heights
