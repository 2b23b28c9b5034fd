r"""Indices of named coalitions under a kernel posterior, and a search for strong ones.

The index of a coalition A is the mean of Δ_A v(S) = Σ_{B⊆A} (−1)^{|A|−|B|} v(S∪B) over
contexts S outside of A: empty ones for an AND interaction, a mixture over sizes for a
Shapley–Taylor interaction. From A to A ∪ {j} a covariance with an evaluated value
changes by a factor of j alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_pairs import Side
from captum_interactions.estimators._kernel_posterior import KernelPosterior
from captum_interactions.estimators._kernel_readings import FunctionalReading
from captum_interactions.estimators._mixtures import Mixture, empty_mixture

__all__ = ["read_and", "read_coalitions", "search_and"]

# Covariances with evaluated pairs at work at once, 32 MB in each of a few matrices.
_MOST_VALUES = 1 << 22


def read_and(
    posterior: KernelPosterior, players: Tensor, *, errors: bool = True
) -> tuple[Tensor, Tensor | None]:
    """AND interactions of coalitions other than ∅, ``(K,)`` from ``(K, n)`` bool."""
    sizes, n = players.sum(-1), players.shape[-1]
    value = posterior.signs.new_zeros(len(players))
    error = torch.zeros_like(value)
    for size in sizes.unique().tolist():
        own = sizes == size
        mixture = empty_mixture(n - size, value)
        found, spread = read_coalitions(posterior, players[own], mixture, errors=errors)
        value[own] = found
        if spread is not None:
            error[own] = spread
    return value, error if errors else None


def read_coalitions(
    posterior: KernelPosterior,
    players: Tensor,  # (K, n) bool, all of one size
    mixture: Mixture,
    *,
    errors: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """Mean of Δ_A over contexts of all others, ``(K,)``, and its standard error."""
    n = players.shape[-1]
    reading = FunctionalReading(posterior, mixture, n - mixture.others)
    found = []
    rows = max(1, _MOST_VALUES // len(posterior.signs))
    for block in players.to(posterior.signs).split(rows):
        sides = [_vectors(reading, side, block) for side in reading.sides()]
        spread = _variances(reading, block) if errors else None
        found.append(reading.finish(sides, spread))
    known = [error for _, error in found if error is not None]
    value = torch.cat([value for value, _ in found])
    if reading.degree == 1:
        main = 2 * mixture.sizes.sum() * posterior.prior.main[0]
        value = value + players.to(main) @ main
    return value, torch.cat(known) if known else None


def _vectors(reading: FunctionalReading, side: Side, held: Tensor) -> Tensor:
    """Covariances of the indices with the evaluated values, ``(K, h)``."""
    signs = side.signs
    parts = reading.rho * signs + reading.t
    out = held.new_zeros(len(held), len(signs))
    for mass, drift in zip(side.mass, reading.drift, strict=True):
        # 2(ρχ + t)/(1 + rχ) of each player of A; their signs are counted.
        ratio = _logs(2 * parts) - torch.log1p(drift * signs)
        out += mass * torch.exp(held @ ratio.mT)
    out *= _parity(held, parts)
    out += side.size
    present = (held @ (signs > 0).to(signs).mT).round().long()
    out += side.single.gather(0, present)
    prior = reading.posterior.prior
    terms = prior.terms
    if len(terms):
        weighted = _contained(held, terms.players) * reading.of_terms()
        out += (weighted * terms.variance) @ terms.features(signs).mT
    return out


def _logs(values: Tensor) -> Tensor:
    return values.abs().clamp(min=1e-300).log()


def _parity(held: Tensor, values: Tensor) -> Tensor:
    """Sign of the product over A of values ``(R, n)``, ``(K, R)``."""
    return 1 - 2 * (held @ (values < 0).to(held).mT % 2)


def _contained(held: Tensor, terms: Tensor) -> Tensor:
    """Whether each coalition lies inside each term, ``(K, T)``."""
    return (held @ (~terms).to(held).mT == 0).to(held)


def _variances(reading: FunctionalReading, held: Tensor) -> tuple[Tensor, Tensor]:
    """Prior variances of the even and the odd part, ``(K,)`` each."""
    found = []
    for factors, mass, scale in reading.node_pairs():
        # Players of A leave the product over the others.
        share = torch.exp(held @ (_logs(scale) - factors.log()).mT) @ mass
        found.append(share * _parity(held, scale[None])[:, 0])
    even, odd = (found[0] + found[1]) / 2, (found[0] - found[1]) / 2
    inside = _contained(held, reading.posterior.prior.terms.players)
    return reading.other_variances(even, odd, lambda spread: inside @ spread)


def search_and(posterior: KernelPosterior, largest: int, beam: int) -> Tensor:
    """Coalitions with large AND interactions, grown one player at a time.

    The parts of a coalition that interacts need not interact themselves, but their mean
    Δ_A over contexts tells of it: it is searched with absent, half present and present
    contexts (the first is the AND interaction). From A to A ∪ {j} a covariance changes
    by a factor of j alone, so a step tries all players in two matrix products.

    Args:
        posterior: The posterior.
        largest: Players of a coalition at most.
        beam: Coalitions kept of each size and kind of context.

    Returns:
        Coalitions of 1 … ``largest`` players, ``(K, n)``, strongest AND first.
    """
    n = posterior.signs.shape[-1]
    device = posterior.signs.device
    kinds = [_Contexts(posterior, q) for q in (-1.0, 0.0, 1.0)]
    held = torch.zeros(1, n, dtype=torch.bool, device=device)
    kept = []
    for _ in range(min(largest, n)):
        found = []
        for kind in kinds:
            strength = kind.grown(held).abs().masked_fill(held, -1.0).flatten()
            best = strength.topk(min(beam, len(strength)))
            places = best.indices[best.values >= 0]
            players = torch.zeros(len(places), n, dtype=torch.bool, device=device)
            players.scatter_(-1, (places % n)[:, None], True)
            found.append(held[places // n] | players)
        held = torch.cat(found).unique(dim=0)
        kept.append(held)
    terms = posterior.prior.terms
    fits = (terms.degrees() <= largest) & (terms.degrees() > 0)
    every = torch.cat([*kept, terms.players[fits]]).unique(dim=0)
    value, _ = read_and(posterior, every, errors=False)
    return every[value.abs().argsort(descending=True)]


class _Contexts:
    """Δ_A where the players outside of A come independently with E χ = q."""

    def __init__(self, posterior: KernelPosterior, q: float) -> None:
        prior = posterior.prior
        rho = prior.relevance[0]
        t = torch.tanh(prior.tilt[0] / (2 * len(rho)))
        signs = torch.cat([posterior.signs, -posterior.signs])
        factors = 1 + (q + t) / (1 + q * t) * rho * signs
        logs = factors.log().sum(-1) - torch.log1p(rho).sum()
        self._mass = torch.cat(posterior.full_weights()) * logs.exp()
        self._ratios = 2 * (rho * signs + t) / factors

    def grown(self, held: Tensor) -> Tensor:
        """Δ of every coalition with every further player, ``(K, n)``."""
        inside = held.to(self._ratios)
        parts = torch.exp(inside @ _logs(self._ratios).mT)
        parts = _parity(inside, self._ratios) * parts
        return (parts * self._mass) @ self._ratios
