"""ADMM for the AND-OR split with a noise term, with restarts and a certified gap.

Minimize Σ c_a|a| + c_b|b| subject to b = o(v + q) + P a and |q| ≤ a bound. With q the
projection needs one dense system of size 2^n, whatever the scaling: the faster solver
without q has no use here. Every game of a batch stops on its own certificate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from captum_interactions.functional._and_or.certificate import (
    Certificate,
    dual_point,
    excess,
    or_operator,
)
from captum_interactions.functional._and_or.scaling import (
    Scaling,
    kronecker_blocks,
    kronecker_product,
)
from captum_interactions.functional.coalitions import n_players
from captum_interactions.functional.moebius import moebius, zeta

__all__ = ["iterate", "solve_admm"]

# Relaxation and the residual balance: Boyd et al. (2011), 3.4.1 and 3.4.3. Restarts
# from averages, 0.4 and 0.36: Applegate et al. (2023), with their constants.
_RELAXATION = 1.6
_CHECK_EVERY = 10
_ADAPT_EVERY = 50
_RESTART_GAIN = 0.4
_STALE = 0.36


class NoisySplit:
    """A batch of problems; points have the parts a, b and q, ``(games, 3, 2**n)``."""

    def __init__(self, games: Tensor, costs: Tensor, bounds: Tensor) -> None:
        n = n_players(games)
        self.games, self.costs, self.bounds = games, costs, bounds.view(-1, 1)
        self.offset = or_operator(games)
        self.exact = Scaling.none(len(games), n, games)
        # Given q, the squared distance of (a, b) from the subspace is the parallel sum
        # of AᵀA and BᵀB at q − g, where A and B are the two transforms and g is the q
        # that (a, b) fit exactly; so the nearest q solves one fixed linear system.
        overlap = torch.tensor([[1.0, 1.0], [1.0, 2.0]]).to(games)
        system = identity = torch.eye(1 << n, dtype=games.dtype, device=games.device)
        for factor in (overlap, overlap.flip(0, 1)):
            blocks = kronecker_blocks(factor.expand(1, n, 2, 2))
            system = system + kronecker_product(blocks, identity)
        self.solve = torch.cholesky_inverse(torch.linalg.cholesky(system))
        split = torch.stack([moebius(games), self.offset], dim=1) / 2
        self.start = torch.cat([split, torch.zeros_like(split[:, :1])], dim=1)

    def project(self, point: Tensor) -> Tensor:
        """Return the nearest feasible point."""
        a, b, q = point.unbind(1)
        fitted = zeta(a) - zeta(b).flip(-1) - self.games
        q = q + (fitted - q) @ self.solve
        offset = self.offset + or_operator(q)
        a, b = self.exact.project(torch.stack([a, b - offset], dim=1)).unbind(1)
        return torch.stack([a, b + offset, q], dim=1)

    def shrink(self, point: Tensor, step: Tensor) -> Tensor:
        """Return the proximal point of the objective; ``step`` is ``(games, 1, 1)``."""
        limit = step * self.costs
        split = point[:, :2] - point[:, :2].clamp(-limit, limit)
        q = point[:, 2:].clamp(-self.bounds.unsqueeze(1), self.bounds.unsqueeze(1))
        return torch.cat([split, q], dim=1)

    def certify(self, point: Tensor, multiplier: Tensor) -> Certificate:
        """Bound the optimum from a feasible point and a multiplier normal to those."""
        # As without noise, but ⟨w_b, b⟩ + ⟨w_a, a⟩ = ⟨w_b, o⟩ − ⟨w_q, q⟩.
        w = dual_point(multiplier)
        w[:, 2, -1] -= multiplier[:, 1, 0]
        charge = self.bounds.squeeze(-1) * w[:, 2].abs().sum(-1)
        value = (w[:, 1] * self.offset).sum(-1) - charge
        q = point[:, 2].clamp(-self.bounds, self.bounds)
        b = point[:, 1] + or_operator(q - point[:, 2])
        split = torch.stack([point[:, 0], b], dim=1)
        upper = (self.costs * split.abs()).sum((-2, -1))
        return Certificate(point[:, 0], q, upper, value / excess(w, self.costs))

    def keep(self, chosen: Tensor) -> NoisySplit:
        """Return the problems of the chosen games only."""
        kept = copy(self)
        kept.exact = self.exact.keep(chosen)
        for name in ("games", "costs", "bounds", "offset", "start"):
            setattr(kept, name, getattr(self, name)[chosen])
        return kept


@dataclass
class _State:
    """ADMM's iterates, their sums since the last restart, one row per game."""

    z: Tensor  # (games, parts, 2**n), the sparse copy
    u: Tensor  # the scaled multipliers
    z_sum: Tensor
    u_sum: Tensor
    rho: Tensor  # (games, 1, 1)
    count: Tensor  # (games, 1, 1), terms in the sums
    gap: Tensor  # (games,), at the last restart

    def rescale(self, factor: Tensor) -> None:
        """Multiply the penalty by ``factor`` and keep the multipliers ρu."""
        self.rho = self.rho * factor
        self.u = self.u / factor
        self.u_sum = self.u_sum / factor

    def restart(self, chosen: Tensor, from_mean: Tensor, gap: Tensor) -> None:
        """Begin new sums, at the mean of the old ones where that is the better."""
        rows = (chosen & from_mean).view(-1, 1, 1)
        self.z = torch.where(rows, self.z_sum / self.count, self.z)
        self.u = torch.where(rows, self.u_sum / self.count, self.u)
        fresh = (~chosen).to(self.z).view(-1, 1, 1)
        self.z_sum, self.u_sum = self.z_sum * fresh, self.u_sum * fresh
        self.count = self.count * fresh
        self.gap = torch.where(chosen, gap, self.gap)

    def keep(self, chosen: Tensor) -> _State:
        return _State(*(getattr(self, field.name)[chosen] for field in fields(self)))


def _first_state(start: Tensor) -> _State:
    one = torch.ones_like(start[:, :1, :1])
    zero = torch.zeros_like(start)
    # The tables are scaled to a largest |v| of 1, which makes 2 a good first penalty.
    return _State(
        start, zero, zero, zero, 2 * one, 0 * one, 0 * one.view(-1) + torch.inf
    )


def _step(problem: NoisySplit, state: _State, near: Tensor, adapt: bool) -> None:
    """One iteration from the projected point ``near``; optionally a new penalty."""
    relaxed = _RELAXATION * near + (1 - _RELAXATION) * state.z + state.u
    z = problem.shrink(relaxed, 1 / state.rho)
    moved, state.z = z - state.z, z
    state.u = relaxed - z
    if adapt:
        # Balance the primal and the dual residual, each relative to its variable.
        norms = [
            x.flatten(1).norm(dim=-1).clamp_min(torch.finfo(x.dtype).tiny)
            for x in (near - z, moved, z, state.u)
        ]
        factor = (norms[0] / norms[2] / (norms[1] / norms[3])).sqrt().clamp(0.2, 5)
        balanced = (factor > 0.5) & (factor < 2)
        state.rescale(torch.where(balanced, 1.0, factor).view(-1, 1, 1))


def _check(
    problem: NoisySplit, state: _State, near: Tensor, best: Certificate, iteration: int
) -> Certificate:
    """Certify the iterate and its running mean; restart where that has paid."""
    now = problem.certify(near, state.rho * (state.u + near - state.z))
    z, u = state.z_sum / state.count, state.u_sum / state.count
    near_mean = problem.project(z - u)
    mean = problem.certify(near_mean, state.rho * (u + near_mean - z))
    gap = torch.minimum(now.gap, mean.gap)
    count = state.count.view(-1)
    paid = (gap < _RESTART_GAIN * state.gap) & (count >= 50)
    stale = (count > _STALE * iteration) & (count > 200)
    state.restart(paid | stale, mean.gap < now.gap, gap)
    return best.improved_by(now).improved_by(mean)


def iterate(
    problem: NoisySplit,
    tolerance: float,
    max_iterations: int,
    report: Callable[[float], None],
) -> tuple[Certificate, Tensor]:
    """Solve a batch of problems.

    Returns:
        What was found, and the iterations of each game.
    """
    games = len(problem.start)
    active = torch.arange(games, device=problem.start.device)
    state = _first_state(problem.start)
    near = problem.project(problem.start)
    best = problem.certify(near, torch.zeros_like(problem.start))
    found, spent = best, torch.zeros_like(active)
    share = torch.zeros_like(best.upper)
    for iteration in range(1, max_iterations + 1):
        near = problem.project(state.z - state.u)
        state.z_sum, state.u_sum = state.z_sum + state.z, state.u_sum + state.u
        state.count = state.count + 1
        if iteration % _CHECK_EVERY == 0 or iteration == max_iterations:
            best = _check(problem, state, near, best, iteration)
            done = (best.gap <= tolerance) | (iteration == max_iterations)
            found.put(active, best)
            share[active] = best.gap.log() / math.log(min(tolerance, 0.5))
            share[active[done]] = 1
            report(share.clamp(0, 1).mean().item())
            spent[active] = iteration
            if done.all():
                break
            if done.any():
                active, problem = active[~done], problem.keep(~done)
                state, best = state.keep(~done), best.keep(~done)
            near = problem.project(state.z - state.u)
        _step(problem, state, near, adapt=iteration % _ADAPT_EVERY == 0)
    return found, spent


def solve_admm(
    games: Tensor,
    costs: Tensor,
    bounds: Tensor,
    tolerance: float,
    max_iterations: int,
    report: Callable[[float], None],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Split games; see :func:`~captum_interactions.functional.and_or_split`.

    Args:
        games: v(S), ``(games, 2**n)``.
        costs: Weights of |I(S)|, ``(games, 2, 2**n)``: 0 at ∅, positive elsewhere.
        bounds: Largest |q|, ``(games,)``, positive.
        tolerance: Relative duality gap at which a game is done.
        max_iterations: Iterations after which the rest is returned as it is.
        report: Called with the share of the work that is done.

    Returns:
        AND part (its entry at ∅ means nothing), noise term, both ``(games, 2**n)``,
        lower bound and iterations, ``(games,)``.
    """
    games = games - games[:, :1]
    scale = games.abs().amax(-1, keepdim=True)
    scale = torch.where(scale > 0, scale, 1.0)
    level = costs.mean((-2, -1), keepdim=True)
    problem = NoisySplit(games / scale, costs / level, bounds / scale.squeeze(-1))
    found, spent = iterate(problem, tolerance, max_iterations, report)
    bounds = bounds.unsqueeze(-1)
    noise = (found.noise * scale).clamp(-bounds, bounds)
    lower = found.lower * (scale * level[:, 0]).squeeze(-1)
    return found.and_part * scale, noise, lower, spent
