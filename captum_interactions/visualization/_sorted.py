"""The curve of all interactions by rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._style import (
    INK,
    MUTED,
    figure_for,
    open_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_sorted_interactions"]


@checked
def plot_sorted_interactions(
    strengths: Tensor,  # (K,)
    thresholds: Sequence[float] = (0.05,),
    noise: float = 0.0,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """All |I(S)|, largest first, on logarithmic axes: a sparse form falls off a cliff.

    Args:
        strengths: The interactions of one example, in any order; zeros are left out.
        thresholds: Parts of the largest |I| to mark, each with how many are above.
        noise: Standard deviation of the noise of v(S), drawn as a line; 0 for none.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If a threshold is not inside (0, 1).

    Example:
        >>> _, axes = plot_sorted_interactions(torch.tensor([1.0, 0.0, -4.0]))
        >>> axes.lines[0].get_ydata().tolist()
        [4.0, 1.0]
    """
    for threshold in thresholds:
        if not 0 < threshold < 1:
            bad_value("thresholds", "inside (0, 1)", threshold, "try 0.05")
    figure, axes = figure_for(ax, 5, 3.2)
    given = strengths.detach().cpu().double().abs().flatten()
    strength = given[given > 0].sort(descending=True).values
    axes.set_xlabel("rank of the interaction")
    axes.set_ylabel("|I(S)|")
    open_frame(axes)
    if not len(strength):
        axes.set_yticks([0])
        axes.set_xticks([])
        _write_on_line(axes, 0.0, "all interactions are 0")
        return figure, axes
    ranks = torch.arange(1, len(strength) + 1)
    alone = "o" if len(strength) == 1 else ""
    axes.plot(ranks.numpy(), strength.numpy(), marker=alone, color=INK, lw=1.8)
    for threshold in thresholds:
        level = threshold * float(strength[0])
        count = int((strength > level).sum())
        axes.axhline(level, color=MUTED, lw=1, ls="--")
        _write_on_line(axes, level, f"{threshold:g} of the largest: {count} above")
    if noise == float("inf"):
        bad_value("noise", "finite", noise, "pass 0 for none")
    if noise > 0:
        axes.axhline(noise, color=MUTED, lw=0.8, ls=":")
        _write_on_line(axes, noise, "noise of v(S)")
    axes.set_xscale("log")
    axes.set_yscale("log")
    # Six decades, and a line of noise that is not far below them with room to name it.
    lowest = 1e-6 * float(strength[0])
    axes.set_ylim(bottom=noise / 10 if noise > lowest / 10 else lowest)
    return figure, axes


def _write_on_line(axes: Axes, level: float, text: str) -> None:
    """Write below a line at the left, where a falling curve is above it."""
    axes.annotate(
        text,
        (0, level),
        xycoords=("axes fraction", "data"),
        xytext=(4, -3),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=INK,
    )
