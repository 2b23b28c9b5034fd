"""Nodes, edges and the legend of a network of players."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from captum_interactions.visualization._style import (
    INK,
    MUTED,
    NEGATIVE,
    POSITIVE,
    diverging,
    sign_color,
    signed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Network", "draw_edges", "draw_nodes", "explain_edges"]

Point = tuple[float, float]


class Network(NamedTuple):
    """What is drawn, whatever the layout."""

    values: Tensor
    pairs: list[tuple[int, int]]
    names: tuple[str, ...]
    singles: list[float] | None
    widths: tuple[float, float]
    errors: Tensor | None

    def value(self, pair: tuple[int, int]) -> float:
        return float(self.values[pair])

    def sure(self, pair: tuple[int, int]) -> bool:
        """Whether a value is more than two standard errors away from 0."""
        if self.errors is None:
            return True
        return abs(self.value(pair)) > 2 * float(self.errors[pair])

    def strength(self, value: float) -> float:
        """|value| as a part of the largest."""
        return abs(value) / (float(self.values.nan_to_num().abs().max()) or 1.0)

    def width(self, value: float) -> float:
        low, high = self.widths
        return low + (high - low) * self.strength(value)

    def share(self, player: int) -> float:
        """A single player's value as a part of the largest, −1..1."""
        if self.singles is None:
            return 0.0
        return self.singles[player] / (max(map(abs, self.singles)) or 1.0)


def draw_edges(
    axes: Axes,
    network: Network,
    path: Callable[[int, int], list[Point]],
    halo: float = 0.0,
) -> None:
    """One line per pair, the strongest last and on top."""
    for i, j in reversed(network.pairs):
        value = network.value((i, j))
        strength = network.strength(value)
        width = network.width(value)
        x, y = zip(*path(i, j), strict=True)
        if halo and network.sure((i, j)):
            axes.plot(
                x,
                y,
                color="white",
                lw=width + halo,
                zorder=1 + strength,
                clip_on=False,
            )
        axes.plot(
            x,
            y,
            color=sign_color(value),
            lw=width,
            ls="-" if network.sure((i, j)) else ":",
            alpha=1.0 if halo else 0.35 + 0.6 * strength,
            solid_capstyle="round",
            zorder=1 + strength,
            clip_on=False,
        )


def draw_nodes(
    axes: Axes,
    network: Network,
    places: Sequence[Point],
    players: Sequence[int],
    size: float,
) -> None:
    if not places:
        return
    x, y = zip(*places, strict=True)
    axes.scatter(
        x,
        y,
        s=size,
        c=[network.share(i) for i in players],
        cmap=diverging(),
        vmin=-1,
        vmax=1,
        edgecolors=INK,
        linewidths=1,
        zorder=3,
        clip_on=False,
    )


def explain_edges(axes: Axes, network: Network) -> None:
    """Say below the picture what the colors mean and how strong the strongest are."""
    from matplotlib.lines import Line2D

    values = [network.value(pair) for pair in network.pairs]
    handles = []
    for word, color, some in (
        ("together", POSITIVE, [v for v in values if v > 0]),
        ("against", NEGATIVE, [v for v in values if v < 0]),
    ):
        if some:
            best = max(some, key=abs)
            text = f"{word}, {'up' if best > 0 else 'down'} to {signed(best)}"
            width = network.width(best)
            handles.append(Line2D([], [], color=color, lw=width, label=text))
    if not all(map(network.sure, network.pairs)):
        text = "within two standard errors of 0"
        handles.append(Line2D([], [], color=MUTED, lw=1.5, ls=":", label=text))
    if handles:
        axes.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            frameon=False,
            fontsize=8,
        )
    elif network.singles is None:
        axes.set_title("no interaction", fontsize=9)
