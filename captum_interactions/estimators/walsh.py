r"""A Gaussian-process prior over games, and the table it completes.

Trained networks have smooth games: most of the variance of v(S) sits in Walsh terms of
low degree, and not all players take part. The prior says so,

    Cov(v(S), v(T)) = σ² ( Π_i κ_i(S,T) + slope/n · χ_S·χ_T + level + size·[|S| = |T|]
                            + nugget·[S = T] ),       κ_i = (1 ± ρ_i)/(1 + ρ_i)

with + where S and T agree on player i, − where they differ, and χ = ±1. The product is
Π_i (1 + ρ_i χ_i χ'_i)/(1 + ρ_i): a Walsh term over A has prior variance Π_{i∈A} ρ_i, so
ρ_i is the relevance of player i. The nugget is the part of the game that has no
structure at all; it is not noise, and a value that was evaluated is kept as it is.

Given some values, the posterior mean of all the others completes the table, and every
linear index of the completed table is the posterior mean of that index: one completion
serves Shapley values, pairs and orders alike. A game without structure gets ρ → 0 and a
large nugget, and its unknown values shrink to the mean instead of adding noise. The
matrix that has to be solved is diagonal in the Walsh basis, which is what makes budgets
of ten thousand coalitions cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from captum_interactions.estimators._hadamard import walsh_transform
from captum_interactions.functional import coalition_sizes, codes_to_masks

__all__ = ["WalshPrior", "fit_prior", "Completion", "walsh_transform"]

# The hyper-parameters are fitted on at most this many values (N³ per step).
_FIT_ROWS = 384
_FIT_STEPS = 40
# Up to here one Cholesky factor, beyond it conjugate gradients.
_DIRECT_ROWS = 2048
_PRECONDITIONER_RANK = 768
_MAX_ITERATIONS = 500
# Prior variance of the mean value, in units of the sample variance: vague.
_LEVEL = 100.0
# Smallest nugget: keeps the Cholesky factor finite, far below any model's round-off.
_SMALLEST_NUGGET = 1e-9


@dataclass(frozen=True)
class WalshPrior:
    """The hyper-parameters of the prior, in units of the variance σ².

    Attributes:
        relevance: ρ_i in (0, 1), ``(n,)``.
        slope: Extra variance of the additive part.
        size: Variance of a free function of |S|.
        nugget: Variance of each value on its own.
    """

    relevance: Tensor
    slope: Tensor
    size: Tensor
    nugget: Tensor

    def kernel(self, left: Tensor, right: Tensor) -> Tensor:
        """Covariances without the nugget of two lists of masks, ``(L, R)``."""
        n = left.shape[-1]
        a, b = left.to(self.relevance.dtype), right.to(self.relevance.dtype)
        drop = torch.log((1 - self.relevance) / (1 + self.relevance))
        differ = (a * drop) @ (1 - b).mT + ((1 - a) * drop) @ b.mT
        signs = (2 * a - 1) @ (2 * b - 1).mT
        same_size = a.sum(-1, keepdim=True) == b.sum(-1)
        return differ.exp() + self.slope * signs / n + self.size * same_size + _LEVEL

    def spectrum(self) -> Tensor:
        """Prior variances of all Walsh terms, ``(2**n,)``; without size and nugget."""
        n = len(self.relevance)
        out = 1 / (1 + self.relevance).prod().view(1)
        for rho in self.relevance:
            out = torch.cat([out, out * rho])
        singles = 1 << torch.arange(n, device=out.device)
        extra = torch.zeros_like(out)
        extra[singles] = self.slope / n
        extra[0] = _LEVEL
        return out + extra


def _prior_from(parameters: Tensor, n: int) -> WalshPrior:
    slope, size, nugget = parameters[n:].exp()
    return WalshPrior(
        torch.sigmoid(parameters[:n]), slope, size, nugget + _SMALLEST_NUGGET
    )


def _evidence(prior: WalshPrior, masks: Tensor, values: Tensor) -> tuple[float, Tensor]:
    """Negative log marginal likelihood with σ² at its optimum, and its gradient.

    The gradient comes as a scalar whose derivative it is: ½ Σ G∘K, where
    G = K⁻¹ − ww'/σ² is held fixed. One inverse instead of a derivative of the factor.
    """
    covariance = prior.kernel(masks, masks)
    covariance = covariance + prior.nugget * torch.eye(len(values)).to(covariance)
    with torch.no_grad():
        factor = torch.linalg.cholesky(covariance)
        precision = torch.cholesky_inverse(factor)
        weights = precision @ values
        variance = (values * weights).mean()
        value = len(values) / 2 * variance.log() + factor.diagonal().log().sum()
        slope = precision - torch.outer(weights, weights) / variance
    return value.item(), (slope * covariance).sum() / 2


def fit_prior(
    masks: Tensor,  # (C, n) bool
    values: Tensor,  # (C,)
    generator: torch.Generator | None = None,
) -> WalshPrior:
    """Fit the prior to evaluated coalitions by maximum marginal likelihood.

    Args:
        masks: The coalitions, ``(C, n)`` bool.
        values: Their values, standardized to mean 0 and variance 1, ``(C,)``.
        generator: Source of randomness for the rows used when there are many.

    Returns:
        The prior.

    References:
        Rasmussen & Williams (2006), section 5.4, for the criterion.
    """
    n = masks.shape[-1]
    if len(values) > _FIT_ROWS:
        device = generator.device if generator is not None else None
        order = torch.randperm(len(values), generator=generator, device=device)
        rows = order[:_FIT_ROWS].to(values.device)
        masks, values = masks[rows], values[rows]
    start = [log(0.07 / 0.93)] * n + [0.0, -6.0, -6.0]
    with torch.inference_mode(False), torch.enable_grad():
        masks, values = masks.clone(), values.detach().clone()  # not of inference mode
        parameters = torch.tensor(
            start, dtype=values.dtype, device=values.device, requires_grad=True
        )
        optimizer = torch.optim.Adam([parameters], lr=0.15)
        best, best_parameters = float("inf"), parameters.detach().clone()
        for _ in range(_FIT_STEPS):
            prior = _prior_from(parameters, n)
            loss, tangent = _evidence(prior, masks, values.detach())
            if loss < best:
                best, best_parameters = loss, parameters.detach().clone()
            (parameters.grad,) = torch.autograd.grad(tangent, parameters)
            optimizer.step()
    return _prior_from(best_parameters, n)


class Completion:
    """Posterior of all 2^n values given some of them, for one prior.

    Args:
        prior: The fitted prior.
        codes: The evaluated coalitions, ``(C,)`` int64, distinct.
    """

    def __init__(self, prior: WalshPrior, codes: Tensor) -> None:
        self._prior, self._codes = prior, codes
        n = len(prior.relevance)
        self._n = n
        self._spectrum = prior.spectrum()
        self._sizes = coalition_sizes(n, codes.device)
        self._factor: Tensor | None = None
        if len(codes) <= _DIRECT_ROWS:
            masks = codes_to_masks(codes, n)
            covariance = prior.kernel(masks, masks)
            covariance.diagonal().add_(prior.nugget)
            self._factor = torch.linalg.cholesky(covariance)
        else:
            self._features, self._core = self._preconditioner()

    def table(
        self,
        values: Tensor,  # (*batch, C)
        tolerance: float = 1e-8,
    ) -> Tensor:
        """Posterior mean of the whole table, ``(*batch, 2**n)``; the known are kept."""
        out = self._spread(self.weights(values, tolerance))
        out[..., self._codes] = values
        return out

    def errors(self, draws: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws of (table − posterior mean) for σ = 1, ``(draws, 2**n)``.

        A game drawn from the prior, minus its own completion, has exactly the
        posterior covariance (Matheron's rule); it vanishes where v is known.
        """
        like = self._spectrum

        def normal(*shape: int) -> Tensor:
            device = generator.device if generator is not None else like.device
            drawn = torch.randn(
                *shape, generator=generator, device=device, dtype=like.dtype
            )
            return drawn.to(like.device)

        games = walsh_transform(self._spectrum.sqrt() * normal(draws, 1 << self._n))
        games += self._prior.size.sqrt() * normal(draws, self._n + 1)[:, self._sizes]
        games += self._prior.nugget.sqrt() * normal(draws, 1 << self._n)
        # One part in a thousand of an error bar is plenty.
        return games - self.table(games[:, self._codes], tolerance=1e-3)

    def weights(self, values: Tensor, tolerance: float = 1e-8) -> Tensor:
        """Solve (K + nugget) w = values for rows of values, ``(*batch, C)``."""
        rows = values.reshape(-1, values.shape[-1])
        if self._factor is not None:
            out = torch.cholesky_solve(rows.mT, self._factor).mT
        else:
            out = self._conjugate_gradients(rows, tolerance)
        return out.view(values.shape)

    def deviation(self, values: Tensor) -> Tensor:
        """σ, from how far each value lies from what the others predict, ``()``.

        Leave-one-out residuals over their predicted deviation have variance σ², and so
        has the likelihood's estimate. Under a prior that is somewhat wrong either can
        come out too small, so the larger one counts.
        """
        weights = self.weights(values)
        likelihood = (values * weights).mean().clamp(min=0)
        if self._factor is None:
            return likelihood.sqrt()
        precision = torch.cholesky_inverse(self._factor).diagonal()
        # What is estimated lies in the sizes that were not enumerated.
        counts = torch.bincount(self._sizes, minlength=self._n + 1)
        held = torch.bincount(self._sizes[self._codes], minlength=self._n + 1)
        missing = (held < counts)[self._sizes[self._codes]]
        left_out = (weights**2 / precision)[missing].mean()
        return torch.maximum(likelihood, left_out).sqrt()

    def _spread(self, weights: Tensor) -> Tensor:
        """K(all coalitions, evaluated ones) · weights, ``(*batch, 2**n)``."""
        full = weights.new_zeros(*weights.shape[:-1], 1 << self._n)
        full[..., self._codes] = weights
        by_size = weights.new_zeros(*weights.shape[:-1], self._n + 1)
        by_size.index_add_(-1, self._sizes[self._codes], weights)
        out = walsh_transform(self._spectrum * walsh_transform(full))
        return out + self._prior.size * by_size[..., self._sizes]

    def _preconditioner(self) -> tuple[Tensor, Tensor]:
        """The largest prior terms exactly, the rest as if it were white."""
        n, codes = self._n, self._codes
        rank = min(_PRECONDITIONER_RANK, len(self._spectrum))
        variances, terms = self._spectrum.topk(rank)
        odd = self._sizes[terms[:, None] & codes] % 2
        one_hot = (
            self._sizes[codes] == torch.arange(n + 1, device=codes.device)[:, None]
        )
        features = torch.cat([1 - 2 * odd, one_hot]).to(variances)
        variances = torch.cat([variances, self._prior.size.expand(n + 1)])
        # topk twice would be wasteful: the white part is what the sum leaves over.
        white = self._spectrum.sum() - variances[:rank].sum() + self._prior.nugget
        inner = features @ features.mT + torch.diag(white / variances.clamp(min=1e-300))
        factor = torch.linalg.cholesky(inner)
        self._white = white
        return features, factor

    def _precondition(self, rows: Tensor) -> Tensor:
        inner = torch.cholesky_solve(self._features @ rows.mT, self._core)
        return (rows - (self._features.mT @ inner).mT) / self._white

    def _conjugate_gradients(self, rows: Tensor, tolerance: float) -> Tensor:
        solution = torch.zeros_like(rows)
        residual = rows.clone()
        goal = tolerance * rows.norm(dim=-1, keepdim=True)
        preconditioned = self._precondition(residual)
        direction = preconditioned.clone()
        product = (residual * preconditioned).sum(-1, keepdim=True)
        for _ in range(_MAX_ITERATIONS):
            image = self._spread(direction)[..., self._codes]
            image = image + self._prior.nugget * direction
            curvature = (direction * image).sum(-1, keepdim=True)
            step = product / curvature.clamp(min=torch.finfo(rows.dtype).tiny)
            solution += step * direction
            residual -= step * image
            if (residual.norm(dim=-1, keepdim=True) <= goal).all():
                break
            preconditioned = self._precondition(residual)
            fresh = (residual * preconditioned).sum(-1, keepdim=True)
            direction = preconditioned + fresh / product.clamp(min=1e-300) * direction
            product = fresh
        return solution
