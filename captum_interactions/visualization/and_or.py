"""Bars and curves of AND and OR interactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_example
from captum_interactions._palette import (
    INK,
    MUTED,
    NEGATIVE,
    POSITIVE,
    figure_for,
    legend_below,
    open_frame,
    sign_color,
)
from captum_interactions.visualization.reading import PlayersOf

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "SIGNS",
    "AndOrResult",
    "Term",
    "plot_order_strength",
    "plot_sorted_interactions",
    "plot_strongest",
    "strongest_terms",
]

# OR is hatched wherever AND is filled: the color is left to tell the sign.
_FILLS = {"and": "", "or": "/////"}
# Characters of a label before names are left out.
_LABEL_LENGTH = 34
SIGNS = {"and": " ∧ ", "or": " \N{LOGICAL OR} "}


class Term(Protocol):
    """One AND or OR interaction."""

    @property
    def kind(self) -> str:
        """``"and"`` or ``"or"``."""

    @property
    def players(self) -> tuple[int, ...]:
        """Indices of the players."""

    @property
    def value(self) -> float:
        """The interaction."""


class AndOrResult(Protocol):
    """What is drawn: the result of ``AndOrInteraction.interactions``."""

    @property
    def players(self) -> PlayersOf:
        """The players."""

    @property
    def parts(self) -> Tensor:
        """I_and and I_or, ``(batch, *outputs, 2, 2**n)``."""

    @property
    def value_noise(self) -> Tensor:
        """Standard deviation of the noise of v, ``(batch, *outputs)``."""

    def signed_order_strength(self) -> tuple[Tensor, Tensor]:
        """Positive and negative sums by order, ``(batch, *outputs, 2, n + 1)``."""

    def shapley_values(self) -> Tensor:
        """Shapley values, ``(batch, *outputs, n)``."""

    def top_k(self, k: int) -> list[Any]:
        """The strongest interactions, nested by example and output."""


def strongest_terms(
    result: AndOrResult, k: int, example: int, output: tuple[int, ...]
) -> list[Term]:
    """Return the k strongest AND and OR interactions of one example.

    Raises:
        ValueError: If there is no such example or k is not positive.
    """
    terms: Any = result.top_k(k)
    for i in check_example(result.parts.shape[:-2], example, output):
        terms = terms[i]
    return list(terms)


def plot_sorted_interactions(
    result: AndOrResult,
    example: int = 0,
    output: tuple[int, ...] = (),
    thresholds: Sequence[float] = (0.05,),
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """All |I(S)|, largest first, on logarithmic axes: a sparse form falls off a cliff.

    Args:
        result: Result of ``AndOrInteraction.interactions``.
        example: Which example.
        output: Which output, if there are several.
        thresholds: Parts of the largest |I| to mark, each with how many are above.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is no such example or a threshold is not inside (0, 1).
    """
    for threshold in thresholds:
        if not 0 < threshold < 1:
            bad_value("thresholds", "inside (0, 1)", threshold, "try 0.05")
    index = check_example(result.parts.shape[:-2], example, output)
    figure, axes = figure_for(ax, 5, 3.2)
    proper = result.parts[index][:, 1:].abs().detach().cpu()
    # An OR interaction of one player is booked as AND: leave those empty entries out.
    strength = proper[proper > 0].sort(descending=True).values
    ranks = torch.arange(1, len(strength) + 1)
    axes.plot(ranks.numpy(), strength.numpy(), color=POSITIVE, lw=1.8)
    for threshold in thresholds:
        level = threshold * float(strength[0]) if len(strength) else 0.0
        count = int((strength > level).sum())
        axes.axhline(level, color=MUTED, lw=1, ls="--")
        _write_on_line(axes, level, f"{threshold:g} of the largest: {count} above")
    noise = float(result.value_noise[index])
    if noise > 0:
        axes.axhline(noise, color=MUTED, lw=0.8, ls=":")
        _write_on_line(axes, noise, "noise of v(S)")
    axes.set_xscale("log")
    if len(strength):
        axes.set_yscale("log")
        lowest = max(noise / 10, 1e-6 * float(strength[0]))
        axes.set_ylim(bottom=lowest)
    axes.set_xlabel("rank of the interaction")
    axes.set_ylabel("|I(S)|")
    open_frame(axes)
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


def plot_order_strength(
    result: AndOrResult,
    example: int = 0,
    output: tuple[int, ...] = (),
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Σ I(S) by order |S|, positive upwards and negative downwards, AND beside OR.

    Args:
        result: Result of ``AndOrInteraction.interactions``.
        example: Which example.
        output: Which output, if there are several.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is no such example.
    """
    index = check_example(result.parts.shape[:-2], example, output)
    figure, axes = figure_for(ax, 5, 3.2)
    up, down = (s[index].detach().cpu() for s in result.signed_order_strength())
    orders = torch.arange(1, up.shape[-1])
    for kind, fill in enumerate(_FILLS.values()):
        at = (orders + 0.4 * kind - 0.2).numpy()
        for sums, color in ((up, POSITIVE), (down, NEGATIVE)):
            axes.bar(at, sums[kind, 1:].numpy(), 0.38, **_filled(fill, color))
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_xticks(orders.numpy())
    axes.set_xlabel("order: size |S| of the coalition")
    axes.set_ylabel("sum of I(S)")
    _explain_fills(axes)
    open_frame(axes)
    return figure, axes


def plot_strongest(
    interactions: Sequence[Any], ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Bars of the strongest interactions, as ``top_k`` returns them for one example.

    Blue adds to the output, vermilion takes away; OR interactions are hatched.

    Args:
        interactions: One example's interactions, such as ``result.top_k(10)[0]`` of any
            result, in the order in which they are shown.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is none, or they are still nested by example.

    Example:
        >>> from captum_interactions import AndInteraction
        >>> model = lambda x: x[:, 0] * x[:, 1] - 2 * x[:, 2]
        >>> result = AndInteraction(model).interactions(torch.ones(1, 3))
        >>> _, axes = plot_strongest(result.named(["a", "b", "c"]).top_k(2)[0])
        >>> [label.get_text() for label in axes.get_yticklabels()]
        ['c', 'a ∧ b']
    """
    if not interactions or isinstance(interactions[0], list):
        bad_value(
            "interactions",
            "the interactions of one example",
            "a list of lists" if interactions else "none",
            "pass `result.top_k(10)[0]`, with one more index per output axis",
        )
    figure, axes = figure_for(ax, 5.6, 0.8 + 0.26 * len(interactions))
    # Only AND-OR terms say what kind they are; all others are of AND's kind.
    kinds = [getattr(term, "kind", "and") for term in interactions]
    for row, (kind, term) in enumerate(zip(kinds, interactions, strict=True)):
        style = _filled(_FILLS[kind], sign_color(term.value))
        axes.barh(row, term.value, 0.72, **style)
    labels = [
        _shortened(term.names, SIGNS[kind])
        for kind, term in zip(kinds, interactions, strict=True)
    ]
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_xlabel("interaction")
    if "or" in kinds:
        _explain_fills(axes)
    open_frame(axes)
    return figure, axes


def _shortened(names: Sequence[str], sign: str) -> str:
    """Join as many names as fit beside the bars, and say how many there are in all."""
    shown = list(names)
    while len(shown) > 1 and len(sign.join(shown)) > _LABEL_LENGTH:
        shown.pop()
    if len(shown) == len(names):
        return sign.join(names)
    return f"{sign.join(shown)}{sign}… ({len(names)})"


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
