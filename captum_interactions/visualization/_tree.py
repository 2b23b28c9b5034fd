"""Drawing of an interaction tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from captum_interactions._palette import MUTED, figure_for, sign_color, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_tree"]

# Interactions below this part of the strongest are drawn as none.
_FAINT = 1e-3


def plot_tree(
    root: Any, words: Sequence[str], ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw a tree: words below in the order of its leaves, merges above them.

    Args:
        root: The root node.
        words: What to write under each player.
        ax: Where to draw; ``None`` makes a figure that fits the sentence.

    Returns:
        The figure and its axes.
    """
    nodes = list(root)
    leaves = [node for node in nodes if not node.children]
    width = max(5.0, 0.2 + sum(_room(words[leaf.span[0]]) for leaf in leaves))
    figure, ax = figure_for(ax, width, 0.8 + 0.4 * _height(root))
    place = _place_leaves(leaves, words)
    strongest = max(abs(node.b_between) for node in nodes) or 1.0
    for node in nodes:
        if node.children:
            _draw_merge(ax, node, place, strongest)
    largest = max(abs(leaf.phi) for leaf in leaves) or 1.0
    for leaf in leaves:
        _draw_word(ax, leaf, words[leaf.span[0]], place[leaf.span][0], largest)
    right = place[leaves[-1].span][0] + _room(words[leaves[-1].span[0]]) / 2
    ax.set_xlim(-0.1, right + 0.1)
    ax.set_ylim(-0.75, _height(root) + 0.2)
    ax.set_axis_off()
    return figure, ax


def _room(word: str) -> float:
    """Width of a word in inches, with the space around it."""
    return 0.3 + 0.085 * max(len(word), 5)


def _height(node: Any) -> int:
    return 1 + max((_height(child) for child in node.children), default=-1)


def _place_leaves(
    leaves: Sequence[Any], words: Sequence[str]
) -> dict[tuple[int, ...], tuple[float, float]]:
    place, edge = {}, 0.0
    for leaf in leaves:
        room = _room(words[leaf.span[0]])
        place[leaf.span] = (edge + room / 2, 0.0)
        edge += room
    return place


def _draw_merge(
    ax: Axes,
    node: Any,
    place: dict[tuple[int, ...], tuple[float, float]],
    strongest: float,
) -> None:
    """Join two children that have been placed, and place their parent."""
    (x0, y0), (x1, y1) = (place[child.span] for child in node.children)
    y = float(_height(node))
    strength = abs(node.b_between) / strongest
    color = MUTED if strength < _FAINT else sign_color(node.b_between)
    ax.plot(
        [x0, x0, x1, x1],
        [y0, y, y, y1],
        color=color,
        alpha=0.3 + 0.7 * strength,
        linewidth=1.0 + 3.5 * strength,
        solid_joinstyle="miter",
        solid_capstyle="butt",
        zorder=1 + strength,
    )
    middle = (x0 + x1) / 2
    ax.text(
        middle,
        y - 0.1,
        "0" if strength < _FAINT else signed(node.b_between),
        ha="center",
        va="top",
        fontsize=8,
        color=color,
        zorder=4,
    )
    place[node.span] = (middle, y)


def _draw_word(ax: Axes, leaf: Any, word: str, x: float, largest: float) -> None:
    ax.text(
        x,
        -0.12,
        word,
        ha="center",
        va="top",
        fontsize=10,
        zorder=5,
        bbox={
            "facecolor": sign_color(leaf.phi),
            "alpha": 0.45 * abs(leaf.phi) / largest,
            "edgecolor": "none",
            "boxstyle": "round,pad=0.25",
        },
    )
