"""Heat map of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._inputs import (
    read_names,
    read_pairs,
    read_singles,
)
from captum_interactions.visualization._style import (
    INK,
    MUTED,
    aligned,
    diverging,
    figure_for,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_pairs"]

# Beyond this many players the numbers in the cells would no longer be legible, and
# beyond this many some of their names are left out.
_NUMBERED, _NAMED = 8, 40


@checked
def plot_pairs(
    values: Tensor,  # (n, n)
    names: Sequence[str] | None = None,
    errors: Tensor | None = None,  # (n, n)
    singles: Tensor | None = None,  # (n,)
    label: str = "I(i,j)",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Heat map of all pairs: blue together, vermilion against each other.

    A small cross marks a pair within two standard errors of 0; a pair that was not
    evaluated (NaN) is gray.

    Args:
        values: A symmetric matrix of pairs.
        names: One name per player; ``None`` writes their numbers.
        errors: Standard errors of the pairs.
        singles: Values of single players, such as Shapley values, for the diagonal;
            ``None`` leaves it empty.
        label: What the values are.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        TypeError: If ``values`` is no tensor.
        ValueError: If the matrix is not square and symmetric, or names, errors or
            singles do not fit it.

    Example:
        >>> matrix = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
        >>> _, axes = plot_pairs(matrix, ["dose", "age"])
        >>> [text.get_text() for text in axes.texts]
        ['+2.00', '+2.00']
    """
    values = read_pairs(values)
    n = len(values)
    names = read_names(names, n)
    own = read_singles(singles, n)
    if errors is not None and errors.shape != values.shape:
        bad_value(
            "errors",
            f"of shape {tuple(values.shape)}",
            f"shape {tuple(errors.shape)}",
            "give one standard error per pair",
        )
    cells = values.clone()
    cells.diagonal().copy_(torch.tensor(own or [0.0] * n))
    largest = float(cells.nan_to_num().abs().max()) or 1.0
    side = min(7.0, 1.7 + 0.36 * n)
    figure, axes = figure_for(ax, side + 1.1, side)
    axes.set_facecolor("#e4e4e4")  # shows where cells are NaN
    picture = axes.imshow(cells.numpy(), cmap=diverging(), vmin=-largest, vmax=largest)
    _mark_cells(axes, cells, errors, largest, own is not None)
    _write_names(axes, names)
    if own is not None:
        label = f"{label}, single players on the diagonal"
    bar = figure.colorbar(picture, ax=axes, shrink=0.85, label=label)
    bar.outline.set_visible(False)
    return figure, axes


def _write_names(axes: Axes, names: Sequence[str]) -> None:
    n = len(names)
    turned = max(map(len, names)) > 3
    written = range(0, n, -(-n // _NAMED))
    some = [names[i] for i in written]
    axes.set_xticks(
        written,
        some,
        fontsize=8,
        rotation=45 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor" if turned else "default",
    )
    axes.set_yticks(written, some, fontsize=8)
    edges = [i - 0.5 for i in range(1, n)]
    axes.vlines(edges, -0.5, n - 0.5, colors="white", lw=1)
    axes.hlines(edges, -0.5, n - 0.5, colors="white", lw=1)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _mark_cells(
    axes: Axes,
    cells: Tensor,
    errors: Tensor | None,
    largest: float,
    diagonal: bool,
) -> None:
    """Write numbers where they fit, and cross what sampling can't tell from 0."""
    n = len(cells)
    texts = aligned(cells.flatten().tolist())
    unsure = []
    for i in range(n):
        for j in range(n):
            value = float(cells[i, j])
            if math.isnan(value):
                continue
            if errors is not None and i != j and abs(value) < 2 * float(errors[i, j]):
                unsure.append((j, i))
            elif n <= _NUMBERED and (i != j or diagonal):
                light = abs(value) < 0.45 * largest
                axes.text(
                    j,
                    i,
                    texts[i * n + j],
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=INK if light else "white",
                )
    if unsure:
        axes.plot(*zip(*unsure, strict=True), "x", color=MUTED, ms=4, mew=0.8)
