"""Sums of a table over the coalitions that contain a player, or a pair.

Every linear index is such a sum of weighted dividends. The table is folded into a
2^h × 2^l matrix whose rows are coalitions of the high players and whose columns are
coalitions of the low ones, so that a pair costs one product with a small bit matrix and
no 2^n × n matrix is ever built.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions.functional.coalitions import (
    all_masks,
    coalition_sizes,
    n_players,
)

__all__ = ["player_sums", "pair_sums", "pair_sums_by_size", "weight_by_size"]


def _fold(table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the folded table and the bit matrices of its columns and rows."""
    n = n_players(table)
    low = n // 2
    folded = table.reshape(*table.shape[:-1], 1 << (n - low), 1 << low)
    return (
        folded,
        all_masks(low, table.device).to(table.dtype),
        all_masks(n - low, table.device).to(table.dtype),
    )


def weight_by_size(
    table: Tensor,  # (*batch, 2**n)
    weights: Tensor,  # (n + 1,)
) -> Tensor:
    """Multiply each coalition's value by a weight that depends on its size.

    Example:
        >>> weight_by_size(torch.ones(4), torch.tensor([0.0, 1.0, 0.5])).tolist()
        [0.0, 1.0, 1.0, 0.5]
    """
    sizes = coalition_sizes(n_players(table), table.device)
    return table * weights.to(table)[sizes]


def player_sums(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Return Σ_{S∋i} table(S) for every player i, ``(*batch, n)``.

    Example:
        >>> player_sums(torch.tensor([1.0, 2.0, 3.0, 4.0])).tolist()
        [6.0, 7.0]
    """
    folded, low_bits, high_bits = _fold(table)
    return torch.cat([folded.sum(-2) @ low_bits, folded.sum(-1) @ high_bits], dim=-1)


def pair_sums(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Return Σ_{S⊇{i,j}} table(S) for all pairs, ``(*batch, n, n)``.

    The diagonal holds the players' own sums Σ_{S∋i} table(S).

    Example:
        >>> pair_sums(torch.tensor([1.0, 2.0, 3.0, 4.0])).tolist()
        [[6.0, 4.0], [4.0, 7.0]]
    """
    folded, low_bits, high_bits = _fold(table)
    columns, rows = folded.sum(-2), folded.sum(-1)
    low = (low_bits.mT * columns.unsqueeze(-2)) @ low_bits
    high = (high_bits.mT * rows.unsqueeze(-2)) @ high_bits
    cross = high_bits.mT @ (folded @ low_bits)
    top = torch.cat([low, cross.mT], dim=-1)
    bottom = torch.cat([cross, high], dim=-1)
    return torch.cat([top, bottom], dim=-2)


def pair_sums_by_size(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Return Σ table(S) over |S| = s and S ⊇ {i,j}, ``(*batch, n + 1, n, n)``.

    The diagonal holds the players' own sums, over |S| = s and S ∋ i. Sizes are counted
    separately on both sides of the fold and convolved afterwards, so all sizes cost
    about as much as a dozen passes over the table.

    Example:
        >>> pair_sums_by_size(torch.tensor([1.0, 2.0, 3.0, 4.0])).tolist()[1:]
        [[[2.0, 0.0], [0.0, 3.0]], [[4.0, 4.0], [4.0, 4.0]]]
    """
    n = n_players(table)
    folded, low_bits, high_bits = _fold(table)
    low_sizes, high_sizes = _size_indicators(low_bits), _size_indicators(high_bits)
    # Products over the columns with: size, size and player, size and pair.
    by_low_size = folded @ low_sizes
    by_low_player = folded @ _times(low_sizes, low_bits)
    by_high_size = high_sizes.mT @ folded
    low_pairs = by_high_size @ _times(low_sizes, _times(low_bits, low_bits))
    cross = _times(high_sizes, high_bits).mT @ by_low_player
    high_pairs = _times(high_sizes, _times(high_bits, high_bits)).mT @ by_low_size

    low, high = low_bits.shape[-1], high_bits.shape[-1]
    out = table.new_zeros(*table.shape[:-1], n + 1, n, n)
    low_pairs = low_pairs.unflatten(-1, (low + 1, low, low))
    cross = cross.unflatten(-1, (low + 1, low)).unflatten(-3, (high + 1, high))
    high_pairs = high_pairs.unflatten(-2, (high + 1, high, high))
    for s in range(high + 1):
        sizes = slice(s, s + low + 1)
        mixed = cross[..., s, :, :, :].movedim(-2, -3)  # low size, high player, low
        out[..., sizes, :low, :low] += low_pairs[..., s, :, :, :]
        out[..., sizes, low:, :low] += mixed
        out[..., sizes, :low, low:] += mixed.mT
        out[..., sizes, low:, low:] += high_pairs[..., s, :, :, :].movedim(-1, -3)
    return out


def _size_indicators(bits: Tensor) -> Tensor:
    """One column per size 0..l, ``(2**l, l + 1)``."""
    sizes = bits.sum(-1, keepdim=True)
    every = torch.arange(bits.shape[-1] + 1, device=bits.device, dtype=bits.dtype)
    return (sizes == every).to(bits.dtype)


def _times(left: Tensor, right: Tensor) -> Tensor:
    """All products of a column of ``left`` with a column of ``right``."""
    return (left.unsqueeze(-1) * right.unsqueeze(-2)).flatten(-2)
