"""Curves over orders: strength, sign, disentanglement, and what noise alone would give.

Order here is the context size m. Interactions enter as ``(*batch, orders, pairs)``,
read from matrices by :func:`~captum_interactions.functional.upper_pairs`. A curve over
a data set is a ratio of sums (F, P, D as a ratio of means) or a mean of ratios (D as
printed): the two accumulate differently, so every curve is written here as *sums*,
which add up over a data set, and a *ratio*, which is taken once at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, exp, lgamma

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._kinds import check_fits, check_floating
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import (
    accumulated,
    coalition_sizes,
    n_players,
)
from captum_interactions.functional.pairs import matrices_from_pairs, resolve_pairs

__all__ = [
    "context_variances",
    "mean_absolute_deltas",
    "order_strength",
    "debiased_strength",
    "null_strength",
    "positive_ratio",
    "disentanglement_ratios",
    "disentanglement_floor",
]


def _context_sums(
    table: Tensor, pairs: Sequence[tuple[int, int]], values: Callable[[Tensor], Tensor]
) -> Tensor:
    """Mean of values(Δv) over the contexts of each order, ``(*b, n − 1, pairs)``."""
    n = n_players(table)
    codes = torch.arange(1 << n, device=table.device)
    sizes = coalition_sizes(n - 2, table.device)
    counts = torch.tensor([comb(n - 2, m) for m in range(n - 1)]).to(table)
    columns = []
    for i, j in pairs:
        context = codes[((codes >> i) & 1 == 0) & ((codes >> j) & 1 == 0)]
        both = table[..., context | 1 << i | 1 << j] + table[..., context]
        delta = both - table[..., context | 1 << i] - table[..., context | 1 << j]
        zeros = table.new_zeros(*table.shape[:-1], n - 1)
        index = sizes.expand_as(delta)
        columns.append(zeros.scatter_add(-1, index, values(delta)) / counts)
    return torch.stack(columns, dim=-1)


def context_variances(
    table: Tensor,  # (*batch, 2**n)
    pairs: Sequence[tuple[int, int]],
) -> Tensor:
    """Variance of Δv(i,j,S) over the contexts of each order.

    What paired sampling pays for: its squared error is this over the number of
    contexts.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``, at least two players.
        pairs: Pairs (i, j).

    Returns:
        ``(*batch, n − 1, pairs)``, in the squared units of the value function.

    Example:
        >>> v = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
        >>> context_variances(v, [(0, 1)])[:, 0].tolist()
        [0.0, 0.25, 0.0]
    """
    mean = _context_sums(table, pairs, lambda delta: delta)
    square = _context_sums(table, pairs, torch.square)
    return (square - mean**2).clamp(min=0)


@checked
def mean_absolute_deltas(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Mean of |Δv(i,j,S)| over the contexts of each order, for all pairs.

    The denominator of the disentanglement D^(m). It is not linear in v, so it takes one
    pass over 2^(n−2) contexts per pair.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``, at least two players.

    Returns:
        ``(*batch, n − 1, n, n)``, symmetric with zero diagonal, in the units of v.

    Raises:
        ValueError: If the last axis is not a power of two long, or n < 2.

    Example:
        >>> v = torch.tensor([0.0, 1, 2, 3, 0, 1, 2, 9])
        >>> mean_absolute_deltas(v)[:, 0, 1].tolist()
        [0.0, 6.0]
    """
    n = n_players(table)
    if n < 2:
        bad_value("table", "of at least 2 players", n, "one player has no pair")
    pairs = resolve_pairs(None, n)
    sums = accumulated(lambda v: _context_sums(v, pairs, torch.abs), table)
    return matrices_from_pairs(sums, pairs, n)


@checked
def order_strength(
    mean_absolute: Tensor,  # (*batch, orders)
) -> Tensor:
    """F^(m): the strength of each order relative to the mean over the orders given.

    The same curve is called J^(m) in the bottleneck papers. The mean runs over the grid
    of orders that was evaluated, as in the authors' code: an uneven grid weighs its
    crowded ends more, so quote the grid with the curve.

    Args:
        mean_absolute: Mean (or sum) of |I^(m)(i,j)| over inputs and pairs.

    Returns:
        F, ``(*batch, orders)``, without a unit; its mean over orders is 1. NaN when
        every interaction is zero.

    References:
        Deng et al. (ICLR 2022), Eq. 4; Cheng et al. (2021).

    Example:
        >>> order_strength(torch.tensor([3.0, 1.0])).tolist()
        [1.5, 0.5]
    """
    check_floating("mean_absolute", mean_absolute)
    return mean_absolute / mean_absolute.mean(-1, keepdim=True)


def debiased_strength(
    mean_square: Tensor,  # (*batch, orders)
    mean_variance: Tensor,  # (*batch, orders)
) -> Tensor:
    """Root mean square interaction with the sampling noise taken out.

    An estimate with standard error s has E[Î²] = I² + s²: noise reads as strength.
    √max(0, mean Î² − mean s²) removes it on average.

    Args:
        mean_square: Mean of Î² over inputs and pairs.
        mean_variance: Mean of the squared standard errors, zero where exact.

    Returns:
        ``(*batch, orders)``, in the units of the value function.

    Example:
        >>> debiased_strength(torch.tensor([5.0]), torch.tensor([1.0])).tolist()
        [2.0]
    """
    return (mean_square - mean_variance).clamp(min=0).sqrt()


@checked
def null_strength(n: int, orders: Sequence[int]) -> Tensor:
    """F^(m) of a game without any structure: the curve to hold F^(m) against.

    When every v(S) is an independent draw, I^(m) averages C(n−2, m) contexts, so its
    standard deviation falls as 1/√C(n−2, m): a U shape that is no evidence of anything.

    Args:
        n: Number of players.
        orders: Context sizes m.

    Returns:
        ``(orders,)`` float64 with mean 1.

    Example:
        >>> [round(f, 3) for f in null_strength(4, [0, 1, 2]).tolist()]
        [1.108, 0.784, 1.108]
    """
    if not orders or not 0 <= min(orders) <= max(orders) <= n - 2:
        bad_value("orders", f"context sizes in 0..{n - 2}", list(orders), "m is |S|")
    # log C(n−2, m) up to a constant: factorials of 254 overflow.
    logs = [lgamma(m + 1) + lgamma(n - 1 - m) for m in orders]
    raw = [exp((log - max(logs)) / 2) for log in logs]
    return order_strength(torch.tensor(raw, dtype=torch.float64))


@checked
def positive_ratio(
    positive: Tensor,  # (*batch, orders)
    absolute: Tensor,  # (*batch, orders)
) -> Tensor:
    """P^(m): the share of positive interactions in the total strength, by mass.

    Args:
        positive: Sum of max(I, 0) over inputs and pairs.
        absolute: Sum of |I| over the same.

    Returns:
        Numbers in [0, 1]; NaN where nothing interacts. Noise pulls them to ½.

    References:
        Cheng et al. (2021).

    Example:
        >>> positive_ratio(torch.tensor([1.0]), torch.tensor([4.0])).tolist()
        [0.25]
    """
    check_fits("positive", positive, "absolute", absolute.shape)
    return positive / absolute


@checked
def disentanglement_ratios(
    mean: Tensor,  # (*batch, orders, pairs)
    mean_absolute: Tensor,  # (*batch, orders, pairs)
    epsilon: float = 1e-12,
) -> Tensor:
    """|mean Δv| / mean |Δv| of each pair and order: 1 when all contexts agree in sign.

    D^(m) is the mean of these ratios over inputs and pairs. Some copies of the formula
    print the first denominator as a *sum* over contexts; that lacks the factor
    C(n−2, m) and contradicts the line after it.

    Args:
        mean: I^(m)(i,j), the mean of Δv over contexts.
        mean_absolute: The mean of |Δv| over the same contexts.
        epsilon: Below this share of the largest mean |Δv|, the ratio is 0.

    Returns:
        Numbers in [0, 1], of the same shape.

    References:
        Ren et al. (NeurIPS 2021), Eq. 8.

    Example:
        >>> disentanglement_ratios(torch.tensor([[-1.0]]), torch.tensor([[4.0]])).item()
        0.25
    """
    check_floating("mean", mean)
    check_fits("mean", mean, "mean_absolute", mean_absolute.shape)
    if not mean_absolute.numel():
        bad_value("mean_absolute", "of a pair and an order", "nothing", "take a pair")
    smallest = epsilon * mean_absolute.abs().amax().clamp(
        min=torch.finfo(mean.dtype).tiny
    )
    silent = mean_absolute <= smallest
    ratio = mean.abs() / torch.where(silent, torch.ones_like(mean), mean_absolute)
    return torch.where(silent, torch.zeros_like(mean), ratio)


def disentanglement_floor(contexts: int) -> float:
    """D that Gaussian Δv of mean zero give from ``contexts`` samples: about 1/√K.

    Example:
        >>> disentanglement_floor(100)
        0.1
    """
    return contexts**-0.5
