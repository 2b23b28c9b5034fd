"""Whether a game gets terms of its own: a trial on pairs that did not choose them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from captum_interactions.estimators._explicit_terms import no_terms
from captum_interactions.estimators._kernel_posterior import solve
from captum_interactions.estimators._kernel_prior import KernelPrior
from captum_interactions.estimators._kernel_terms import PROMISING, with_terms

__all__ = ["improved"]

# Terms have to lower the squared error of held-out pairs to this share, on at least so
# many pairs.
_WORTHWHILE, _FEWEST_HELD = 0.9, 12
# No terms where the kernel explains everything: a game of ANDs alone can be smooth (R²
# .99 at 30 players).
_WELL_PREDICTED = 0.9995
# Terms that miss no more of the variance of held-out pairs than this are all there are.
_SOLVED = 1e-6
# Of many pairs so many are tried first: a game that they show no terms of has none, and
# one that they solve is solved. 4,000 pairs cost seven times as much.
_FIRST_PAIRS = 2048
# Relative rounding of a variance that should be zero.
_ROUNDING = 1e-11
# Variance of a coefficient, of standardised values: as good as none known.
_VAGUE = 100.0
# Squared error of held-out pairs, of what the values that chose the terms let expect.
_IMPOSSIBLE = 4.0
# A nugget below this share of τ leaves variances that are differences of roundings.
_RESOLVED = 1e-9
_Pairs = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class _Missed:
    """Squared error of other pairs, and σ as they and as the pairs kept have it.

    Attributes:
        lost: Squared error, even and odd part together.
        sigma: σ of the even and of the odd part that it speaks for, ``(2,)``.
        own: σ² of the pairs that were kept.
    """

    lost: float
    sigma: Tensor
    own: Tensor


def improved(
    prior: KernelPrior,
    signs: Tensor,
    even: Tensor,
    odd: Tensor,
    measured: Tensor,
    generator: torch.Generator | None = None,
) -> tuple[KernelPrior, Tensor] | None:
    """The prior with terms if they predict pairs that they were not chosen by.

    A fifth of the pairs is held out; terms stay only if they predict it better by
    enough than the prior does, whose terms of neighbors they replace. All pairs then
    give the values. The terms fit the values that chose them better than others, so σ
    comes from the pairs held out.

    Returns:
        The better prior, and its R² of values that it was not given; None if there are
        no such terms.
    """
    held = measured[: len(measured) // 5]
    if len(held) < _FEWEST_HELD:
        return None
    rest = torch.ones(len(signs), dtype=torch.bool, device=signs.device)
    rest[held] = False
    places = rest.nonzero()[:, 0]
    if len(places) > 1.5 * _FIRST_PAIRS:
        device = generator.device if generator is not None else None
        order = torch.randperm(len(places), generator=generator, device=device)
        some = places[order[:_FIRST_PAIRS].to(places.device)]
        few = held[: _FIRST_PAIRS // 4]
        found = _trial(prior, (signs, even, odd), some, few, PROMISING, generator, 0)
        if found is None or float(found[1]) >= 1 - _SOLVED:
            return found
    return _trial(prior, (signs, even, odd), places, held, _WORTHWHILE, generator)


def _trial(
    prior: KernelPrior,
    game: _Pairs,
    places: Tensor,
    held: Tensor,
    worthwhile: float,
    generator: torch.Generator | None = None,
    *refits: int,
) -> tuple[KernelPrior, Tensor] | None:
    """Terms from some pairs if they miss at most so much of what others hold."""
    signs, even, odd = game
    kept = signs[places], even[places], odd[places]
    others = signs[held], even[held], odd[held]
    total = (even[held] - even.mean()).square().sum() + odd[held].square().sum()
    best: list[_Missed] = []

    def lost(prior: KernelPrior) -> float:
        found = _missed(prior, kept, others)
        if not best or found.lost < best[-1].lost:
            best.append(found)
        return found.lost

    before, enough = lost(prior), _SOLVED * float(total)
    if before <= (1 - _WELL_PREDICTED) * total:
        return None
    alone = replace(prior, terms=no_terms(1, signs.shape[-1], signs))
    trial = with_terms(alone, *kept, lost, before, enough, generator, *refits)
    if not len(trial.terms):
        return None
    trial, found = _with_noise(trial, best[-1], kept, others)
    if found.lost > worthwhile * before:
        return None
    # Not chosen again by all pairs: what was measured is what is used.
    return replace(trial, least_sigma=found.sigma[None]), 1 - found.lost / total


def _with_noise(
    prior: KernelPrior, found: _Missed, kept: _Pairs, others: _Pairs
) -> tuple[KernelPrior, _Missed]:
    """What terms miss on other pairs as each value's own, where that predicts better.

    Terms that explain all that chose them leave no nugget and ask for ever larger τ:
    what they miss would count as impossible.
    """
    most = float(_VAGUE / found.own)
    noisy = replace(
        prior,
        nugget=prior.nugget + found.lost / len(others[0]) / found.own,
        slope=prior.slope.clamp(max=most),
        terms=replace(prior.terms, variance=prior.terms.variance.clamp(max=most)),
    )
    missed = _missed(noisy, kept, others)
    impossible = bool(found.sigma.max() ** 2 > _IMPOSSIBLE * found.own)
    lost_in_rounding = bool(prior.nugget < _RESOLVED * prior.terms.variance.max())
    if missed.lost < found.lost or impossible or lost_in_rounding:
        return noisy, missed
    return prior, found


def _missed(prior: KernelPrior, kept: _Pairs, others: _Pairs) -> _Missed:
    """How well pairs that were kept predict others."""
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
    return _Missed(lost, torch.stack(sigma), posterior.deviations[0] ** 2)
