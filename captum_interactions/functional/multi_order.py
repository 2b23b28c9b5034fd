"""Multi-order interactions: what a pair does in contexts of a given size.

The order m here is the *context size*, not the size of a coalition:

====================  ================================================  ===========
I^(m)(i,j)            mean of Δv(i,j,S) over S ⊆ N∖{i,j} of m players   m = 0..n−2
φ^(m)(i)              mean of v(S∪{i}) − v(S) over S ⊆ N∖{i}, the same  m = 0..n−1
J^(m)(i,j)            (n−1−m) / (n(n−1)) · I^(m)(i,j)                   m = 0..n−2
====================  ================================================  ===========

They decompose what is known: I^(m) averages over m to the Shapley interaction index,
φ^(m) to the Shapley value, and v(N) − v(∅) = Σ_i φ^(0)(i) + Σ_{i≠j} Σ_m J^(m)(i,j) with
every pair counted in both directions.

Everything is exact, linear in its argument, differentiable, and takes any leading axes.
Tables are read by counting: with σ_s(i,j) = Σ v(S) over |S| = s, S ⊇ {i,j}, every mean
of v over a stratum (size, i in or out, j in or out) is a sum of four σ. No dividend is
formed, so nothing cancels at large n.
"""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._kinds import check_square
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import (
    accumulated,
    coalition_sizes,
    n_players,
)
from captum_interactions.functional.sums import pair_sums_by_size

__all__ = [
    "multi_order_interaction",
    "multi_order_shapley",
    "order_utility",
    "size_means",
]


def check_players(n: int) -> None:
    if n < 1:
        bad_value("table", "of at least 1 player", n, "an empty game has no order")


def without_diagonal(pairs: Tensor) -> Tensor:
    diagonal = torch.eye(pairs.shape[-1], dtype=torch.bool, device=pairs.device)
    return pairs.masked_fill(diagonal, 0)


def _size_totals(table: Tensor) -> Tensor:
    """Σ table(S) over |S| = s, ``(*batch, n + 1)``."""
    n = n_players(table)
    sizes = coalition_sizes(n, table.device).expand_as(table)
    zeros = table.new_zeros(*table.shape[:-1], n + 1)
    return zeros.scatter_add(-1, sizes, table)


def _binomials(n: int, like: Tensor) -> Tensor:
    return torch.tensor([comb(n, k) for k in range(n + 1)], dtype=torch.float64).to(
        like
    )


@checked
def size_means(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Mean of v over the coalitions of each size, v̄(k) for k = 0..n.

    Its differences are the averages over all players and all pairs:
    v̄(m+1) − v̄(m) = mean_i φ^(m)(i), and mean_{i≠j} I^(m)(i,j) is the second difference
    v̄(m+2) − 2v̄(m+1) + v̄(m).

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        v̄, ``(*batch, n + 1)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> size_means(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [0.0, 1.5, 5.0]
    """
    n = n_players(table)
    return accumulated(lambda v: _size_totals(v) / _binomials(n, v), table)


def _table_pairs(table: Tensor) -> Tensor:
    n = n_players(table)
    if n == 1:
        return table.new_zeros(*table.shape[:-1], 0, 1, 1)
    both = pair_sums_by_size(table)  # (*batch, n+1, n, n), diagonal: σ_s(i)
    own = torch.diagonal(both, dim1=-2, dim2=-1)
    first = own.unsqueeze(-1) - both  # i in, j out
    second = first.mT
    neither = _size_totals(table)[..., None, None] - both - first - second
    total = both[..., 2:, :, :] + neither[..., :-2, :, :]
    total = total - first[..., 1:-1, :, :] - second[..., 1:-1, :, :]
    return without_diagonal(total / _binomials(n - 2, table)[:, None, None])


def _table_players(table: Tensor) -> Tensor:
    n = n_players(table)
    present = torch.diagonal(pair_sums_by_size(table), dim1=-2, dim2=-1)
    absent = _size_totals(table).unsqueeze(-1) - present
    difference = present[..., 1:, :] - absent[..., :-1, :]
    return difference / _binomials(n - 1, table).unsqueeze(-1)


@checked
def multi_order_interaction(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Multi-order interactions I^(m)(i,j) of all pairs and all orders.

    I^(m)(i,j) is the mean of Δv(i,j,S) = v(S∪{i,j}) − v(S∪{i}) − v(S∪{j}) + v(S) over
    the contexts S ⊆ N∖{i,j} of m players. Order means context size.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``, n at least 1.

    Returns:
        I^(m), ``(*batch, n − 1, n, n)``: orders m = 0..n−2 (none for a single player),
        then symmetric matrices with zero diagonal, in the units of the value function.
        Their mean over orders is the Shapley interaction index.

    Raises:
        ValueError: If the last axis is not a power of two long, or n < 1.

    References:
        Ren et al., "A unified game-theoretic interpretation of adversarial robustness"
        (NeurIPS 2021); Deng et al., "Discovering and explaining the representation
        bottleneck of DNNs" (ICLR 2022), Eq. 2.

    Example:
        >>> v = torch.tensor([0.0, 1, 2, 3, 0, 1, 2, 9])  # an AND term of all three
        >>> multi_order_interaction(v)[:, 0, 1].tolist()
        [0.0, 6.0]
    """
    check_players(n_players(table))
    return accumulated(_table_pairs, table)


@checked
def multi_order_shapley(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Multi-order Shapley values φ^(m)(i) of all players and all orders.

    φ^(m)(i) is the mean of v(S∪{i}) − v(S) over the contexts S ⊆ N∖{i} of m players.
    Order means context size.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        φ^(m), ``(*batch, n, n)``: orders m = 0..n−1, then players, in the units of the
        value function. Their mean over orders is the Shapley value.

    Raises:
        ValueError: If the last axis is not a power of two long, or n < 1.

    References:
        Ren et al. (NeurIPS 2021), supplement.

    Example:
        >>> multi_order_shapley(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    check_players(n_players(table))
    return accumulated(_table_players, table)


@checked
def order_utility(
    interactions: Tensor,  # (*batch, orders, n, n)
    orders: list[int] | None = None,
) -> Tensor:
    """Order utilities J^(m)(i,j) = (n−1−m)/(n(n−1)) · I^(m)(i,j).

    J^(m)(i,j) is what the pair's interaction of order m adds to v(N) − v(∅), per
    *direction* of the pair: sums run over i ≠ j with both directions counted. Its sum
    over j is the share of order m in the Shapley value of i.

    Args:
        interactions: I^(m)(i,j), ``(*batch, orders, n, n)``.
        orders: The context sizes m of the axis before the pairs; None means 0..n−2.

    Returns:
        J^(m), ``(*batch, orders, n, n)``, in the units of the value function.

    Raises:
        ValueError: If the orders do not fit the axis, or lie outside 0..n−2.

    References:
        Ren et al. (NeurIPS 2021), supplement, Eq. 3; the sum there is over ordered
        pairs.

    Example:
        >>> order_utility(torch.ones(2, 3, 3))[:, 0, 1].tolist()
        [0.3333333432674408, 0.1666666716337204]
    """
    check_square("interactions", interactions, axes=3)
    n = interactions.shape[-1]
    chosen = list(range(n - 1)) if orders is None else list(orders)
    if len(chosen) != interactions.shape[-3] or any(not 0 <= m < n - 1 for m in chosen):
        bad_value(
            "orders",
            f"{interactions.shape[-3]} context sizes in 0..{n - 2}",
            chosen,
            "pass the orders that `interactions` was computed for",
        )
    shares = [(n - 1 - m) / (n * (n - 1)) for m in chosen]
    factors = torch.tensor(shares, dtype=torch.float64).to(interactions)
    return interactions * factors[:, None, None]
