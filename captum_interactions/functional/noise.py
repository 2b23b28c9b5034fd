"""What noise of v leaves in a reading: gains of linear readings.

A reading is a signed sum of values of v. Where the noise of the values is independent,
as that of rounding is, it adds up in squares: a reading Σ_S c_S v(S) has the standard
deviation σ · √(Σ_S c_S²). The factor is the gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

__all__ = ["block_noise_gain", "order_noise_gain", "pair_noise_gain"]


def order_noise_gain(n: int, orders: Sequence[int]) -> list[float]:
    """Gain of multi-order interactions I^(m)(i,j), for each context size m.

    A mean of Δv(i,j,S), four values each, over C(n−2, m) contexts.

    Example:
        >>> [round(gain, 3) for gain in order_noise_gain(4, [0, 1])]
        [2.0, 1.414]
    """
    return [2 / comb(n - 2, m) ** 0.5 for m in orders]


def pair_noise_gain(n: int) -> float:
    """Gain of the Shapley interaction index, the mean of I^(m) over all orders.

    Example:
        >>> round(pair_noise_gain(3), 3)
        1.414
    """
    orders = range(max(n - 1, 1))
    gains = order_noise_gain(n, orders) if n > 1 else [0.0]
    return sum(gain**2 for gain in gains) ** 0.5 / len(orders)


def block_noise_gain(n: int, m: int) -> float:
    """Gain of B([A]) of a coalition A of m players, and a bound for its partitions.

    In each context S ⊆ N∖A it takes v(S∪A), v(S∪i) of m members, and m − 1 times v(S);
    contexts have Shapley weights.

    Example:
        >>> block_noise_gain(2, 2)
        2.0
    """
    if m < 2:
        return 0.0
    others = n - m
    weights = sum(1 / comb(others, s) for s in range(others + 1)) / (others + 1) ** 2
    return (weights * (1 + m + (m - 1) ** 2)) ** 0.5
