"""Values of single coalitions under a kernel posterior."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_posterior import KernelPosterior
from captum_interactions.estimators._kernel_prior import (
    LEVEL,
    growth,
    size_kernel,
)

__all__ = ["read_values"]

# Covariances with evaluated pairs at work at once, 32 MB in each of a few matrices.
_MOST_VALUES = 1 << 22


def read_values(
    posterior: KernelPosterior, signs: Tensor, *, errors: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Posterior mean of v(S) and its standard error, ``(K,)`` from signs ``(K, n)``."""
    block = max(1, _MOST_VALUES // len(posterior.signs))
    found = [_values(posterior, some, errors) for some in signs.split(block)]
    known = [error for _, error in found if error is not None]
    value = torch.cat([value for value, _ in found])
    return value, torch.cat(known) if known else None


def _values(
    posterior: KernelPosterior, signs: Tensor, errors: bool
) -> tuple[Tensor, Tensor | None]:
    prior, n = posterior.prior, signs.shape[-1]
    even, odd = (block[0] for block in prior.blocks(signs, posterior.signs))
    overlap = (signs @ posterior.signs.mT).round()
    half = prior.nugget[0] / 2
    same = half * (overlap.abs() == n)
    even, odd = even + same, odd + overlap.sign() * same
    grown = growth(prior.tilt[0], signs)
    value = grown * (even @ posterior.weights[0] + odd @ posterior.weights[1])
    value = value + signs @ prior.main[0]
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
    return value, grown * posterior.error((before_even, before_odd), even, odd)
