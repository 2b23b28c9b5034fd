"""Whether a game gets terms of its own: a trial on pairs that did not choose them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from captum_interactions.estimators._explicit_terms import no_terms
from captum_interactions.estimators._kernel_posterior import solve
from captum_interactions.estimators._kernel_prior import KernelPrior
from captum_interactions.estimators._kernel_terms import with_terms

__all__ = ["improved"]

# Terms have to lower the squared error of held-out pairs to this share, on at least so
# many pairs.
_WORTHWHILE, _FEWEST_HELD = 0.9, 12
# Relative rounding of a variance that should be zero.
_ROUNDING = 1e-11
# Variance of a coefficient, of standardised values: as good as none known.
_VAGUE = 100.0
# Squared error of held-out pairs, of what the values that chose the terms let expect.
_IMPOSSIBLE = 4.0
# A nugget below this share of τ leaves variances that are differences of roundings.
_RESOLVED = 1e-9
_Pairs = tuple[Tensor, Tensor, Tensor]


def improved(
    prior: KernelPrior,
    signs: Tensor,
    even: Tensor,
    odd: Tensor,
    measured: Tensor,
    score: Tensor,
    generator: torch.Generator | None = None,
) -> tuple[KernelPrior, Tensor]:
    """The prior with terms if they predict pairs that they were not chosen by.

    A fifth of the pairs is held out; terms stay only if they predict it better by
    enough than the prior does, whose terms of neighbors they replace. All pairs then
    give the values. The terms fit the values that chose them better than others, so σ
    comes from the pairs held out.

    Returns:
        The better prior, and its R² of values that it was not given.
    """
    held = measured[: len(measured) // 5]
    if len(held) < _FEWEST_HELD:
        return prior, score
    rest = torch.ones(len(signs), dtype=torch.bool, device=signs.device)
    rest[held] = False
    kept = signs[rest], even[rest], odd[rest]
    others = signs[held], even[held], odd[held]
    before, _ = _missed(prior, kept, others)
    alone = replace(prior, terms=no_terms(1, signs.shape[-1], signs))
    trial = with_terms(
        alone, *kept, generator, lambda p: _missed(p, kept, others)[0] < before
    )
    if not len(trial.terms):
        return prior, score
    trial = _with_noise(trial, kept, others)
    lost, sigma = _missed(trial, kept, others)
    if lost > _WORTHWHILE * before:
        return prior, score
    total = (even[held] - even.mean()).square().sum() + odd[held].square().sum()
    # Not chosen again by all pairs: what was measured is what is used.
    return replace(trial, least_sigma=sigma[None]), 1 - lost / total


def _with_noise(prior: KernelPrior, kept: _Pairs, others: _Pairs) -> KernelPrior:
    """What terms miss on other pairs as each value's own, where that predicts better.

    Terms that explain all that chose them leave no nugget and ask for ever larger τ:
    what they miss would count as impossible.
    """
    none = torch.zeros(0, dtype=torch.long, device=kept[0].device)
    lost, sigma = _missed(prior, kept, others)
    own = solve(prior, *kept, none).deviations[0] ** 2
    most = float(_VAGUE / own)
    noisy = replace(
        prior,
        nugget=prior.nugget + lost / len(others[0]) / own,
        slope=prior.slope.clamp(max=most),
        terms=replace(prior.terms, variance=prior.terms.variance.clamp(max=most)),
    )
    better = _missed(noisy, kept, others)[0] < lost
    impossible = bool(sigma.max() ** 2 > _IMPOSSIBLE * own)
    lost_in_rounding = bool(prior.nugget < _RESOLVED * prior.terms.variance.max())
    return noisy if better or impossible or lost_in_rounding else prior


def _missed(prior: KernelPrior, kept: _Pairs, others: _Pairs) -> tuple[float, Tensor]:
    """Squared error of other pairs, and the σ ``(2,)`` that it speaks for."""
    signs, *values = others
    none = torch.zeros(0, dtype=torch.long, device=signs.device)
    posterior = solve(prior, *kept, none)
    across = [block[0] for block in prior.blocks(signs, kept[0])]
    alone = [
        block[0].diagonal() + prior.nugget / 2 for block in prior.blocks(signs, signs)
    ]
    lost, sigma = 0.0, []
    for part, value, weights, before, known in zip(
        across,
        values,
        posterior.weights,
        alone,
        posterior.explained(*across),
        strict=True,
    ):
        missed = (part @ weights - value).square()
        left = (before - known).maximum(_ROUNDING * before)
        lost += float(missed.sum())
        sigma.append((missed / left).mean().sqrt())
    return lost, torch.stack(sigma)
