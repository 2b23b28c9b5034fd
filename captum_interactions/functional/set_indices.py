"""Indices of every coalition, and the Walsh basis.

"SII", "BII" and "CHII" of a coalition S are sums of the AND interactions of its
supersets (see :mod:`captum_interactions.functional.shapley`), for all S at once.
"""

from __future__ import annotations

from math import comb
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import (
    accumulated,
    coalition_sizes,
    n_players,
)
from captum_interactions.functional.moebius import moebius, superset_zeta
from captum_interactions.functional.sums import weight_by_size

__all__ = [
    "SetIndex",
    "set_index_from_and",
    "shapley_taylor",
    "conditional_and_interaction",
    "leave_one_out",
    "walsh_coefficients",
    "and_from_walsh",
]

SetIndex = Literal["SII", "BII", "CHII", "co-moebius"]


@checked
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


@checked
def shapley_taylor(
    table: Tensor,  # (*batch, 2**n)
    max_size: int = 2,
) -> Tensor:
    """Shapley–Taylor interactions of all coalitions of at most k players.

    I(S) is the AND interaction of S for |S| < k, and Σ_{T⊇S} I_and(T) / C(|T|, k) for
    |S| = k: larger AND interactions are shared among the coalitions of k players that
    they contain.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        max_size: k, at least 1. The literature calls it the order of the index.

    Returns:
        One value per coalition, ``(*batch, 2**n)``, in the units of the value function;
        0 above k players. They sum to v(N).

    Raises:
        TypeError: If ``max_size`` is not an integer.
        ValueError: If it is not positive or the last axis not a power of two long.

    References:
        Sundararajan, Dhamdhere & Agarwal (2020).

    Example:
        >>> v = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 6.0])  # an AND term of all three
        >>> shapley_taylor(v, 2).round(decimals=6).tolist()
        [0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0]
    """
    check_positive_int("max_size", max_size, "2 gives single players and pairs")
    n = n_players(table)
    shares = [1 / comb(t, max_size) if t >= max_size else 0.0 for t in range(n + 1)]
    weights = torch.tensor(shares, dtype=torch.float64)

    def reading(v: Tensor) -> Tensor:
        dividends = moebius(v)
        sizes = coalition_sizes(n, v.device)
        shared = superset_zeta(weight_by_size(dividends, weights))
        below = torch.where(sizes < max_size, dividends, 0.0)
        return torch.where(sizes == max_size, shared, below)

    return accumulated(reading, table)


@checked
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


@checked
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
    return accumulated(lambda v: v[..., full, None] - v[..., without], table)


@checked
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


@checked
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
