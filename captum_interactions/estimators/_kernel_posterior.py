r"""What a kernel prior and evaluated pairs of coalitions imply, for one game.

Everything here is linear in v. A linear functional L has a = L k(·, T) for the
evaluated T, mean a'K⁻¹v and variance σ²(L L'k − a'K⁻¹a); with complements the system
splits, and a splits into its half sum and half difference over each pair (see
:mod:`~captum_interactions.estimators._kernel_prior`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_prior import (
    KernelPrior,
    growth,
    straightened,
)

__all__ = ["KernelPosterior", "factors_of", "solve", "thinned"]

# Pairs of coalitions that are left out in turn to measure σ and R²: their mean square
# is known to six percent, and more would cost as much as the factors themselves.
_LEFT_OUT = 256
# Factors start at the fitted nugget and take ten times more until they are finite.
_NUGGET_TRIES = 12
# Of the mean diagonal: a few units in the last place of float64, times the rows.
_JITTER = 1e-13
# Multiplications for the errors of all pairs, ten seconds, and pairs of coalitions
# that are solved for whatever that costs.
_MOST_SOLVED, _FEWEST_SOLVED = 2e11, 256
# Relative rounding of a variance that should be zero.
_ROUNDING = 1e-11


@dataclass(frozen=True)
class KernelPosterior:
    """Factors and weights of f of one game, in units of its standardised values.

    Attributes:
        prior: Its prior, one row.
        signs: One coalition of each pair as ±1, ``(h, n)``.
        factors: Lower Cholesky factors of the even and the odd covariance.
        weights: Even and odd weights K⁻¹v, ``(h,)`` each.
        deviations: σ of the even and of the odd part.
        left_out: R² of pairs predicted from all the others.
    """

    prior: KernelPrior
    signs: Tensor
    factors: tuple[Tensor, Tensor]
    weights: tuple[Tensor, Tensor]
    deviations: tuple[Tensor, Tensor]
    left_out: Tensor

    def full_weights(self) -> tuple[Tensor, Tensor]:
        """Weights of the coalitions and of their complements."""
        even, odd = self.weights
        return (even + odd) / 2, (even - odd) / 2

    def explained(
        self, even: Tensor | None, odd: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """a'K⁻¹a of functionals ``(K, h)``, even and odd part."""
        out = []
        for part, factor in zip((even, odd), self.factors, strict=True):
            if part is None:
                out.append(factor.new_zeros(()))
            else:
                solved = torch.linalg.solve_triangular(factor, part.mT, upper=False)
                out.append(solved.square().sum(0))
        return out[0], out[1]

    def error(
        self,
        prior: tuple[Tensor, Tensor],
        even: Tensor | None,
        odd: Tensor | None,
    ) -> Tensor:
        """Standard errors of functionals from their prior variances and a-vectors."""
        explained = self.explained(even, odd)
        variance = torch.zeros_like(explained[0] + explained[1] + prior[0] + prior[1])
        for before, known, sigma in zip(prior, explained, self.deviations, strict=True):
            left = before - known
            # What evaluated values fix is known up to rounding, and that is no error.
            left = torch.where(left > _ROUNDING * before, left, 0.0)
            variance = variance + sigma**2 * left
        return variance.sqrt()


def solve(
    prior: KernelPrior,
    signs: Tensor,  # (h, n) of ±1
    even: Tensor,  # (h,)
    odd: Tensor,  # (h,)
    measured: Tensor,
) -> KernelPosterior:
    """Factor the two covariances and solve for the weights.

    Args:
        prior: The prior of this game, one row.
        signs: One coalition of each pair as ±1, ``(h, n)``.
        even: Half sums of the two values of each pair, standardised, ``(h,)``.
        odd: Half differences, ``(h,)``.
        measured: Which pairs are left out to measure σ and R², ``(k,)`` indices in
            random order; 512 of them do.
    """
    chosen = measured[:_LEFT_OUT]
    factors = factors_of(prior, signs)
    weights, deviations, residuals = [], [], []
    likelihood = even.new_zeros(())
    grown = growth(prior.tilt[0], signs)
    halves = straightened(even, odd - signs @ prior.main[0], grown)
    for factor, values in zip(factors, halves, strict=True):
        # Not torch.cholesky_solve, which copies the factor.
        white = torch.linalg.solve_triangular(factor, values[:, None], upper=False)
        weight = torch.linalg.solve_triangular(factor.mT, white, upper=True)[:, 0]
        likelihood = likelihood + white.square().sum() / (2 * len(even))
        precision = _precision_diagonal(factor, chosen)
        left_out = weight[chosen] / precision
        residuals.append(left_out)
        deviations.append((weight[chosen] * left_out).sum() / max(1, len(chosen)))
        weights.append(weight)
    # Under a prior that is somewhat wrong any of the estimates can come out too small.
    sigma = [
        torch.maximum(d, likelihood).sqrt().maximum(least)
        for d, least in zip(deviations, prior.least_sigma[0], strict=True)
    ]
    return KernelPosterior(
        prior,
        signs,
        factors,
        (weights[0], weights[1]),
        (sigma[0], sigma[1]),
        _share(
            even[chosen],
            odd[chosen],
            straightened(residuals[0], residuals[1], 1 / grown[chosen]),
        ),
    )


def thinned(posterior: KernelPosterior, functionals: int) -> KernelPosterior:
    """Knowing less: a random part of the pairs, if solving for all costs too much.

    Variances are those of the part, never below those of all pairs.

    Args:
        posterior: What all pairs say.
        functionals: How many variances are wanted.
    """
    h = len(posterior.signs)
    most = max(_FEWEST_SOLVED, int((_MOST_SOLVED / max(1, functionals)) ** 0.5))
    if h <= most:
        return posterior
    order = torch.randperm(h, generator=torch.Generator().manual_seed(0))
    some = order[:most].to(posterior.signs.device)
    factors = []
    for factor in posterior.factors:
        rows = factor[some]
        factors.append(torch.linalg.cholesky(rows @ rows.mT))
    even, odd = posterior.weights
    return replace(
        posterior,
        signs=posterior.signs[some],
        factors=(factors[0], factors[1]),
        weights=(even[some], odd[some]),
    )


def factors_of(prior: KernelPrior, signs: Tensor) -> tuple[Tensor, Tensor]:
    """Lower Cholesky factors of the even and the odd covariance, nugget included.

    Each takes the memory of its covariance: at 10,000 pairs it is 800 MB.
    """
    even, odd = (block[0] for block in prior.blocks(signs, signs))
    return _factored(even, prior, signs, 0), _factored(odd, prior, signs, 1)


def _factored(block: Tensor, prior: KernelPrior, signs: Tensor, side: int) -> Tensor:
    """Factor a covariance in place, with a nugget as small as will do."""
    # Terms that explain everything have variances far above a nugget near zero.
    nugget = torch.maximum(prior.nugget / 2, _JITTER * block.diagonal().mean())
    info = torch.zeros((), dtype=torch.int32, device=block.device)
    for _ in range(_NUGGET_TRIES):
        block.diagonal().add_(nugget)
        # Columns first, as LAPACK has it: then it copies nothing.
        factor = block.mT
        torch.linalg.cholesky_ex(factor, out=(factor, info))
        if int(info) == 0:
            return factor
        # Half of it is overwritten.
        block, nugget = prior.blocks(signs, signs)[side][0], 10 * nugget
    block.diagonal().add_(nugget)
    return torch.linalg.cholesky(block)


def _precision_diagonal(factor: Tensor, chosen: Tensor) -> Tensor:
    """Diagonal of K⁻¹ at some places."""
    if 3 * len(chosen) > len(factor):
        return torch.cholesky_inverse(factor).diagonal()[chosen]
    units = factor.new_zeros(len(factor), len(chosen))
    units[chosen, torch.arange(len(chosen), device=factor.device)] = 1.0
    return torch.linalg.solve_triangular(factor, units, upper=False).square().sum(0)


def _share(even: Tensor, odd: Tensor, residuals: tuple[Tensor, Tensor]) -> Tensor:
    """1 − residual/total over the values that were left out."""
    rest = residuals[0].square().sum() + residuals[1].square().sum()
    total = (even - even.sum() / max(1, len(even))).square().sum() + odd.square().sum()
    return torch.where(total > 0, 1 - rest / total, 1.0)
