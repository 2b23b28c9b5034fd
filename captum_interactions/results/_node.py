"""A node of an interaction tree, as an object, a dictionary, a text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from captum_interactions._signature import checked_methods

__all__ = ["NODE_FIGURES", "InteractionNode", "node_as_dict", "node_as_newick"]


@checked_methods
@dataclass(frozen=True)
class InteractionNode:
    """A constituent of the tree.

    Figures are those of :class:`~captum_interactions.functional.MergeFigures` at the
    moment its two children were merged. A leaf has its player's Shapley value as
    ``phi``, and 0 for everything that takes two.

    Attributes:
        span: Its players, ascending.
        names: Their names.
        children: Left and right child, or nothing for a leaf.
        phi: Value of the constituent as one player, in the units of the value function.
        b: Interaction inside the constituent.
        b_between: The part of it that neither child has.
        r: Density of ``b_between`` among what is at stake, 0..1.
        s: What the merge loses: the neighboring pairs' density, 0..1.
        t: Part of ``b_between`` that is between the children as wholes, 0..1.
        dependence: How far the children's effects depend on each other, 0..1.
        psi_inter: Interaction between the children as wholes.
        psi_intra: ``b_between`` − ``psi_inter``.
        std_error: Standard errors of the figures by name, ``None`` where exact.
    """

    span: tuple[int, ...]
    names: tuple[str, ...]
    children: tuple[InteractionNode, ...] = ()
    phi: float = 0.0
    b: float = 0.0
    b_between: float = 0.0
    r: float = 0.0
    s: float = 0.0
    t: float = 0.0
    dependence: float = 0.0
    psi_inter: float = 0.0
    psi_intra: float = 0.0
    std_error: dict[str, float] | None = field(default=None, compare=False)

    def __iter__(self) -> Iterator[InteractionNode]:
        """Walk the tree from the leaves up, left to right."""
        for child in self.children:
            yield from child
        yield self

    def __repr__(self) -> str:
        text = " ".join(self.names)
        if not self.children:
            return f"[{text}] phi {self.phi:+.4g}"
        return f"[{text}] b_between {self.b_between:+.4g}, r {self.r:.3f}"


NODE_FIGURES = (
    "phi",
    "b",
    "b_between",
    "r",
    "s",
    "t",
    "dependence",
    "psi_inter",
    "psi_intra",
)


def node_as_dict(node: InteractionNode) -> dict[str, Any]:
    return {
        "span": list(node.span),
        "names": list(node.names),
        **{name: getattr(node, name) for name in NODE_FIGURES},
        "std_error": node.std_error,
        "children": [node_as_dict(child) for child in node.children],
    }


def node_as_newick(node: InteractionNode) -> str:
    if not node.children:
        return "'" + node.names[0].replace("'", "''") + "'"
    inner = ",".join(node_as_newick(child) for child in node.children)
    return f"({inner})'{node.b_between:+.4g}'"
