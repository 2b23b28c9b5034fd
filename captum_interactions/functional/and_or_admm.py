"""ADMM for the sparse AND-OR split, with restarts and a certified duality gap.

Minimise |a|₁ + |b|₁ over AND interactions a and OR interactions b with b = o + P a,
where o are the OR interactions of the whole game and P = [[1, 1], [0, −1]]^⊗n: what the
AND part takes from the game, the OR part gives back. The empty set costs nothing. Each
iteration projects onto the constraint by two orthogonal Kronecker transforms, so no
matrix of size 2^n is built, and every game of a batch stops on its own certificate.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from captum_interactions.functional.coalitions import n_players
from captum_interactions.functional.moebius import moebius, zeta

__all__ = ["solve_admm"]

_RELAXATION = 1.6
_CHECK_EVERY = 10
_ADAPT_EVERY = 50
_RESTART_GAIN = 0.4  # restart when the gap has fallen to this share
_TIE = 1e-9
_MAX_POLISHED = 64
_TINY = 1e-300


class _KroneckerPower:
    """Multiplies by the n-th Kronecker power of a 2 × 2 matrix, along the last axis."""

    def __init__(self, factor: Tensor, n: int) -> None:
        self.blocks: list[Tensor] = []
        n_blocks = max(1, math.ceil(n / 6))  # products of at most 64 × 64
        for block in range(n_blocks):
            power = torch.ones(1, 1, dtype=factor.dtype, device=factor.device)
            for _ in range(n // n_blocks + (block < n % n_blocks)):
                power = torch.kron(factor, power)
            self.blocks.append(power)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the product with every row of ``x``, ``(*batch, 2**n)``."""
        out, below = x, 1
        for power in self.blocks:  # the lowest players vary fastest
            width = power.shape[0]
            if below == 1:
                out = torch.matmul(out.reshape(x.shape[0], -1, width), power.mT)
            else:
                folded = out.reshape(-1, width, below)
                out = torch.bmm(power.expand(len(folded), -1, -1), folded)
            below *= width
        return out.reshape(x.shape)


class _Problem(Protocol):
    """A batch of problems: minimise Σ|a| + |b| on a subspace of points.

    Points are ``(games, parts, 2**n)`` with the parts a, b and, where there is a noise
    term, q.
    """

    start: Tensor

    def project(self, point: Tensor) -> Tensor:
        """Return the nearest point of the subspace."""

    def shrink(self, point: Tensor, step: Tensor) -> Tensor:
        """Return the proximal map of the objective; ``step`` is ``(games, 1, 1)``."""

    def certify(self, point: Tensor, multiplier: Tensor) -> _Certificate:
        """Bound the optimum from a subspace point and a multiplier normal to it."""

    def keep(self, chosen: Tensor) -> _Problem:
        """Return the problem of the chosen games only."""


@dataclass(frozen=True)
class _Certificate:
    """A feasible point and two-sided bounds on the optimum, one per game."""

    and_part: Tensor  # (games, 2**n)
    noise: Tensor  # (games, 2**n)
    upper: Tensor  # (games,)
    lower: Tensor  # (games,)

    @property
    def gap(self) -> Tensor:
        return (self.upper - self.lower) / self.upper.clamp_min(_TINY)

    def improved_by(self, found: _Certificate) -> _Certificate:
        """Take the better point, and the better lower bound whichever point has it."""
        # By a margin above rounding: on a face of optimal points, a game must not end
        # elsewhere because its batch was another.
        better = found.upper < self.upper * (1 - _TIE)
        rows = better.unsqueeze(-1)
        return _Certificate(
            torch.where(rows, found.and_part, self.and_part),
            torch.where(rows, found.noise, self.noise),
            torch.where(better, found.upper, self.upper),
            torch.maximum(found.lower, self.lower),
        )

    def keep(self, chosen: Tensor) -> _Certificate:
        return _Certificate(
            self.and_part[chosen],
            self.noise[chosen],
            self.upper[chosen],
            self.lower[chosen],
        )


def _soft_threshold(point: Tensor, step: Tensor) -> Tensor:
    """Shrink |I(S)| by ``step``; the empty set costs nothing and stays."""
    out = point - point.clamp(-step, step)
    out[..., 0] = point[..., 0]
    return out


def _l1(point: Tensor) -> Tensor:
    """Σ_{S≠∅} |a(S)| + |b(S)|, ``(games,)``."""
    return point[:, :2, 1:].abs().sum((-2, -1))


def _or_operator(x: Tensor) -> Tensor:
    """The OR transform as one Kronecker product: its entry at ∅ is −x(N)."""
    return -moebius(x.flip(-1))


class _SplitProblem:
    """Minimise |a|₁ + |b|₁ subject to b = o + P a.

    With q₀, q₁ the singular vectors of [[1, 1], [0, −1]], which is its own inverse,
    P q_k = g_k q_{1−k}: in the basis of their Kronecker products P is a reversal of the
    table and one gain per mode, and a nearest point is one division per mode.
    """

    def __init__(self, games: Tensor) -> None:
        n = n_players(games)
        p = torch.tensor([[1.0, 1.0], [0.0, -1.0]], dtype=games.dtype)
        q = torch.linalg.eigh(p.mT @ p).eigenvectors
        swap = ((p @ q) * q.flip(-1)).sum(0)  # g_k = q_{1−k}ᵀ P q_k
        gain = torch.ones(1, dtype=games.dtype)
        for _ in range(n):  # bit i of the mode is the vector of player i
            gain = torch.cat([swap[0] * gain, swap[1] * gain])
        self.gain = gain.to(games.device)
        self.damping = 1 / (1 + self.gain**2)
        self.to_modes = _KroneckerPower(q.mT.to(games), n)
        self.from_modes = _KroneckerPower(q.to(games), n)
        self.offset = _or_operator(games)
        self.start = torch.stack([moebius(games), self.offset], dim=1) / 2

    def project(self, point: Tensor) -> Tensor:
        return self.project_on(point, self.offset)

    def project_on(self, point: Tensor, offset: Tensor) -> Tensor:
        """The nearest (a, offset + P a)."""
        modes = point.clone()
        modes[:, 1] -= offset
        modes = self.to_modes(modes)
        a, b = modes.unbind(1)
        torch.addcmul(a, self.gain, b.flip(-1), out=a)
        a *= self.damping
        torch.mul(self.gain, a, out=b)
        modes[:, 1] = b.flip(-1)
        out = self.from_modes(modes)
        out[:, 1] += offset
        return out

    def shrink(self, point: Tensor, step: Tensor) -> Tensor:
        return _soft_threshold(point, step)

    def certify(self, point: Tensor, multiplier: Tensor) -> _Certificate:
        # For a multiplier w normal to the subspace, w_a + Pᵀ w_b = 0, and |w| ≤ 1, each
        # feasible point has |a|₁ + |b|₁ ≥ ⟨w_a, a⟩ + ⟨w_b, b⟩ = ⟨w_b, o⟩.
        w = self.dual_point(multiplier)
        size = w[:, :2].abs().amax((-2, -1)).clamp_min(1)
        lower = (w[:, 1] * self.offset).sum(-1) / size
        return _Certificate(
            point[:, 0], torch.zeros_like(point[:, 0]), _l1(point), lower
        )

    def dual_point(self, multiplier: Tensor) -> Tensor:
        """The multiplier without its entries at ∅, which cost nothing."""
        # Taking w_b(∅) out changes Pᵀ w_b by the row of ∅ in P, all ones.
        out = multiplier.clone()
        out[:, 0] += multiplier[:, 1, :1]
        out[:, 1, 0] = 0
        out[:, 0, 0] = 0
        return out

    def keep(self, chosen: Tensor) -> _SplitProblem:
        kept = copy(self)
        kept.offset = self.offset[chosen]
        kept.start = self.start[chosen]
        return kept


class _NoisySplitProblem:
    """Minimise |a|₁ + |b|₁ subject to b = o(v + q) + P a and |q| ≤ bound."""

    def __init__(self, games: Tensor, bounds: Tensor) -> None:
        n = n_players(games)
        self.exact = _SplitProblem(games)
        self.games = games
        self.bounds = bounds.view(-1, 1)
        # Given q, the squared distance of (a, b) from the subspace is the parallel sum
        # of AᵀA and BᵀB at q − g, where A and B are the two transforms and g is the q
        # that (a, b) fit exactly; so the nearest q solves one fixed linear system.
        overlap = torch.tensor([[1.0, 1.0], [1.0, 2.0]], dtype=games.dtype)
        identity = torch.eye(1 << n, dtype=games.dtype, device=games.device)
        system = (
            identity
            + _KroneckerPower(overlap.to(games), n)(identity)
            + _KroneckerPower(overlap.flip(0, 1).to(games), n)(identity)
        )
        self.solve = torch.cholesky_inverse(torch.linalg.cholesky(system))
        start = self.exact.start
        self.start = torch.cat([start, torch.zeros_like(start[:, :1])], dim=1)

    def project(self, point: Tensor) -> Tensor:
        a, b, q = point.unbind(1)
        fitted = zeta(a) - zeta(b).flip(-1) - self.games
        q = q + (fitted - q) @ self.solve
        split = self.exact.project_on(point[:, :2], self.exact.offset + _or_operator(q))
        return torch.cat([split, q.unsqueeze(1)], dim=1)

    def shrink(self, point: Tensor, step: Tensor) -> Tensor:
        q = point[:, 2].clamp(-self.bounds, self.bounds)
        split = _soft_threshold(point[:, :2], step)
        return torch.cat([split, q.unsqueeze(1)], dim=1)

    def certify(self, point: Tensor, multiplier: Tensor) -> _Certificate:
        # As without noise, but ⟨w_b, b⟩ + ⟨w_a, a⟩ = ⟨w_b, o⟩ − ⟨w_q, q⟩.
        w = self.exact.dual_point(multiplier)
        w[:, 2, -1] -= multiplier[:, 1, 0]
        size = w[:, :2].abs().amax((-2, -1)).clamp_min(1)
        charge = self.bounds.squeeze(-1) * w[:, 2].abs().sum(-1)
        lower = ((w[:, 1] * self.exact.offset).sum(-1) - charge) / size
        q = point[:, 2].clamp(-self.bounds, self.bounds)
        b = point[:, 1] + _or_operator(q - point[:, 2])
        return _Certificate(
            point[:, 0], q, _l1(torch.stack([point[:, 0], b], 1)), lower
        )

    def keep(self, chosen: Tensor) -> _NoisySplitProblem:
        kept = copy(self)
        kept.exact = self.exact.keep(chosen)
        kept.games, kept.bounds = self.games[chosen], self.bounds[chosen]
        kept.start = self.start[chosen]
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


def _step(problem: _Problem, state: _State, near: Tensor, adapt: bool) -> None:
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
    problem: _Problem, state: _State, near: Tensor, best: _Certificate, iteration: int
) -> _Certificate:
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
    # AND and OR of a single player are the same column; the CPU's default solver was
    # seen to answer differently from call to call on such matrices.
    driver = "gels" if game.is_cuda else "gelsd"
    solved = torch.linalg.lstsq(columns, game.unsqueeze(-1), driver=driver)
    weights = solved.solution.squeeze(-1)
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
    left = _or_operator(game - zeta(proper))
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
    problem: _Problem = (
        _NoisySplitProblem(scaled, bounds / scale.squeeze(-1))
        if noisy
        else _SplitProblem(scaled)
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
