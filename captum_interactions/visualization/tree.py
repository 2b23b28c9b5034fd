"""The tree of constituents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from captum_interactions._checks import bad_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_tree"]


@runtime_checkable
class TreeResult(Protocol):
    """The result of ``InteractionTree.interactions``, which draws its trees itself."""

    @property
    def merges(self) -> object:
        """What was merged."""

    def plot(
        self,
        example: int,
        output: tuple[int, ...],
        words: Sequence[str] | None,
        ax: Axes | None,
    ) -> tuple[Figure, Axes]:
        """Draw one tree."""


def plot_tree(
    result: TreeResult,
    example: int = 0,
    output: tuple[int, ...] = (),
    words: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Draw a tree of constituents: the sentence below, merges above it.

    Lines are blue where the two sides work together and vermilion where they work
    against each other, the stronger the wider; numbers are B_between. Words are shaded
    by their Shapley values. The same as ``result.plot(...)``.

    Args:
        result: Result of ``InteractionTree.interactions``.
        example: Which example.
        output: Which output, if there are several.
        words: What to write under each player; ``None`` for their names.
        ax: Axes to draw on; ``None`` makes a figure that fits the sentence.

    Returns:
        The figure and its axes.

    Raises:
        TypeError: If ``result`` is of another method.
        ValueError: If there is no such example or output, or not one word per player.

    Example:
        >>> import torch
        >>> from captum_interactions import InteractionTree
        >>> model = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
        >>> result = InteractionTree(model).interactions(torch.ones(1, 3))
        >>> _, axes = plot_tree(result, words=["not", "bad", "but"])
        >>> [text.get_text() for text in axes.texts][-3:]
        ['not', 'bad', 'but']
    """
    if not isinstance(result, TreeResult):
        bad_type("result", "of InteractionTree", result, "draw pairs by `plot_pairs`")
    return result.plot(example, output, words, ax)
