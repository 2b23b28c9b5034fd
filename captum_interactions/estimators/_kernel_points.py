"""Values of single coalitions and their AND interactions under a kernel posterior."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_posterior import KernelPosterior
from captum_interactions.estimators._kernel_prior import (
    LEVEL,
    size_kernel,
)

__all__ = ["read_values", "read_and", "search_and"]

# Coalitions at a time: bounds the rows of covariances at work.
_BLOCK = 4096


def read_values(
    posterior: KernelPosterior, signs: Tensor, *, errors: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Posterior mean of v(S) and its standard error, ``(K,)`` from signs ``(K, n)``."""
    found = [_values(posterior, block, errors) for block in signs.split(_BLOCK)]
    return _joined(found)


def read_and(
    posterior: KernelPosterior, players: Tensor, *, errors: bool = True
) -> tuple[Tensor, Tensor | None]:
    """AND interactions of coalitions other than ∅, ``(K,)`` from ``(K, n)`` bool."""
    found = [_ands(posterior, block, errors) for block in players.split(_BLOCK)]
    return _joined(found)


def _joined(found: list[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    errors = [error for _, error in found if error is not None]
    value = torch.cat([value for value, _ in found])
    return value, torch.cat(errors) if errors else None


def _values(
    posterior: KernelPosterior, signs: Tensor, errors: bool
) -> tuple[Tensor, Tensor | None]:
    prior, n = posterior.prior, signs.shape[-1]
    even, odd = (block[0] for block in prior.blocks(signs, posterior.signs))
    overlap = (signs @ posterior.signs.mT).round()
    half = float(prior.nugget) / 2
    even = even + half * (overlap.abs() == n)
    odd = odd + half * overlap.sign() * (overlap.abs() == n)
    value = even @ posterior.weights[0] + odd @ posterior.weights[1]
    if not errors:
        return value, None
    alone = torch.atanh(prior.relevance[0]).sum()
    complement = size_kernel(signs.sum(-1), n)  # sizes s and n − s differ by 2s − n
    is_even = prior.terms.is_even().to(value)
    spread = prior.terms.features(signs) ** 2 * prior.terms.variance
    before = (1 + torch.exp(-2 * alone)) / 2 + half + LEVEL
    before_even = before + spread @ is_even + prior.size * (1 + complement) / 2
    before = (1 - torch.exp(-2 * alone)) / 2 + half + prior.slope
    before_odd = before + spread @ (1 - is_even)
    before_odd = before_odd + prior.size * (1 - complement) / 2
    return value, posterior.error((before_even, before_odd), even, odd)


def _ands(
    posterior: KernelPosterior, players: Tensor, errors: bool
) -> tuple[Tensor, Tensor | None]:
    held = players.to(posterior.signs)
    here = _and_vectors(posterior, held, posterior.signs)
    there = _and_vectors(posterior, held, -posterior.signs)
    even, odd = (here + there) / 2, (here - there) / 2
    value = even @ posterior.weights[0] + odd @ posterior.weights[1]
    if not errors:
        return value, None
    return value, posterior.error(_and_variances(posterior, held), even, odd)


def _binomials(sizes: Tensor, n: int) -> Tensor:
    """(−1)^(a−k) C(a, k) for a coalition of a players, ``(K, n + 1)``."""
    k = torch.arange(n + 1).to(sizes)
    a = sizes[:, None]
    left = a - k
    logs = (
        torch.lgamma(a + 1) - torch.lgamma(k + 1) - torch.lgamma(left.clamp(min=0) + 1)
    )
    return torch.where(left >= 0, logs.exp() * (1 - 2 * (left % 2)), 0.0)


def _and_vectors(posterior: KernelPosterior, held: Tensor, signs: Tensor) -> Tensor:
    """Covariances of AND interactions with the evaluated values, ``(K, h)``."""
    prior, n = posterior.prior, signs.shape[-1]
    rho, sizes = prior.relevance[0], held.sum(-1)
    absent = torch.log1p(-rho * signs) - torch.log1p(rho)  # κ(0, T)
    ratio = torch.log(2 * rho) - torch.log1p(-rho * signs)
    negative = held @ (signs < 0).to(signs).mT
    turned = 1 - 2 * (negative % 2)
    out = turned * torch.exp(absent.sum(-1) + held @ ratio.mT)
    out += (sizes == 1)[:, None] * (2 * prior.slope / n) * (held @ signs.mT)
    places = torch.arange(n + 1).to(signs)
    evaluated = (signs.sum(-1) + n) / 2
    gram = size_kernel(places[:, None] - evaluated, n)
    out += prior.size * (_binomials(sizes, n) @ gram)
    outside = (1 - held) @ (signs > 0).to(signs).mT
    parity = 1 - 2 * ((sizes[:, None] - evaluated) % 2)
    out += prior.nugget * parity * (outside == 0)
    terms = prior.terms
    if len(terms):
        weighted = terms.and_interactions(held) * terms.variance
        out += weighted @ terms.features(signs).mT
    return out


def _and_variances(posterior: KernelPosterior, held: Tensor) -> tuple[Tensor, Tensor]:
    """Prior variances of the even and the odd part, ``(K,)`` each."""
    prior, n = posterior.prior, held.shape[-1]
    rho, sizes = prior.relevance[0], held.sum(-1)
    same = torch.exp(held @ torch.log(4 * rho / (1 + rho)))
    drop = torch.log1p(-rho) - torch.log1p(rho)
    turned = (1 - 2 * (sizes % 2)) * same * torch.exp((1 - held) @ drop)
    chances = prior.nugget * 2.0**sizes
    full = chances * (sizes == n) * (1 - 2 * (sizes % 2))
    out = []
    places = torch.arange(n + 1).to(held)
    gram = size_kernel(places[:, None] - places, n)
    weights = _binomials(sizes, n)
    spread = prior.terms.variance[0] * prior.terms.and_interactions(held) ** 2
    even_terms = prior.terms.is_even().to(held)
    for sign, share in ((1, even_terms), (-1, 1 - even_terms)):
        half = (weights + sign * weights.flip(-1)) / 2
        part = (same + sign * turned + chances + sign * full) / 2
        part = part + prior.size * ((half @ gram) * half).sum(-1)
        out.append(part + spread @ share)
    slope = 4 * prior.slope / n * (sizes == 1)
    return out[0], out[1] + slope


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
        rho = posterior.prior.relevance[0]
        signs = torch.cat([posterior.signs, -posterior.signs])
        factors = 1 + q * rho * signs
        logs = factors.log().sum(-1) - torch.log1p(rho).sum()
        self._mass = torch.cat(posterior.full_weights()) * logs.exp()
        self._ratios = 2 * rho * signs / factors

    def grown(self, held: Tensor) -> Tensor:
        """Δ of every coalition with every further player, ``(K, n)``."""
        logs = self._ratios.abs().log()
        inside = held.to(logs)
        negative = inside @ (self._ratios < 0).to(logs).mT
        parts = (1 - 2 * (negative % 2)) * torch.exp(inside @ logs.mT)
        return (parts * self._mass) @ self._ratios
