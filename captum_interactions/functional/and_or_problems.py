"""The sparse AND-OR split as a convex problem: projections, prox and certificates.

Minimize |a|₁ + |b|₁ over AND interactions a and OR interactions b with b = o + P a,
where o are the OR interactions of the whole game and P = [[1, 1], [0, −1]]^⊗n: what the
AND part takes from the game, the OR part gives back. The empty set costs nothing.
Projecting onto the constraint takes two orthogonal Kronecker transforms, so no matrix
of size 2^n is built.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from captum_interactions.functional.coalitions import n_players
from captum_interactions.functional.moebius import moebius, zeta

__all__ = [
    "Certificate",
    "KroneckerPower",
    "NoisySplitProblem",
    "Problem",
    "SplitProblem",
    "or_operator",
]

_TIE = 1e-9
_TINY = 1e-300


class KroneckerPower:
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


class Problem(Protocol):
    """A batch of problems: minimize Σ|a| + |b| on a subspace of points.

    Points are ``(games, parts, 2**n)`` with the parts a, b and, where there is a noise
    term, q.
    """

    start: Tensor

    def project(self, point: Tensor) -> Tensor:
        """Return the nearest point of the subspace."""

    def shrink(self, point: Tensor, step: Tensor) -> Tensor:
        """Return the proximal map of the objective; ``step`` is ``(games, 1, 1)``."""

    def certify(self, point: Tensor, multiplier: Tensor) -> Certificate:
        """Bound the optimum from a subspace point and a multiplier normal to it."""

    def keep(self, chosen: Tensor) -> Problem:
        """Return the problem of the chosen games only."""


@dataclass(frozen=True)
class Certificate:
    """A feasible point and two-sided bounds on the optimum, one per game."""

    and_part: Tensor  # (games, 2**n)
    noise: Tensor  # (games, 2**n)
    upper: Tensor  # (games,)
    lower: Tensor  # (games,)

    @property
    def gap(self) -> Tensor:
        """The relative duality gap, ``(games,)``."""
        return (self.upper - self.lower) / self.upper.clamp_min(_TINY)

    def improved_by(self, found: Certificate) -> Certificate:
        """Take the better point, and the better lower bound whichever point has it."""
        # By a margin above rounding: on a face of optimal points, a game must not end
        # elsewhere because its batch was another.
        better = found.upper < self.upper * (1 - _TIE)
        rows = better.unsqueeze(-1)
        return Certificate(
            torch.where(rows, found.and_part, self.and_part),
            torch.where(rows, found.noise, self.noise),
            torch.where(better, found.upper, self.upper),
            torch.maximum(found.lower, self.lower),
        )

    def keep(self, chosen: Tensor) -> Certificate:
        """Return the chosen games only."""
        return Certificate(
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


def or_operator(x: Tensor) -> Tensor:
    """The OR transform as one Kronecker product: its entry at ∅ is −x(N)."""
    return -moebius(x.flip(-1))


class SplitProblem:
    """Minimize |a|₁ + |b|₁ subject to b = o + P a.

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
        self.to_modes = KroneckerPower(q.mT.to(games), n)
        self.from_modes = KroneckerPower(q.to(games), n)
        self.offset = or_operator(games)
        self.start = torch.stack([moebius(games), self.offset], dim=1) / 2

    def project(self, point: Tensor) -> Tensor:
        """Return the nearest feasible point."""
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
        """Return the proximal point of the objective."""
        return _soft_threshold(point, step)

    def certify(self, point: Tensor, multiplier: Tensor) -> Certificate:
        """Return what a point and a multiplier prove."""
        # For a multiplier w normal to the subspace, w_a + Pᵀ w_b = 0, and |w| ≤ 1, each
        # feasible point has |a|₁ + |b|₁ ≥ ⟨w_a, a⟩ + ⟨w_b, b⟩ = ⟨w_b, o⟩.
        w = self.dual_point(multiplier)
        size = w[:, :2].abs().amax((-2, -1)).clamp_min(1)
        lower = (w[:, 1] * self.offset).sum(-1) / size
        return Certificate(
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

    def keep(self, chosen: Tensor) -> SplitProblem:
        """Return the chosen games only."""
        kept = copy(self)
        kept.offset = self.offset[chosen]
        kept.start = self.start[chosen]
        return kept


class NoisySplitProblem:
    """Minimize |a|₁ + |b|₁ subject to b = o(v + q) + P a and |q| ≤ bound."""

    def __init__(self, games: Tensor, bounds: Tensor) -> None:
        n = n_players(games)
        self.exact = SplitProblem(games)
        self.games = games
        self.bounds = bounds.view(-1, 1)
        # Given q, the squared distance of (a, b) from the subspace is the parallel sum
        # of AᵀA and BᵀB at q − g, where A and B are the two transforms and g is the q
        # that (a, b) fit exactly; so the nearest q solves one fixed linear system.
        overlap = torch.tensor([[1.0, 1.0], [1.0, 2.0]], dtype=games.dtype)
        identity = torch.eye(1 << n, dtype=games.dtype, device=games.device)
        system = (
            identity
            + KroneckerPower(overlap.to(games), n)(identity)
            + KroneckerPower(overlap.flip(0, 1).to(games), n)(identity)
        )
        self.solve = torch.cholesky_inverse(torch.linalg.cholesky(system))
        start = self.exact.start
        self.start = torch.cat([start, torch.zeros_like(start[:, :1])], dim=1)

    def project(self, point: Tensor) -> Tensor:
        """Return the nearest feasible point."""
        a, b, q = point.unbind(1)
        fitted = zeta(a) - zeta(b).flip(-1) - self.games
        q = q + (fitted - q) @ self.solve
        split = self.exact.project_on(point[:, :2], self.exact.offset + or_operator(q))
        return torch.cat([split, q.unsqueeze(1)], dim=1)

    def shrink(self, point: Tensor, step: Tensor) -> Tensor:
        """Return the proximal point of the objective."""
        q = point[:, 2].clamp(-self.bounds, self.bounds)
        split = _soft_threshold(point[:, :2], step)
        return torch.cat([split, q.unsqueeze(1)], dim=1)

    def certify(self, point: Tensor, multiplier: Tensor) -> Certificate:
        """Return what a point and a multiplier prove."""
        # As without noise, but ⟨w_b, b⟩ + ⟨w_a, a⟩ = ⟨w_b, o⟩ − ⟨w_q, q⟩.
        w = self.exact.dual_point(multiplier)
        w[:, 2, -1] -= multiplier[:, 1, 0]
        size = w[:, :2].abs().amax((-2, -1)).clamp_min(1)
        charge = self.bounds.squeeze(-1) * w[:, 2].abs().sum(-1)
        lower = ((w[:, 1] * self.exact.offset).sum(-1) - charge) / size
        q = point[:, 2].clamp(-self.bounds, self.bounds)
        b = point[:, 1] + or_operator(q - point[:, 2])
        return Certificate(point[:, 0], q, _l1(torch.stack([point[:, 0], b], 1)), lower)

    def keep(self, chosen: Tensor) -> NoisySplitProblem:
        """Return the chosen games only."""
        kept = copy(self)
        kept.exact = self.exact.keep(chosen)
        kept.games, kept.bounds = self.games[chosen], self.bounds[chosen]
        kept.start = self.start[chosen]
        return kept
