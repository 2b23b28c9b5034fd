"""Which orders and which pairs: what callers pass, and where it is in a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._kinds import check_square
from captum_interactions._signature import checked

__all__ = [
    "resolve_orders",
    "resolve_pairs",
    "upper_pairs",
    "read_pairs",
    "matrices_from_pairs",
]


def resolve_orders(orders: Sequence[int | float] | None, n: int) -> list[int]:
    """Return context sizes m in 0..n−2, from integers or fractions of n − 2.

    Args:
        orders: Integers are context sizes; floats in [0, 1] are fractions of n − 2,
            rounded down as in the authors' code; None means all of 0..n−2.
        n: Number of players.

    Returns:
        The context sizes, in the order given; none for a single player.

    Raises:
        TypeError: If an order is neither an integer nor a float.
        ValueError: If an order is out of range, named twice, or none is given.

    Example:
        >>> resolve_orders([0, 0.5, 1.0], 12)
        [0, 5, 10]
    """
    if orders is None:
        return list(range(n - 1))
    if n < 2:
        bad_value("orders", "None for a single player", list(orders), "it has no pair")
    chosen = [_resolve_order(order, n) for order in orders]
    if not chosen:
        bad_value("orders", "not empty", "none", "name one, or pass None for all")
    if len(set(chosen)) < len(chosen):
        bad_value(
            "orders",
            "distinct context sizes",
            chosen,
            "drop repeated orders; fractions of n - 2 are rounded down",
        )
    return chosen


def _resolve_order(order: int | float, n: int) -> int:
    remedy = f"with {n} players the context of a pair has 0..{n - 2} players"
    if isinstance(order, bool) or not isinstance(order, int | float):
        bad_type("orders", "integers, or floats as fractions of n - 2", order, remedy)
    if isinstance(order, int):
        if not 0 <= order <= n - 2:
            bad_value("orders", f"in 0..n-2 = 0..{n - 2}", order, remedy)
        return order
    if not 0.0 <= order <= 1.0:
        bad_value("orders", "fractions in [0, 1], or integers", order, remedy)
    # 0.29 · 100 is 28.999…: a fraction meant to hit an integer must hit it.
    return floor(order * (n - 2) + 1e-9)


def resolve_pairs(
    pairs: Sequence[Sequence[int]] | Tensor | None, n: int
) -> list[tuple[int, int]]:
    """Return pairs (i, j) with i < j; None means all n(n−1)/2 of them.

    Raises:
        ValueError: If a pair repeats a player, names one outside 0..n−1, is listed
            twice (in either direction), or no pair is given.

    Example:
        >>> resolve_pairs([(2, 0), (0, 1)], 3)
        [(0, 2), (0, 1)]
    """
    if pairs is None:
        return [(i, j) for i in range(n) for j in range(i + 1, n)]
    if isinstance(pairs, Tensor) and (pairs.is_floating_point() or pairs.is_complex()):
        bad_type("pairs", "a tensor of integers", pairs.dtype, "cast with .long()")
    listed = pairs.tolist() if isinstance(pairs, Tensor) else pairs
    chosen = []
    for pair in listed:
        players = sorted(int(player) for player in pair)
        if len(players) != 2 or players[0] == players[1]:
            bad_value(
                "pairs", "of two different players", pair, "drop pairs with i = j"
            )
        if players[0] < 0 or players[1] >= n:
            bad_value(
                "pairs",
                f"of players in 0..{n - 1}",
                pair,
                "players are numbered from 0",
            )
        chosen.append((players[0], players[1]))
    if not chosen:
        bad_value("pairs", "not empty", "none", "name one, or pass None for all")
    if len(set(chosen)) < len(chosen):
        bad_value(
            "pairs",
            "distinct",
            "a pair listed twice",
            "(i, j) and (j, i) are the same pair",
        )
    return chosen


@checked
def upper_pairs(
    matrices: Tensor,  # (*batch, n, n)
) -> Tensor:
    """Each unordered pair once: the entries above the diagonal, ``(*batch, pairs)``.

    Example:
        >>> upper_pairs(torch.arange(9).view(3, 3)).tolist()
        [1, 2, 5]
    """
    check_square("matrices", matrices)
    n = matrices.shape[-1]
    rows, columns = torch.triu_indices(n, n, 1, device=matrices.device)
    return matrices[..., rows, columns]


def read_pairs(
    matrices: Tensor,  # (*batch, n, n)
    pairs: Sequence[tuple[int, int]],
) -> Tensor:
    """Entries of the chosen pairs, ``(*batch, pairs)``.

    Example:
        >>> read_pairs(torch.arange(9).view(3, 3), [(0, 2)]).tolist()
        [2]
    """
    first, second = _pair_index(pairs, matrices.device)
    return matrices[..., first, second]


def _pair_index(
    pairs: Sequence[tuple[int, int]], device: torch.device
) -> tuple[Tensor, Tensor]:
    index = torch.tensor(pairs, dtype=torch.int64, device=device).view(-1, 2)
    return index[:, 0], index[:, 1]


def matrices_from_pairs(
    values: Tensor,  # (*batch, pairs)
    pairs: Sequence[tuple[int, int]],
    n: int,
) -> Tensor:
    """Symmetric matrices ``(*batch, n, n)``: 0 on the diagonal, NaN where no pair is.

    Example:
        >>> matrices_from_pairs(torch.tensor([5.0]), [(0, 1)], 2).tolist()
        [[0.0, 5.0], [5.0, 0.0]]
    """
    out = values.new_full((*values.shape[:-1], n, n), torch.nan)
    first, second = _pair_index(pairs, values.device)
    out[..., first, second] = values
    out[..., second, first] = values
    every = torch.arange(n, device=values.device)
    out[..., every, every] = 0.0
    return out
