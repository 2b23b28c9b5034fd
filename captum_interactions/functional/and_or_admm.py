"""ADMM for the sparse AND-OR split, with restarts and a certified duality gap.

Every game of a batch stops on its own certificate. What is projected on what is said in
:mod:`~captum_interactions.functional.and_or_problems`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from captum_interactions.functional.and_or_problems import (
    Certificate,
    NoisySplitProblem,
    Problem,
    SplitProblem,
    or_operator,
)
from captum_interactions.functional.moebius import zeta

__all__ = ["solve_admm"]

_RELAXATION = 1.6
_CHECK_EVERY = 10
_ADAPT_EVERY = 50
_RESTART_GAIN = 0.4  # restart when the gap has fallen to this share
_MAX_POLISHED = 64
_TINY = 1e-300


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


def _step(problem: Problem, state: _State, near: Tensor, adapt: bool) -> None:
    """One iteration from the projected point ``near``; optionally a new penalty."""
    relaxed = _RELAXATION * near + (1 - _RELAXATION) * state.z + state.u
    z = problem.shrink(relaxed, 1 / state.rho)
    moved, state.z = z - state.z, z
    state.u = relaxed - z
    if adapt:
        # Balance the primal and the dual residual, each relative to its variable.
        norms = [
            x.flatten(1).norm(dim=-1).clamp_min(_TINY)
            for x in (near - z, moved, z, state.u)
        ]
        factor = (norms[0] / norms[2] / (norms[1] / norms[3])).sqrt().clamp(0.2, 5)
        balanced = (factor > 0.5) & (factor < 2)
        state.rescale(torch.where(balanced, 1.0, factor).view(-1, 1, 1))


def _check(
    problem: Problem, state: _State, near: Tensor, best: Certificate, iteration: int
) -> Certificate:
    """Certify the iterate and its running mean; restart where that has paid."""
    now = problem.certify(near, state.rho * (state.u + near - state.z))
    z, u = state.z_sum / state.count, state.u_sum / state.count
    near_mean = problem.project(z - u)
    mean = problem.certify(near_mean, state.rho * (u + near_mean - z))
    gap = torch.minimum(now.gap, mean.gap)
    count = state.count.view(-1)
    paid = (gap < _RESTART_GAIN * state.gap) & (count >= 50)
    stale = (count > 0.36 * iteration) & (count > 200)
    state.restart(paid | stale, mean.gap < now.gap, gap)
    return best.improved_by(now).improved_by(mean)


def _polished(game: Tensor, and_part: Tensor, z: Tensor) -> Tensor:
    """Solve for the weights of the few terms that are left, if they fit exactly.

    Soft-thresholding leaves exact zeros in ``z`` ``(2, 2**n)``. Where a game really is
    a short sum of terms, the weights of the rest follow from one least-squares problem,
    without the solver's tolerance.
    """
    size = len(game)
    kinds, codes = z[:, 1:].nonzero(as_tuple=True)
    codes = codes + 1
    if not 0 < len(codes) <= min(_MAX_POLISHED, size // 2):
        return and_part
    hit = torch.arange(size, device=game.device).unsqueeze(-1) & codes
    columns = torch.where(kinds == 0, hit == codes, hit != 0).to(game)
    weights = torch.linalg.lstsq(columns, game.unsqueeze(-1)).solution.squeeze(-1)
    misfit = (columns @ weights - game).abs().max()
    if not (misfit < 1e-12 and weights.abs().sum() <= _l1_of(game, and_part)):
        return and_part
    out = torch.zeros_like(and_part)
    out[codes[kinds == 0]] = weights[kinds == 0]
    return out


def _l1_of(game: Tensor, and_part: Tensor) -> Tensor:
    """The l1 norm of the split with this AND part."""
    proper = and_part.clone()
    proper[0] = 0
    left = or_operator(game - zeta(proper))
    return proper.abs().sum() + left[1:].abs().sum()


def solve_admm(
    games: Tensor, bounds: Tensor, tolerance: float, max_iterations: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Split games; see :func:`~captum_interactions.functional.and_or_split`.

    Args:
        games: v(S), ``(games, 2**n)``.
        bounds: Largest |q|, ``(games,)``: all positive, or all 0 for no noise term.
        tolerance: Relative duality gap at which a game is done.
        max_iterations: Iterations after which the rest is returned as it is.

    Returns:
        AND part (its entry at ∅ means nothing), noise term, both ``(games, 2**n)``,
        lower bound and iterations, ``(games,)``.
    """
    games = games - games[:, :1]
    scale = games.abs().amax(-1, keepdim=True)
    scale = torch.where(scale > 0, scale, 1.0)
    scaled, noisy = games / scale, bool(bounds.any())
    problem: Problem = (
        NoisySplitProblem(scaled, bounds / scale.squeeze(-1))
        if noisy
        else SplitProblem(scaled)
    )
    and_part, noise = torch.empty_like(games), torch.empty_like(games)
    lower = torch.empty_like(games[:, 0])
    spent = torch.empty_like(lower, dtype=torch.int64)
    active = torch.arange(len(games), device=games.device)
    state = _first_state(problem.start)
    best = problem.certify(
        problem.project(problem.start), torch.zeros_like(problem.start)
    )
    for iteration in range(1, max_iterations + 1):
        near = problem.project(state.z - state.u)
        state.z_sum, state.u_sum = state.z_sum + state.z, state.u_sum + state.u
        state.count = state.count + 1
        if iteration % _CHECK_EVERY == 0 or iteration == max_iterations:
            best = _check(problem, state, near, best, iteration)
            done = (best.gap <= tolerance) | (iteration == max_iterations)
            if done.any():
                rows = active[done]
                and_part[rows], noise[rows] = best.and_part[done], best.noise[done]
                if not noisy:
                    for row, z in zip(rows, state.z[done], strict=True):
                        and_part[row] = _polished(scaled[row], and_part[row], z)
                lower[rows], spent[rows] = best.lower[done], iteration
                if done.all():
                    break
                active, problem = active[~done], problem.keep(~done)
                state, best = state.keep(~done), best.keep(~done)
            near = problem.project(state.z - state.u)
        _step(problem, state, near, adapt=iteration % _ADAPT_EVERY == 0)
    noise = (noise * scale).clamp(-bounds.unsqueeze(-1), bounds.unsqueeze(-1))
    return and_part * scale, noise, lower * scale.squeeze(-1), spent
