r"""Means over contexts of every size as sums over product measures.

An index of a pair is Σ_m ω_m I^(m)(i,j): contexts of the n − 2 others have m players
with probability ω_m, and all contexts of a size are alike. The product kernel is a
product over players, so its mean is cheap only where the players come independently,
each with E χ = q. A density over q (Shapley) or complex q with complex weights (one
size m: the coefficient of z^m in Π(κ(0) + zκ(1)), read off on a circle) turns the one
into the other:

    Σ_m ω_m mean_{|S|=m} Π_k g_k(χ_k)  =  Re Σ_l weight_l Π_k E_{q_l} g_k
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, pi, sqrt

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "Mixture",
    "density_mixture",
    "empty_mixture",
    "taylor_mixture",
    "order_mixture",
    "joined",
    "joined_orders",
    "row_sum_mixture",
    "tilted",
    "log_choose",
]

# Measured against 24 nodes, largest relative difference of any pair of 50-200 players:
# 8 nodes 6e-13, 4 nodes 6e-7.
_NODES = 12
# A circle of L points confuses sizes m and m ± L; beyond this many standard deviations
# of the tilted size there is nothing to confuse.
_DEVIATIONS = 18


@dataclass(frozen=True)
class Mixture:
    """How contexts are drawn from the other players.

    Attributes:
        nodes: q, ``(Q,)`` real or complex.
        log_weights: Logarithms of their weights, ``(Q,)`` of the same dtype: weights of
            a circle span more than floats do.
        sizes: ω_m of contexts of m = 0 … others players, ``(others + 1,)``.
    """

    nodes: Tensor
    log_weights: Tensor
    sizes: Tensor

    @property
    def others(self) -> int:
        """Number of players that contexts are drawn from."""
        return len(self.sizes) - 1

    def mean(self, values: Tensor) -> float:
        """Mean of a product over players, from its value at each node."""
        return float((self.log_weights.exp() * values).sum().real)

    def moment(self, degree: int) -> float:
        """Mean of a product of ``degree`` signs of different players."""
        return self.mean(self.nodes**degree)

    @property
    def symmetric(self) -> bool:
        """Whether a context is as likely as its complement: no odd part for pairs."""
        return torch.allclose(self.sizes, self.sizes.flip(0), atol=0, rtol=1e-9)


def log_choose(n: int) -> Tensor:
    """Logarithms of C(n, k) for k = 0 … n, ``(n + 1,)`` float64."""
    k = torch.arange(n + 1, dtype=torch.float64)
    return (
        torch.lgamma(torch.tensor(n + 1.0, dtype=torch.float64))
        - torch.lgamma(k + 1)
        - torch.lgamma(n - k + 1)
    )


def density_mixture(others: int, density: str, like: Tensor) -> Mixture:
    """Contexts where every player is present with probability p, p from a density.

    Args:
        others: Number of players that contexts are drawn from.
        density: ``"uniform"`` (Shapley values, SII), ``"half"`` (Banzhaf) or
            ``"faith"`` 6p(1−p) (FSII).
        like: Gives dtype and device.

    Example:
        >>> like = torch.zeros((), dtype=torch.float64)
        >>> density_mixture(3, "uniform", like).sizes.tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    m = torch.arange(others + 1, dtype=torch.float64)
    total = others + 1.0
    if density == "half":
        nodes, weights = torch.zeros(1), torch.ones(1)
        sizes = torch.exp(log_choose(others) - others * log(2))
    else:
        found = np.polynomial.legendre.leggauss(_NODES)
        nodes, weights = (torch.from_numpy(part) for part in found)
        # C(others, m) ∫ p^m (1−p)^(others−m) f(p) dp is a ratio of Beta functions.
        if density == "uniform":
            factor, sizes = torch.ones(()), torch.ones_like(m) / total
        else:
            factor = 1.5 * (1 - nodes**2)
            sizes = 6 * (m + 1) * (others - m + 1) / (total * (total + 1) * (total + 2))
        weights = weights * factor / 2
    return Mixture(nodes.to(like), weights.log().to(like), sizes.to(like))


def taylor_mixture(others: int, k: int, like: Tensor) -> Mixture:
    """Contexts of a Shapley–Taylor interaction of k players: density k(1−p)^(k−1).

    Example:
        >>> like = torch.zeros((), dtype=torch.float64)
        >>> [round(w, 6) for w in taylor_mixture(1, 2, like).sizes.tolist()]
        [0.666667, 0.333333]
    """
    uniform = density_mixture(others, "uniform", like)
    logs = uniform.log_weights + (k - 1) * torch.log((1 - uniform.nodes) / 2)
    m = torch.arange(others + 1, dtype=torch.float64)
    # C(others, m) k B(m + 1, others − m + k), the chance of m players.
    falling = torch.lgamma(others - m + k) - torch.lgamma(others - m + 1)
    whole = torch.lgamma(torch.tensor([others + 1.0, others + k + 1.0]).double())
    sizes = k * torch.exp(falling + whole[0] - whole[1])
    return Mixture(uniform.nodes, logs + log(k), sizes.to(like))


def empty_mixture(others: int, like: Tensor) -> Mixture:
    """The empty context alone: an AND interaction."""
    sizes = torch.zeros(others + 1, dtype=torch.float64)
    sizes[0] = 1.0
    nodes = torch.full((1,), -1.0).to(like)
    return Mixture(nodes, torch.zeros_like(nodes), sizes.to(like))


def order_mixture(others: int, order: int, like: Tensor) -> Mixture:
    """Contexts of exactly ``order`` players.

    The circle has the radius p/(1−p) with p near order/others: the mass of the
    generating function then sits at the size wanted, and no digits are lost.

    Example:
        >>> like = torch.zeros((), dtype=torch.float64)
        >>> round(order_mixture(4, 1, like).moment(1), 6)  # (1 − 3)/4
        -0.5
    """
    p = min(max(order / max(others, 1), 0.5 / (others + 1)), 1 - 0.5 / (others + 1))
    spread = sqrt(others * p * (1 - p))
    points = min(others + 1, ceil(_DEVIATIONS * spread) + 8) | 1  # odd: never z = −1
    angles = 2 * pi * torch.arange(points // 2 + 1, dtype=torch.float64) / points
    z = p / (1 - p) * torch.exp(1j * angles)
    # Angles come in conjugate pairs with equal real parts; half of them do.
    twice = 1 + (angles > 0).double()
    logs = others * torch.log1p(z) - order * torch.log(z)
    logs = logs + torch.log(twice / points) - log_choose(others)[order]
    sizes = torch.zeros(others + 1, dtype=torch.float64)
    sizes[order] = 1.0
    dtype = torch.promote_types(like.dtype, torch.complex64)
    return Mixture(
        ((z - 1) / (z + 1)).to(like.device, dtype),
        logs.to(like.device, dtype),
        sizes.to(like),
    )


def joined_orders(
    others: int, orders: list[int], factors: list[float], like: Tensor
) -> Mixture:
    """A weighted sum of contexts of several sizes; the factors may have any sign."""
    return joined([order_mixture(others, m, like) for m in orders], factors)


def joined(parts: list[Mixture], factors: list[float]) -> Mixture:
    """A weighted sum of mixtures; the factors may have any sign."""
    sizes = torch.stack([f * p.sizes for f, p in zip(factors, parts, strict=True)])
    nodes = torch.cat([p.nodes + 0j for p in parts])
    logs = [
        p.log_weights + torch.tensor(complex(f), dtype=nodes.dtype).log()
        for f, p in zip(factors, parts, strict=True)
    ]
    return Mixture(nodes, torch.cat(logs), sizes.sum(0))


def tilted(mixture: Mixture, t: Tensor) -> Mixture:
    """Means of e^{βΣχ} g as means of g, up to the factor (cosh β)^others; t = tanh β.

    E e^{βχ} = cosh β (1 + qt), and under that weight E χ = (q + t)/(1 + qt).
    """
    spread = 1 + mixture.nodes * t
    return Mixture(
        (mixture.nodes + t) / spread,
        mixture.log_weights + mixture.others * spread.log(),
        mixture.sizes,
    )


def row_sum_mixture(others: int, density: str, like: Tensor) -> Mixture:
    """From a pair index to the sum of a player's pairs: contexts of the n − 1 others.

    Σ_j I(i,j) = (n−1) Σ_m ω_m (φ^(m+1)(i) − φ^(m)(i)) with φ^(m)(i) player i's mean
    contribution to contexts of m players: the derivative by p, integrated by parts. At
    a single p it is a complex step of 1e-4, right to 1e-8.

    Args:
        others: Number of players that the pair index draws contexts from, n − 2.
        density: ``"uniform"``, ``"half"`` or ``"faith"``.
        like: Gives dtype and device.

    Example:
        >>> like = torch.zeros((), dtype=torch.float64)
        >>> row_sum_mixture(2, "uniform", like).sizes.tolist()
        [-1.0, 0.0, 0.0, 1.0]
    """
    pairs = density_mixture(others, density, like)
    dtype = torch.promote_types(like.dtype, torch.complex64)
    if density == "uniform":
        nodes, weights = torch.tensor([-1.0, 1.0]), torch.tensor([-1.0, 1.0])
    elif density == "faith":
        nodes = pairs.nodes
        weights = pairs.log_weights.exp() * 4 * nodes / (1 - nodes**2)
    else:
        nodes, weights = torch.tensor([1e-4j]), 2 / torch.tensor([1e-4j])
    sizes = torch.nn.functional.pad(pairs.sizes, (1, 1))
    return Mixture(
        nodes.to(like.device, dtype),
        weights.to(like.device, dtype).log(),
        len(pairs.sizes) * (sizes[:-1] - sizes[1:]),
    )
