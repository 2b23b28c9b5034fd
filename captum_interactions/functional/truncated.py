"""AND interactions of small coalitions only, for games too large to enumerate.

I(S) needs v of the subsets of S alone, so all coalitions of at most k players are exact
from C(n, 0) + … + C(n, k) evaluations, whatever n is. The caveat: nothing is learned
about larger coalitions, and the evaluated inputs have almost every player absent, which
is far from what a network has seen.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import accumulation_dtype

__all__ = ["n_small_coalitions", "small_coalitions", "truncated_moebius"]


def n_small_coalitions(n: int, max_size: int) -> int:
    """Number of coalitions of at most ``max_size`` of n players, ∅ included.

    Example:
        >>> n_small_coalitions(30, 3)
        4526
    """
    return sum(comb(n, size) for size in range(max_size + 1))


@checked
def small_coalitions(n: int, max_size: int) -> list[Tensor]:
    """All coalitions of at most ``max_size`` of n players.

    Args:
        n: Number of players.
        max_size: Largest |S|, in 1..n.

    Returns:
        For each size s = 0..max_size the members of its coalitions, ascending,
        ``(C(n, s), s)`` int64, coalitions in colexicographic order: those without
        player n − 1 come first, those with it last.

    Raises:
        TypeError: If ``max_size`` is not an integer.
        ValueError: If ``max_size`` is not in 1..n.

    Example:
        >>> small_coalitions(3, 2)[2].tolist()
        [[0, 1], [0, 2], [1, 2]]
    """
    check_positive_int("max_size", max_size, "it is a coalition size |S|")
    if max_size > n:
        bad_value("max_size", f"in 1..{n}", max_size, f"there are {n} players")
    out = []
    for size in range(max_size + 1):
        # Descending members in lexicographic order, both reversed, are colexicographic.
        flat = np.fromiter(
            (
                i
                for members in combinations(range(n - 1, -1, -1), size)
                for i in members
            ),
            dtype=np.int64,
            count=size * comb(n, size),
        )
        out.append(torch.from_numpy(flat).reshape(comb(n, size), size).flip(0, 1))
    return out


def _ranks(members: Tensor, n: int) -> Tensor:
    """Position of coalitions (C, s) among all of their size: Σ_j C(member_j, j + 1)."""
    size = members.shape[-1]
    ranks = torch.zeros(members.shape[:-1], dtype=torch.int64, device=members.device)
    for j in range(size):
        binomials = torch.tensor([comb(i, j + 1) for i in range(n)])
        ranks += binomials.to(members.device)[members[..., j]]
    return ranks


@checked
def truncated_moebius(
    values: Tensor,  # (*batch, C)
    n: int,
    max_size: int,
) -> Tensor:
    """AND interactions of all coalitions of at most ``max_size`` players, exactly.

    Args:
        values: v of the coalitions of :func:`small_coalitions`, size after size,
            ``(*batch, C)`` with C = C(n, 0) + … + C(n, max_size).
        n: Number of players.
        max_size: Largest |S|.

    Returns:
        I(S) in the same order, ``(*batch, C)``, float64 where the device has it, in the
        units of the value function. Differentiable.

    Raises:
        TypeError: If ``max_size`` is not an integer.
        ValueError: If ``max_size`` is not in 1..n or the last axis does not hold those
            coalitions.

    Example:
        >>> v = torch.tensor([0.0, 1.0, 2.0, 5.0])
        >>> truncated_moebius(v, n=2, max_size=2).tolist()
        [0.0, 1.0, 2.0, 2.0]
    """
    coalitions = small_coalitions(n, max_size)
    expected = n_small_coalitions(n, max_size)
    if values.shape[-1:] != (expected,):
        bad_value(
            "values",
            f"v of all {expected} coalitions of at most {max_size} of {n} players",
            f"shape {tuple(values.shape)}",
            "evaluate the coalitions of `small_coalitions`",
        )
    values = values.to(accumulation_dtype(values.device))
    by_size = list(values.split([len(members) for members in coalitions], dim=-1))
    out = []
    for size, members in enumerate(coalitions):
        members = members.to(values.device)
        total = by_size[size]
        for part in range(size):
            sign = (-1) ** (size - part)
            for positions in combinations(range(size), part):
                ranks = _ranks(members[:, list(positions)], n)
                total = total + sign * by_size[part][..., ranks]
        out.append(total)
    return torch.cat(out, dim=-1)
