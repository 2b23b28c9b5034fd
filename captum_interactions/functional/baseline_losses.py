"""How much of a game's effects sits in contexts of each size, and in how many patterns.

With φ^(m)(i) = E_{S⊆N∖{i}, |S|=m} Δv_i(S) the Shapley value of order m and
Δv_i(S) = v(S∪{i}) − v(S), a good baseline leaves little at low orders m: φ^(m) contains
only AND interactions of at most m + 1 players. "Order" is the context size m here.

The absolute value goes outside the mean over contexts for L_Shapley, and inside for
L_marginal, which is never smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import (
    accumulation_dtype,
    coalition_sizes,
    n_players,
)
from captum_interactions.functional.moebius import moebius
from captum_interactions.functional.multi_order import multi_order_shapley

__all__ = [
    "l1_interaction_loss",
    "marginal_loss",
    "marginal_strength",
    "sampled_marginal_strength",
    "sampled_shapley_strength",
    "shapley_loss",
    "shapley_strength",
]


def _mean_magnitudes(table: Tensor) -> Tensor:
    """Mean of |Δv_i(S)| over |S| = m: ``(*batch, n orders, n)``."""
    n = n_players(table)
    if n == 0:
        bad_value("table", "of at least 1 player", n, "the empty game has no order")
    table = table.to(accumulation_dtype(table.device))
    sizes = coalition_sizes(n, table.device)
    counts = torch.tensor([comb(n - 1, m) for m in range(n)]).to(table)
    means = []
    for player in range(n):
        # Bit `player` of the code splits the table into contexts without and with i.
        halves = table.reshape(*table.shape[:-1], -1, 2, 1 << player)
        delta = (halves[..., 1, :] - halves[..., 0, :]).flatten(-2).abs()
        context_sizes = sizes.view(-1, 2, 1 << player)[:, 0].flatten()
        sums = delta.new_zeros(*delta.shape[:-1], n)
        means.append(sums.index_add(-1, context_sizes, delta) / counts)
    return torch.stack(means, dim=-1)


def _check_orders(orders: Sequence[int], n: int) -> list[int]:
    if len(orders) == 0 or not all(0 <= m < n for m in orders):
        bad_value(
            "orders",
            f"a non-empty list of context sizes m in 0..{n - 1}",
            list(orders),
            "order m is the number of players present beside player i",
        )
    return list(orders)


@checked
def shapley_strength(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Strength Σ_i |φ^(m)(i)| of the Shapley values of every order m.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        One value per context size m = 0..n−1, ``(*batch, n)``, in the units of the
        value function.

    Raises:
        ValueError: If the last axis is not a power of two long, or n < 1.

    References:
        Ren et al., "Can we faithfully represent absence states to compute Shapley
        values on a DNN?" (ICLR 2023).

    Example:
        >>> shapley_strength(torch.tensor([0.0, 0.0, 0.0, 2.0])).tolist()
        [0.0, 4.0]
    """
    return multi_order_shapley(table).abs().sum(-1)


@checked
def marginal_strength(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Strength Σ_i E_{|S|=m} |Δv_i(S)| of the marginal contributions of every order m.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        One value per context size m = 0..n−1, ``(*batch, n)``, in the units of the
        value function; at least :func:`shapley_strength`.

    Raises:
        ValueError: If the last axis is not a power of two long, or n < 1.

    References:
        Ren et al. (ICLR 2023), as in the authors' code.

    Example:
        >>> marginal_strength(torch.tensor([0.0, 1.0, 1.0, 0.0])).tolist()
        [2.0, 2.0]
    """
    strength = _mean_magnitudes(table).sum(-1)
    return strength.to(table.dtype) if table.is_floating_point() else strength


@checked
def shapley_loss(
    table: Tensor,  # (*batch, 2**n)
    orders: Sequence[int],
) -> Tensor:
    """L_Shapley = Σ_m Σ_i |φ^(m)(i)| over some orders.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        orders: Context sizes m to penalize; low ones.

    Returns:
        One loss per game, ``(*batch,)``, in the units of the value function.

    Raises:
        ValueError: If an order is not in 0..n−1.

    References:
        Ren et al. (ICLR 2023); the authors sum over m = 0..⌊n/2⌋−1.

    Example:
        >>> shapley_loss(torch.tensor([0.0, 1.0, 2.0, 5.0]), orders=[0]).item()
        3.0
    """
    chosen = _check_orders(orders, n_players(table))
    return shapley_strength(table)[..., chosen].sum(-1)


@checked
def marginal_loss(
    table: Tensor,  # (*batch, 2**n)
    orders: Sequence[int],
) -> Tensor:
    """L_marginal = Σ_m Σ_i E_{|S|=m} |Δv_i(S)| over some orders.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        orders: Context sizes m to penalize; low ones.

    Returns:
        One loss per game, ``(*batch,)``, in the units of the value function.

    Raises:
        ValueError: If an order is not in 0..n−1.

    References:
        Ren et al. (ICLR 2023), as in the authors' code; the paper's slides leave the
        formula out.

    Example:
        >>> marginal_loss(torch.tensor([0.0, 1.0, 2.0, 5.0]), orders=[0, 1]).item()
        10.0
    """
    chosen = _check_orders(orders, n_players(table))
    return marginal_strength(table)[..., chosen].sum(-1)


@checked
def l1_interaction_loss(
    table: Tensor,  # (*batch, 2**n)
    include_empty: bool = False,
) -> Tensor:
    """Σ_S |I(S)|, the l1 norm of the AND interactions: small if few are salient.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        include_empty: Add |I(∅)| = |v(∅)|, as the authors' code does; it is no
            interaction, and pulls the baseline towards an output of zero.

    Returns:
        One loss per game, ``(*batch,)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Ren et al., "Defining and quantifying the emergence of sparse concepts in
        DNNs" (CVPR 2023), as in the authors' code.

    Example:
        >>> l1_interaction_loss(torch.tensor([7.0, 8.0, 9.0, 12.0])).item()
        5.0
    """
    strength = moebius(table).abs()
    return (strength if include_empty else strength[..., 1:]).sum(-1)


def sampled_shapley_strength(
    marginals: Tensor,  # (*batch, K, T)
) -> Tensor:
    """|mean over sampled contexts of Δv|: the estimate of |φ^(m)(i)|, biased upwards.

    Args:
        marginals: Δv_i(S) of K contexts for each of T (order, player) pairs,
            ``(*batch, K, T)``.

    Returns:
        One value per pair, ``(*batch, T)``, in the units of the value function. Its
        mean is too large by up to the standard error of the inner mean, and K = 1
        gives :func:`sampled_marginal_strength`.

    Example:
        >>> sampled_shapley_strength(torch.tensor([[1.0], [-1.0]])).tolist()
        [0.0]
    """
    return marginals.mean(-2).abs()


def sampled_marginal_strength(
    marginals: Tensor,  # (*batch, K, T)
) -> Tensor:
    """Mean over sampled contexts of |Δv|: the unbiased estimate of E |Δv_i(S)|.

    Args:
        marginals: Δv_i(S) of K contexts for each of T (order, player) pairs,
            ``(*batch, K, T)``.

    Returns:
        One value per pair, ``(*batch, T)``, in the units of the value function.

    Example:
        >>> sampled_marginal_strength(torch.tensor([[1.0], [-1.0]])).tolist()
        [1.0]
    """
    return marginals.abs().mean(-2)
