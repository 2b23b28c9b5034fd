"""The marginal likelihood of hyper-parameters of the kernel prior, and its slope."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from captum_interactions.estimators._explicit_terms import ExplicitTerms
from captum_interactions.estimators._kernel_prior import (
    LARGEST_RELEVANCE,
    LEVEL,
    KernelPrior,
    growth,
    product_blocks,
    size_blocks,
    straightened,
    tilts,
)
from captum_interactions.estimators._lbfgs import Objective

__all__ = ["Evidence", "first_parameters", "packed", "together"]

# logit ρ_i scatter around their mean by this much: wide enough for players that take no
# part, narrow enough for honest error bars (0.7-3 measured, 1.5 best).
_RELEVANCE_SPREAD = 1.5
# Vague: keeps variances that the data say nothing about where they started.
_VARIANCE_SPREAD = 4.0
# α of trained networks of 12 to 16 players: −1.5 to 0.1.
_TILT_SPREAD = 1.0
# A game that is nearly additive asks for ever more of the slope: e^30 of the variance
# is as good as all of it, and a finite number.
_LARGEST_LOG = 30.0
# Smallest nugget: keeps the Cholesky factor finite, far below any model's round-off.
_SMALLEST_NUGGET = 1e-9
# ρ of the start: 0.07 suits 14-64 players; Σρ must not grow with n, else the kernel is
# white.
_START_RELEVANCE, _START_SUM = 0.07, 3.0
_START_SLOPE, _START_SIZE, _START_NUGGET = 0.0, -6.0, -6.0
# Variance of the noise on a pair that is not to be heard.
_SILENT = 1e8


def _logit(x: Tensor) -> Tensor:
    share = x / LARGEST_RELEVANCE
    return torch.log(share / (1 - share))


def packed(prior: KernelPrior) -> Tensor:
    """The parameters of a prior without terms, ``(rows, n + 4)``."""
    logs = torch.stack([prior.slope, prior.size, prior.nugget - _SMALLEST_NUGGET], -1)
    logs = logs.clamp(min=1e-30).log()
    return torch.cat([_logit(prior.relevance), logs, prior.tilt[:, None]], -1)


def first_parameters(rows: int, n: int, like: Tensor) -> Tensor:
    """Where a descent starts, the middle of what networks need, ``(rows, n + 4)``."""
    relevance = float(_logit(like.new_tensor(min(_START_RELEVANCE, _START_SUM / n))))
    rest = [_START_SLOPE, _START_SIZE, _START_NUGGET, 0.0]
    return like.new_tensor([relevance] * n + rest).expand(rows, -1)


@dataclass
class Evidence:
    """Negative log marginal likelihood of games that share coalitions.

    σ² is at its optimum for every set of parameters; the parameters of a row are logits
    of the relevances, logarithms of slope, size and nugget, the tilt, and the logarithm
    of a common factor of each group of explicit terms.

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
        self._tilts = tilts(self.signs.shape[-1], self.terms)

    def prior(self, parameters: Tensor) -> KernelPrior:
        """The prior that parameters ``(k, P)`` stand for."""
        n = self.signs.shape[-1]
        scales = parameters[:, n:].clamp(max=_LARGEST_LOG).exp()
        slope, size, nugget = scales[:, :3].unbind(-1)
        factors = scales[:, 4:][:, self.groups]
        return KernelPrior(
            LARGEST_RELEVANCE * torch.sigmoid(parameters[:, :n]),
            slope,
            size,
            nugget + _SMALLEST_NUGGET,
            replace(self.terms, variance=self.terms.variance * factors),
            parameters.new_zeros(len(parameters), 2),
            self._tilts * parameters[:, n + 3],
            torch.zeros_like(parameters[:, :n]),
        )

    def __call__(self, parameters: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Values ``(k,)`` and gradients ``(k, P)``."""
        h: int | Tensor = len(self.signs)
        n = self.signs.shape[-1]
        prior = self.prior(parameters)
        factors = parameters[:, n + 4 :].clamp(max=_LARGEST_LOG).exp()
        product = product_blocks(prior.relevance, self.signs, self.signs)
        even, odd = self._covariances(prior, factors, product)
        if self.distinct is not None:
            counted = self.distinct[rows]
            h = counted.sum(-1)
            for block in (even, odd):
                block.diagonal(dim1=-2, dim2=-1).add_(_SILENT * ~counted)
        sides, failed = [], torch.zeros_like(rows, dtype=torch.bool)
        logs, fits = torch.zeros(2, len(rows)).to(even)
        grown = growth(prior.tilt, self.signs)
        halves = straightened(self.even[rows], self.odd[rows], grown)
        for block, values in zip((even, odd), halves, strict=True):
            factor, info = torch.linalg.cholesky_ex(block)
            failed |= info != 0
            if bool(failed.any()):
                # It is refused below; the identity keeps it finite until then.
                factor[info != 0] = torch.eye(len(self.signs)).to(block)
            precision = torch.cholesky_inverse(factor)
            weights = (precision @ values[..., None])[..., 0]
            logs = logs + factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            fits = fits + (values * weights).sum(-1)
            sides.append((precision, weights))
        variance = (fits / (2 * h)).clamp(min=1e-300)
        value = h * variance.log() + logs
        # v'K⁻¹v by α: under a tilt each half moves along the other one.
        moved = sides[0][1] * halves[1] + sides[1][1] * halves[0]
        by_tilt = -(moved @ self.signs.mean(-1)) / (2 * variance)
        pulls = []
        for precision, weights in sides:
            scaled = weights / variance[:, None].sqrt()
            outer = scaled[..., None] * scaled[:, None]
            pulls.append(precision.sub_(outer))
        gradient = self._gradient(prior, factors, product, pulls)
        gradient[:, n + 3] = self._tilts * by_tilt
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
        """½ tr(G ∂K), G = K⁻¹ − ww'/σ², by every parameter but the tilt."""
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
            # What least squares left over says nothing about how well it was known.
            ((not self._tilts) * slope * prior.slope)[:, None],
            (size * prior.size)[:, None],
            (nugget * (prior.nugget - _SMALLEST_NUGGET))[:, None],
            rho.new_zeros(len(rho), 1),
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
        spread = torch.full_like(begin, _VARIANCE_SPREAD)
        spread[3] = _TILT_SPREAD
        drift = (rest - begin) / spread
        value = (away.square().sum(-1) + drift.square().sum(-1)) / 2
        # The mean's own derivative drops out: deviations sum to 0.
        slopes = torch.cat([away / _RELEVANCE_SPREAD, drift / spread], -1)
        return value, slopes


def _inner(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum((-2, -1))


def together(parts: list[Evidence]) -> Objective:
    """Evidence of several blocks of pairs as if they were independent, added up."""

    def objective(parameters: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        value, slopes = parts[0](parameters, rows)
        penalty, pull = parts[0]._hyper_prior(parameters)
        for part in parts[1:]:
            more, gradient = part(parameters, rows)
            value, slopes = value + more - penalty, slopes + gradient - pull
        return value, slopes

    return objective
