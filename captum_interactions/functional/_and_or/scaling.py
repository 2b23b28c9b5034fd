"""Scalings of the AND-OR split that keep its projection a Kronecker product.

At the optimum, the interactions of different sizes and players differ in size by 30 to
100 times, and one step length cannot suit all. A scaling D(S) = k·∏_{i∈S} α_i, of a and
of b apart, turns P = [[1, 1], [0, −1]]^⊗n into D_b P D_a⁻¹, which is still a Kronecker
product of 2 × 2 matrices M_i = U_i diag(s_i) V_iᵀ. In the bases V and U every mode has
one gain g, and the nearest point of {(x, P'x)} takes a division per mode: no matrix of
size 2^n is built.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Scaling", "kronecker_blocks", "kronecker_product"]

# Products of at most 16 × 16: measured on one core for n = 6 to 16, blocks of 5 players
# are as fast at best, of 6 and 7 up to 2.5 times slower.
_BLOCK_PLAYERS = 4


def kronecker_blocks(factors: Tensor) -> list[Tensor]:
    """Multiply the factors ``(rows, n, 2, 2)`` of up to four neighboring players.

    Returns:
        Matrices ``(rows, 2**k, 2**k)``, the lowest players' first.
    """
    rows, n = factors.shape[:2]
    blocks = []
    for group in factors.chunk(math.ceil(n / _BLOCK_PLAYERS), dim=1) if n else ():
        block = factors.new_ones(rows, 1, 1)
        for factor in group.unbind(1):  # the lowest player varies fastest
            product = torch.einsum("rij,rkl->rikjl", factor, block)
            block = product.reshape(rows, 2 * block.shape[1], -1)
        blocks.append(block)
    return blocks


def kronecker_product(blocks: Sequence[Tensor], x: Tensor) -> Tensor:
    """Multiply the rows of ``x``, ``(rows, 2**n)``, by their or by shared blocks."""
    out = x
    for block in blocks:
        # Puts the axis of this block first, so that the next one's is last.
        folded = out.reshape(len(x), -1, block.shape[-1])
        out = torch.bmm(block.expand(len(x), -1, -1), folded.mT)
    return out.reshape(x.shape)


@dataclass(frozen=True)
class Scaling:
    """Sizes D of a and b, and the projection in the space that they scale.

    Attributes:
        sizes: D(S) of a and b, ``(games, 2, 2**n)``.
        gain: How much P' stretches a mode, ``(games, 2**n)``.
        to_modes: Blocks of Vᵀ and Uᵀ, ``(2 * games, width, width)``.
    """

    sizes: Tensor
    gain: Tensor
    to_modes: list[Tensor]

    @classmethod
    def of(cls, level: Tensor, rates: Tensor) -> Scaling:
        """Build the scaling of log k ``(games, 2)`` and log α ``(games, 2, n)``."""
        games, _, n = rates.shape
        sizes = level.unsqueeze(-1)
        for player in range(n):
            sizes = torch.cat([sizes, sizes + rates[..., player, None]], dim=-1)
        a, b = rates.exp().unbind(1)
        zero, one = torch.zeros_like(a), torch.ones_like(a)
        factors = torch.stack([one, 1 / a, zero, -b / a], dim=-1)
        u, stretch, vh = torch.linalg.svd(factors.view(games, n, 2, 2))
        gain = (level[:, 1:] - level[:, :1]).exp()
        for player in range(n):
            gain = torch.cat(
                [gain * stretch[:, player, k : k + 1] for k in (0, 1)], dim=-1
            )
        bases = torch.stack([vh, u.mT], dim=1).flatten(0, 1)
        return cls(sizes.exp(), gain, kronecker_blocks(bases))

    @classmethod
    def none(cls, games: int, n: int, like: Tensor) -> Scaling:
        """Build the scaling that leaves everything as it is."""
        return cls.of(like.new_zeros(games, 2), like.new_zeros(games, 2, n))

    @classmethod
    def fitted(cls, strength: Tensor) -> Scaling:
        """Build the scaling that comes nearest to 1/strength, ``(games, 2, 2**n)``.

        Nearest in the mean square of the logarithms: the factor of a player is the mean
        of log strength without it less the mean with it.
        """
        logs = strength.log()
        mean = logs.mean(-1)
        n = logs.shape[-1].bit_length() - 1
        halves = [logs.unflatten(-1, (-1, 2, 1 << i)).mean((-3, -1)) for i in range(n)]
        rates = torch.stack([half[..., 0] - half[..., 1] for half in halves], dim=-1)
        return cls.of(-mean - rates.sum(-1) / 2, rates)

    def project(self, point: Tensor) -> Tensor:
        """Return the nearest (x, P'x), of ``(games, 2, 2**n)``."""
        modes = kronecker_product(self.to_modes, point.flatten(0, 1))
        a, b = modes.view(point.shape).unbind(1)
        kept = (a + self.gain * b) / (1 + self.gain**2)
        modes = torch.stack([kept, self.gain * kept], dim=1).flatten(0, 1)
        return kronecker_product(self.from_modes(), modes).view(point.shape)

    def from_modes(self) -> list[Tensor]:
        """Return the blocks of V and U."""
        return [block.mT for block in self.to_modes]

    def keep(self, chosen: Tensor) -> Scaling:
        """Return the scaling of the chosen games only."""
        pairs = [block.unflatten(0, (-1, 2)) for block in self.to_modes]
        blocks = [pair[chosen].flatten(0, 1) for pair in pairs]
        return Scaling(self.sizes[chosen], self.gain[chosen], blocks)

    def where(self, chosen: Tensor, other: Scaling) -> Scaling:
        """Return this scaling for the chosen games and the other one for the rest."""
        both = chosen.repeat_interleave(2).view(-1, 1, 1)
        pairs = zip(self.to_modes, other.to_modes, strict=True)
        return Scaling(
            torch.where(chosen.view(-1, 1, 1), self.sizes, other.sizes),
            torch.where(chosen.view(-1, 1), self.gain, other.gain),
            [torch.where(both, here, there) for here, there in pairs],
        )
