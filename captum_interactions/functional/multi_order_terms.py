"""Multi-order interactions of games given by AND or OR interactions, dense or sparse.

The order m is the context size. A term T counts with the share of contexts of m players
that complete it (AND), or that miss it (OR): both forms differ by a matrix of weights.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import accumulated, n_players
from captum_interactions.functional.multi_order import check_players, without_diagonal
from captum_interactions.functional.sums import pair_sums_by_size

__all__ = [
    "multi_order_interaction_from_and",
    "multi_order_interaction_from_or",
    "multi_order_interaction_from_terms",
    "multi_order_shapley_from_terms",
]


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
    return without_diagonal(mixed)


def _player_orders(weights: Tensor, sums: Tensor) -> Tensor:
    own = torch.diagonal(sums, dim1=-2, dim2=-1)
    return torch.einsum("ms,...si->...mi", weights.to(sums), own)


@checked
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
    check_players(n)
    weights = _and_weights(n, 2)
    return accumulated(lambda a: _pair_orders(weights, pair_sums_by_size(a)), dividends)


@checked
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
    check_players(n)
    weights = -_or_weights(n, 2)
    return accumulated(
        lambda a: _pair_orders(weights, pair_sums_by_size(a)), interactions
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


@checked
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
    check_players(masks.shape[-1])
    return _from_terms(masks, and_coefficients, or_coefficients, 2, _pair_orders)


@checked
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
