r"""Indices of players and pairs in closed form, with their standard errors.

For a mixture over product measures (see
:mod:`~captum_interactions.estimators._mixtures`) and an evaluated T, with c_i =
2ρ_i/(1−ρ_i²q²), r_i = ρ_i q and P = Π_k (1 + r_k χ_k)/(1 + ρ_k), the kernel's pair
index is Σ_q weight P c_i c_j (χ_i − r_i)(χ_j − r_j) and its value of a player Σ_q
weight P c_i (χ_i − r_i): sums over T are Gram products. The slope, the size term,
explicit terms and the nugget each add what their own covariance says.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_pairs import (
    PairVectors,
    Side,
    centered_gram,
)
from captum_interactions.estimators._kernel_posterior import KernelPosterior, thinned
from captum_interactions.estimators._kernel_prior import size_kernel
from captum_interactions.estimators._mixtures import Mixture, log_choose

__all__ = ["FunctionalReading", "read_players", "read_pairs_of"]

# Single contexts that weigh less than this share of the heaviest are left out.
_NEGLIGIBLE = 1e-14
# Columns of a triangular solve at a time, and doubles in them (256 MB).
_COLUMNS, _MOST_VALUES = 2048, 1 << 25


def read_players(
    posterior: KernelPosterior, mixture: Mixture, *, errors: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Mean contribution of each player, ``(n,)``, and its standard error."""
    reading = FunctionalReading(posterior, mixture, 1)
    sides = [reading.players(side) for side in reading.sides()]
    return reading.finish(sides, reading.player_variances() if errors else None)


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
        self.posterior, self.mixture, self.degree = posterior, mixture, degree
        prior = posterior.prior
        self.rho = prior.relevance[0]
        q = mixture.nodes[:, None]
        self.drift = self.rho * q  # r, (Q, n)
        self.gain = 2 * self.rho / (1 - self.drift**2)  # c, (Q, n)
        self.size = float(prior.size)
        self.nugget = float(prior.nugget)
        # A pair index over symmetric contexts is even, a player's odd.
        self.symmetric = mixture.symmetric
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
        sizes = ((signs.sum(-1) + signs.shape[-1]) / 2).round().long()
        return Side(
            signs, weights, mass, self._size_covariance()[sizes], self._single(sizes)
        )

    def _differences(self) -> Tensor:
        """The index as weights of a function of |S|, ``(n + 1,)``."""
        out = self.mixture.sizes
        for _ in range(self.degree):
            padded = torch.nn.functional.pad(out, (1, 1))
            out = padded[:-1] - padded[1:]
        return out

    def _size_gram(self) -> Tensor:
        places = torch.arange(len(self.rho) + 1).to(self.rho)
        return size_kernel(places[:, None] - places, len(self.rho))

    def _size_covariance(self) -> Tensor:
        return self.size * (self._size_gram() @ self._differences())

    def _single(self, sizes: Tensor) -> Tensor:
        """±weight of a context, by how many of the players T holds, ``(d + 1, h)``."""
        contexts = self.mixture.sizes * torch.exp(
            -log_choose(self.mixture.others).to(self.rho)
        )
        rows = []
        for held in range(self.degree + 1):
            place = sizes - held
            inside = (place >= 0) & (place < len(contexts))
            weight = contexts[place.clamp(0, len(contexts) - 1)] * inside
            rows.append(weight * (-1.0) ** (self.degree - held))
        out = self.nugget * torch.stack(rows)
        return torch.where(out.abs() < _NEGLIGIBLE * out.abs().max(), 0.0, out)

    # Players -------------------------------------------------------------------------

    def players(self, side: Side) -> Tensor:
        """a-vectors of all players, ``(n, h)``."""
        signs = side.signs
        mass = side.mass.mT  # (h, Q)
        moving = signs * (mass @ self.gain).real
        out = moving - (mass @ (self.gain * self.drift)).real
        out = out + side.size[:, None]
        present = (signs > 0).to(signs)
        none, one = side.single[:, :, None]
        out = out + none + (one - none) * present
        slope = 2 * self.posterior.prior.slope / signs.shape[-1]
        slope = slope * self.mixture.sizes.sum()
        terms = self.posterior.prior.terms
        features = terms.features(signs) * terms.variance
        weights = self.of_terms()
        return (out + slope * signs + (features * weights) @ terms.players.to(signs)).mT

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
        same, turned = self.node_pairs()
        scale = 4 * self.rho / (1 + self.rho)
        found = []
        for products, mass in (same, turned):
            found.append(scale * (mass @ (1 / products)).real)
        even, odd = self._split(found[0], found[1], -1)
        slope = 4 * self.posterior.prior.slope / len(self.rho)
        odd = odd + slope * self.mixture.sizes.sum() ** 2
        members = self.posterior.prior.terms.players.to(self.rho)
        return self.other_variances(even, odd, lambda spread: spread @ members)

    # Pairs ---------------------------------------------------------------------------

    def pair_values(self) -> Tensor:
        """Posterior means, ``(n, n)``; the diagonal holds nothing of meaning."""
        n = len(self.rho)
        out = self.rho.new_zeros(n, n)
        for side in self.sides():
            signs = side.signs
            for mass, gain, drift in zip(side.mass, self.gain, self.drift, strict=True):
                out += centered_gram(signs, mass * side.weights, gain, drift)
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
        same, turned = self.node_pairs()
        scale = 4 * self.rho / (1 + self.rho)
        found = []
        for products, mass in (same, turned):
            inverse = scale / products  # (L, n)
            found.append((inverse.mT @ (mass[:, None] * inverse)).real)
        even, odd = self._split(found[0], found[1], 1)
        members = self.posterior.prior.terms.players.to(self.rho)
        return self.other_variances(
            even, odd, lambda spread: members.mT @ (spread[:, None] * members)
        )

    # Prior variances -----------------------------------------------------------------

    def node_pairs(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """M_k of every two nodes ``(L, n)``, with weight · Π_k M_k ``(L,)``.

        The second is of nodes q and −q', which is a coalition against a complement.
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
            out.append((factors, mass))
        return out[0], out[1]

    def _split(self, same: Tensor, turned: Tensor, sign: int) -> tuple[Tensor, Tensor]:
        """Even and odd part of a variance; complements turn a player's sign."""
        return (same + sign * turned) / 2, (same - sign * turned) / 2

    def other_variances(
        self, even: Tensor, odd: Tensor, shared: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Add size term, nugget and explicit terms (summed over those they share)."""
        weights = self._differences()
        gram = self.size * self._size_gram()
        for turned, part in ((1, even), (-1, odd)):
            half = (weights + turned * weights.flip(0)) / 2
            part += half @ gram @ half
        sizes = self.mixture.sizes
        inverse = torch.exp(-log_choose(self.mixture.others).to(sizes))
        square = 2.0**self.degree * (sizes**2 * inverse).sum()
        cross = 2.0**self.degree * (sizes * sizes.flip(0) * inverse).sum()
        cross = cross * (-1.0) ** self.degree
        even += self.nugget * (square + cross) / 2
        odd += self.nugget * (square - cross) / 2
        found = self.posterior.prior.terms
        if len(found):
            spread = found.variance[0] * self.of_terms() ** 2
            is_even = found.is_even().to(spread)
            even += shared(spread * is_even)
            odd += shared(spread * (1 - is_even))
        return even, odd
