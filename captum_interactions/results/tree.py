"""What InteractionTree returns: one binary tree per example, and its readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from torch import Tensor

from captum_interactions import visualization as pictures
from captum_interactions._signature import checked_methods
from captum_interactions.estimators.agglomeration import FIGURES
from captum_interactions.functional import coalition_members
from captum_interactions.results._frame import output_of
from captum_interactions.results._node import (
    NODE_FIGURES,
    InteractionNode,
    node_as_dict,
    node_as_newick,
)
from captum_interactions.results._shapiq_values import listed_values
from captum_interactions.results.base import InteractionResult

if TYPE_CHECKING:
    import networkx
    import shapiq
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["InteractionNode", "InteractionTreeResult"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class InteractionTreeResult(InteractionResult):
    """One interaction tree per example.

    Attributes:
        info: Players, evaluations and what else all results share.
        criterion: Which figure decided the merges.
        leaves: Shapley values of the players as accumulated, ``(batch, *outputs, n)``.
        merges: Codes of the two constituents of each merge, in the order they were
            merged, ``(batch, *outputs, n − 1, 2)`` int64; 0 where an example has fewer
            players than others.
        figures: Figures of each merge in the order of the fields of
            :class:`~captum_interactions.functional.MergeFigures`,
            ``(batch, *outputs, n − 1, figures)``; NaN where there is no merge.
        leaf_errors: Standard errors of ``leaves``, ``None`` where exact.
        figure_errors: Standard errors of ``figures``, ``None`` where exact.
    """

    criterion: str
    leaves: Tensor = field(repr=False)
    merges: Tensor = field(repr=False)
    figures: Tensor = field(repr=False)
    leaf_errors: Tensor | None = field(default=None, repr=False)
    figure_errors: Tensor | None = field(default=None, repr=False)

    @property
    def values(self) -> Tensor:
        """B_between of each merge, in their order, ``(batch, *outputs, n − 1)``."""
        return self._returned(self.figures[..., FIGURES.index("b_between")])

    def shapley_values(self) -> Tensor:
        """Shapley values of the players, ``(batch, *outputs, n)``."""
        return self._returned(self.leaves)

    @property
    def roots(self) -> list[Any]:
        """The root of each example's tree (nested once more per output axis)."""
        return self._nested(self.root)

    def root(self, example: int = 0, output: tuple[int, ...] = ()) -> InteractionNode:
        """The root of one tree.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
        """
        merges = self._pick(self.merges, example, output).tolist()
        figures = self._pick(self.figures, example, output).tolist()
        leaves = self._pick(self.leaves, example, output).tolist()
        errors = leaf_errors = None
        if self.figure_errors is not None and self.leaf_errors is not None:
            errors = self._pick(self.figure_errors, example, output).tolist()
            leaf_errors = self._pick(self.leaf_errors, example, output).tolist()
        nodes: dict[int, InteractionNode] = {}
        for player, phi in enumerate(leaves):
            error = None if leaf_errors is None else {"phi": leaf_errors[player]}
            nodes[1 << player] = InteractionNode(
                (player,), (self.players.names[player],), phi=phi, std_error=error
            )
        union = 0
        for k, (left, right) in enumerate(merges):
            if not left:  # fewer players than other examples
                break
            union = left | right
            nodes[union] = self._node(
                (nodes[left], nodes[right]),
                dict(zip(FIGURES, figures[k], strict=True)),
                None if errors is None else dict(zip(FIGURES, errors[k], strict=True)),
            )
        return nodes[union]

    def _node(
        self,
        children: tuple[InteractionNode, InteractionNode],
        figures: dict[str, float],
        errors: dict[str, float] | None,
    ) -> InteractionNode:
        span = tuple(sorted(children[0].span + children[1].span))
        return InteractionNode(
            span=span,
            names=tuple(self.players.names[player] for player in span),
            children=children,
            std_error=errors,
            **{name: figures[name] for name in NODE_FIGURES},
        )

    def top_k(self, k: int = 10) -> list[Any]:
        """The k constituents with the largest |b_between|, strongest first.

        Args:
            k: How many.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis); their values are ``b_between``.

        Raises:
            ValueError: If k is not positive.
        """

        def best(example: int, output: tuple[int, ...]) -> list[Any]:
            merges = self._pick(self.merges, example, output)
            values = self._pick(self.values, example, output)
            unions = [left | right for left, right in merges.tolist() if left]
            spans = [coalition_members(union) for union in unions]
            floor = self._pick(self._rounding(), example, output)
            found: list[Any] = self._ranked(
                values[: len(spans)], spans.__getitem__, k, floor
            )
            return found

        return self._nested(best)

    def to_dict(self, example: int = 0, output: tuple[int, ...] = ()) -> dict[str, Any]:
        """One tree as nested dictionaries of plain Python values, ready for JSON.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Returns:
            ``span``, ``names``, the figures, ``std_error`` and ``children`` of the
            root, and so on down.

        Raises:
            ValueError: If there is no such example or output.
        """
        return node_as_dict(self.root(example, output))

    def to_newick(self, example: int = 0, output: tuple[int, ...] = ()) -> str:
        """One tree in Newick format, inner nodes labeled with ``b_between``.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
        """
        return node_as_newick(self.root(example, output)) + ";"

    def to_networkx(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> networkx.DiGraph:
        """One tree as a directed graph from the root to the leaves.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Returns:
            A graph whose nodes are the spans, with names and figures as attributes.

        Raises:
            ValueError: If there is no such example or output.
            ModuleNotFoundError: If networkx is not installed.
        """
        import networkx

        graph = networkx.DiGraph()
        for node in self.root(example, output):
            figures = {name: getattr(node, name) for name in NODE_FIGURES}
            graph.add_node(node.span, names=node.names, **figures)
            graph.add_edges_from((node.span, child.span) for child in node.children)
        return graph

    def to_shapiq(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> shapiq.InteractionValues:
        """Return the leaves of one tree as shapiq's ``InteractionValues`` (index SV).

        shapiq has no index of constituents; :meth:`to_networkx` gives the whole tree.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
            ModuleNotFoundError: If shapiq is not installed.
        """
        n = len(self.players)
        return listed_values(
            self._pick(self.leaves, example, output),
            [(p,) for p in range(n)],
            n,
            "SV",
            baseline=float(self._pick(self.info.v_empty, example, output)),
            budget=None if self.leaf_errors is None else self.n_evaluations,
        )

    def plot_tree(
        self,
        example: int = 0,
        output: tuple[int, ...] = (),
        names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """Draw one tree: the sentence below, merges above it.

        Lines are blue where the two sides work together and vermilion where they work
        against each other, the stronger the wider; numbers are ``b_between``. Words are
        shaded by their Shapley values.

        Args:
            example: Which example.
            output: Which output, if there are several.
            names: What to write under each player; ``None`` for their names.
            ax: Where to draw; ``None`` makes a figure that fits the sentence.

        Returns:
            The figure and its axes; nothing is shown.

        Raises:
            ValueError: If there is no such example or output, or not one name per
                player.
        """
        root = self.to_dict(example, output)
        return pictures.plot_tree(root, names, ax)

    def _rows(self, k: int | None) -> Iterable[dict[str, Any]]:
        """Every node: Shapley values of the words, ``b_between`` of what was merged."""
        lead, rounding = self.info.v_full.shape, self._rounding()
        for index in product(*(range(length) for length in lead)):
            nodes = list(self.root(index[0], index[1:]))
            if k is not None:
                merged = [node for node in nodes if node.children]
                nodes = sorted(merged, key=lambda node: -abs(node.b_between))[:k]
            for node in nodes:
                figure = "b_between" if node.children else "phi"
                errors = node.std_error or {}
                yield {
                    "example": index[0],
                    "output": output_of(index[1:]),
                    "kind": figure,
                    "players": node.span,
                    "names": node.names,
                    "size": len(node.span),
                    "value": getattr(node, figure),
                    "std_error": errors.get(figure, 0.0),
                    "noise": float(rounding[index].max()),
                }

    def _nested(self, read: Callable[[int, tuple[int, ...]], Any]) -> list[Any]:
        lead = self.info.v_full.shape

        def walk(index: tuple[int, ...]) -> Any:
            if len(index) == len(lead):
                return read(index[0], index[1:])
            return [walk((*index, i)) for i in range(lead[len(index)])]

        nested: list[Any] = walk(())
        return nested
