"""A kernel posterior at any coalitions: its mean, and draws of its error."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_points import read_values
from captum_interactions.estimators._kernel_posterior import KernelPosterior
from captum_interactions.estimators._kernel_prior import growth, size_kernel
from captum_interactions.functional import codes_to_masks

__all__ = ["DrawnGame"]

# Walsh terms that a drawn game is made of, for each draw the same with weights of its
# own: a covariance is off by 1/√1024 of what it is at most, 3 %.
_FEATURES = 1024
# Covariances at work at once, 32 MB in each of a few matrices.
_MOST_VALUES = 1 << 22


class DrawnGame:
    """Posterior mean and draws of one game, the same draws at every call.

    A game drawn from the prior, minus its own posterior mean, has the posterior's
    covariance (Matheron's rule). The product kernel is Σ_A p(A) χ_A(S) χ_A(T), where
    each player is in A with odds ρ_i to 1: random sets stand for all.

    Args:
        posterior: The posterior, in units of standardised values.
        draws: How many draws.
        generator: Source of randomness.
    """

    def __init__(
        self,
        posterior: KernelPosterior,
        draws: int,
        generator: torch.Generator | None = None,
    ) -> None:
        self._posterior, self._generator = posterior, generator
        self._codes = torch.empty(0, dtype=torch.int64)
        self._known = torch.empty(1 + draws, 0, dtype=torch.float64)
        prior, signs = posterior.prior, posterior.signs
        h, n = signs.shape
        rho = prior.relevance[0]
        self._sets = self._random(_FEATURES, n) < rho / (1 + rho)
        self._is_even = self._sets.sum(-1) % 2 == 0
        self._weights = self._normal(_FEATURES, draws) / _FEATURES**0.5
        self._slope = self._normal(n, draws) * (prior.slope / n).sqrt()
        places = torch.arange(n + 1).to(signs)
        gram = float(prior.size) * size_kernel(places[:, None] - places, n)
        # The smooth covariance of sizes is singular in floating point.
        values, vectors = torch.linalg.eigh(gram)
        root = vectors * values.clamp(min=0).sqrt()
        self._by_size = root @ self._normal(n + 1, draws)
        terms = prior.terms
        spread = terms.variance[0, :, None].sqrt()
        self._terms = self._normal(len(terms), draws) * spread
        half = (prior.nugget / 2).sqrt()
        self._solved = [
            torch.cholesky_solve(part + half * self._normal(h, draws), factor)
            for part, factor in zip(self._drawn(signs), posterior.factors, strict=True)
        ]

    def __call__(
        self,
        codes: Tensor,  # (*shape,) int64
    ) -> Tensor:
        """Mean and draws at coalitions, ``(1 + draws, *shape)``; none is made twice."""
        fresh = codes.unique()
        fresh = fresh[~torch.isin(fresh, self._codes)]
        known = self._posterior.signs
        block = max(1, _MOST_VALUES // max(len(known), _FEATURES))
        for some in fresh.split(block):
            signs = 2 * codes_to_masks(some, known.shape[-1]).to(known) - 1
            self._known = torch.cat([self._known, self._values(signs).cpu()], -1)
        joined = torch.cat([self._codes, fresh])
        order = joined.argsort()
        self._codes, self._known = joined[order], self._known[:, order]
        return self._known[:, torch.searchsorted(self._codes, codes)]

    def _values(self, signs: Tensor) -> Tensor:
        posterior = self._posterior
        prior, n = posterior.prior, signs.shape[-1]
        mean, _ = read_values(posterior, signs, errors=False)
        blocks = prior.blocks(signs, posterior.signs)
        half = (prior.nugget / 2).sqrt()
        error = mean.new_zeros(len(signs), self._weights.shape[-1])
        for drawn, block, solved, sigma in zip(
            self._drawn(signs), blocks, self._solved, posterior.deviations, strict=True
        ):
            own = half * self._normal(*drawn.shape)
            error += sigma * (drawn + own - block[0] @ solved)
        # Evaluated coalitions are known.
        error[((signs @ posterior.signs.mT).abs() > n - 0.5).any(-1)] = 0.0
        error = error * growth(prior.tilt[0], signs)[:, None]
        return mean + torch.cat([torch.zeros_like(error[:, :1]), error], -1).mT

    def _drawn(self, signs: Tensor) -> tuple[Tensor, Tensor]:
        """Even and odd part of the drawn games, without mean and nugget."""
        n = signs.shape[-1]
        negative = (signs < 0).to(signs) @ self._sets.to(signs).mT
        walsh = 1 - 2 * (negative % 2)
        sizes = ((signs.sum(-1) + n) / 2).round().long()
        by_size, turned = self._by_size[sizes], self._by_size[n - sizes]
        terms = self._posterior.prior.terms
        features, even = terms.features(signs), terms.is_even()
        chosen = self._is_even
        return (
            walsh[:, chosen] @ self._weights[chosen]
            + (by_size + turned) / 2
            + features[:, even] @ self._terms[even],
            walsh[:, ~chosen] @ self._weights[~chosen]
            + (by_size - turned) / 2
            + signs @ self._slope
            + features[:, ~even] @ self._terms[~even],
        )

    def _random(self, *shape: int) -> Tensor:
        return self._draw(torch.rand, shape)

    def _normal(self, *shape: int) -> Tensor:
        return self._draw(torch.randn, shape)

    def _draw(self, source: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        like, generator = self._posterior.signs, self._generator
        device = like.device if generator is None else generator.device
        drawn = source(shape, generator=generator, device=device, dtype=like.dtype)
        return drawn.to(like.device)
