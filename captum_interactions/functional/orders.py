"""Curves over orders: strength, sign, disentanglement, and what noise alone would give.

Order here is the context size m. Interactions enter as ``(*batch, orders, pairs)``,
read from matrices by :func:`upper_pairs`. A curve over a data set is a ratio of sums
(F, P, D as a ratio of means) or a mean of ratios (D as printed): the two accumulate
differently, so every curve is written here as *sums*, which add up over a data set, and
a *ratio*, which is taken once at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, exp, floor, lgamma

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.functional.coalitions import coalition_sizes, n_players

__all__ = [
    "resolve_orders",
    "resolve_pairs",
    "upper_pairs",
    "read_pairs",
    "matrices_from_pairs",
    "context_variances",
    "mean_absolute_deltas",
    "order_strength",
    "debiased_strength",
    "null_strength",
    "positive_ratio",
    "disentanglement_ratios",
    "disentanglement_floor",
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


def upper_pairs(
    matrices: Tensor,  # (*batch, n, n)
) -> Tensor:
    """Each unordered pair once: the entries above the diagonal, ``(*batch, pairs)``.

    Example:
        >>> upper_pairs(torch.arange(9).view(3, 3)).tolist()
        [1, 2, 5]
    """
    n = matrices.shape[-1]
    rows, columns = torch.triu_indices(n, n, 1, device=matrices.device)
    return matrices[..., rows, columns]


def _context_sums(
    table: Tensor, pairs: Sequence[tuple[int, int]], values: Callable[[Tensor], Tensor]
) -> Tensor:
    """Mean of values(Δv) over the contexts of each order, ``(*b, n − 1, pairs)``."""
    n = n_players(table)
    codes = torch.arange(1 << n, device=table.device)
    sizes = coalition_sizes(n - 2, table.device)
    counts = torch.tensor([comb(n - 2, m) for m in range(n - 1)]).to(table)
    columns = []
    for i, j in pairs:
        context = codes[((codes >> i) & 1 == 0) & ((codes >> j) & 1 == 0)]
        both = table[..., context | 1 << i | 1 << j] + table[..., context]
        delta = both - table[..., context | 1 << i] - table[..., context | 1 << j]
        zeros = table.new_zeros(*table.shape[:-1], n - 1)
        index = sizes.expand_as(delta)
        columns.append(zeros.scatter_add(-1, index, values(delta)) / counts)
    return torch.stack(columns, dim=-1)


def context_variances(
    table: Tensor,  # (*batch, 2**n)
    pairs: Sequence[tuple[int, int]],
) -> Tensor:
    """Variance of Δv(i,j,S) over the contexts of each order.

    What paired sampling pays for: its squared error is this over the number of
    contexts.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``, at least two players.
        pairs: Pairs (i, j).

    Returns:
        ``(*batch, n − 1, pairs)``, in the squared units of the value function.

    Example:
        >>> v = torch.tensor([0.0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
        >>> context_variances(v, [(0, 1)])[:, 0].tolist()
        [0.0, 0.25, 0.0]
    """
    mean = _context_sums(table, pairs, lambda delta: delta)
    square = _context_sums(table, pairs, torch.square)
    return (square - mean**2).clamp(min=0)


def mean_absolute_deltas(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Mean of |Δv(i,j,S)| over the contexts of each order, for all pairs.

    The denominator of the disentanglement D^(m). It is not linear in v, so it takes one
    pass over 2^(n−2) contexts per pair.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``, at least two players.

    Returns:
        ``(*batch, n − 1, n, n)``, symmetric with zero diagonal, in the units of v.

    Raises:
        ValueError: If the last axis is not a power of two long, or n < 2.

    Example:
        >>> v = torch.tensor([0.0, 1, 2, 3, 0, 1, 2, 9])
        >>> mean_absolute_deltas(v)[:, 0, 1].tolist()
        [0.0, 6.0]
    """
    n = n_players(table)
    if n < 2:
        bad_value("table", "of at least 2 players", n, "one player has no pair")
    pairs = resolve_pairs(None, n)
    return matrices_from_pairs(_context_sums(table, pairs, torch.abs), pairs, n)


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


def order_strength(
    mean_absolute: Tensor,  # (*batch, orders)
) -> Tensor:
    """F^(m): the strength of each order relative to the mean over the orders given.

    The same curve is called J^(m) in the bottleneck papers. The mean runs over the grid
    of orders that was evaluated, as in the authors' code: an uneven grid weighs its
    crowded ends more, so quote the grid with the curve.

    Args:
        mean_absolute: Mean (or sum) of |I^(m)(i,j)| over inputs and pairs.

    Returns:
        F, ``(*batch, orders)``, without a unit; its mean over orders is 1. NaN when
        every interaction is zero.

    References:
        Deng et al. (ICLR 2022), Eq. 4; Cheng et al. (2021).

    Example:
        >>> order_strength(torch.tensor([3.0, 1.0])).tolist()
        [1.5, 0.5]
    """
    return mean_absolute / mean_absolute.mean(-1, keepdim=True)


def debiased_strength(
    mean_square: Tensor,  # (*batch, orders)
    mean_variance: Tensor,  # (*batch, orders)
) -> Tensor:
    """Root mean square interaction with the sampling noise taken out.

    An estimate with standard error s has E[Î²] = I² + s²: noise reads as strength.
    √max(0, mean Î² − mean s²) removes it on average.

    Args:
        mean_square: Mean of Î² over inputs and pairs.
        mean_variance: Mean of the squared standard errors, zero where exact.

    Returns:
        ``(*batch, orders)``, in the units of the value function.

    Example:
        >>> debiased_strength(torch.tensor([5.0]), torch.tensor([1.0])).tolist()
        [2.0]
    """
    return (mean_square - mean_variance).clamp(min=0).sqrt()


def null_strength(n: int, orders: Sequence[int]) -> Tensor:
    """F^(m) of a game without any structure: the curve to hold F^(m) against.

    When every v(S) is an independent draw, I^(m) averages C(n−2, m) contexts, so its
    standard deviation falls as 1/√C(n−2, m): a U shape that is no evidence of anything.

    Args:
        n: Number of players.
        orders: Context sizes m.

    Returns:
        ``(orders,)`` float64 with mean 1.

    Example:
        >>> [round(f, 3) for f in null_strength(4, [0, 1, 2]).tolist()]
        [1.108, 0.784, 1.108]
    """
    # log C(n−2, m) up to a constant: factorials of 254 overflow.
    logs = [lgamma(m + 1) + lgamma(n - 1 - m) for m in orders]
    raw = [exp((log - max(logs)) / 2) for log in logs]
    return order_strength(torch.tensor(raw, dtype=torch.float64))


def positive_ratio(
    positive: Tensor,  # (*batch, orders)
    absolute: Tensor,  # (*batch, orders)
) -> Tensor:
    """P^(m): the share of positive interactions in the total strength, by mass.

    Args:
        positive: Sum of max(I, 0) over inputs and pairs.
        absolute: Sum of |I| over the same.

    Returns:
        Numbers in [0, 1]; NaN where nothing interacts. Noise pulls them to ½.

    References:
        Cheng et al. (2021).

    Example:
        >>> positive_ratio(torch.tensor([1.0]), torch.tensor([4.0])).tolist()
        [0.25]
    """
    return positive / absolute


def disentanglement_ratios(
    mean: Tensor,  # (*batch, orders, pairs)
    mean_absolute: Tensor,  # (*batch, orders, pairs)
    epsilon: float = 1e-12,
) -> Tensor:
    """|mean Δv| / mean |Δv| of each pair and order: 1 when all contexts agree in sign.

    D^(m) is the mean of these ratios over inputs and pairs. Some copies of the formula
    print the first denominator as a *sum* over contexts; that lacks the factor
    C(n−2, m) and contradicts the line after it.

    Args:
        mean: I^(m)(i,j), the mean of Δv over contexts.
        mean_absolute: The mean of |Δv| over the same contexts.
        epsilon: Below this share of the largest mean |Δv|, the ratio is 0.

    Returns:
        Numbers in [0, 1], of the same shape.

    References:
        Ren et al. (NeurIPS 2021), Eq. 8.

    Example:
        >>> disentanglement_ratios(torch.tensor([[-1.0]]), torch.tensor([[4.0]])).item()
        0.25
    """
    smallest = epsilon * mean_absolute.abs().amax().clamp(
        min=torch.finfo(mean.dtype).tiny
    )
    silent = mean_absolute <= smallest
    ratio = mean.abs() / torch.where(silent, torch.ones_like(mean), mean_absolute)
    return torch.where(silent, torch.zeros_like(mean), ratio)


def disentanglement_floor(contexts: int) -> float:
    """D that Gaussian Δv of mean zero give from ``contexts`` samples: about 1/√K.

    Example:
        >>> disentanglement_floor(100)
        0.1
    """
    return contexts**-0.5
