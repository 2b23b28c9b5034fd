"""Hyper-parameters of the kernel prior by marginal likelihood, many games at a time."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from captum_interactions.estimators._explicit_terms import ExplicitTerms, no_terms
from captum_interactions.estimators._kernel_evidence import (
    Evidence,
    first_parameters,
    packed,
    together,
)
from captum_interactions.estimators._kernel_prior import KernelPrior, tilts
from captum_interactions.estimators._kernel_twins import distinct_pairs
from captum_interactions.estimators._lbfgs import Memory, enlarged, minimize

__all__ = ["fit_priors"]

# Pairs of coalitions the fit looks at. 384 lose nothing against all of them on networks
# of 14 to 100 players, 150 cost 13-56 % on pairs; more players need more.
_FIT_PAIRS = 384
_PAIRS_PER_PLAYER = 3
_MOST_FIT_PAIRS = 1536
# A first descent on this many pairs costs a tenth and leaves a few steps for the rest;
# it needs more pairs than there are players, or leaves some of them out.
_COARSE_PAIRS = (128, 384)
# Steps of the first descent, of the second and of further ones: each starts nearer.
# 1,000 players settle on 768 pairs (−4140 nats; on 384 alone −3850, and the squared
# error of Shapley values 1.2 times as large); a step on 1,536 costs four times that.
_STEPS = (40, 12, 6)
# How far the variances of many players move in a step, of what a player's relevance
# does: the likelihood bends far more along them, and descents stopped short of it.
_MANY, _WIDTH_OF_MANY = 384, 0.1
# A fit that starts from another looks at no more pairs than that.
_MOST_REFIT_PAIRS = 768
# Nats: far less than what tells two settings apart. Games with a tilt stop sooner: of
# 12 to 16 players at 500 coalitions in four fifths of the time, with squared errors 1 %
# larger.
_TOLERANCE, _TOLERANCE_TILTED = 0.1, 0.5
# Further blocks of as many pairs, each with a likelihood of its own, where neighbors
# are known: two draws of 49 patches then agree on pairs with r .84 instead of .82, .73
# instead of .69. One likelihood of all pairs gained more (.88) at ten times the price.
_MORE_BLOCKS = 4
# Nats that terms offered have to gain: 49 patches of photographs gained 4 to 34, in a
# wrong order of the patches at most 1.
_WORTH = 2.5
# Doubles at work at once, about 256 MB in the eight matrices of a step.
_MOST_VALUES = 1 << 22


def fit_priors(
    signs: Tensor,  # (h, n) of ±1
    even: Tensor,  # (rows, h)
    odd: Tensor,  # (rows, h)
    *,
    terms: ExplicitTerms | None = None,
    groups: Tensor | None = None,
    start: KernelPrior | None = None,
    offered: bool = False,
    generator: torch.Generator | None = None,
) -> KernelPrior:
    """Fit one prior per game; all games were evaluated on the same coalitions.

    Args:
        signs: One coalition of each pair as ±1, ``(h, n)``.
        even: Half sums of the values of each pair, standardised, ``(rows, h)``.
        odd: Half differences, ``(rows, h)``.
        terms: Explicit terms, with variances up to a factor, one row.
        groups: Which terms share a factor, ``(T,)``; each factor is fitted too.
        start: Where to start; None for the middle of what networks need.
        offered: Whether variances are 0 where the likelihood does not gain by terms.
        generator: Source of randomness for the pairs used when there are many.

    Returns:
        The priors.
    """
    n, count = signs.shape[-1], len(even)
    if terms is None:
        terms = no_terms(1, n, even)
    if groups is None:
        groups = torch.zeros(len(terms), dtype=torch.long, device=signs.device)
    most = _MOST_FIT_PAIRS if start is None else _MOST_REFIT_PAIRS
    most = min(max(_FIT_PAIRS, _PAIRS_PER_PLAYER * n), most)
    distinct = distinct_pairs(signs, even, odd)
    main, tolerance = even.new_zeros(count, n), _TOLERANCE
    if tilts(n, terms):
        tolerance = _TOLERANCE_TILTED
        main = odd @ torch.linalg.pinv(signs).mT
        odd = odd - main @ signs.mT
    order, *others = _shuffled(distinct, generator).split(most)
    more = [block for block in others[:_MORE_BLOCKS] if offered and len(block) == most]
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    first = first_parameters(count, n, even) if start is None else packed(start)
    at_first = (no_terms(1, n, even), groups[:0]) if offered else (terms, groups)
    extra = first.new_zeros(count, 0 if offered else n_groups)
    parameters = torch.cat([first, extra], -1)
    looks = _looks(n, len(order), start is None)
    per_block = max(1, _MOST_VALUES // len(order) ** 2)
    parts = []
    for rows in torch.arange(count, device=signs.device).split(per_block):

        def evidence(
            chosen: Tensor, own: tuple[ExplicitTerms, Tensor], rows: Tensor = rows
        ) -> Evidence:
            sides = even[rows][:, chosen], odd[rows][:, chosen]
            return Evidence(signs[chosen], *sides, *own, distinct[rows][:, chosen])

        found, memory = parameters[rows], Memory(widths=_widths(parameters, n))
        for turn, (before, size) in enumerate(looks, 0 if start is None else 1):
            # More pairs, more curvature: the memory carries over in proportion.
            memory = memory.scaled(size / before)
            plain = evidence(order[:size], at_first)
            found = minimize(plain, found, _STEPS[min(turn, 2)], tolerance, memory)
        if offered:
            blocks = order, *more
            alone, rich = (
                together([evidence(block, own) for block in blocks])
                for own in (at_first, (terms, groups))
            )
            if more:
                found = minimize(alone, found, _STEPS[1], _TOLERANCE)
            found = enlarged(
                alone, rich, found, n_groups, -torch.inf, _STEPS[0], _TOLERANCE, _WORTH
            )
        parts.append(found)
    last = Evidence(signs[:1], even[:, :1], odd[:, :1], terms, groups)
    return replace(last.prior(torch.cat(parts)), main=main)


def _shuffled(distinct: Tensor, generator: torch.Generator | None) -> Tensor:
    """Pairs in random order; what is new to most games comes first."""
    counts = distinct.sum(0)
    device = generator.device if generator is not None else None
    order = torch.randperm(len(counts), generator=generator, device=device)
    order = order.to(counts.device)
    return order[counts[order].argsort(descending=True, stable=True)]


def _looks(n: int, pairs: int, coarse: bool) -> list[tuple[int, int]]:
    """How many pairs each descent looks at, and how many the one before it did."""
    sizes, size = [], _COARSE_PAIRS[0] if n < _COARSE_PAIRS[0] else _COARSE_PAIRS[1]
    while coarse and size < 0.6 * pairs:
        sizes.append(size)
        size *= 2
    sizes.append(pairs)
    return list(zip([sizes[0], *sizes], sizes, strict=False))


def _widths(parameters: Tensor, n: int) -> Tensor:
    """How far each parameter moves in a step, ``(P,)``."""
    out = torch.ones_like(parameters[0])
    if n >= _MANY:
        out[n:] = _WIDTH_OF_MANY
    return out
