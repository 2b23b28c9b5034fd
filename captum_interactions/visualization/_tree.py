"""The tree of constituents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._style import (
    MUTED,
    NEGATIVE,
    POSITIVE,
    aligned,
    figure_for,
    literal,
    sign_color,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_tree"]

Node = Mapping[str, Any]
Place = tuple[float, float]
# Interactions below this part of the strongest are drawn as none.
_FAINT = 1e-3


@checked
def plot_tree(
    root: Node, names: Sequence[str] | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Draw a tree of constituents: the sentence below, merges above it.

    Lines are blue where the two sides work together and vermilion where they work
    against each other, the stronger the wider; numbers are B_between. Words are shaded
    by their Shapley values.

    Args:
        root: Nested dictionaries with ``span``, ``names``, ``phi``, ``b_between`` and
            ``children``, as ``InteractionTreeResult.to_dict`` returns them.
        names: What to write under each player; ``None`` for the names in the tree.
        ax: Where to draw; ``None`` makes a figure that fits the sentence.

    Returns:
        The figure and its axes.

    Raises:
        TypeError: If ``root`` is no dictionary.
        ValueError: If a player has no name.

    Example:
        >>> leaves = [
        ...     {"span": [i], "names": [word], "phi": 1.0, "b_between": 0.0}
        ...     for i, word in enumerate(["not", "bad"])
        ... ]
        >>> root = {"span": [0, 1], "names": ["not", "bad"], "phi": 2.0}
        >>> _, axes = plot_tree({**root, "b_between": 3.0, "children": leaves})
        >>> [text.get_text() for text in axes.texts][:3]
        ['+3.00', 'not', 'bad']
    """
    if not isinstance(root, Mapping):
        bad_type(
            "root",
            "a dictionary",
            root,
            "pass `result.to_dict()`, or let the result draw: `result.plot_tree()`",
        )
    nodes = list(_walk(root))
    if not all({"span", "names", "phi", "b_between"} <= set(node) for node in nodes):
        bad_value("root", "a dictionary of a tree", sorted(root), "see to_dict")
    leaves = [node for node in nodes if not _children(node)]
    words = _words(leaves, names)
    width = max(5.0, 0.2 + sum(map(_room, words)))
    figure, ax = figure_for(ax, width, 1.0 + 0.4 * _height(root))
    place = _place_leaves(leaves, words)
    merges = [node for node in nodes if _children(node)]
    strongest = max((abs(node["b_between"]) for node in merges), default=0.0) or 1.0
    texts = aligned(node["b_between"] for node in merges)
    for node, text in zip(merges, texts, strict=True):
        _draw_merge(ax, node, place, node["b_between"] / strongest, text)
    largest = max(abs(leaf["phi"]) for leaf in leaves) or 1.0
    for leaf, word in zip(leaves, words, strict=True):
        _draw_word(ax, word, place[tuple(leaf["span"])][0], leaf["phi"] / largest)
    right = place[tuple(leaves[-1]["span"])][0] + _room(words[-1]) / 2
    ax.set_xlim(-0.1, right + 0.1)
    ax.set_ylim(-0.75, _height(root) + 0.2)
    ax.set_axis_off()
    _explain(ax)
    return figure, ax


def _children(node: Node) -> Sequence[Node]:
    return node.get("children") or ()


def _walk(node: Node) -> Iterator[Node]:
    for child in _children(node):
        yield from _walk(child)
    yield node


def _words(leaves: Sequence[Node], names: Sequence[str] | None) -> list[str]:
    if names is None:
        return [literal(leaf["names"][0]) for leaf in leaves]
    last = max(leaf["span"][0] for leaf in leaves)
    if isinstance(names, str) or len(names) <= last:
        bad_value(
            "names",
            f"at least {last + 1} texts, one per player",
            repr(names) if isinstance(names, str) else len(names),
            "pass a list in the order of the players",
        )
    return [literal(names[leaf["span"][0]]) for leaf in leaves]


def _room(word: str) -> float:
    """Width of a word in inches, with the space around it."""
    return 0.3 + 0.085 * max(len(word), 5)


def _height(node: Node) -> int:
    return 1 + max((_height(child) for child in _children(node)), default=-1)


def _place_leaves(
    leaves: Sequence[Node], words: Sequence[str]
) -> dict[tuple[int, ...], Place]:
    place, edge = {}, 0.0
    for leaf, word in zip(leaves, words, strict=True):
        room = _room(word)
        place[tuple(leaf["span"])] = (edge + room / 2, 0.0)
        edge += room
    return place


def _draw_merge(
    ax: Axes,
    node: Node,
    place: dict[tuple[int, ...], Place],
    share: float,
    text: str,
) -> None:
    """Join two children that have been placed, and place their parent."""
    (x0, y0), (x1, y1) = (place[tuple(child["span"])] for child in _children(node))
    y = float(_height(node))
    strength = abs(share)
    color = MUTED if strength < _FAINT else sign_color(share)
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
        "0" if strength < _FAINT else text,
        ha="center",
        va="top",
        fontsize=8,
        color=color,
        zorder=4,
    )
    place[tuple(node["span"])] = (middle, y)


def _draw_word(ax: Axes, word: str, x: float, share: float) -> None:
    ax.text(
        x,
        -0.12,
        word,
        ha="center",
        va="top",
        fontsize=10,
        zorder=5,
        bbox={
            "facecolor": sign_color(share),
            "alpha": 0.45 * abs(share),
            "edgecolor": "none",
            "boxstyle": "round,pad=0.25",
        },
    )


def _explain(ax: Axes) -> None:
    """Say what the numbers, the lines and the shades are."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ax.legend(
        handles=[
            Line2D([], [], color=POSITIVE, lw=3, label="together"),
            Line2D([], [], color=NEGATIVE, lw=3, label="against"),
            Patch(color=MUTED, alpha=0.45, label="shade: a word's Shapley value"),
        ],
        title="numbers: B_between, what the two sides add by meeting",
        title_fontsize=8,
        fontsize=8,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.02),
        ncols=3,
        frameon=False,
    )
