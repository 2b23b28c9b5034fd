"""Hyper-parameters of the kernel prior by marginal likelihood, many games at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from captum_interactions.estimators._explicit_terms import ExplicitTerms, no_terms
from captum_interactions.estimators._kernel_prior import (
    LARGEST_RELEVANCE,
    LEVEL,
    KernelPrior,
    product_blocks,
    size_blocks,
)
from captum_interactions.estimators._kernel_twins import distinct_pairs
from captum_interactions.estimators._lbfgs import Memory, enlarged, minimize

__all__ = ["fit_priors", "Evidence"]

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
# logit ρ_i scatter around their mean by this much: wide enough for players that take no
# part, narrow enough for honest error bars (0.7-3 measured, 1.5 best).
_RELEVANCE_SPREAD = 1.5
# Vague: keeps variances that the data say nothing about where they started.
_VARIANCE_SPREAD = 4.0
# A game that is nearly additive asks for ever more of the slope: e^30 of the variance
# is as good as all of it, and a finite number.
_LARGEST_LOG = 30.0
# Nats that terms offered have to gain: 49 patches of photographs gained 4 to 34, in a
# wrong order of the patches at most 1.
_WORTH = 2.5
# Smallest nugget: keeps the Cholesky factor finite, far below any model's round-off.
_SMALLEST_NUGGET = 1e-9
# ρ of the start: 0.07 suits 14-64 players; Σρ must not grow with n, else the kernel is
# white.
_START_RELEVANCE, _START_SUM = 0.07, 3.0
_START_SLOPE, _START_SIZE, _START_NUGGET = 0.0, -6.0, -6.0
# Variance of the noise on a pair that is not to be heard.
_SILENT = 1e8
# Doubles at work at once, about 256 MB in the eight matrices of a step.
_MOST_VALUES = 1 << 22


def _logit(x: Tensor) -> Tensor:
    share = x / LARGEST_RELEVANCE
    return torch.log(share / (1 - share))


def _pack(prior: KernelPrior) -> Tensor:
    logs = torch.stack([prior.slope, prior.size, prior.nugget - _SMALLEST_NUGGET], -1)
    return torch.cat([_logit(prior.relevance), logs.clamp(min=1e-30).log()], -1)


def _start(rows: int, n: int, like: Tensor) -> Tensor:
    relevance = float(_logit(like.new_tensor(min(_START_RELEVANCE, _START_SUM / n))))
    variances = [_START_SLOPE, _START_SIZE, _START_NUGGET]
    return like.new_tensor([relevance] * n + variances).expand(rows, -1)


@dataclass
class Evidence:
    """Negative log marginal likelihood of games that share coalitions.

    σ² is at its optimum for every set of parameters; the parameters of a row are logits
    of the relevances, logarithms of slope, size and nugget, and the logarithm of a
    common factor of each group of explicit terms.

    Args:
        signs: One coalition of each pair as ±1, ``(h, n)``.
        even: Half sums of the values of each pair, ``(rows, h)``.
        odd: Half differences, ``(rows, h)``.
        terms: Explicit terms, their variances those at factor 1.
        groups: Group of each term, ``(T,)``.
        distinct: Pairs that count in each game, ``(rows, h)`` bool; None for all.

    References:
        Rasmussen & Williams (2006), section 5.4.
    """

    signs: Tensor
    even: Tensor
    odd: Tensor
    terms: ExplicitTerms
    groups: Tensor
    distinct: Tensor | None = None

    def __post_init__(self) -> None:
        self._products = self.signs @ self.signs.mT
        self._sizes = size_blocks(self.signs, self.signs)
        # Part, group and its covariance at factor 1.
        self._grams: list[tuple[int, int, Tensor]] = []
        features, is_even = self.terms.features(self.signs), self.terms.is_even()
        for part, ours in enumerate((is_even, ~is_even)):
            for group in self.groups[ours].unique().tolist():
                held = ours & (self.groups == group)
                own = features[:, held]
                own_gram = (own * self.terms.variance[0, held]) @ own.mT
                self._grams.append((part, group, own_gram))

    def prior(self, parameters: Tensor) -> KernelPrior:
        """The prior that parameters ``(k, P)`` stand for."""
        n = self.signs.shape[-1]
        scales = parameters[:, n:].clamp(max=_LARGEST_LOG).exp()
        slope, size, nugget = scales[:, :3].unbind(-1)
        factors = scales[:, 3:][:, self.groups]
        return KernelPrior(
            LARGEST_RELEVANCE * torch.sigmoid(parameters[:, :n]),
            slope,
            size,
            nugget + _SMALLEST_NUGGET,
            replace(self.terms, variance=self.terms.variance * factors),
            parameters.new_zeros(len(parameters), 2),
        )

    def __call__(self, parameters: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Values ``(k,)`` and gradients ``(k, P)``."""
        h: int | Tensor = len(self.signs)
        n = self.signs.shape[-1]
        prior = self.prior(parameters)
        factors = parameters[:, n + 3 :].clamp(max=_LARGEST_LOG).exp()
        product = product_blocks(prior.relevance, self.signs, self.signs)
        even, odd = self._covariances(prior, factors, product)
        if self.distinct is not None:
            counted = self.distinct[rows]
            h = counted.sum(-1)
            for block in (even, odd):
                block.diagonal(dim1=-2, dim2=-1).add_(_SILENT * ~counted)
        sides, failed = [], torch.zeros_like(rows, dtype=torch.bool)
        logs, fits = torch.zeros(2, len(rows)).to(even)
        for block, values in ((even, self.even[rows]), (odd, self.odd[rows])):
            factor, info = torch.linalg.cholesky_ex(block)
            failed |= info != 0
            # A failed row is refused below; the identity keeps it finite until then.
            factor[info != 0] = torch.eye(len(self.signs)).to(block)
            precision = torch.cholesky_inverse(factor)
            weights = (precision @ values[..., None])[..., 0]
            logs = logs + factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            fits = fits + (values * weights).sum(-1)
            sides.append((precision, weights))
        variance = (fits / (2 * h)).clamp(min=1e-300)
        value = h * variance.log() + logs
        pulls = []
        for precision, weights in sides:
            scaled = weights / variance[:, None].sqrt()
            outer = scaled[..., None] * scaled[:, None]
            pulls.append(precision.sub_(outer))
        gradient = self._gradient(prior, factors, product, pulls)
        penalty, slopes = self._hyper_prior(parameters)
        value = value + penalty
        value = torch.where(failed | ~value.isfinite(), torch.inf, value)
        return value, gradient + slopes

    def _covariances(
        self, prior: KernelPrior, factors: Tensor, product: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        size = prior.size[:, None, None]
        slope = prior.slope[:, None, None] / self.signs.shape[-1]
        even = product[0] + (size * self._sizes[0] + LEVEL)
        odd = product[1] + size * self._sizes[1] + slope * self._products
        blocks = (even, odd)
        for block in blocks:
            block.diagonal(dim1=-2, dim2=-1).add_(prior.nugget[:, None] / 2)
        for part, group, gram in self._grams:
            blocks[part].add_(factors[:, group, None, None] * gram)
        return even, odd

    def _gradient(
        self,
        prior: KernelPrior,
        factors: Tensor,
        product: tuple[Tensor, Tensor],
        pulls: list[Tensor],
    ) -> Tensor:
        """½ tr(G ∂K), G = K⁻¹ − ww'/σ², by every parameter."""
        n, signs = self.signs.shape[-1], self.signs
        mixed = (pulls[0] * product[1]).addcmul_(pulls[1], product[0])
        trace = _inner(pulls[0], product[0]) + _inner(pulls[1], product[1])
        by_strength = (signs * (mixed @ signs)).sum(-2) - trace[:, None]
        rho = prior.relevance
        chain = rho * (1 - rho / LARGEST_RELEVANCE) / (1 - rho**2)
        size = _inner(pulls[0], self._sizes[0]) + _inner(pulls[1], self._sizes[1])
        slope = _inner(pulls[1], self._products) / n
        nugget = sum(pull.diagonal(dim1=-2, dim2=-1).sum(-1) for pull in pulls) / 2
        columns = [
            by_strength * chain,
            (slope * prior.slope)[:, None],
            (size * prior.size)[:, None],
            (nugget * (prior.nugget - _SMALLEST_NUGGET))[:, None],
        ]
        by_group = torch.zeros_like(factors)
        for part, group, gram in self._grams:
            by_group[:, group] += factors[:, group] * _inner(pulls[part], gram)
        columns.append(by_group)
        return torch.cat(columns, -1) / 2

    def _hyper_prior(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Logits scatter around their mean, variances around their start."""
        n = self.signs.shape[-1]
        logits = parameters[:, :n]
        away = (logits - logits.mean(-1, keepdim=True)) / _RELEVANCE_SPREAD
        rest = parameters[:, n:]
        begin = rest.new_zeros(rest.shape[-1])
        begin[:3] = rest.new_tensor([_START_SLOPE, _START_SIZE, _START_NUGGET])
        drift = (rest - begin) / _VARIANCE_SPREAD
        value = (away.square().sum(-1) + drift.square().sum(-1)) / 2
        # The mean's own derivative drops out: deviations sum to 0.
        slopes = torch.cat([away / _RELEVANCE_SPREAD, drift / _VARIANCE_SPREAD], -1)
        return value, slopes


def _inner(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum((-2, -1))


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
    # What is new to most games comes first.
    order = order.to(signs.device)
    order = order[distinct.sum(0)[order].argsort(descending=True, stable=True)][:most]
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    first = _start(count, n, even) if start is None else _pack(start)
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
            rich = evidence(order, (terms, groups))
            found = enlarged(
                plain, rich, found, n_groups, -torch.inf, _STEPS, _TOLERANCE, _WORTH
            )
        parts.append(found)
    return Evidence(signs[:1], even[:, :1], odd[:, :1], terms, groups).prior(
        torch.cat(parts)
    )
