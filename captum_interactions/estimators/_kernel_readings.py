r"""Indices of players and pairs in closed form, with their standard errors.

For a mixture over product measures (see
:mod:`~captum_interactions.estimators._mixtures`) and an evaluated T, with c_i =
2ρ_i/(1−ρ_i²q²), r_i = ρ_i q and P = Π_k (1 + r_k χ_k)/(1 + ρ_k), the kernel's pair
index is Σ_q weight P c_i c_j (χ_i − r_i)(χ_j − r_j) and its value of a player Σ_q
weight P c_i (χ_i − r_i): sums over T are Gram products. The slope, the size term,
explicit terms and the nugget each add what their own covariance says.

A tilt multiplies f by Π_k e^{βχ_k}. Its mean over a context is that of f under another
q, and Δ_i of e^{βχ}(1 + ρχχ') is 2 cosh β (ρχ' + tanh β): c and r change, the form does
not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_pairs import (
    PairVectors,
    Side,
    centered_gram,
)
from captum_interactions.estimators._kernel_posterior import KernelPosterior, thinned
from captum_interactions.estimators._kernel_sizes import SizeParts
from captum_interactions.estimators._mixtures import Mixture, tilted

__all__ = ["FunctionalReading", "read_players", "read_pairs_of"]

# Columns of a triangular solve at a time, and doubles in them (256 MB).
_COLUMNS, _MOST_VALUES = 2048, 1 << 25


def read_players(
    posterior: KernelPosterior, mixture: Mixture, *, errors: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Mean contribution of each player, ``(n,)``, and its standard error."""
    reading = FunctionalReading(posterior, mixture, 1)
    sides = [reading.players(side) for side in reading.sides()]
    prior = reading.player_variances() if errors else None
    value, error = reading.finish(sides, prior)
    return value + 2 * mixture.sizes.sum() * posterior.prior.main[0], error


def read_pairs_of(
    posterior: KernelPosterior, mixture: Mixture, *, errors: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Mean interaction of each pair, ``(n, n)`` with zero diagonal, and its error."""
    n = posterior.signs.shape[-1]
    if n < 2:
        nothing = posterior.signs.new_zeros(n, n)
        return nothing, nothing if errors else None
    reading = FunctionalReading(posterior, mixture, 2)
    value = reading.pair_values()
    value = (value + value.mT) / 2  # symmetric to the last digit
    value.fill_diagonal_(0.0)
    if not errors:
        return value, None
    part = thinned(posterior, n * (n - 1) // 2)
    if part is not posterior:
        reading = FunctionalReading(part, mixture, 2)
    return value, reading.pair_errors()


class FunctionalReading:
    """One mixture on one posterior: players (degree 1), pairs (2), or more players."""

    def __init__(
        self, posterior: KernelPosterior, mixture: Mixture, degree: int
    ) -> None:
        self.posterior, self.degree = posterior, degree
        prior = posterior.prior
        self.rho, n = prior.relevance[0], prior.relevance.shape[-1]
        self.t = torch.tanh(prior.tilt[0] / (2 * n))
        # Contexts and players in question each leave a factor of cosh β.
        logs = mixture.log_weights - n / 2 * torch.log1p(-(self.t**2))
        self.mixture = tilted(replace(mixture, log_weights=logs), self.t)
        self.drift = self.rho * self.mixture.nodes[:, None]  # of P, (Q, n)
        left = 1 - self.drift**2
        self.gain = 2 * (self.rho - self.t * self.drift) / left  # c, (Q, n)
        self.offset = 2 * (self.rho * self.drift - self.t) / left  # c r, (Q, n)
        self._parts_by_size = SizeParts(prior, mixture, degree)
        # A pair index over symmetric contexts is even, a player's odd.
        self.symmetric = mixture.symmetric and not bool(self.t != 0)
        self.parity = degree % 2

    def sides(self) -> list[Side]:
        signs, (even, odd) = self.posterior.signs, self.posterior.weights
        if self.symmetric:
            return [self._side(signs, odd if self.parity else even)]
        here, there = self.posterior.full_weights()
        return [self._side(signs, here), self._side(-signs, there)]

    def _side(self, signs: Tensor, weights: Tensor) -> Side:
        logs = torch.log1p(self.drift) + torch.log1p(-self.drift)
        turns = torch.log1p(self.drift) - torch.log1p(-self.drift)
        level = logs.sum(-1) / 2 - torch.log1p(self.rho).sum()
        mass = turns / 2 @ signs.to(turns.dtype).mT
        mass = (mass + (level + self.mixture.log_weights)[:, None]).exp()
        return Side(signs, weights, mass, *self._parts_by_size.covariances(signs))

    # Players -------------------------------------------------------------------------

    def players(self, side: Side) -> Tensor:
        """a-vectors of all players, ``(n, h)``."""
        signs = side.signs
        mass = side.mass.mT  # (h, Q)
        moving = signs * (mass @ self.gain).real
        out = moving - (mass @ self.offset).real
        out = out + side.size[:, None]
        present = (signs > 0).to(signs)
        none, one = side.single[:, :, None]
        out = out + none + (one - none) * present
        terms = self.posterior.prior.terms
        features = terms.features(signs) * terms.variance
        weights = self.of_terms()
        return (out + (features * weights) @ terms.players.to(signs)).mT

    def of_terms(self) -> Tensor:
        """The index of players of A in each explicit term, ``(T,)``."""
        return self.posterior.prior.terms.index(self.mixture, self.degree)

    def finish(
        self, sides: list[Tensor], prior: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor | None]:
        """Mean and error of functionals whose a-vectors ``(K, h)`` are at hand.

        Without prior variances there is no error.
        """
        even, odd = self._parts(sides)
        value = self.rho.new_zeros(())
        for part, weights in zip((even, odd), self.posterior.weights, strict=True):
            if part is not None:
                value = value + part @ weights
        error = None if prior is None else self.posterior.error(prior, even, odd)
        return value, error

    def _parts(self, sides: list[Tensor]) -> tuple[Tensor | None, Tensor | None]:
        if len(sides) == 1:
            return (None, sides[0]) if self.parity else (sides[0], None)
        here, there = sides
        return (here + there) / 2, (here - there) / 2

    def player_variances(self) -> tuple[Tensor, Tensor]:
        """Prior variances of the even and the odd part, ``(n,)`` each."""
        found = [
            (mass @ (scale / factors)).real
            for factors, mass, scale in self.node_pairs()
        ]
        even, odd = self._split(found[0], found[1])
        members = self.posterior.prior.terms.players.to(self.rho)
        return self.other_variances(even, odd, lambda spread: spread @ members)

    # Pairs ---------------------------------------------------------------------------

    def pair_values(self) -> Tensor:
        """Posterior means, ``(n, n)``; the diagonal holds nothing of meaning."""
        n = len(self.rho)
        out = self.rho.new_zeros(n, n)
        for side in self.sides():
            signs = side.signs
            nodes = zip(side.mass, self.gain, self.offset, strict=True)
            for mass, gain, offset in nodes:
                out += centered_gram(signs, mass * side.weights, gain, offset)
            out += (side.size * side.weights).sum()
            none, one, both = side.single * side.weights
            rows = side.single.abs().amax(0) > 0
            present = (signs[rows] > 0).to(signs)
            single = present.mT @ (one - none)[rows]
            out += none.sum() + single[:, None] + single
            out += present.mT @ (present * (both - 2 * one + none)[rows, None])
            self._add_terms(out, side)
        return out

    def _add_terms(self, out: Tensor, side: Side) -> None:
        terms = self.posterior.prior.terms
        if len(terms):
            features = terms.features(side.signs) * terms.variance
            beta = (side.weights @ features) * self.of_terms()
            players = terms.players.to(out)
            out += players.mT @ (beta[:, None] * players)

    def pair_errors(self) -> Tensor:
        """Standard errors, ``(n, n)`` with zero diagonal."""
        n, h = len(self.rho), len(self.posterior.signs)
        even, odd = self.pair_variances()
        out = self.rho.new_zeros(n, n)
        first, second = torch.triu_indices(n, n, 1, device=out.device)
        sides = [PairVectors(self, side) for side in self.sides()]
        columns = max(1, min(_COLUMNS, _MOST_VALUES // h))
        starts, waiting = 0, []
        held = 0
        for i in range(n - 1):
            waiting.append([side.of_player(i) for side in sides])
            held += n - 1 - i
            if held >= columns or i == n - 2:
                stop = starts + held
                vectors = [torch.cat(parts) for parts in zip(*waiting, strict=True)]
                a, b = first[starts:stop], second[starts:stop]
                parts = self._parts(vectors)
                found = self.posterior.error((even[a, b], odd[a, b]), *parts)
                out[a, b] = found
                starts, waiting, held = stop, [], 0
        return out + out.mT

    def pair_variances(self) -> tuple[Tensor, Tensor]:
        """Prior variances of the even and the odd part, ``(n, n)`` each."""
        found = []
        for factors, mass, scale in self.node_pairs():
            inverse = scale / factors  # (L, n)
            found.append((inverse.mT @ (mass[:, None] * inverse)).real)
        even, odd = self._split(found[0], found[1])
        members = self.posterior.prior.terms.players.to(self.rho)
        return self.other_variances(
            even, odd, lambda spread: members.mT @ (spread[:, None] * members)
        )

    # Prior variances -----------------------------------------------------------------

    def node_pairs(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """M_k of every two nodes ``(L, n)``, with weight · Π_k M_k ``(L,)``.

        A player in question has ``(n,)`` in place of its M. The second entry is of a
        coalition against a complement, where ρ turns its sign.
        """
        q, logs = self.mixture.nodes, self.mixture.log_weights
        left, right = q[:, None].expand(len(q), len(q)), q.expand(len(q), len(q))
        both = logs[:, None] + logs
        if q.is_complex():
            # A mean is the real part of half a circle: Re·Re = ½ Re(xy + x·conj y).
            left, right = torch.cat([left, left]), torch.cat([right, right.conj()])
            both = torch.cat([both, logs[:, None] + logs.conj()]) - log(2)
        product = (left * right).reshape(-1, 1)
        out = []
        for sign in (1, -1):
            factors = (1 + sign * self.rho * product) / (1 + self.rho)
            mass = (both.reshape(-1) + factors.log().sum(-1)).exp()
            scale = 4 * (sign * self.rho + self.t**2) / (1 + self.rho)
            out.append((factors, mass, scale))
        return out

    def _split(self, same: Tensor, turned: Tensor) -> tuple[Tensor, Tensor]:
        """Even and odd part of a variance."""
        return (same + turned) / 2, (same - turned) / 2

    def other_variances(
        self, even: Tensor, odd: Tensor, shared: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Add all but the product, explicit terms summed over those they share."""
        more = self._parts_by_size.variances()
        even, odd = even + more[0], odd + more[1]
        found = self.posterior.prior.terms
        if len(found):
            spread = found.variance[0] * self.of_terms() ** 2
            is_even = found.is_even().to(spread)
            even += shared(spread * is_even)
            odd += shared(spread * (1 - is_even))
        return even, odd
