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


class Contexts(Protocol):
    """Chooses the contexts over which the terms of a plan are averaged."""

    def draw(self, plan: MergePlan) -> tuple[Tensor, Tensor | None]:
        """Return contexts ``(C, constituents)`` and their weights.

        Sampled ones have none, and their second half are complements of the first.
        """


class ExactContexts:
    """All contexts, with their Shapley weights."""

    def draw(self, plan: MergePlan) -> tuple[Tensor, Tensor | None]:
        """Return all 2^p contexts of p constituents."""
        return shapley_contexts(len(plan.constituents))


class KnownContexts:
    """Contexts where every value is known: all of few constituents, else many.

    Complements are as likely: with them, what pairs of players do is met without error.

    Args:
        joins: Contexts over all players, ``(K, n)`` bool, from
            :func:`shapley_subsets`; their complements are added.
    """

    def __init__(self, joins: Tensor) -> None:
        self._joins = torch.cat([joins, ~joins])

    def draw(self, plan: MergePlan) -> tuple[Tensor, Tensor | None]:
        """Return no more contexts than there were given."""
        if 1 << len(plan.constituents) <= len(self._joins):
            return shapley_contexts(len(plan.constituents))
        first = [coalition_members(code)[0] for code in plan.constituents]
        return self._joins[:, first], None
