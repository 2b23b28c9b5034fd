"""Heat map of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._palette import INK, MUTED, diverging, figure_for, signed
from captum_interactions.visualization.reading import (
    PairMatrix,
    read_matrix,
    read_singles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_pairs"]

# Beyond this many players the numbers in the cells would no longer be legible, and
# beyond this many some of their names are left out.
_NUMBERED, _NAMED = 8, 40


def plot_pairs(
    pairs: Any,
    example: int = 0,
    output: tuple[int, ...] = (),
    order: int | None = None,
    names: Sequence[str] | None = None,
    singles: Tensor | None = None,  # (n,)
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Heat map of all pairs: blue together, vermilion against each other.

    A small cross marks a sampled pair within two standard errors of 0; a pair that was
    not evaluated is gray.

    Args:
        pairs: A symmetric matrix ``(n, n)``, or a result of ``ShapleyInteraction``,
            ``MultiOrderInteraction``, ``AndInteraction`` or ``AndOrInteraction`` (of
            the last two, the Shapley interaction index is read).
        example: Which example of a result.
        output: Which output of a result, if there are several.
        order: Which context size m of a ``MultiOrderInteraction``; ``None`` takes the
            mean over all its orders.
        names: One name per player; ``None`` takes those of the result, or numbers.
        singles: Values of single players, such as Shapley values, for the diagonal,
            ``(n,)``; ``None`` leaves it empty.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        TypeError: If ``pairs`` is neither a tensor nor a result that has pairs.
        ValueError: If a matrix is not square and symmetric, or there is no such
            example, output or order, or not one name or single value per player.

    Example:
        >>> matrix = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
        >>> _, axes = plot_pairs(matrix, names=["dose", "age"])
        >>> [text.get_text() for text in axes.texts]
        ['+2', '+2']
    """
    matrix = read_matrix(pairs, example, output, order, names)
    n = len(matrix.names)
    own = read_singles(singles, n)
    cells = matrix.values.clone()
    cells.diagonal().copy_(torch.tensor(own or [0.0] * n))
    largest = float(cells.nan_to_num().abs().max()) or 1.0
    side = min(7.0, 1.7 + 0.36 * n)
    figure, axes = figure_for(ax, side + 1.1, side)
    axes.set_facecolor("#e4e4e4")  # shows where cells are NaN
    picture = axes.imshow(cells.numpy(), cmap=diverging(), vmin=-largest, vmax=largest)
    _mark_cells(axes, cells, matrix, largest, own is not None)
    turned = max(map(len, matrix.names)) > 3
    written = range(0, n, -(-n // _NAMED))
    names = [matrix.names[i] for i in written]
    axes.set_xticks(
        written,
        names,
        fontsize=8,
        rotation=45 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor" if turned else "default",
    )
    axes.set_yticks(written, names, fontsize=8)
    edges = [i - 0.5 for i in range(1, n)]
    axes.vlines(edges, -0.5, n - 0.5, colors="white", lw=1)
    axes.hlines(edges, -0.5, n - 0.5, colors="white", lw=1)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    label = (
        matrix.label
        if own is None
        else f"{matrix.label}, single players on the diagonal"
    )
    bar = figure.colorbar(picture, ax=axes, shrink=0.85, label=label)
    bar.outline.set_visible(False)
    return figure, axes


def _mark_cells(
    axes: Axes, cells: Tensor, matrix: PairMatrix, largest: float, diagonal: bool
) -> None:
    """Write numbers where they fit, and cross what sampling can't tell from 0."""
    n = len(matrix.names)
    unsure = []
    for i in range(n):
        for j in range(n):
            value = float(cells[i, j])
            if math.isnan(value):
                continue
            errors = matrix.errors
            if errors is not None and i != j and abs(value) < 2 * float(errors[i, j]):
                unsure.append((j, i))
            elif n <= _NUMBERED and (i != j or diagonal):
                light = abs(value) < 0.45 * largest
                axes.text(
                    j,
                    i,
                    # Rounding errors are not worth three digits.
                    signed(value if abs(value) > 1e-3 * largest else 0),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=INK if light else "white",
                )
    if unsure:
        axes.plot(*zip(*unsure, strict=True), "x", color=MUTED, ms=4, mew=0.8)
