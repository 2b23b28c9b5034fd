"""What a point and a multiplier prove about the sparse AND-OR split.

The problem: minimize Σ c_a|a| + c_b|b| over AND interactions a and OR interactions b
with b = o + P a, where o are the OR interactions of the whole game and
P = [[1, 1], [0, −1]]^⊗n: what the AND part takes from the game, the OR part gives back.
The empty set costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from captum_interactions.functional.moebius import moebius, zeta

__all__ = [
    "MAX_POLISHED",
    "Certificate",
    "dual_point",
    "excess",
    "or_operator",
    "polished",
]

# Above this many terms a game is not called sparse: a least-squares problem of 64
# unknowns takes as long as a hundred iterations at n = 12.
MAX_POLISHED = 64
# Largest misfit of a sum of few terms that is the game, whose largest value is 1:
# thousands of rounding errors of 1e-16.
_EXACT = 1e-12
_TIE = 1e-9  # far above float64's rounding, far below any tolerance in use


def or_operator(x: Tensor) -> Tensor:
    """The OR transform as one Kronecker product: its entry at ∅ is −x(N)."""
    return -moebius(x.flip(-1))


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
        tiny = torch.finfo(self.upper.dtype).tiny
        return (self.upper - self.lower) / self.upper.clamp_min(tiny)

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

    def put(self, rows: Tensor, found: Certificate) -> None:
        """Write another one's rows into those of this."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(found, field.name)

    def keep(self, chosen: Tensor) -> Certificate:
        """Return the chosen games only."""
        return Certificate(*(getattr(self, f.name)[chosen] for f in fields(self)))


def dual_point(multiplier: Tensor) -> Tensor:
    """Move a multiplier ``(games, parts, 2**n)`` off ∅, whose entries cost nothing.

    For a multiplier w normal to the subspace, w_a + Pᵀ w_b = 0, and |w| ≤ c, each
    feasible point costs at least ⟨w_a, a⟩ + ⟨w_b, b⟩ = ⟨w_b, o⟩.
    """
    # Taking w_b(∅) out changes Pᵀ w_b by the row of ∅ in P, all ones.
    out = multiplier.clone()
    out[:, 0] += multiplier[:, 1, :1]
    out[:, :2, 0] = 0
    return out


def excess(w: Tensor, costs: Tensor) -> Tensor:
    """Return what a dual point must be divided by to have |w| ≤ c, ``(games,)``."""
    return (w[:, :2, 1:].abs() / costs[..., 1:]).flatten(1).amax(-1).clamp_min(1)


def polished(game: Tensor, costs: Tensor, and_part: Tensor, z: Tensor) -> Tensor:
    """Solve for the weights of the few terms that are left, if they fit exactly.

    Soft-thresholding leaves exact zeros in ``z`` ``(2, 2**n)``. Where a game really is
    a short sum of terms, the weights of the rest follow from one least-squares problem,
    without the solver's tolerance.

    Returns:
        The better AND part, ``(2**n,)``.
    """
    size = len(game)
    kinds, codes = z[:, 1:].nonzero(as_tuple=True)
    codes = codes + 1
    if not 0 < len(codes) <= min(MAX_POLISHED, size // 2):
        return and_part
    hit = torch.arange(size, device=game.device).unsqueeze(-1) & codes
    columns = torch.where(kinds == 0, hit == codes, hit != 0).to(game)
    # AND and OR of a single player are the same column; the CPU's default solver was
    # seen to answer differently from call to call on such matrices.
    driver = "gels" if game.is_cuda else "gelsd"
    solved = torch.linalg.lstsq(columns, game.unsqueeze(-1), driver=driver)
    weights = solved.solution.squeeze(-1)
    misfit = (columns @ weights - game).abs().max()
    cost = (costs[kinds, codes] * weights.abs()).sum()
    if not (misfit < _EXACT and cost <= _cost(game, costs, and_part)):
        return and_part
    out = torch.zeros_like(and_part)
    out[codes[kinds == 0]] = weights[kinds == 0]
    return out


def _cost(game: Tensor, costs: Tensor, and_part: Tensor) -> Tensor:
    """What the split with this AND part costs."""
    proper = and_part.clone()
    proper[0] = 0
    both = torch.stack([proper, or_operator(game - zeta(proper))])
    return (costs * both.abs()).sum()
