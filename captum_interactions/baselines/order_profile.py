"""How strong Shapley values are at each order, with some baselines."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.estimators.marginals import permutation_marginals
from captum_interactions.functional import shapley_strength
from captum_interactions.functional.baseline_losses import sampled_shapley_strength
from captum_interactions.games import ModelGame

__all__ = ["OrderProfile", "measure_orders", "profiled_orders"]

# A profile is there to be read: this many orders, and contexts for each, are enough.
_MAX_ORDERS = 16
_CONTEXTS = 16


@checked_methods
@dataclass(frozen=True, eq=False)
class OrderProfile:
    """Mean strength of the Shapley values of each order, before and after a fit.

    Attributes:
        orders: Context sizes m.
        before: Mean over examples, outputs and players of |φ^(m)(i)| with the baselines
            at their start, ``(len(orders),)``, in the units of the value function.
        after: The same with the learned baselines, on the same contexts.
    """

    orders: tuple[int, ...]
    before: Tensor = field(repr=False)
    after: Tensor = field(repr=False)

    def __repr__(self) -> str:
        rows = zip(self.orders, self.before.tolist(), self.after.tolist(), strict=True)
        return "mean |φ^(m)|, before → after\n" + "\n".join(
            f"  m = {m:<3d} {before:10.4g} → {after:.4g}" for m, before, after in rows
        )


def profiled_orders(n: int) -> tuple[int, ...]:
    """Return all context sizes m = 0..n−1, or 16 of them spread evenly.

    Example:
        >>> profiled_orders(4)
        (0, 1, 2, 3)
    """
    spread = torch.linspace(0, n - 1, min(n, _MAX_ORDERS)).round().int().tolist()
    return tuple(sorted(set(spread)))


def measure_orders(
    game: ModelGame,
    seed: int,
) -> Tensor:
    """Measure the strength of the Shapley values of each of :func:`profiled_orders`.

    Args:
        game: Examples with their baselines.
        seed: Decides the contexts, where taking all would cost more.

    Returns:
        Mean over examples, outputs and players of |φ^(m)(i)|, ``(len(orders),)``, in
        the units of the value function.
    """
    n = game.n_players
    orders = profiled_orders(n)
    per_order = [1 if m in (0, n - 1) else _CONTEXTS for m in orders]
    if (1 << n) <= sum(per_order) * (n + 1):
        strength = shapley_strength(game.table())[..., list(orders)]
    else:
        strength = _sampled(game, orders, torch.Generator().manual_seed(seed))
    return strength.reshape(-1, len(orders)).mean(0).cpu() / n


def _sampled(
    game: ModelGame, orders: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    n, batch = game.n_players, (game.batch_size,)
    plans = [permutation_marginals(n, m, _CONTEXTS, batch, generator) for m in orders]
    values = game(torch.cat([plan.masks for plan in plans], dim=-2))
    parts = values.split([plan.masks.shape[-2] for plan in plans], dim=-1)
    return torch.stack(
        [
            sampled_shapley_strength(plan.marginals(part)).sum(-1)
            for plan, part in zip(plans, parts, strict=True)
        ],
        dim=-1,
    )
