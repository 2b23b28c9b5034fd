"""All 2^n values that a kernel posterior implies, with draws of their error."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions._signature import checked
from captum_interactions.estimators._completion import affordable_draws
from captum_interactions.estimators._explicit_terms import WALSH
from captum_interactions.estimators._hadamard import walsh_transform
from captum_interactions.estimators._kernel_posterior import KernelPosterior
from captum_interactions.estimators._kernel_prior import (
    LEVEL,
    KernelPrior,
    growth,
    size_kernel,
    straightened,
)
from captum_interactions.estimators.kernel import KernelEstimate
from captum_interactions.estimators.table import TableEstimate
from captum_interactions.functional import (
    all_masks,
    coalition_sizes,
    masks_to_codes,
)

__all__ = ["WholeTable", "completed_table"]


@checked
def completed_table(
    estimate: KernelEstimate, generator: torch.Generator | None = None
) -> TableEstimate:
    """All 2^n values of a game of at most 20 players, with draws of their error.

    The same posterior as the closed forms, for what is read from a table alone.

    Args:
        estimate: The posterior.
        generator: Source of randomness of the draws.

    Returns:
        The posterior mean of every v(S), and draws of its error.

    Example:
        >>> from captum_interactions.estimators import evaluate, kernel_plan
        >>> plan = kernel_plan(5, 20, generator=torch.Generator().manual_seed(0))
        >>> found = evaluate(plan, lambda masks: masks.double().sum(-1))
        >>> completed_table(found).table.shape
        torch.Size([32])
    """
    n, lead = estimate.n_players, estimate.lead
    h = len(estimate.masks)
    center, scale = estimate.center.flatten(), estimate.scale.flatten()
    even, odd = estimate.even.reshape(-1, h), estimate.odd.reshape(-1, h)
    draws = affordable_draws(len(scale), n)
    table = even.new_empty(len(scale), 1 << n)
    errors = even.new_empty(draws, len(scale), 1 << n)
    for row in range(len(scale)):
        whole = WholeTable(estimate.posterior(row))
        found, errors_of = whole.values(even[row], odd[row], draws, generator)
        table[row] = center[row] + scale[row] * found
        errors[:, row] = scale[row] * errors_of
    return TableEstimate(
        table.view(*lead, 1 << n), errors.view(draws, *lead, 1 << n), estimate.fit
    )


class WholeTable:
    """Posterior at every coalition of a game of few players.

    In the Walsh basis the product kernel, the slope and Walsh terms are diagonal: a
    table costs two matrix products.

    Args:
        posterior: The posterior, in units of standardised values.
    """

    def __init__(self, posterior: KernelPosterior) -> None:
        self._posterior, self._prior = posterior, posterior.prior
        self._n = n = posterior.signs.shape[-1]
        here = masks_to_codes(posterior.signs > 0)
        self.codes = torch.cat([here, (1 << n) - 1 - here])
        self._sizes = coalition_sizes(n, here.device)
        self._spectrum = _spectrum(self._prior, n)
        places = torch.arange(n + 1).to(self._spectrum)
        gram = size_kernel(places[:, None] - places, n)
        self._size_gram = float(self._prior.size) * gram
        terms = self._prior.terms
        halves = terms.select(terms.kind != WALSH)
        self._features: Tensor | None = None
        if len(halves):
            signs = 2 * all_masks(n, here.device).to(self._spectrum) - 1
            scale = halves.variance[0].sqrt()
            self._features = halves.features(signs) * scale

    def values(
        self, even: Tensor, odd: Tensor, draws: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Posterior mean of every value, and draws of its error."""
        prior, signs = self._prior, self._posterior.signs
        main, tilt = prior.main[0], prior.tilt[0]
        halves = straightened(even, odd - signs @ main, growth(tilt, signs))
        every = 2 * all_masks(self._n, even.device).to(even) - 1
        grown = growth(tilt, every)
        mean = grown * self.mean(*halves) + every @ main
        return mean, grown * self.errors(draws, generator)

    def mean(self, even: Tensor, odd: Tensor) -> Tensor:
        """Posterior mean of f given f at the pairs, ``(*batch, 2**n)``."""
        weights = [
            torch.cholesky_solve(part.reshape(-1, part.shape[-1]).mT, factor).mT
            for part, factor in zip((even, odd), self._posterior.factors, strict=True)
        ]
        both = (weights[0] + weights[1]) / 2, (weights[0] - weights[1]) / 2
        weight = torch.cat(both, -1).view(*even.shape[:-1], -1)
        full = weight.new_zeros(*weight.shape[:-1], 1 << self._n)
        full[..., self.codes] = weight
        out = walsh_transform(self._spectrum * walsh_transform(full))
        by_size = weight.new_zeros(*weight.shape[:-1], self._n + 1)
        by_size.index_add_(-1, self._sizes[self.codes], weight)
        out += (by_size @ self._size_gram)[..., self._sizes]
        if self._features is not None:
            out += (weight @ self._features[self.codes]) @ self._features.mT
        out[..., self.codes] = torch.cat([even + odd, even - odd], -1)
        return out

    def errors(self, draws: int, generator: torch.Generator | None) -> Tensor:
        """Draws of f − its posterior mean, ``(draws, 2**n)``.

        A game drawn from the prior, minus its own posterior mean, has exactly the
        posterior covariance (Matheron's rule); it vanishes where v is known.
        """
        like = self._spectrum

        def normal(*shape: int) -> Tensor:
            device = generator.device if generator is not None else like.device
            drawn = torch.randn(
                *shape, generator=generator, device=device, dtype=like.dtype
            )
            return drawn.to(like.device)

        games = walsh_transform(like.sqrt() * normal(draws, 1 << self._n))
        # The smooth covariance of sizes is singular in floating point.
        values, vectors = torch.linalg.eigh(self._size_gram)
        root = vectors * values.clamp(min=0).sqrt()
        games += (normal(draws, self._n + 1) @ root.mT)[:, self._sizes]
        games += self._prior.nugget.sqrt() * normal(draws, 1 << self._n)
        if self._features is not None:
            games += normal(draws, self._features.shape[-1]) @ self._features.mT
        here, there = games[:, self.codes].chunk(2, dim=-1)
        errors = games - self.mean((here + there) / 2, (here - there) / 2)
        # Even and odd part have deviations of their own; N∖S is the table turned round.
        turned = errors.flip(-1)
        even, odd = self._posterior.deviations
        return even * (errors + turned) / 2 + odd * (errors - turned) / 2


def _spectrum(prior: KernelPrior, n: int) -> Tensor:
    """Prior variances of all Walsh terms but for size and nugget, ``(2**n,)``."""
    rho = prior.relevance[0]
    out = torch.exp(-torch.log1p(rho).sum()).view(1)
    for share in rho:
        out = torch.cat([out, out * share])
    out[0] += LEVEL
    out[1 << torch.arange(n, device=out.device)] += prior.slope / n
    walsh = prior.terms.select(prior.terms.kind == WALSH)
    codes = masks_to_codes(walsh.players)
    return out.index_add(0, codes, walsh.variance[0])
