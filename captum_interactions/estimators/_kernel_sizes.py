r"""What an index owes to the slope, the size term, the level and the nugget.

All but the nugget depend on how many players a coalition has and on how many of the
players in question, so sums over sizes give them for any n.
"""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor

from captum_interactions.estimators._kernel_prior import (
    LEVEL,
    KernelPrior,
    growth,
    size_kernel,
)
from captum_interactions.estimators._mixtures import Mixture, log_choose

__all__ = ["SizeParts"]

# Single contexts that weigh less than this share of the heaviest are left out.
_NEGLIGIBLE = 1e-14


class SizeParts:
    """These parts of one index: a difference over ``degree`` players, in a mixture.

    Args:
        prior: The prior of one game.
        mixture: How contexts are drawn from the other players.
        degree: How many players are in question.
    """

    def __init__(self, prior: KernelPrior, mixture: Mixture, degree: int) -> None:
        self._prior, self._degree, self._sizes = prior, degree, mixture.sizes
        n = prior.relevance.shape[-1]
        places = torch.arange(n + 1).to(mixture.sizes)
        # e^{α(s/n − ½)}, by which the index sees f.
        self._grown = torch.exp(prior.tilt[0] * (places / n - 0.5))
        self._weights = _differences(self._sizes, degree) * self._grown
        self._gram = prior.size[0] * size_kernel(places[:, None] - places, n)
        self._inside, self._outside = self._of_slope()
        if prior.tilt[0] != 0:  # else the level drops out
            self._gram = self._gram + LEVEL
        inverse = torch.exp(-log_choose(mixture.others).to(mixture.sizes))
        self._contexts, self._squares = self._sizes * inverse, self._sizes**2 * inverse
        self._crossed = self._sizes * self._sizes.flip(0) * inverse

    def _of_slope(self) -> tuple[Tensor, Tensor]:
        """The index of slope/n · χ_k for a player in question and for any other."""
        sizes, degree = self._sizes, self._degree
        share = self._prior.slope[0] / self._prior.relevance.shape[-1]
        if self._prior.tilt[0] == 0:
            return 2 * share * sizes.sum() * (degree == 1), 0 * share
        inside = 0 * share
        if degree:
            ends = _padded(_differences(sizes, degree - 1))
            inside = (ends[:-1] + ends[1:]) @ self._grown
        places = torch.arange(len(sizes)).to(sizes)
        # Mean of χ_k in a context of m of the others; there may be no others.
        sign = (2 * places / max(1, len(sizes) - 1) - 1) * (len(sizes) > 1)
        outside = _differences(sign * sizes, degree) @ self._grown
        return share * inside, share * outside

    def covariances(self, signs: Tensor) -> tuple[Tensor, Tensor]:
        """With f at coalitions ``(h, n)`` of ±1.

        Returns:
            What is the same for all players, ``(h,)``, and what depends on how many of
            the players in question a coalition holds (none first), ``(degree + 1, h)``.
        """
        total = signs.sum(-1)
        held = ((total + signs.shape[-1]) / 2).round().long()
        same = (self._gram @ self._weights)[held] + self._outside * total
        single = self._single(held) * growth(self._prior.tilt[0], signs)
        signs_held = 2 * torch.arange(self._degree + 1).to(total) - self._degree
        single += (self._inside - self._outside) * signs_held[:, None]
        return same, single

    def _single(self, sizes: Tensor) -> Tensor:
        """±weight of a context, by how many of the players T holds, ``(d + 1, h)``."""
        contexts, rows = self._contexts, []
        for held in range(self._degree + 1):
            place = sizes - held
            inside = (place >= 0) & (place < len(contexts))
            weight = contexts[place.clamp(0, len(contexts) - 1)] * inside
            rows.append(weight * (-1.0) ** (self._degree - held))
        out = self._prior.nugget[0] * torch.stack(rows)
        return torch.where(out.abs() < _NEGLIGIBLE * out.abs().max(), 0.0, out)

    def variances(self) -> tuple[Tensor, Tensor]:
        """Prior variances of the even and the odd part, ``()`` each."""
        halves = (self._weights + self._weights.flip(0)) / 2
        even = halves @ self._gram @ halves
        halves = (self._weights - self._weights.flip(0)) / 2
        odd = halves @ self._gram @ halves
        degree, n = self._degree, self._prior.relevance.shape[-1]
        slope = self._prior.slope[0].clamp(min=1e-300)
        slopes = degree * self._inside**2 + (n - degree) * self._outside**2
        # Σ_T of the squared weights of f(T), and of those of T times N∖T.
        count, grown = len(self._sizes), self._grown**2
        square = sum(
            (comb(degree, k) * self._squares @ grown[k : k + count])
            for k in range(degree + 1)
        )
        cross = (-2.0) ** degree * self._crossed.sum()
        nugget = self._prior.nugget[0] / 2
        even = even + nugget * (square + cross)
        return even, odd + slopes * n / slope + nugget * (square - cross)


def _differences(out: Tensor, degree: int) -> Tensor:
    for _ in range(degree):
        padded = _padded(out)
        out = padded[:-1] - padded[1:]
    return out


def _padded(weights: Tensor) -> Tensor:
    return torch.nn.functional.pad(weights, (1, 1))
