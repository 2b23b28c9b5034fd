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

import numpy as np
import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional.coalitions import (
    accumulated,
    coalition_sizes,
    n_players,
)
from captum_interactions.functional.moebius import moebius, superset_zeta
from captum_interactions.functional.sums import (
    pair_sums,
    player_sums,
    weight_by_size,
)

__all__ = [
    "PairIndex",
    "SetIndex",
    "shapley_values",
    "shapley_values_from_and",
    "banzhaf_values",
    "banzhaf_values_from_and",
    "shapley_interaction_index",
    "banzhaf_interaction_index",
    "shapley_taylor_index",
    "k_sii",
    "pair_index_from_and",
    "set_index_from_and",
    "conditional_and_interaction",
    "leave_one_out",
    "walsh_coefficients",
    "and_from_walsh",
]

PairIndex = Literal["SII", "BII", "STII", "k-SII"]
SetIndex = Literal["SII", "BII", "CHII", "co-moebius"]


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


def set_index_from_and(
    dividends: Tensor,  # (*batch, 2**n)
    index: SetIndex = "SII",
) -> Tensor:
    """Interaction index of *every* coalition from AND interactions.

    Each index is Σ_{T⊇S} w(t, s)·I(T) with w(t, s) = ∫ x^(t−s) dμ(x): the uniform
    measure on [0, 1] gives 1/(t−s+1) (SII), a point mass at ½ gives 2^(s−t) (BII), the
    measure s·x^(s−1) dx gives s/t (CHII), a point mass at 1 the co-Möbius value. The
    integrands are polynomials of degree at most n, so ⌈(n+1)/2⌉ Gauss–Legendre nodes
    make it exact, at one superset transform a node.

    Args:
        dividends: AND interactions I(S), ``(*batch, 2**n)``.
        index: ``"SII"``, ``"BII"``, ``"CHII"`` (chaining) or ``"co-moebius"``.

    Returns:
        One value per coalition S, ``(*batch, 2**n)``, in the units of the value
        function. For S = ∅: the SII's weighted mean of v, the BII's plain mean of v,
        0 for CHII, v(N) for co-Möbius.

    Raises:
        ValueError: If ``index`` is unknown or the last axis not a power of two long.

    References:
        Grabisch & Roubens (1999); Marichal & Roubens (1999) for the chaining index.

    Example:
        >>> dividends = torch.tensor([0.0, 1.0, 2.0, 2.0])
        >>> set_index_from_and(dividends, "BII").tolist()
        [2.0, 2.0, 3.0, 2.0]
    """
    if index not in get_args(SetIndex):
        bad_value("index", f"one of {get_args(SetIndex)}", repr(index), "pick one")
    return accumulated(lambda a: _set_readings(a, index), dividends)


def _set_readings(dividends: Tensor, index: SetIndex) -> Tensor:
    n = n_players(dividends)
    if index == "co-moebius":
        return superset_zeta(dividends)
    nodes, node_weights = (
        (np.array([0.5]), np.array([1.0]))
        if index == "BII"
        else _unit_gauss_legendre(n // 2 + 1)
    )
    sizes = coalition_sizes(n, dividends.device).to(dividends.dtype)
    out = torch.zeros_like(dividends)
    for x, w in zip(nodes.tolist(), node_weights.tolist(), strict=True):
        # Σ_{T⊇S} x^(t−s) I(T) = x^(−s) Σ_{T⊇S} x^t I(T).
        scaled = superset_zeta(dividends * x**sizes) * x ** (-sizes)
        # s·x^(s−1) is 0 at s = 0, also at the smallest node.
        measure = sizes * x ** (sizes - 1) if index == "CHII" else 1.0
        out = out + w * measure * scaled
    return out


def _unit_gauss_legendre(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return (nodes + 1) / 2, weights / 2


def conditional_and_interaction(
    dividends: Tensor,  # (*batch, 2**n)
    coalition: int,
    environment: int,
) -> Tensor:
    """AND interaction of S when the players of T are always present.

    I(S | T) = Σ_{L⊆T} I(S∪L) for disjoint S and T.

    Args:
        dividends: AND interactions I(S), ``(*batch, 2**n)``.
        coalition: Code of S.
        environment: Code of T.

    Returns:
        I(S | T), ``(*batch,)``, in the units of the value function.

    Raises:
        ValueError: If S and T share a player or name one that is not in the game.

    Example:
        >>> dividends = torch.tensor([0.0, 1.0, 2.0, 2.0])
        >>> conditional_and_interaction(dividends, coalition=1, environment=2).item()
        3.0
    """
    n = n_players(dividends)
    for argument, code in (("coalition", coalition), ("environment", environment)):
        if not 0 <= code < 1 << n:
            bad_value(argument, f"a code in 0..{(1 << n) - 1}", code, f"n is {n}")
    if coalition & environment:
        bad_value(
            "environment",
            "disjoint from `coalition`",
            f"codes {coalition} and {environment}, which share players",
            "leave the coalition's own players out of its environment",
        )
    codes = torch.arange(1 << n, device=dividends.device)
    chosen = (codes & ~environment) == coalition
    return accumulated(lambda a: a[..., chosen].sum(-1), dividends)


def leave_one_out(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """v(N) − v(N∖{i}) for every player: what occlusion measures.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        One value per player, ``(*batch, n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> leave_one_out(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [3.0, 4.0]
    """
    full = (1 << n_players(table)) - 1
    without = [full ^ (1 << i) for i in range(n_players(table))]
    return table[..., full, None] - table[..., without]


def walsh_coefficients(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Walsh–Fourier coefficients F(S) = 2^(−n) Σ_T (−1)^{|S∩T|} v(T).

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        F(S), ``(*batch, 2**n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> walsh_coefficients(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [2.0, -1.0, -1.5, 0.5]
    """

    def reading(v: Tensor) -> Tensor:
        # F(S) = (−1)^s Σ_{T⊇S} I(T)/2^t, the Banzhaf index of S over (−2)^s.
        sizes = coalition_sizes(n_players(v), v.device).to(v.dtype)
        return (1 - 2 * (sizes % 2)) * superset_zeta(moebius(v) * 0.5**sizes)

    return accumulated(reading, table)


def and_from_walsh(
    coefficients: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """AND interactions from Walsh coefficients: I(S) = (−2)^s Σ_{T⊇S} F(T).

    Args:
        coefficients: F(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        I(S), ``(*batch, 2**n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> and_from_walsh(torch.tensor([2.0, -1.0, -1.5, 0.5])).tolist()
        [0.0, 1.0, 2.0, 2.0]
    """

    def reading(f: Tensor) -> Tensor:
        sizes = coalition_sizes(n_players(f), f.device).to(f.dtype)
        return (1 - 2 * (sizes % 2)) * 2**sizes * superset_zeta(f)

    return accumulated(reading, coefficients)
