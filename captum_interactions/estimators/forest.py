"""The trees of a batch, grown in step: from graphs of neighbors to agglomerations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.estimators.agglomeration import (
    Agglomeration,
    Criterion,
    Growth,
    Tolerance,
    agglomerate,
    check_players,
    grow_from_tables,
    run_together,
)
from captum_interactions.estimators.driver import Plan
from captum_interactions.estimators.tree_contexts import (
    Contexts,
    ExactContexts,
    SampledContexts,
    shapley_subsets,
)
from captum_interactions.functional import codes_to_masks

__all__ = ["Forest", "Graphs", "exact_forest", "forest_plan", "graphs_of"]

Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Graphs:
    """Who takes part in each example's tree, next to whom.

    Attributes:
        examples: Players and neighboring pairs of each example.
        everyone: Players and neighboring pairs of the whole batch, for a forward
            function that returns one scalar for it.
        criterion: Which figure decides the merges.
    """

    examples: tuple[tuple[tuple[int, ...], Edges], ...]
    everyone: tuple[tuple[int, ...], Edges]
    criterion: Criterion

    @property
    def n_players(self) -> int:
        """The number of players n of the batch."""
        return len(self.everyone[0])

    def growth(
        self,
        row: int,
        lead: torch.Size,
        contexts: Contexts,
        close: Tolerance,
        beam: int,
    ) -> Growth:
        """Start the tree of one row of the flattened lead dimensions."""
        players, edges = self.everyone
        if lead[0] == len(self.examples):
            players, edges = self.examples[row // max(lead[1:].numel(), 1)]
        return agglomerate(players, edges, contexts, self.criterion, close, beam)


@dataclass(frozen=True)
class Forest:
    """All trees of a batch.

    Attributes:
        trees: One per row of the flattened lead dimensions.
        v_empty: v(∅), ``(batch, *outputs)``.
        v_full: v(N), ``(batch, *outputs)``.
    """

    trees: list[Agglomeration]
    v_empty: Tensor
    v_full: Tensor


def graphs_of(
    n_players: int,
    present: Sequence[tuple[int, ...]],
    neighbors: Sequence[Sequence[int]] | Tensor | None,
    criterion: Criterion,
) -> Graphs:
    """Give each example its graph, and check that it can form a tree.

    Args:
        n_players: Players of the whole batch.
        present: The players of each example.
        neighbors: Pairs of players that are neighbors; None for a sequence.
        criterion: Which figure decides the merges.

    Raises:
        TypeError: If the neighbors are no pairs.
        ValueError: If a graph can't form a tree.
    """
    everyone = tuple(range(n_players))
    given = None if neighbors is None else _check_edges(neighbors)

    def graph(players: tuple[int, ...]) -> tuple[tuple[int, ...], Edges]:
        if given is None:
            edges = tuple(pairwise(players))
        elif players == everyone:
            edges = given
        else:
            here = set(players)
            edges = tuple(edge for edge in given if here.issuperset(edge))
        check_players(players, edges)
        return players, edges

    whole = graph(everyone)
    own = tuple(graph(players) for players in present)
    return Graphs(own, whole, criterion)


def _check_edges(neighbors: Sequence[Sequence[int]] | Tensor) -> Edges:
    listed = neighbors.tolist() if isinstance(neighbors, Tensor) else neighbors
    try:
        return tuple((int(a), int(b)) for a, b in listed)
    except (TypeError, ValueError):
        bad_type(
            "neighbors",
            "a sequence of pairs of players",
            neighbors,
            "pass None for a sequence of players",
        )


def exact_forest(
    graphs: Graphs,
    table: Tensor,  # (batch, *outputs, 2**n)
    close: Tolerance,
) -> Forest:
    """Grow every tree from the values of all coalitions."""
    lead = table.shape[:-1]
    rows = table.flatten(0, -2).cpu().double()
    growths = [
        graphs.growth(row, lead, ExactContexts(), close, beam=8)
        for row in range(len(rows))
    ]
    trees = grow_from_tables(growths, list(rows))
    return Forest(trees, table[..., 0], table[..., -1])


def forest_plan(
    graphs: Graphs,
    budget: int,
    close: Callable[[], Tolerance],
    generator: torch.Generator,
) -> Plan[Forest]:
    """Grow all trees in step, evaluating what they ask for and nothing twice.

    The contexts are the same for every example, so that a tree does not depend on its
    place in the batch.

    Args:
        graphs: The graphs of the examples.
        budget: Distinct coalitions per example.
        close: What counts as rounding, asked once the game has answered.
        generator: Source of randomness.

    Raises:
        ValueError: If the budget is too small for two contexts at every level.
    """
    n, edges = graphs.n_players, graphs.everyone[1]
    degree = torch.bincount(torch.tensor(edges).flatten(), minlength=n)
    most_pairs = 2 if int(degree.max()) <= 2 else n
    smallest = SampledContexts.smallest_budget(n, most_pairs) + 2
    if budget < smallest:
        _refuse_budget(budget, smallest, n)
    ends = yield torch.tensor([[False], [True]]).expand(2, n)
    lead = ends.shape[:-1]
    outputs = lead[1:].numel()
    each = (budget - 2) // outputs
    if each < smallest - 2:
        _refuse_budget(budget, (smallest - 2) * outputs + 2, n)
    many = SampledContexts.useful_contexts(n, each, most_pairs)
    joins = shapley_subsets(many, n, generator)
    contexts = [SampledContexts(joins, each, most_pairs) for _ in range(lead.numel())]
    together = run_together(
        [graphs.growth(k, lead, own, close(), beam=1) for k, own in enumerate(contexts)]
    )
    asked = next(together)
    while True:
        codes = _by_example(asked, lead[0])
        masks = codes_to_masks(codes, n)
        values = yield masks if lead[0] > 1 else masks[0]
        rows = values.cpu().double().reshape(lead.numel(), -1)
        known = [
            row[:0] if wanted is None else _look_up(wanted, codes[k // outputs], row)
            for k, (wanted, row) in enumerate(zip(asked, rows, strict=True))
        ]
        try:
            asked = together.send(known)
        except StopIteration as finished:
            return Forest(finished.value, ends[..., 0], ends[..., 1])


def _refuse_budget(n_samples: int, smallest: int, n: int) -> None:
    bad_value(
        "n_samples",
        f"at least {smallest} for a tree over {n} players",
        n_samples,
        "raise it, pass a coarser `feature_mask`, or choose a `target`",
    )


def _by_example(asked: Sequence[Tensor | None], batch: int) -> Tensor:
    """Return what each example's trees ask for, sorted, ``(batch, longest)``.

    Examples that need fewer repeat the empty coalition, whose code comes first.
    """
    outputs = len(asked) // batch
    wanted = []
    for example in range(batch):
        rows = asked[example * outputs : (example + 1) * outputs]
        codes = [codes.flatten() for codes in rows if codes is not None]
        none = torch.zeros(1, dtype=torch.int64)
        wanted.append(torch.cat([none, *codes]).unique())
    longest = max(len(codes) for codes in wanted)
    return torch.stack([torch.cat([c.new_zeros(longest - len(c)), c]) for c in wanted])


def _look_up(wanted: Tensor, codes: Tensor, values: Tensor) -> Tensor:
    """Return the values of some of the sorted codes, in the shape of ``wanted``."""
    found: Tensor = values[torch.searchsorted(codes, wanted)]
    return found
