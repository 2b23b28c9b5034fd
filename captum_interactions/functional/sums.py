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

__all__ = ["player_sums", "pair_sums", "weight_by_size"]


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
