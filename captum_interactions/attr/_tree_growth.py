"""Growing the trees of a batch: from a game to finished agglomerations."""

from __future__ import annotations

from collections.abc import Sequence
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
    run_together,
)
from captum_interactions.estimators.tree_contexts import (
    Contexts,
    ExactContexts,
    SampledContexts,
    shapley_subsets,
)
from captum_interactions.functional import codes_to_masks
from captum_interactions.games import ModelGame
from captum_interactions.players import Players

__all__ = ["Forest", "ForestPlan", "grow_exact", "grow_sampled", "plan_forest"]

Edges = tuple[tuple[int, int], ...]

# What counts as rounding follows the dtype in which the model answers: float32 values
# carry about 1e-7 of their size, and batches of different size round differently.
_TOLERANCES = {torch.float64: Tolerance()}
_COARSE = Tolerance(figure=1e-6, value=1e-6, tie=1e-6)


@dataclass(frozen=True)
class ForestPlan:
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
        n_evaluations: Distinct coalitions evaluated per example.
    """

    trees: list[Agglomeration]
    v_empty: Tensor
    v_full: Tensor
    n_evaluations: int


def plan_forest(
    game: ModelGame,
    neighbors: Sequence[tuple[int, int]] | None,
    criterion: Criterion,
) -> ForestPlan:
    """Find the players of each example and check that they can form a tree."""
    everyone = tuple(range(game.n_players))
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
    present = _present(game.players, game.batch_size)
    return ForestPlan(tuple(graph(players) for players in present), whole, criterion)


def _check_edges(neighbors: Sequence[tuple[int, int]]) -> Edges:
    try:
        return tuple((int(a), int(b)) for a, b in neighbors)
    except (TypeError, ValueError):
        bad_type(
            "neighbors",
            "a sequence of pairs of players",
            neighbors,
            "pass None for a sequence of players",
        )


def _present(players: Players, batch_size: int) -> list[tuple[int, ...]]:
    """Return the players that own any input element, example by example."""
    if not players.per_example:
        return [tuple(range(len(players)))] * batch_size
    return [
        tuple(
            torch.cat(
                [mask[min(b, len(mask) - 1)].flatten().cpu() for mask in players.masks]
            )
            .unique()
            .tolist()
        )
        for b in range(batch_size)
    ]


def grow_exact(game: ModelGame, plan: ForestPlan) -> Forest:
    """Evaluate all coalitions once and grow every tree from the table."""
    table = game.table()
    lead = table.shape[:-1]
    rows = table.flatten(0, -2).cpu().double()
    close = _TOLERANCES.get(game.value_dtype, _COARSE)
    growths = [
        plan.growth(row, lead, ExactContexts(), close, beam=8)
        for row in range(len(rows))
    ]

    def look_up(asked: list[Tensor | None]) -> list[Tensor]:
        return [
            v[:0] if codes is None else v[codes]
            for v, codes in zip(rows, asked, strict=True)
        ]

    trees = run_together(growths, look_up)
    return Forest(trees, table[..., 0], table[..., -1], table.shape[-1])


def grow_sampled(
    game: ModelGame, plan: ForestPlan, n_samples: int, generator: torch.Generator
) -> Forest:
    """Grow all trees in step, evaluating what they ask for and nothing twice.

    The contexts are the same for every example, so that a tree does not depend on its
    place in the batch.
    """
    n, edges = game.n_players, plan.everyone[1]
    degree = torch.bincount(torch.tensor(edges).flatten(), minlength=n)
    most_pairs = 2 if int(degree.max()) <= 2 else n
    smallest = SampledContexts.smallest_budget(n, most_pairs) + 2
    if n_samples < smallest:
        _refuse_budget(n_samples, smallest, n)
    ends = torch.tensor([False, True]).unsqueeze(-1).expand(2, n)
    values = game(ends)
    lead = values.shape[:-1]
    n_outputs = lead[1:].numel()
    budget = (n_samples - 2) // n_outputs
    if budget < smallest - 2:
        _refuse_budget(n_samples, (smallest - 2) * n_outputs + 2, n)
    many = SampledContexts.useful_contexts(n, budget, most_pairs)
    joins = shapley_subsets(many, n, generator)
    close = _TOLERANCES.get(game.value_dtype, _COARSE)
    growths = [
        plan.growth(row, lead, SampledContexts(joins, budget, most_pairs), close, 1)
        for row in range(lead.numel())
    ]
    ledger = _Ledger(game, lead)
    trees = run_together(growths, ledger.evaluate)
    return Forest(trees, values[..., 0], values[..., 1], ledger.n_evaluations)


def _refuse_budget(n_samples: int, smallest: int, n: int) -> None:
    bad_value(
        "n_samples",
        f"at least {smallest} for a tree over {n} players",
        n_samples,
        "raise it, pass a coarser `feature_mask`, or choose a `target`",
    )


class _Ledger:
    """Values of the coalitions evaluated so far, example by example."""

    def __init__(self, game: ModelGame, lead: torch.Size) -> None:
        self._game = game
        self._outputs = lead[1:].numel()
        ends = torch.tensor([0, (1 << game.n_players) - 1])
        self._codes = [ends[:0]] * lead[0]
        self._values = [torch.empty(self._outputs, 0, dtype=torch.float64)] * lead[0]

    @property
    def n_evaluations(self) -> int:
        """Distinct coalitions of the example that needed most, with ∅ and N."""
        ends = torch.tensor([0, (1 << self._game.n_players) - 1])
        return max(
            len(codes) + int((~torch.isin(ends, codes)).sum()) for codes in self._codes
        )

    def evaluate(self, asked: list[Tensor | None]) -> list[Tensor]:
        """Return v of the codes each tree asks for."""
        new = []
        for example, known in enumerate(self._codes):
            rows = asked[example * self._outputs : (example + 1) * self._outputs]
            wanted = [codes.flatten() for codes in rows if codes is not None]
            codes = torch.cat(wanted).unique() if wanted else known[:0]
            new.append(codes[~torch.isin(codes, known)])
        if any(len(codes) for codes in new):
            self._add(new)
        return [
            torch.empty(0) if codes is None else self._look_up(row, codes)
            for row, codes in enumerate(asked)
        ]

    def _add(self, new: list[Tensor]) -> None:
        n = self._game.n_players
        longest = max(len(codes) for codes in new)
        # Examples that need fewer repeat the empty coalition.
        padded = torch.stack(
            [torch.cat([c, c.new_zeros(longest - len(c))]) for c in new]
        )
        masks = codes_to_masks(padded, n)
        values = self._game(masks[0] if len(new) == 1 else masks)
        values = values.cpu().double().reshape(len(new), self._outputs, longest)
        for example, codes in enumerate(new):
            codes = torch.cat([self._codes[example], codes])
            known = torch.cat(
                [self._values[example], values[example, :, : len(new[example])]], dim=-1
            )
            self._codes[example], order = codes.sort()
            self._values[example] = known[:, order]

    def _look_up(self, row: int, codes: Tensor) -> Tensor:
        example, output = divmod(row, self._outputs)
        position = torch.searchsorted(self._codes[example], codes)
        return self._values[example][output][position]
