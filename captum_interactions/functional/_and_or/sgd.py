"""The AND-OR split as the papers' authors compute it, for comparison."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from captum_interactions.functional.and_or import or_interactions
from captum_interactions.functional.moebius import moebius, superset_moebius

__all__ = ["or_adjoint", "solve_sgd"]

_MOMENTUM = 0.9  # the authors'
_REPORT_EVERY = 50


def solve_sgd(
    games: Tensor,
    costs: Tensor,
    bounds: Tensor,
    learning_rate: float,
    max_iterations: int,
    report: Callable[[float], None],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Descend as the papers' authors do: p and q from 0, v_and = (v + q)/2 + p.

    Args:
        games: v(S), ``(games, 2**n)``.
        costs: Weights of |I(S)|, ``(games, 2, 2**n)``; the empty set's counts 1.
        bounds: Largest |q|, ``(games,)``: all positive, or all 0 for no noise term.
        learning_rate: First step size.
        max_iterations: Iterations there are.
        report: Called with the share of the work that is done.

    Returns:
        AND part, noise term, ``(games, 2**n)``, −inf for a lower bound and iterations,
        ``(games,)``.
    """
    bounds, costs = bounds.unsqueeze(-1), costs.clone()
    costs[..., 0] = 1
    and_costs, or_costs = costs.unbind(1)
    p, q = torch.zeros_like(games), torch.zeros_like(games)
    p_speed, q_speed = torch.zeros_like(games), torch.zeros_like(games)
    for iteration in range(max_iterations):
        rate = learning_rate * 0.1 ** (iteration / max(1, max_iterations - 1))
        half = (games + q) / 2
        # The subgradient of Σ c|I|, the empty set included: the transposed transforms
        # of the signs.
        and_slope = superset_moebius(and_costs * moebius(half + p).sign())
        or_slope = or_adjoint(or_costs * or_interactions(half - p).sign())
        p_speed = _MOMENTUM * p_speed + and_slope - or_slope
        p = p - rate * p_speed
        if bounds.any():
            q_speed = _MOMENTUM * q_speed + (and_slope + or_slope) / 2
            q = (q - rate * q_speed).clamp(-bounds, bounds)
        if (iteration + 1) % _REPORT_EVERY == 0:
            report((iteration + 1) / max_iterations)
    lower = torch.full_like(games[:, 0], -torch.inf)
    spent = torch.full_like(lower, max_iterations, dtype=torch.int64)
    return moebius((games + q) / 2 + p), q, lower, spent


def or_adjoint(x: Tensor) -> Tensor:
    """The transpose of :func:`or_interactions`."""
    proper = x.clone()
    proper[..., 0] = 0
    out = -superset_moebius(proper).flip(-1)
    out[..., 0] += x[..., 0]
    return out
