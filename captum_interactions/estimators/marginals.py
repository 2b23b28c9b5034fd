"""Which coalitions to evaluate for the marginal contributions of players.

Δv_i(S) = v(S∪{i}) − v(S) needs two coalitions. Drawn on their own, n players cost 2n
evaluations per context; drawn along a permutation they share most of them and cost
n + 1. "Order" is the context size m = |S| here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int

__all__ = ["MarginalPlan", "bernoulli_marginals", "permutation_marginals"]


@dataclass(frozen=True)
class MarginalPlan:
    """Coalitions to evaluate, and where each marginal contribution is among them.

    Attributes:
        masks: Coalitions, True = present, ``(*batch, C, n)``.
        present: Index of S∪{i} among the coalitions, for K contexts of each of T
            (order, player) pairs, ``(*batch, K, T)`` int64, or ``(K, T)`` for all.
        absent: Index of S, the same shape.
    """

    masks: Tensor
    present: Tensor
    absent: Tensor

    def marginals(
        self,
        values: Tensor,  # (*batch, *outputs, C)
    ) -> Tensor:
        """Read Δv_i(S) from the values of the coalitions.

        Args:
            values: v of ``masks``, ``(*batch, *outputs, C)``. Differentiable.

        Returns:
            ``(*batch, *outputs, K, T)``, in the units of the value function.
        """
        return _read(values, self.present) - _read(values, self.absent)


def _read(values: Tensor, index: Tensor) -> Tensor:
    """Return ``values[..., index]`` where the leading axes of both belong together."""
    batch = index.shape[:-2]
    outputs = values.shape[len(batch) : -1]
    flat = index.reshape(*batch, *(1,) * len(outputs), -1).to(values.device)
    flat = flat.expand(*values.shape[:-1], flat.shape[-1])
    return values.gather(-1, flat).unflatten(-1, index.shape[-2:])


def _uniform(generator: torch.Generator | None, *shape: int) -> Tensor:
    device = generator.device if generator is not None else None
    return torch.rand(*shape, dtype=torch.float32, generator=generator, device=device)


def permutation_marginals(
    n: int,
    order: int,
    n_contexts: int,
    batch: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
) -> MarginalPlan:
    """Draw contexts of exactly ``order`` players, shared between the players.

    The context of player i is the first m players of a random permutation without i.
    It is uniform among the contexts of m players for each i, and all n marginal
    contributions together take n + 1 coalitions. Orders 0 and n−1 have one context,
    which is taken once.

    Args:
        n: Number of players.
        order: Context size m, in 0..n−1.
        n_contexts: Permutations K to draw.
        batch: Leading axes: every example gets its own permutations.
        generator: Source of randomness.

    Returns:
        A plan with C = K·(n+1) coalitions and T = n pairs, one per player.

    Raises:
        TypeError: If ``n_contexts`` is not an integer.
        ValueError: If the order does not exist or ``n_contexts`` is not positive.

    Example:
        >>> plan = permutation_marginals(3, order=0, n_contexts=5)
        >>> plan.masks.int().tolist()
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    check_positive_int("n_contexts", n_contexts, "draw at least one context")
    if not 0 <= order < n:
        bad_value("order", f"a context size in 0..{n - 1}", order, "choose a lower one")
    draws = 1 if order in (0, n - 1) else n_contexts
    ranks = _uniform(generator, *batch, draws, n).argsort(-1).argsort(-1)
    first, upper = ranks < order, ranks <= order  # (*batch, K, n)
    own = torch.eye(n, dtype=torch.bool, device=ranks.device)
    # i outside the first m completes them; i inside is missing from the first m + 1.
    others = torch.where(
        first.unsqueeze(-1),
        upper.unsqueeze(-2) & ~own,
        first.unsqueeze(-2) | own,
    )
    masks = torch.cat([first.unsqueeze(-2), others], dim=-2)  # (*batch, K, n+1, n)
    start = torch.arange(draws, device=ranks.device).unsqueeze(-1) * (n + 1)
    one = start + 1 + torch.arange(n, device=ranks.device)  # (K, n)
    complete = start + 1 + ranks.eq(order).int().argmax(-1, keepdim=True)
    return MarginalPlan(
        masks=masks.flatten(-3, -2),
        present=torch.where(first, complete, one),
        absent=torch.where(first, one, start),
    )


def bernoulli_marginals(
    n: int,
    orders: list[int],
    player: int,
    n_contexts: int,
    batch: tuple[int, ...] = (),
    generator: torch.Generator | None = None,
) -> MarginalPlan:
    """Draw contexts of one player as the authors of learned baselines do.

    A player j ≠ i is in the context of order m with probability m/n, so that a context
    has m(n−1)/n players in the mean, not m. One uniform number per player serves all
    orders: the contexts of a draw are nested.

    Args:
        n: Number of players.
        orders: The orders m.
        player: The player i.
        n_contexts: Contexts K to draw for each order.
        batch: Leading axes: every example gets its own contexts.
        generator: Source of randomness.

    Returns:
        A plan with C = 2·K·len(orders) coalitions and T = len(orders) pairs.

    References:
        Ren et al. (ICLR 2023), as in the authors' code.

    Example:
        >>> bernoulli_marginals(4, [0, 1], player=2, n_contexts=10).masks.shape
        torch.Size([40, 4])
    """
    uniform = _uniform(generator, *batch, n_contexts, 1, n)
    shares = torch.tensor(orders, device=uniform.device).unsqueeze(-1) / n
    own = torch.arange(n, device=uniform.device) == player
    contexts = (uniform < shares) & ~own  # (*batch, K, T, n)
    masks = torch.stack([contexts, contexts | own], dim=-2)
    absent = 2 * torch.arange(n_contexts * len(orders), device=uniform.device)
    absent = absent.view(n_contexts, len(orders))
    return MarginalPlan(masks.flatten(-4, -2), absent + 1, absent)
