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

from collections.abc import Callable
from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional.coalitions import (
    accumulated,
    coalition_sizes,
    n_players,
)
from captum_interactions.functional.sums import pair_sums_by_size

__all__ = [
    "multi_order_interaction",
    "multi_order_interaction_from_and",
    "multi_order_interaction_from_or",
    "multi_order_interaction_from_terms",
    "multi_order_shapley",
    "multi_order_shapley_from_and",
    "multi_order_shapley_from_or",
    "multi_order_shapley_from_terms",
    "order_utility",
    "size_means",
]


def _check_players(n: int) -> None:
    if n < 1:
        bad_value("table", "of at least 1 player", n, "an empty game has no order")


def _without_diagonal(pairs: Tensor) -> Tensor:
    diagonal = torch.eye(pairs.shape[-1], dtype=torch.bool, device=pairs.device)
    return pairs.masked_fill(diagonal, 0)


def _weights(
    n_orders: int, n_sizes: int, weight: Callable[[int, int], float]
) -> Tensor:
    """Matrix of weight(m, s) for orders m and coalition sizes s."""
    rows = [[weight(m, s) for s in range(n_sizes)] for m in range(n_orders)]
    return torch.tensor(rows, dtype=torch.float64).reshape(n_orders, n_sizes)


def _and_weights(n: int, removed: int) -> Tensor:
    """C(m, t−r)/C(n−r, t−r): the share of contexts that complete an AND term."""

    def weight(m: int, t: int) -> float:
        rest = t - removed
        return comb(m, rest) / comb(n - removed, rest) if rest >= 0 else 0.0

    return _weights(n - removed + 1, n + 1, weight)


def _or_weights(n: int, removed: int) -> Tensor:
    """C(n−t, m)/C(n−r, m): the share of contexts that miss an OR term."""

    def weight(m: int, t: int) -> float:
        return comb(n - t, m) / comb(n - removed, m) if t >= removed else 0.0

    return _weights(n - removed + 1, n + 1, weight)


def _pair_orders(weights: Tensor, sums: Tensor) -> Tensor:
    mixed = torch.einsum("ms,...sij->...mij", weights.to(sums), sums)
    return _without_diagonal(mixed)


def _player_orders(weights: Tensor, sums: Tensor) -> Tensor:
    own = torch.diagonal(sums, dim1=-2, dim2=-1)
    return torch.einsum("ms,...si->...mi", weights.to(sums), own)


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
    return _without_diagonal(total / _binomials(n - 2, table)[:, None, None])


def _table_players(table: Tensor) -> Tensor:
    n = n_players(table)
    present = torch.diagonal(pair_sums_by_size(table), dim1=-2, dim2=-1)
    absent = _size_totals(table).unsqueeze(-1) - present
    difference = present[..., 1:, :] - absent[..., :-1, :]
    return difference / _binomials(n - 1, table).unsqueeze(-1)


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
    _check_players(n_players(table))
    return accumulated(_table_pairs, table)


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
    _check_players(n_players(table))
    return accumulated(_table_players, table)


def multi_order_interaction_from_and(
    dividends: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """I^(m)(i,j) from AND interactions.

    I^(m)(i,j) = Σ_{T⊇{i,j}} C(m, t−2)/C(n−2, t−2) · I_and(T), t = |T|: an AND term of
    t players is silent below order t − 2 and has its full weight at order n − 2.

    Args:
        dividends: AND interactions I(S), ``(*batch, 2**n)``, n at least 1.

    Returns:
        I^(m), ``(*batch, n − 1, n, n)``, as :func:`multi_order_interaction`.

    Raises:
        ValueError: If the last axis is not a power of two long, or n < 1.

    Example:
        >>> dividends = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 6.0])
        >>> multi_order_interaction_from_and(dividends)[:, 0, 1].tolist()
        [0.0, 6.0]
    """
    n = n_players(dividends)
    _check_players(n)
    weights = _and_weights(n, 2)
    return accumulated(lambda a: _pair_orders(weights, pair_sums_by_size(a)), dividends)


def multi_order_interaction_from_or(
    interactions: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """I^(m)(i,j) from OR interactions.

    I^(m)(i,j) = −Σ_{T⊇{i,j}} C(n−t, m)/C(n−2, m) · I_or(T), t = |T|: OR terms live in
    the low orders, with the opposite sign.

    Args:
        interactions: OR interactions I_or(S), ``(*batch, 2**n)``, n at least 1.

    Returns:
        I^(m), ``(*batch, n − 1, n, n)``, as :func:`multi_order_interaction`.

    Raises:
        ValueError: If the last axis is not a power of two long, or n < 1.

    Example:
        >>> interactions = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 6.0])
        >>> multi_order_interaction_from_or(interactions)[:, 0, 1].tolist()
        [-6.0, 0.0]
    """
    n = n_players(interactions)
    _check_players(n)
    weights = -_or_weights(n, 2)
    return accumulated(
        lambda a: _pair_orders(weights, pair_sums_by_size(a)), interactions
    )


def multi_order_shapley_from_and(
    dividends: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """φ^(m)(i) = Σ_{T∋i} C(m, t−1)/C(n−1, t−1) · I_and(T), t = |T|.

    Args:
        dividends: AND interactions I(S), ``(*batch, 2**n)``.

    Returns:
        φ^(m), ``(*batch, n, n)``, as :func:`multi_order_shapley`.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> multi_order_shapley_from_and(torch.tensor([0.0, 1.0, 2.0, 2.0])).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    weights = _and_weights(n_players(dividends), 1)
    return accumulated(
        lambda a: _player_orders(weights, pair_sums_by_size(a)), dividends
    )


def multi_order_shapley_from_or(
    interactions: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """φ^(m)(i) = Σ_{T∋i} C(n−t, m)/C(n−1, m) · I_or(T), t = |T|.

    Args:
        interactions: OR interactions I_or(S), ``(*batch, 2**n)``.

    Returns:
        φ^(m), ``(*batch, n, n)``, as :func:`multi_order_shapley`.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> multi_order_shapley_from_or(torch.tensor([0.0, 3.0, 4.0, -2.0])).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    weights = _or_weights(n_players(interactions), 1)
    return accumulated(
        lambda a: _player_orders(weights, pair_sums_by_size(a)), interactions
    )


def _term_sums(masks: Tensor, coefficients: Tensor) -> Tensor:
    """Σ_k c_k over |T_k| = t and T_k ⊇ {i,j}, ``(*batch, n + 1, n, n)``."""
    n = masks.shape[-1]
    bits = masks.to(coefficients.dtype)
    sizes = masks.sum(-1)
    out = coefficients.new_zeros(*coefficients.shape[:-1], n + 1, n, n)
    for size in sizes.unique().tolist():
        chosen = sizes == size
        weighted = bits[chosen].mT * coefficients[..., None, chosen]
        out[..., size, :, :] = weighted @ bits[chosen]
    return out


def _check_terms(masks: Tensor, coefficients: Tensor) -> int:
    if masks.dtype != torch.bool or masks.dim() != 2:
        bad_value(
            "masks",
            "a (terms, n) bool tensor",
            f"{masks.dtype} of shape {tuple(masks.shape)}",
            "write one row per term, True for its players",
        )
    if coefficients.shape[-1:] != masks.shape[:1]:
        bad_value(
            "coefficients",
            f"of shape (*batch, {masks.shape[0]})",
            tuple(coefficients.shape),
            "give one coefficient per row of `masks`",
        )
    return masks.shape[-1]


def _from_terms(
    masks: Tensor,
    and_coefficients: Tensor,
    or_coefficients: Tensor | None,
    removed: int,
    reading: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    n = _check_terms(masks, and_coefficients)
    sign = -1 if removed == 2 else 1
    and_weights, or_weights = _and_weights(n, removed), _or_weights(n, removed)
    out = accumulated(
        lambda c: reading(and_weights, _term_sums(masks, c)), and_coefficients
    )
    if or_coefficients is None:
        return out
    _check_terms(masks, or_coefficients)
    return out + sign * accumulated(
        lambda c: reading(or_weights, _term_sums(masks, c)), or_coefficients
    )


def multi_order_interaction_from_terms(
    masks: Tensor,  # (terms, n) bool
    and_coefficients: Tensor,  # (*batch, terms)
    or_coefficients: Tensor | None = None,  # (*batch, terms)
) -> Tensor:
    """I^(m)(i,j) of a sparse AND-OR model, for any number of players.

    The model is v(S) = const + Σ_k a_k·[T_k ⊆ S] + Σ_k o_k·[T_k ∩ S ≠ ∅]. No table is
    built: the cost is that of the terms.

    Args:
        masks: The players of each term T_k, ``(terms, n)`` bool; n is at least 1.
        and_coefficients: a_k, ``(*batch, terms)``.
        or_coefficients: o_k, ``(*batch, terms)``; None means no OR terms.

    Returns:
        I^(m), ``(*batch, n − 1, n, n)``, as :func:`multi_order_interaction`.

    Raises:
        ValueError: If a shape does not fit, or n < 1.

    Example:
        >>> masks = torch.tensor([[True, True, False], [True, True, True]])
        >>> values = multi_order_interaction_from_terms(masks, torch.tensor([1.0, 2.0]))
        >>> values[:, 0, 1].tolist()
        [1.0, 3.0]
    """
    _check_players(masks.shape[-1])
    return _from_terms(masks, and_coefficients, or_coefficients, 2, _pair_orders)


def multi_order_shapley_from_terms(
    masks: Tensor,  # (terms, n) bool
    and_coefficients: Tensor,  # (*batch, terms)
    or_coefficients: Tensor | None = None,  # (*batch, terms)
) -> Tensor:
    """φ^(m)(i) of a sparse AND-OR model, for any number of players.

    Args:
        masks: The players of each term T_k, ``(terms, n)`` bool.
        and_coefficients: a_k, ``(*batch, terms)``.
        or_coefficients: o_k, ``(*batch, terms)``; None means no OR terms.

    Returns:
        φ^(m), ``(*batch, n, n)``, as :func:`multi_order_shapley`.

    Raises:
        ValueError: If a shape does not fit.

    Example:
        >>> masks = torch.tensor([[True, True]])
        >>> multi_order_shapley_from_terms(masks, torch.tensor([1.0])).tolist()
        [[0.0, 0.0], [1.0, 1.0]]
    """
    return _from_terms(masks, and_coefficients, or_coefficients, 1, _player_orders)


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
