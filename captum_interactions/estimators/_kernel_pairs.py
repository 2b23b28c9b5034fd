"""Vectors and Gram matrices over all pairs, in blocks of one player."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from captum_interactions.estimators._kernel_readings import FunctionalReading

__all__ = ["PairVectors", "Side", "centered_gram"]


@dataclass(frozen=True)
class Side:
    """Coalitions (or their complements) as an index sees them.

    Attributes:
        signs: ±1, ``(h, n)``.
        weights: Their weights, ``(h,)``.
        mass: weight · P at each node, ``(Q, h)``.
        size: The size term's covariance with the index, ``(h,)``.
        single: Weight of the evaluated coalition itself, times the nugget, by how many
            of the players in question it holds (none first), ``(degree + 1, h)``.
    """

    signs: Tensor
    weights: Tensor
    mass: Tensor
    size: Tensor
    single: Tensor


class PairVectors:
    """a-vectors of the pairs of one player at a time."""

    def __init__(self, reading: FunctionalReading, side: Side) -> None:
        self._reading, self._side = reading, side
        self._signs = side.signs.mT.contiguous()  # (n, h)
        none, one, both = side.single
        present = (self._signs > 0).to(side.signs)
        self._present, self._linear = present, one - none
        self._both = both - 2 * one + none
        self._constant = side.size + none
        self._has_nugget = bool((side.single != 0).any())
        gain, drift = reading.gain.mT, reading.offset.mT
        if gain.is_complex():  # Re(C U) = Re C · Re U − Im C · Im U
            gain = torch.cat([gain.real, -gain.imag], -1)
            drift = torch.cat([drift.real, -drift.imag], -1)
        self._gain, self._drift = gain.contiguous(), drift.contiguous()

    def of_player(self, i: int) -> Tensor:
        """Pairs (i, j) of all j > i, ``(n − 1 − i, h)``."""
        reading, side = self._reading, self._side
        moved = reading.gain[:, i, None] * self._signs[i] - reading.offset[:, i, None]
        mass = side.mass * moved
        if mass.is_complex():
            mass = torch.cat([mass.real, mass.imag])
        out = self._gain[i + 1 :] @ mass
        out *= self._signs[i + 1 :]
        out.addmm_(self._drift[i + 1 :], mass, alpha=-1)
        if self._has_nugget:
            mine = self._present[i]
            out += self._constant + self._linear * mine
            out.addcmul_(self._present[i + 1 :], self._linear + self._both * mine)
        else:
            out += self._constant
        terms = reading.posterior.prior.terms
        held = terms.players[:, i]
        if held.any():
            own = terms.select(held)
            weight = own.variance[0] * own.index(reading.mixture, reading.degree)
            features = own.features(side.signs) * weight
            out += own.players[:, i + 1 :].to(out).mT @ features.mT
        return out


def centered_gram(signs: Tensor, mass: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """Re Σ_T mass (c_i χ_i − o_i)(c_j χ_j − o_j), ``(n, n)``."""
    if mass.is_complex():
        second = torch.complex(
            signs.mT @ (signs * mass.real[:, None]),
            signs.mT @ (signs * mass.imag[:, None]),
        )
        first = torch.complex(signs.mT @ mass.real, signs.mT @ mass.imag)
    else:
        second, first = signs.mT @ (signs * mass[:, None]), signs.mT @ mass
    crossed = (gain * first)[:, None] * offset
    centered = gain[:, None] * gain * second - crossed - crossed.mT
    return (centered + mass.sum() * offset[:, None] * offset).real
