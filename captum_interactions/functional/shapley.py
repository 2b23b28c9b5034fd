"""Values and interaction indices of a game, as weighted sums of its AND interactions.

With I(S) the dividends of v and s = |S|, every index here is one pass over I:

====================  ==========================================================
Shapley value         Σ_{S∋i} I(S) / s
Banzhaf value         Σ_{S∋i} I(S) / 2^(s−1)
Shapley interaction   Σ_{T⊇S} I(T) / (t − s + 1)
Banzhaf interaction   Σ_{T⊇S} I(T) / 2^(t−s)
chaining              Σ_{T⊇S} I(T) · s / t
Shapley–Taylor (k)    I(S) if s < k,  Σ_{T⊇S} I(T) / C(t, k) if s = k
k-SII (k = 2)         pair: Shapley interaction;  player: φ_i − ½ Σ_j I(i,j)
====================  ==========================================================

Functions named after an index take the table v; those that end in ``_from_and`` take
the dividends. All are linear, differentiable, and accept any leading axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional.coalitions import (
    accumulated,
    n_players,
)
from captum_interactions.functional.moebius import moebius
from captum_interactions.functional.sums import (
    pair_sums,
    player_sums,
    weight_by_size,
)

__all__ = [
    "PairIndex",
    "shapley_values",
    "shapley_values_from_and",
    "banzhaf_values",
    "banzhaf_values_from_and",
    "shapley_interaction_index",
    "banzhaf_interaction_index",
    "shapley_taylor_index",
    "k_sii",
    "pair_index_from_and",
]

PairIndex = Literal["SII", "BII", "STII", "k-SII"]


def _size_weights(n: int, weight: Callable[[int], float], smallest: int) -> Tensor:
    """Weights for sizes 0..n, zero below ``smallest``."""
    return torch.tensor(
        [weight(s) if s >= smallest else 0.0 for s in range(n + 1)],
        dtype=torch.float64,
    )


def shapley_values_from_and(
    dividends: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Shapley values φ_i = Σ_{S∋i} I(S)/|S|: each dividend shared equally.

    Args:
        dividends: AND interactions I(S), ``(*batch, 2**n)``.

    Returns:
        φ, ``(*batch, n)``, in the units of the value function; they sum to v(N) − v(∅).

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> shapley_values_from_and(torch.tensor([0.0, 1.0, 2.0, 2.0])).tolist()
        [2.0, 3.0]
    """
    weights = _size_weights(n_players(dividends), lambda s: 1 / s, smallest=1)
    return accumulated(lambda a: player_sums(weight_by_size(a, weights)), dividends)


def shapley_values(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Shapley values of a game.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        φ, ``(*batch, n)``, in the units of the value function; they sum to v(N) − v(∅).

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Shapley (1953).

    Example:
        >>> v = torch.tensor([0.0, 1, 2, 5, 0, 1, 4, 10])
        >>> shapley_values(v).tolist()
        [3.0, 5.0, 2.0]
    """
    return accumulated(lambda v: shapley_values_from_and(moebius(v)), table)


def banzhaf_values_from_and(
    dividends: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Banzhaf values Σ_{S∋i} I(S)/2^(|S|−1).

    Args:
        dividends: AND interactions I(S), ``(*batch, 2**n)``.

    Returns:
        One value per player, ``(*batch, n)``, in the units of the value function. They
        do not sum to v(N) − v(∅).

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> banzhaf_values_from_and(torch.tensor([0.0, 1.0, 2.0, 2.0])).tolist()
        [2.0, 3.0]
    """
    weights = _size_weights(n_players(dividends), lambda s: 2.0 ** (1 - s), smallest=1)
    return accumulated(lambda a: player_sums(weight_by_size(a, weights)), dividends)


def banzhaf_values(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Banzhaf values: the mean marginal contribution over all coalitions.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        One value per player, ``(*batch, n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Banzhaf (1965).

    Example:
        >>> banzhaf_values(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [2.0, 3.0]
    """
    return accumulated(lambda v: banzhaf_values_from_and(moebius(v)), table)


def _pair_readings(dividends: Tensor, index: PairIndex) -> Tensor:
    n = n_players(dividends)
    weight: dict[PairIndex, Callable[[int], float]] = {
        "SII": lambda t: 1 / (t - 1),
        "k-SII": lambda t: 1 / (t - 1),
        "BII": lambda t: 2.0 ** (2 - t),
        "STII": lambda t: 2 / (t * (t - 1)),
    }
    weights = _size_weights(n, weight[index], smallest=2)
    pairs = pair_sums(weight_by_size(dividends, weights))
    pairs = pairs - torch.diag_embed(torch.diagonal(pairs, dim1=-2, dim2=-1))
    if index == "STII":
        singles = dividends[..., [1 << i for i in range(n)]]
    elif index == "k-SII":
        singles = shapley_values_from_and(dividends) - pairs.sum(-1) / 2
    else:
        return pairs
    return pairs + torch.diag_embed(singles)


def pair_index_from_and(
    dividends: Tensor,  # (*batch, 2**n)
    index: PairIndex = "SII",
) -> Tensor:
    """Pairwise interaction index of all pairs from AND interactions.

    Args:
        dividends: AND interactions I(S), ``(*batch, 2**n)``.
        index: ``"SII"`` Shapley and ``"BII"`` Banzhaf interaction index, zero diagonal;
            ``"STII"`` Shapley–Taylor and ``"k-SII"`` aggregated index of order 2, whose
            diagonal holds the players' own terms, so that the diagonal plus each
            unordered pair once sums to v(N) − v(∅).

    Returns:
        Symmetric matrices ``(*batch, n, n)``, in the units of the value function. Each
        off-diagonal entry is the whole index of the pair, not half of it.

    Raises:
        ValueError: If ``index`` is unknown or the last axis not a power of two long.

    References:
        Grabisch & Roubens (1999) for SII and BII; Sundararajan et al. (2020) for STII;
        Bordt & von Luxburg (2023) for k-SII.

    Example:
        >>> dividends = torch.tensor([0.0, 1, 2, 2, 0, 0, 2, 3])
        >>> pair_index_from_and(dividends)[0].tolist()
        [0.0, 3.5, 1.5]
    """
    if index not in get_args(PairIndex):
        bad_value("index", f"one of {get_args(PairIndex)}", repr(index), "pick one")
    return accumulated(lambda a: _pair_readings(a, index), dividends)


def shapley_interaction_index(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Shapley interaction index I(i,j) of all pairs.

    I(i,j) = Σ_{S⊆N∖{i,j}} |S|!(n−|S|−2)!/(n−1)! · Δv(i,j,S) with
    Δv(i,j,S) = v(S∪{i,j}) − v(S∪{i}) − v(S∪{j}) + v(S).

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        Symmetric matrices ``(*batch, n, n)`` with zero diagonal, in the units of the
        value function. ``shap.ExactExplainer`` stores something else under a similar
        name: half the Shapley–Taylor index.

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Grabisch & Roubens (1999).

    Example:
        >>> shapley_interaction_index(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [[0.0, 2.0], [2.0, 0.0]]
    """
    return accumulated(lambda v: pair_index_from_and(moebius(v), "SII"), table)


def banzhaf_interaction_index(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Banzhaf interaction index of all pairs: the plain mean of Δv(i,j,S) over S.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        Symmetric matrices ``(*batch, n, n)`` with zero diagonal, in the units of the
        value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Grabisch & Roubens (1999).

    Example:
        >>> banzhaf_interaction_index(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [[0.0, 2.0], [2.0, 0.0]]
    """
    return accumulated(lambda v: pair_index_from_and(moebius(v), "BII"), table)


def shapley_taylor_index(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Shapley–Taylor index of order 2.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        Symmetric matrices ``(*batch, n, n)``, in the units of the value function:
        v({i}) − v(∅) on the diagonal, the whole index of each pair off it. Diagonal
        plus every unordered pair once sums to v(N) − v(∅).

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Sundararajan, Dhamdhere & Agarwal (2020).

    Example:
        >>> shapley_taylor_index(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [[1.0, 2.0], [2.0, 2.0]]
    """
    return accumulated(lambda v: pair_index_from_and(moebius(v), "STII"), table)


def k_sii(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """k-SII of order 2: Shapley interactions made efficient.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        Symmetric matrices ``(*batch, n, n)``, in the units of the value function:
        φ_i − ½ Σ_j I(i,j) on the diagonal, the Shapley interaction index off it.
        Diagonal plus every unordered pair once sums to v(N) − v(∅).

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Bordt & von Luxburg (2023).

    Example:
        >>> k_sii(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [[1.0, 2.0], [2.0, 2.0]]
    """
    return accumulated(lambda v: pair_index_from_and(moebius(v), "k-SII"), table)
