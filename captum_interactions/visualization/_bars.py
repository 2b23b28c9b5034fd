"""Bars of interactions: the strongest, in steps from v(∅) to v(N), sums by size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._inputs import SIGNS, Term, joined, read_terms
from captum_interactions.visualization._style import (
    INK,
    MUTED,
    NEGATIVE,
    POSITIVE,
    aligned,
    figure_for,
    legend_below,
    open_frame,
    sign_color,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "plot_size_strength",
    "plot_strongest",
    "plot_waterfall",
]

# OR is hatched wherever AND is filled: the color is left to tell the sign.
_FILLS = {"and": "", "or": "/////"}


@checked
def plot_size_strength(
    up: Tensor,  # (n + 1,) or (kinds, n + 1)
    down: Tensor,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Σ I(S) by size |S|, positive sums upwards and negative ones downwards.

    Args:
        up: Sums of the positive interactions of each size, 0 first; or two rows of
            them, AND and OR, which are drawn beside each other.
        down: Sums of the negative ones, of the same shape.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> up, down = torch.tensor([0.0, 2.0, 1.0]), torch.tensor([0.0, 0.0, -3.0])
        >>> _, axes = plot_size_strength(up, down)
        >>> [float(bar.get_height()) for bar in axes.patches]
        [2.0, 1.0, 0.0, -3.0]
    """
    if up.shape != down.shape or up.dim() not in (1, 2) or len(up) == 0:
        bad_value(
            "up, down",
            "of one shape, (sizes,) or (kinds, sizes)",
            f"shapes {tuple(up.shape)} and {tuple(down.shape)}",
            "choose one example and output",
        )
    up, down = (torch.atleast_2d(s.detach().cpu().double()) for s in (up, down))
    kinds = list(_FILLS)[: len(up)]
    figure, axes = figure_for(ax, 5, 3.2)
    sizes = torch.arange(1, up.shape[-1])
    width = 0.76 / len(kinds)
    for row, kind in enumerate(kinds):
        at = (sizes + width * (row - (len(kinds) - 1) / 2)).numpy()
        for sums, color in ((up, POSITIVE), (down, NEGATIVE)):
            style = _filled(_FILLS[kind], color)
            axes.bar(at, sums[row, 1:].numpy(), 0.95 * width, **style)
    axes.axhline(0, color=INK, lw=0.8)
    step = -(-len(sizes) // 16)  # of many sizes some are numbered
    axes.set_xticks(sizes[::step].numpy())
    axes.set_xlabel("size |S| of the coalition")
    axes.set_ylabel("sum of I(S)")
    if len(kinds) > 1:
        _explain_fills(axes)
    open_frame(axes)
    return figure, axes


@checked
def plot_strongest(terms: Iterable[Any], ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Bars of the strongest interactions, as ``top_k`` returns them for one example.

    Blue adds to the output, vermilion takes away; OR interactions are hatched.

    Args:
        terms: One example's interactions, such as ``result.top_k(10)[0]`` of any
            result, in the order in which they are shown.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If they are still nested by example.

    Example:
        >>> from captum_interactions import AndInteraction
        >>> model = lambda x: x[:, 0] * x[:, 1] - 2 * x[:, 2]
        >>> result = AndInteraction(model).interactions(torch.ones(1, 3))
        >>> _, axes = plot_strongest(result.named(["a", "b", "c"]).top_k(2)[0])
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['c', 'a ∧ b']
    """
    shown = read_terms(terms)
    figure, axes = figure_for(ax, 5.6, 0.9 + 0.26 * max(1, len(shown)))
    texts = aligned(term.value for term in shown)
    for row, term in enumerate(shown):
        style = _filled(_FILLS[term.kind], sign_color(term.value))
        axes.barh(row, term.value, 0.72, **style)
        _write_beside(axes, row, term.value, texts[row])
    _leave_room(axes)
    _label_rows(axes, [joined(term.names, SIGNS[term.kind]) for term in shown])
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_xlabel("interaction")
    if any(term.kind == "or" for term in shown):
        _explain_fills(axes)
    open_frame(axes)
    return figure, axes


@checked
def plot_waterfall(
    terms: Iterable[Any],
    start: float,
    end: float,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """How the strongest terms lead from v(∅) to v(N), one step per row.

    The terms must be of a decomposition: all of them add up to v(N) − v(∅). What is not
    listed is the last step.

    Args:
        terms: One example's strongest terms, strongest first.
        start: v(∅).
        end: v(N).
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If the terms are still nested by example.

    Example:
        >>> from captum_interactions.results import Interaction
        >>> both = Interaction((0, 1), ("not", "bad"), 3.0)
        >>> _, axes = plot_waterfall([both], start=1.0, end=3.5)
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['all absent', 'not ∧ bad', 'all others', 'all present']
    """
    shown = read_terms(terms)
    rest = end - start - sum(term.value for term in shown)
    steps = [*shown, Term((), ("all others",), rest)]
    # Differences of large numbers leave rounding behind, which is no step.
    if abs(rest) <= 1e-6 * max([abs(end - start), *(abs(t.value) for t in shown)]):
        steps = shown
    figure, axes = figure_for(ax, 5.8, 1.1 + 0.26 * (len(steps) + 2))
    texts = aligned([start, *(term.value for term in steps), end])
    level = start
    for row, term in enumerate(steps, 1):
        style = _filled(_FILLS[term.kind], sign_color(term.value))
        axes.barh(row, term.value, 0.72, left=level, **style)
        axes.plot([level, level], [row - 1, row], color=MUTED, lw=0.8, zorder=0)
        level += term.value
        _write_beside(axes, row, term.value, texts[row], level)
    last = len(steps) + 1
    axes.plot([level, level], [last - 1, last], color=MUTED, lw=0.8, zorder=0)
    for row, value in ((0, start), (last, end)):
        axes.plot(value, row, "D", color=INK, ms=5)
        text = texts[row].removeprefix("+")
        _write_beside(axes, row, 1.0, text, value, gap=8)
    _leave_room(axes)
    labels = [joined(term.names, SIGNS[term.kind]) for term in steps]
    _label_rows(axes, ["all absent", *labels, "all present"])
    axes.set_xlabel("output")
    if any(term.kind == "or" for term in steps):
        _explain_fills(axes)
    open_frame(axes)
    return figure, axes


def _write_beside(
    axes: Axes,
    row: int,
    value: float,
    text: str,
    tip: float | None = None,
    gap: int = 3,
) -> None:
    """Write a number beyond the tip of its bar."""
    side = 1 if value >= 0 else -1
    axes.annotate(
        text,
        (value if tip is None else tip, row),
        xytext=(gap * side, 0),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="center",
        fontsize=8,
        color=INK,
    )


def _leave_room(axes: Axes) -> None:
    """Room for the numbers on both sides, also beside bars that don't start at 0."""
    axes.use_sticky_edges = False
    axes.margins(x=0.16)


def _label_rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def _filled(hatch: str, color: str) -> dict[str, Any]:
    """A bar filled with its color, or hatched with it."""
    face = "white" if hatch else color
    return {"facecolor": face, "edgecolor": color, "hatch": hatch, "linewidth": 0.9}


def _explain_fills(axes: Axes) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(label=kind.upper(), **_filled(hatch, MUTED))
        for kind, hatch in _FILLS.items()
    ]
    legend_below(axes, handles)
