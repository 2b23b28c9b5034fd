"""The trees of a batch, grown in step: from graphs of neighbors to agglomerations."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.estimators._kernel_estimation import kernel_plan
from captum_interactions.estimators._kernel_table import completed_table
from captum_interactions.estimators.agglomeration import (
    Agglomeration,
    Criterion,
    Growth,
    Tolerance,
    agglomerate,
)
from captum_interactions.estimators.driver import Plan
from captum_interactions.estimators.tree_contexts import (
    ExactContexts,
    KnownContexts,
    SampledContexts,
    shapley_subsets,
)
from captum_interactions.estimators.tree_graphs import Graphs
from captum_interactions.functional import codes_to_masks

__all__ = [
    "Forest",
    "estimated_forest_plan",
    "exact_forest",
    "forest_plan",
    "grow_from_tables",
    "run_together",
]


# Contexts where predictions cost nothing: all of 10 constituents; more add little to
# what the posterior leaves open.
_KNOWN_CONTEXTS = 1024


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


def run_together(
    growths: Sequence[Growth],
) -> Generator[list[Tensor | None], list[Tensor], list[Agglomeration]]:
    """Run many trees in step.

    Args:
        growths: The trees.

    Yields:
        One tensor of codes per tree (``None`` for a finished one); v of each, in the
        same shape, is sent back.

    Returns:
        The finished trees.
    """
    done: dict[int, Agglomeration] = {}
    asked: list[Tensor | None] = [next(growth) for growth in growths]
    while len(done) < len(growths):
        values = yield asked
        for k, growth in enumerate(growths):
            if k in done:
                continue
            try:
                asked[k] = growth.send(values[k])
            except StopIteration as finished:
                done[k], asked[k] = finished.value, None
    return [done[k] for k in range(len(growths))]


def grow_from_tables(
    growths: Sequence[Growth],
    tables: Sequence[Tensor],  # each (2**n,), or a mean and draws (1 + D, 2**n)
) -> list[Agglomeration]:
    """Run many trees whose values are all known.

    Args:
        growths: The trees.
        tables: v of all coalitions, for each tree.

    Returns:
        The finished trees.
    """
    together = run_together(growths)
    asked = next(together)
    while True:
        values = [
            table[:0] if codes is None else table[..., codes]
            for table, codes in zip(tables, asked, strict=True)
        ]
        try:
            asked = together.send(values)
        except StopIteration as finished:
            trees: list[Agglomeration] = finished.value
            return trees


def exact_forest(
    graphs: Graphs,
    table: Tensor,  # (batch, *outputs, 2**n)
    criterion: Criterion,
    close: Tolerance,
) -> Forest:
    """Grow every tree from the values of all coalitions."""
    lead = table.shape[:-1]
    rows = table.flatten(0, -2).cpu().double()
    growths = [
        agglomerate(*graphs.graph(row, lead), ExactContexts(), criterion, close, beam=8)
        for row in range(len(rows))
    ]
    trees = grow_from_tables(growths, list(rows))
    return Forest(trees, table[..., 0], table[..., -1])


def estimated_forest_plan(
    graphs: Graphs,
    budget: int,
    criterion: Criterion,
    close: Callable[[], Tolerance],
    generator: torch.Generator,
) -> Plan[Forest]:
    """Grow every tree from the posterior of all values of at most 20 players.

    The coalitions of a budget serve all levels of all trees; standard errors take the
    uncertainty of the posterior and of sampled contexts together.

    Arguments are those of :func:`forest_plan`.
    """
    n = graphs.n_players
    found = yield from kernel_plan(n, budget, generator=generator)
    whole = completed_table(found, generator)
    assert whole.errors is not None
    tables = torch.cat([whole.table[None], whole.table + whole.errors])
    rows = tables.reshape(len(tables), -1, 1 << n).cpu()
    joins = shapley_subsets(_KNOWN_CONTEXTS, n, generator)
    trees = []
    for row in range(rows.shape[1]):
        graph = graphs.graph(row, found.lead)
        growth = agglomerate(*graph, KnownContexts(joins), criterion, close(), beam=8)
        trees += grow_from_tables([growth], [rows[:, row]])
    return Forest(trees, found.v_empty, found.v_full)


def forest_plan(
    graphs: Graphs,
    budget: int,
    criterion: Criterion,
    close: Callable[[], Tolerance],
    generator: torch.Generator,
) -> Plan[Forest]:
    """Grow all trees in step, evaluating what they ask for and nothing twice.

    The contexts are the same for every example, so that a tree does not depend on its
    place in the batch.

    Args:
        graphs: The graphs of the examples.
        budget: Distinct coalitions per example.
        criterion: Which figure decides the merges.
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
        [
            agglomerate(*graphs.graph(k, lead), own, criterion, close(), beam=1)
            for k, own in enumerate(contexts)
        ]
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
