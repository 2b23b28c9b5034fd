"""Pictures of interactions. Functions return (figure, axes) and never show anything.

Matplotlib is imported when a picture is drawn. Figures don't go through pyplot, so that
nothing is registered there; in a notebook, leave the figure as the last expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from captum_interactions._checks import bad_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "plot_and_or_graph",
    "plot_coalitions_on_image",
    "plot_coalitions_on_text",
    "plot_order_strength",
    "plot_sorted_interactions",
]

# Green and red as in Captum's image overlays.
_POSITIVE, _NEGATIVE, _NEUTRAL = "#1b7837", "#c0392b", "#555555"
_AND, _OR = "#4d4d4d", "#e08214"


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


class PlayerNames(Protocol):
    """The players of a result."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per player."""

    def __len__(self) -> int:
        """The number of players."""

    def scatter(self, values: Tensor) -> tuple[Tensor, ...]:
        """Give every input element the value of its player."""


class AndOrResult(Protocol):
    """What is drawn: the result of ``AndOrInteraction.interactions``."""

    @property
    def players(self) -> PlayerNames:
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


def _figure(width: float, height: float, ax: Axes | None) -> tuple[Figure, Axes]:
    """Return the axes to draw on and their figure, a new one if there are none."""
    from matplotlib.figure import Figure

    if ax is not None:
        figure: Any = ax.figure  # or a part of one
        return figure, ax

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _index(result: AndOrResult, example: int, output: tuple[int, ...]) -> tuple:
    lead = result.parts.shape[:-2]
    index = (example, *output)
    fits = len(index) == len(lead) and all(
        0 <= i < size for i, size in zip(index, lead, strict=True)
    )
    if not fits:
        bad_value(
            "example, output",
            f"an index into {tuple(lead)} (examples, *outputs)",
            index,
            "choose one example and, if there are several outputs, one output",
        )
    return index


def _strongest(result: AndOrResult, k: int, index: tuple) -> list[Term]:
    terms: Any = result.top_k(k)
    for i in index:
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
    index = _index(result, example, output)
    figure, axes = _figure(5, 3.2, ax)
    proper = result.parts[index][:, 1:].abs().detach().cpu()
    # An OR interaction of one player is booked as AND: leave those empty entries out.
    strength = proper[proper > 0].sort(descending=True).values
    ranks = torch.arange(1, len(strength) + 1)
    axes.plot(ranks.numpy(), strength.numpy(), color=_NEUTRAL, lw=1.5)
    for threshold in thresholds:
        level = threshold * float(strength[0]) if len(strength) else 0.0
        count = int((strength > level).sum())
        axes.axhline(level, color=_OR, lw=1, ls="--")
        axes.annotate(
            f"{threshold:g} max: {count} above",
            (1, level),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=_OR,
        )
    noise = float(result.value_noise[index])
    if noise > 0:
        axes.axhline(noise, color=_NEUTRAL, lw=0.8, ls=":")
    axes.set_xscale("log")
    if len(strength):
        axes.set_yscale("log")
        lowest = max(noise / 10, 1e-6 * float(strength[0]))
        axes.set_ylim(bottom=lowest)
    axes.set_xlabel("rank of the interaction")
    axes.set_ylabel("|I(S)|")
    return figure, axes


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
    index = _index(result, example, output)
    figure, axes = _figure(5, 3.2, ax)
    up, down = (s[index].detach().cpu() for s in result.signed_order_strength())
    orders = torch.arange(1, up.shape[-1])
    for kind, (name, color) in enumerate((("AND", _AND), ("OR", _OR))):
        at = (orders + 0.4 * kind - 0.2).numpy()
        axes.bar(at, up[kind, 1:].numpy(), 0.38, color=color, label=name)
        axes.bar(at, down[kind, 1:].numpy(), 0.38, color=color, alpha=0.55)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xticks(orders.numpy())
    axes.set_xlabel("order |S|")
    axes.set_ylabel("sum of interactions")
    axes.legend(frameon=False, fontsize=8)
    return figure, axes


def plot_and_or_graph(
    result: AndOrResult,
    k: int = 12,
    example: int = 0,
    output: tuple[int, ...] = (),
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """And-Or graph: players below, the k strongest interactions above, then the output.

    The layout depends on nothing but the terms: they stand above the mean of their
    players, ties by rank, evenly spread. Green adds to the output, red takes away; the
    width of an edge to the output shows |I(S)|. There is no limit on nodes.

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
    index = _index(result, example, output)
    terms = _strongest(result, k, index)
    names = result.players.names
    n = len(result.players)
    figure, axes = _figure(max(6, 0.75 * max(n, len(terms))), 4, ax)
    order = sorted(
        range(len(terms)),
        key=lambda t: (sum(terms[t].players) / len(terms[t].players), t),
    )
    largest = max((abs(term.value) for term in terms), default=1.0) or 1.0
    leaf_x = [(i + 0.5) / n for i in range(n)]
    for place, t in enumerate(order):
        term, x = terms[t], (place + 0.5) / len(terms)
        color = _POSITIVE if term.value > 0 else _NEGATIVE
        width = 0.6 + 3.4 * abs(term.value) / largest
        axes.plot([x, 0.5], [1, 2], color=color, lw=width, alpha=0.5, zorder=1)
        for player in term.players:
            axes.plot(
                [leaf_x[player], x], [0, 1], color=_NEUTRAL, lw=0.7, alpha=0.6, zorder=1
            )
        sign = "∧" if term.kind == "and" else "\N{LOGICAL OR}"
        axes.text(
            x,
            1,
            f"{sign}\n{term.value:+.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white",
            bbox={"boxstyle": "round", "fc": color, "ec": "none"},
            zorder=3,
        )
    for x, name in zip(leaf_x, names, strict=True):
        axes.text(
            x,
            0,
            name,
            ha="center",
            va="top",
            fontsize=8,
            rotation=0 if max(map(len, names)) * n < 90 else 30,
            rotation_mode="anchor" if max(map(len, names)) * n < 90 else "default",
            bbox={"boxstyle": "round", "fc": "white", "ec": _NEUTRAL},
            zorder=3,
        )
    axes.text(
        0.5,
        2,
        "output",
        ha="center",
        va="center",
        bbox={"boxstyle": "circle", "fc": "white", "ec": "black"},
        zorder=3,
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.45, 2.3)
    axes.axis("off")
    return figure, axes


def plot_coalitions_on_image(
    result: AndOrResult,
    image: Tensor,  # (channels, height, width)
    k: int = 4,
    example: int = 0,
    output: tuple[int, ...] = (),
    position: int = 0,
) -> tuple[Figure, list[Axes]]:
    """The k strongest interactions, each painted over the image it belongs to.

    Args:
        result: Result of ``AndOrInteraction.interactions`` on images.
        image: The image to show, ``(channels, height, width)``, values in 0..1.
        k: How many interactions.
        example: Which example.
        output: Which output, if there are several.
        position: Which of the inputs is the image, if they were a tuple.

    Returns:
        The figure and one axes per interaction, drawn by Captum's
        ``visualize_image_attr``.

    Raises:
        ValueError: If ``image`` does not have three dimensions, there is no such
            example, or k is not positive.
    """
    if image.dim() != 3:
        bad_value(
            "image",
            "of shape (channels, height, width)",
            f"shape {tuple(image.shape)}",
            "pass one image without its batch axis",
        )
    index = _index(result, example, output)
    from captum.attr import visualization
    from matplotlib.figure import Figure

    terms = _strongest(result, k, index)
    columns = min(4, len(terms))
    rows = -(-len(terms) // columns)
    figure = Figure(figsize=(2.4 * columns, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    shown = image.detach().cpu().float().permute(1, 2, 0)
    for axes, term in zip(grid, terms, strict=False):
        values = torch.zeros(result.parts.shape[0], len(result.players))
        values[example, list(term.players)] = term.value
        painted = result.players.scatter(values)[position][example]
        painted = painted.detach().cpu().expand(image.shape)
        visualization.visualize_image_attr(
            painted.permute(1, 2, 0).numpy(),
            shown.expand(-1, -1, 3).numpy() if shown.shape[-1] == 1 else shown.numpy(),
            method="blended_heat_map",
            sign="all",
            outlier_perc=0,
            plt_fig_axis=(figure, axes),
            use_pyplot=False,
        )
        axes.set_title(f"{term.kind.upper()} {term.value:+.2f}", fontsize=9)
    for axes in grid[len(terms) :]:
        axes.axis("off")
    return figure, grid[: len(terms)]


def plot_coalitions_on_text(
    result: AndOrResult,
    k: int = 6,
    example: int = 0,
    output: tuple[int, ...] = (),
) -> tuple[Figure, Axes]:
    """The players as words: Shapley values first, then the k strongest interactions.

    Each row is the text; a word's colour is its Shapley value (first row) or the
    interaction it takes part in (green adds to the output, red takes away).

    Args:
        result: Result of ``AndOrInteraction.interactions`` whose players are named by
            their words (``result.named``).
        k: How many interactions.
        example: Which example.
        output: Which output, if there are several.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is no such example or k is not positive.
    """
    index = _index(result, example, output)
    terms = _strongest(result, k, index)
    names = result.players.names
    phi = result.shapley_values()[index].detach().cpu().tolist()
    rows = [("Shapley values", phi)]
    for term in terms:
        values = [term.value if i in term.players else 0.0 for i in range(len(names))]
        rows.append((f"{term.kind.upper()} {term.value:+.2f}", values))
    starts, at = [], 0.0
    for name in names:
        starts.append(at)
        at += len(name) + 1.5
    figure, axes = _figure(max(5, 0.1 * at + 1.8), 0.36 * len(rows) + 0.3, None)
    for row, (label, values) in enumerate(rows):
        largest = max(map(abs, values), default=0.0) or 1.0
        axes.text(-2, -row, label, ha="right", va="center", fontsize=8, color=_NEUTRAL)
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
                    "fc": _POSITIVE if value > 0 else _NEGATIVE,
                    "ec": "none",
                    "alpha": 0.6 * strength,
                },
            )
    axes.set_xlim(-18, at)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.axis("off")
    return figure, axes
