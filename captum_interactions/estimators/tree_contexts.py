"""Contexts over which the figures of a tree's merges are averaged."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from captum_interactions.functional import coalition_members
from captum_interactions.functional.merge_plan import MergePlan, shapley_contexts

__all__ = [
    "Contexts",
    "ExactContexts",
    "KnownContexts",
    "SampledContexts",
    "shapley_subsets",
]


def shapley_subsets(many: int, n: int, generator: torch.Generator | None) -> Tensor:
    """Draw subsets ``(many, n)`` as the Shapley value draws its contexts.

    Each player joins with probability t, uniform on [0, 1] and stratified.
    """
    device = None if generator is None else generator.device
    within = torch.rand(
        many, 1, dtype=torch.float32, generator=generator, device=device
    )
    strata = torch.randperm(many, generator=generator, device=device).unsqueeze(-1)
    draws = torch.rand(many, n, dtype=torch.float32, generator=generator, device=device)
    return (draws < (strata + within) / many).cpu()


# Coalitions repeat within a level and from level to level: whole trees over 12 to 20
# players took a sixth to a ninth of the worst case.
_EAGERNESS = 6


class Contexts(Protocol):
    """Chooses the contexts over which the terms of a plan are averaged."""

    def draw(self, plan: MergePlan) -> tuple[Tensor, Tensor | None]:
        """Return contexts ``(C, constituents)`` and their weights, None if sampled."""


class ExactContexts:
    """All contexts, with their Shapley weights."""

    def draw(self, plan: MergePlan) -> tuple[Tensor, Tensor | None]:
        """Return all 2^p contexts of p constituents."""
        return shapley_contexts(len(plan.constituents))


class KnownContexts:
    """Contexts where every value is known: all of few constituents, else many.

    Args:
        joins: Contexts over all players, ``(K, n)`` bool, from
            :func:`shapley_subsets`.
    """

    def __init__(self, joins: Tensor) -> None:
        self._joins = joins

    def draw(self, plan: MergePlan) -> tuple[Tensor, Tensor | None]:
        """Return no more contexts than there were given."""
        if 1 << len(plan.constituents) <= len(self._joins):
            return shapley_contexts(len(plan.constituents))
        first = [coalition_members(code)[0] for code in plan.constituents]
        return self._joins[:, first], None


class SampledContexts:
    """The same random contexts at every level, as many as the budget allows.

    A constituent joins with its first player, so that a merge leaves most contexts, and
    therefore most coalitions, as they were: the pairs of one level, and the levels, are
    compared on common random numbers.

    Args:
        joins: Contexts over all players, ``(K, n)`` bool, from
            :func:`shapley_subsets`.
        budget: Distinct coalitions that the tree may ask for, at least
            :meth:`smallest_budget`.
        most_pairs: How many pairs a constituent can be part of at any level.
    """

    def __init__(self, joins: Tensor, budget: int, most_pairs: int) -> None:
        self._joins = joins
        self._left = budget
        self._seen = torch.empty(0, dtype=torch.int64)
        self._most_pairs = most_pairs

    @staticmethod
    def worst_case(n_players: int, p: int, most_pairs: int) -> int:
        """Bound the coalitions that one context needs with p constituents left."""
        pairs_each = min(most_pairs, p - 1)
        pairs = p * pairs_each // 2
        merged = min(n_players, 2 * (n_players - p))
        return 1 + p + pairs + merged * (1 + pairs_each)

    @classmethod
    def smallest_budget(cls, n_players: int, most_pairs: int) -> int:
        """Return the budget that surely allows two contexts at every level."""
        levels = range(2, n_players + 1)
        return 2 * sum(cls.worst_case(n_players, p, most_pairs) for p in levels)

    @classmethod
    def useful_contexts(cls, n_players: int, budget: int, most_pairs: int) -> int:
        """Return more contexts than the first level, or any other, can pay for."""
        levels = range(2, n_players + 1)
        needs = [cls.worst_case(n_players, p, most_pairs) for p in levels]
        return 2 + _EAGERNESS * budget * needs[-1] // (sum(needs) * n_players)

    def draw(self, plan: MergePlan) -> tuple[Tensor, Tensor | None]:
        """Return the first K contexts, K as large as this level's share allows."""
        n, p = self._joins.shape[-1], len(plan.constituents)
        needs = [self.worst_case(n, q, self._most_pairs) for q in range(2, p + 1)]
        # A level may take several times its part of what is left, short of what the
        # levels after it need for two contexts each.
        part = _EAGERNESS * self._left * needs[-1] // sum(needs)
        share = min(part, self._left - 2 * sum(needs[:-1]))
        first = [coalition_members(code)[0] for code in plan.constituents]
        contexts = self._joins[:, first]
        codes = plan.coalitions(contexts).mT  # (K, terms)
        fresh = ~torch.isin(codes, self._seen)
        # A coalition is paid for by the first context that asks for it.
        order = torch.arange(codes.numel(), dtype=torch.int64)
        unique, inverse = torch.unique(codes.flatten(), return_inverse=True)
        asked = torch.full((len(unique),), codes.numel(), dtype=torch.int64)
        asked.scatter_reduce_(0, inverse, order, "amin")
        new = (asked[inverse] == order).view_as(codes) & fresh
        cost = new.sum(-1).cumsum(0)
        many = max(int((cost <= share).sum()), 2)
        self._left -= int(cost[min(many, len(cost)) - 1])
        self._seen = torch.cat([self._seen, codes[:many][new[:many]]])
        return contexts[:many], None
