"""The trees of a batch: from graphs of neighbors to agglomerations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_draws import DrawnGame
from captum_interactions.estimators._kernel_estimation import kernel_plan
from captum_interactions.estimators._kernel_table import completed_table
from captum_interactions.estimators._stratified import MAX_TABLE_PLAYERS
from captum_interactions.estimators.agglomeration import (
    Agglomeration,
    Criterion,
    Growth,
    Tolerance,
    agglomerate,
)
from captum_interactions.estimators.driver import Plan
from captum_interactions.estimators.kernel import KernelEstimate
from captum_interactions.estimators.tree_contexts import (
    ExactContexts,
    KnownContexts,
    shapley_subsets,
)
from captum_interactions.estimators.tree_graphs import Graphs

__all__ = ["Forest", "exact_forest", "forest_plan", "grown"]

# Contexts where predictions cost nothing: all of 10 constituents; more add little to
# what the posterior leaves open. Where they cost something, all of 7.
_FEW_CONTEXTS, _MANY_CONTEXTS = 1024, 128
# Draws of the error where there is no table.
_DRAWS = 16

_Values = Callable[[Tensor], Tensor]


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


def grown(growth: Growth, values: Callable[[Tensor], Tensor]) -> Agglomeration:
    """Let a tree grow.

    Args:
        growth: The tree.
        values: v of codes ``(terms, contexts)``, or a posterior's mean and draws of it,
            with an axis of them in front.

    Returns:
        The tree.
    """
    asked = next(growth)
    while True:
        try:
            asked = growth.send(values(asked))
        except StopIteration as finished:
            tree: Agglomeration = finished.value
            return tree


def exact_forest(
    graphs: Graphs,
    table: Tensor,  # (batch, *outputs, 2**n)
    criterion: Criterion,
    close: Tolerance,
) -> Forest:
    """Grow every tree from the values of all coalitions."""
    lead = table.shape[:-1]
    rows = table.flatten(0, -2).cpu().double()
    trees = [
        grown(
            agglomerate(*graphs.graph(k, lead), ExactContexts(), criterion, close),
            partial(_look_up, row),
        )
        for k, row in enumerate(rows)
    ]
    return Forest(trees, table[..., 0], table[..., -1])


def forest_plan(
    graphs: Graphs,
    budget: int,
    criterion: Criterion,
    close: Callable[[], Tolerance],
    generator: torch.Generator,
) -> Plan[Forest]:
    """Grow every tree from the posterior of all values.

    The coalitions of a budget serve all levels of all trees; standard errors take the
    uncertainty of the posterior and of sampled contexts together.

    Args:
        graphs: The graphs of the examples.
        budget: Distinct coalitions per example.
        criterion: Which figure decides the merges.
        close: What counts as rounding, asked once the game has answered.
        generator: Source of randomness.
    """
    n = graphs.n_players
    found = yield from kernel_plan(n, budget, generator=generator)
    few = n <= MAX_TABLE_PLAYERS
    values = _tables(found, generator) if few else _drawn(found, generator)
    pairs = (_FEW_CONTEXTS if few else _MANY_CONTEXTS) // 2
    joins = shapley_subsets(pairs, n, generator)
    trees = [
        grown(
            agglomerate(
                *graphs.graph(row, found.lead),
                KnownContexts(joins),
                criterion,
                close(),
                beam=8 if few else 1,
            ),
            own,
        )
        for row, own in enumerate(values)
    ]
    return Forest(trees, found.v_empty, found.v_full)


def _tables(found: KernelEstimate, generator: torch.Generator) -> Iterator[_Values]:
    whole = completed_table(found, generator)
    assert whole.errors is not None
    tables = torch.cat([whole.table[None], whole.table + whole.errors])
    for row in tables.flatten(1, -2).cpu().unbind(1):
        yield partial(_look_up, row)


def _look_up(table: Tensor, codes: Tensor) -> Tensor:
    return table[..., codes]


def _drawn(found: KernelEstimate, generator: torch.Generator) -> Iterator[_Values]:
    center, scale = found.center.flatten().cpu(), found.scale.flatten().cpu()
    for row in range(found.n_rows):
        game = DrawnGame(found.posterior(row), _DRAWS, generator)
        yield partial(_in_units, game, center[row], scale[row])


def _in_units(game: DrawnGame, center: Tensor, scale: Tensor, codes: Tensor) -> Tensor:
    return center + scale * game(codes)
