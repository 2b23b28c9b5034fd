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
_STEPS, _STEPS_FROM_NEAR = 40, 12
# Nats: far less than what tells two settings apart.
_TOLERANCE = 0.1
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
    most = min(max(_FIT_PAIRS, _PAIRS_PER_PLAYER * n), _MOST_FIT_PAIRS)
    device = generator.device if generator is not None else None
    order = torch.randperm(len(signs), generator=generator, device=device)
    distinct = distinct_pairs(signs, even, odd)
    main = even.new_zeros(count, n)
    if tilts(n, terms):
        main = odd @ torch.linalg.pinv(signs).mT
        odd = odd - main @ signs.mT
    # What is new to most games comes first.
    order = order.to(signs.device)
    order = order[distinct.sum(0)[order].argsort(descending=True, stable=True)]
    order, *others = order.split(most)
    more = [block for block in others[:_MORE_BLOCKS] if offered and len(block) == most]
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    first = first_parameters(count, n, even) if start is None else packed(start)
    at_first = (no_terms(1, n, even), groups[:0]) if offered else (terms, groups)
    extra = first.new_zeros(count, 0 if offered else n_groups)
    parameters = torch.cat([first, extra], -1)
    first_look = _COARSE_PAIRS[0] if n < _COARSE_PAIRS[0] else _COARSE_PAIRS[1]
    coarse = start is None and first_look < 0.6 * len(order)
    per_block = max(1, _MOST_VALUES // len(order) ** 2)
    parts = []
    for rows in torch.arange(count, device=signs.device).split(per_block):

        def evidence(
            chosen: Tensor, own: tuple[ExplicitTerms, Tensor], rows: Tensor = rows
        ) -> Evidence:
            sides = even[rows][:, chosen], odd[rows][:, chosen]
            return Evidence(signs[chosen], *sides, *own, distinct[rows][:, chosen])

        found, memory = parameters[rows], Memory()
        if coarse:
            few = evidence(order[:first_look], at_first)
            found = minimize(few, found, _STEPS, _TOLERANCE, memory)
            # More pairs, more curvature: the memory carries over in proportion.
            memory = memory.scaled(len(order) / first_look)
        near = coarse or start is not None
        steps = _STEPS_FROM_NEAR if near else _STEPS
        plain = evidence(order, at_first)
        found = minimize(plain, found, steps, _TOLERANCE, memory)
        if offered:
            blocks = order, *more
            alone, rich = (
                together([evidence(block, own) for block in blocks])
                for own in (at_first, (terms, groups))
            )
            if more:
                found = minimize(alone, found, _STEPS_FROM_NEAR, _TOLERANCE)
            found = enlarged(
                alone, rich, found, n_groups, -torch.inf, _STEPS, _TOLERANCE, _WORTH
            )
        parts.append(found)
    last = Evidence(signs[:1], even[:, :1], odd[:, :1], terms, groups)
    return replace(last.prior(torch.cat(parts)), main=main)
