"""Values and interaction indices of a game, as weighted sums of its AND interactions.

With I(S) the dividends of v and s = |S|, every value and index here is one pass over I.
Functions named after an index take the table v; those that end in ``_from_and`` take
the dividends. All are linear, differentiable, and accept any leading axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
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
    "pair_index",
    "pair_index_from_and",
    "shapley_interaction_index",
]

PairIndex = Literal["SII", "BII", "STII", "k-SII", "FSII", "FBII"]


def _size_weights(n: int, weight: Callable[[int], float], smallest: int) -> Tensor:
    """Weights for sizes 0..n, zero below ``smallest``."""
    return torch.tensor(
        [weight(s) if s >= smallest else 0.0 for s in range(n + 1)],
        dtype=torch.float64,
    )


@checked
def shapley_values_from_and(
    dividends: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Shapley values φ_i = Σ_{S∋i} I(S)/|S|: each dividend shared equally.

    The same formula reads the Shapley values of a game from its OR interactions.

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


@checked
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


@checked
def banzhaf_values(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Banzhaf values: the mean marginal contribution over all coalitions.

    Σ_{S∋i} I(S)/2^(|S|−1) in AND interactions; they do not sum to v(N) − v(∅).

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
    weights = _size_weights(n_players(table), lambda s: 2.0 ** (1 - s), smallest=1)
    return accumulated(
        lambda v: player_sums(weight_by_size(moebius(v), weights)), table
    )


# What a dividend of t players adds to a pair inside it and to each of its players.
_WEIGHTS: dict[str, tuple[Callable[[int], float], Callable[[int], float]]] = {
    "SII": (lambda t: 1 / (t - 1), lambda t: 0.0),
    "BII": (lambda t: 2.0 ** (2 - t), lambda t: 0.0),
    "STII": (lambda t: 2 / (t * (t - 1)), lambda t: float(t == 1)),
    "k-SII": (lambda t: 1 / (t - 1), lambda t: 1 / t - (t > 1) / 2),
    "FSII": (lambda t: 6 / (t * (t + 1)), lambda t: 2 * (2 - t) / (t * (t + 1))),
    "FBII": (lambda t: 2.0 ** (2 - t), lambda t: (2 - t) * 2.0 ** (1 - t)),
}


@checked
def pair_index_from_and(
    dividends: Tensor,  # (*batch, 2**n)
    index: PairIndex = "SII",
) -> Tensor:
    """Pairwise index of all pairs from AND interactions, as :func:`pair_index`.

    Args:
        dividends: AND interactions I(S), ``(*batch, 2**n)``.
        index: The index.

    Returns:
        Symmetric matrices ``(*batch, n, n)``, in the units of the value function.

    Raises:
        ValueError: If ``index`` is unknown or the last axis not a power of two long.

    Example:
        >>> dividends = torch.tensor([0.0, 1, 2, 2, 0, 0, 2, 3])
        >>> pair_index_from_and(dividends)[0].tolist()
        [0.0, 3.5, 1.5]
    """
    of_pairs, of_players = _index_weights(n_players(dividends), index)

    def reading(a: Tensor) -> Tensor:
        pairs = pair_sums(weight_by_size(a, of_pairs))
        own = player_sums(weight_by_size(a, of_players))
        return pairs + torch.diag_embed(own - torch.diagonal(pairs, dim1=-2, dim2=-1))

    return accumulated(reading, dividends)


def _index_weights(n: int, index: PairIndex) -> tuple[Tensor, Tensor]:
    """Weights of dividends in pairs and in players by size, each ``(n + 1,)``."""
    if index not in get_args(PairIndex):
        bad_value("index", f"one of {get_args(PairIndex)}", repr(index), "pick one")
    pair, single = _WEIGHTS[index]
    return _size_weights(n, pair, smallest=2), _size_weights(n, single, smallest=1)


@checked
def pair_index_from_terms(
    masks: Tensor,  # (terms, n) bool
    coefficients: Tensor,  # (*batch, terms)
    index: PairIndex = "SII",
) -> Tensor:
    """Pairwise interaction index of a list of AND interactions, for any n.

    As :func:`pair_index`, without a table: the cost is that of the terms.

    Args:
        masks: The players of each term, ``(terms, n)`` bool.
        coefficients: The AND interactions, ``(*batch, terms)``.
        index: The index.

    Returns:
        Symmetric matrices ``(*batch, n, n)``, in the units of the value function.

    Raises:
        ValueError: If ``index`` is unknown.

    Example:
        >>> terms = torch.tensor([[True, True, False], [True, True, True]])
        >>> pair_index_from_terms(terms, torch.tensor([1.0, 4.0]))[0].tolist()
        [0.0, 3.0, 2.0]
    """
    of_pairs, of_players = _index_weights(masks.shape[-1], index)

    def reading(a: Tensor) -> Tensor:
        members, sizes = masks.to(a), masks.sum(-1)
        weighted = (a * of_pairs.to(a)[sizes]).unsqueeze(-1) * members
        pairs = members.mT @ weighted
        own = (a * of_players.to(a)[sizes]) @ members
        return pairs + torch.diag_embed(own - torch.diagonal(pairs, dim1=-2, dim2=-1))

    return accumulated(reading, coefficients)


@checked
def pair_index(
    table: Tensor,  # (*batch, 2**n)
    index: PairIndex = "SII",
) -> Tensor:
    """Pairwise interaction index of all pairs.

    With I(T) the dividends of v and t = |T|, a pair has Σ_{T⊇{i,j}} w(t)·I(T) and a
    player Σ_{T∋i} u(t)·I(T):

    ==========  =================================  ==============  =================
    index       name                               pair w(t)       player u(t)
    ==========  =================================  ==============  =================
    ``SII``     Shapley interaction index          1/(t−1)         0
    ``BII``     Banzhaf interaction index          2^(2−t)         0
    ``STII``    Shapley–Taylor, order 2            2/(t(t−1))      [t = 1]
    ``k-SII``   Shapley interactions made          1/(t−1)         1/t − [t > 1]/2
                efficient, order 2
    ``FSII``    Faith-Shap, order 2                6/(t(t+1))      2(2−t)/(t(t+1))
    ``FBII``    Faith-Banzhaf, order 2             2^(2−t)         (2−t)·2^(1−t)
    ==========  =================================  ==============  =================

    Faith-Shap and Faith-Banzhaf are the coefficients of the polynomial of degree 2 in
    the mask that is nearest to v, with Shapley's kernel (exact at ∅ and N) and with
    equal weights.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        index: The index; "order" in its name is the largest size of a coalition.

    Returns:
        Symmetric matrices ``(*batch, n, n)``, in the units of the value function. Each
        off-diagonal entry is the whole index of the pair, not half of it. The diagonal
        has the players' own terms. For STII, k-SII and FSII the diagonal plus each
        unordered pair once sums to v(N) − v(∅).

    Raises:
        ValueError: If ``index`` is unknown or the last axis not a power of two long.

    References:
        Grabisch & Roubens (1999) for SII and BII; Sundararajan et al. (2020) for STII;
        Bordt & von Luxburg (2023) for k-SII; Tsai et al. (2023) for FSII and FBII.

    Example:
        >>> v = torch.tensor([0.0, 1.0, 2.0, 5.0])
        >>> pair_index(v).tolist()
        [[0.0, 2.0], [2.0, 0.0]]
        >>> pair_index(v, "FSII").tolist()
        [[1.0, 2.0], [2.0, 2.0]]
    """
    return accumulated(lambda v: pair_index_from_and(moebius(v), index), table)


@checked
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
    return pair_index(table, "SII")
