"""What one step of learning baselines evaluates, and the loss it makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._random import device_of
from captum_interactions.baselines._settings import FitSettings, penalized_orders
from captum_interactions.estimators.marginals import (
    bernoulli_marginals,
    permutation_marginals,
)
from captum_interactions.functional import (
    l1_interaction_loss,
    marginal_loss,
    shapley_loss,
)
from captum_interactions.functional.baseline_losses import (
    sampled_marginal_strength,
    sampled_shapley_strength,
)
from captum_interactions.games import ModelGame

__all__ = ["LossTerm", "loss_terms"]


def _over_outputs(values: Tensor) -> Tensor:
    """Sum over everything but the examples."""
    return values.flatten(1).sum(1) if values.dim() > 1 else values


@dataclass(frozen=True)
class LossTerm:
    """A part of a step's loss that is evaluated on its own.

    Attributes:
        n_coalitions: Coalitions it evaluates per example.
        losses: From a game to one loss per example.
    """

    n_coalitions: int
    losses: Callable[[ModelGame], Tensor]


def loss_terms(
    settings: FitSettings,
    n: int,
    generator: torch.Generator | None,
) -> list[LossTerm]:
    """Choose what one step evaluates."""
    if settings.objective == "l1_interaction":
        return [
            LossTerm(
                1 << n,
                lambda game: _over_outputs(
                    l1_interaction_loss(game.table(), settings.include_empty)
                ),
            )
        ]
    orders = penalized_orders(settings.max_order, n)
    if settings.bernoulli:
        return [_bernoulli_term(settings, n, orders, i, generator) for i in range(n)]
    drawn = orders
    if settings.orders_per_step is not None and settings.orders_per_step < len(orders):
        order = torch.randperm(
            len(orders), generator=generator, device=device_of(generator)
        )
        drawn = sorted(order[: settings.orders_per_step].tolist())
    per_order = [1 if m in (0, n - 1) else settings.n_contexts for m in drawn]
    n_coalitions = sum(per_order) * (n + 1)
    if (1 << n) <= n_coalitions:
        exact = shapley_loss if settings.objective == "shapley" else marginal_loss
        return [
            LossTerm(1 << n, lambda game: _over_outputs(exact(game.table(), orders)))
        ]
    return [_permutation_term(settings, n, drawn, len(orders), n_coalitions, generator)]


def _strength(settings: FitSettings) -> Callable[[Tensor], Tensor]:
    if settings.objective == "shapley":
        return sampled_shapley_strength
    return sampled_marginal_strength


def _permutation_term(
    settings: FitSettings,
    n: int,
    drawn: list[int],
    n_orders: int,
    n_coalitions: int,
    generator: torch.Generator | None,
) -> LossTerm:
    strength = _strength(settings)

    def losses(game: ModelGame) -> Tensor:
        plans = [
            permutation_marginals(
                n, m, settings.n_contexts, (game.batch_size,), generator
            )
            for m in drawn
        ]
        values = game(torch.cat([plan.masks for plan in plans], dim=-2))
        parts = values.split([plan.masks.shape[-2] for plan in plans], dim=-1)
        strengths = [
            _over_outputs(strength(plan.marginals(part)))
            for plan, part in zip(plans, parts, strict=True)
        ]
        # The mean over the orders drawn estimates the sum over all.
        return torch.stack(strengths).mean(0) * n_orders

    return LossTerm(n_coalitions, losses)


def _bernoulli_term(
    settings: FitSettings,
    n: int,
    orders: list[int],
    player: int,
    generator: torch.Generator | None,
) -> LossTerm:
    strength = _strength(settings)

    def losses(game: ModelGame) -> Tensor:
        plan = bernoulli_marginals(
            n, orders, player, settings.n_contexts, (game.batch_size,), generator
        )
        return _over_outputs(strength(plan.marginals(game(plan.masks))))

    return LossTerm(2 * settings.n_contexts * len(orders), losses)
