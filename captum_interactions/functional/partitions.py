"""The best partition of an ordered coalition, by dynamic programming.

A partition Ω of m members earns Σ_{C∈Ω} g(C), where the gain g(C) of a block is 0 for
a single member. Over partitions into runs of consecutive members the best one costs
O(m²) additions instead of 2^(m−1) sums, over all partitions O(3^m) instead of Bell(m).

A boundary that changes nothing is not identifiable. It is resolved as a split: among
partitions whose sums differ by no more than rounding, the one with most blocks wins.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._kinds import check_fits, check_square
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import n_players

__all__ = [
    "MAX_PARTITIONED_PLAYERS",
    "PartitionOptimum",
    "run_codes",
    "best_run_partition",
    "best_set_partition",
    "partition_blocks",
]

# 3^12 = 531,441 additions and a table of 4,096 blocks per example.
MAX_PARTITIONED_PLAYERS = 12


class PartitionOptimum(NamedTuple):
    """The best sum of gains and a partition that attains it.

    Attributes:
        value: Σ of the gains of the blocks, ``(*batch,)``, differentiable.
        labels: Number of the block of each member, ``(*batch, m)`` int64; blocks are
            numbered from 0 in the order of their first members.
    """

    value: Tensor
    labels: Tensor


def run_codes(m: int, device: torch.device | str | None = None) -> Tensor:
    """Return the codes of all runs of consecutive members, ``(m, m)`` int64.

    Entry (i, j) is the code of members i..j; below the diagonal it is 0, the empty set.

    Example:
        >>> run_codes(3).tolist()
        [[1, 3, 7], [0, 2, 6], [0, 0, 4]]
    """
    ends = 2 << torch.arange(m, device=device)
    starts = 1 << torch.arange(m, device=device)
    return (ends.unsqueeze(0) - starts.unsqueeze(1)).clamp(min=0)


@checked
def best_run_partition(
    gains: Tensor,  # (*batch, m, m)
    maximize: bool = True,
    tolerance: Tensor | float = 1e-12,
) -> PartitionOptimum:
    """Best partition into runs of consecutive members: interval dynamic programming.

    best(j) = max_{i≤j} best(i−1) + g(i..j).

    Args:
        gains: g(i..j) at entry (i, j), ``(*batch, m, m)``; entries below the diagonal
            are ignored.
        maximize: Whether the sum is to be as large, or as small, as possible.
        tolerance: Sums closer than this at a step count as equal, in the units of
            ``gains``; a number or a tensor ``(*batch,)``.

    Returns:
        The optimum, in the units of ``gains``.

    Example:
        >>> gains = torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
        >>> best = best_run_partition(gains)
        >>> best.value.item(), best.labels.tolist()
        (2.0, [0, 1, 1])
    """
    check_square("gains", gains)
    if not gains.numel():
        bad_value("gains", "of a player", tuple(gains.shape), "see the shapes")
    m = gains.shape[-1]
    batch = gains.shape[:-2]
    g = gains.detach().reshape(-1, m, m) * (1 if maximize else -1)
    slack = _per_row(tolerance, batch, g)
    best = g.new_zeros(len(g), m + 1)
    blocks = torch.zeros(len(g), m + 1, dtype=torch.int64, device=g.device)
    start = torch.zeros(len(g), m, dtype=torch.int64, device=g.device)
    for j in range(m):
        sums = best[:, : j + 1] + g[:, : j + 1, j]
        best[:, j + 1], blocks[:, j + 1], start[:, j] = _most_blocks(
            sums, blocks[:, : j + 1], slack
        )
    return _gather_runs(gains, start, batch)


def _per_row(tolerance: Tensor | float, batch: torch.Size, like: Tensor) -> Tensor:
    slack = torch.as_tensor(tolerance, dtype=like.dtype, device=like.device)
    check_fits("tolerance", slack, "gains", batch, to=True)
    return slack.expand(batch).reshape(-1, 1)


def _most_blocks(
    sums: Tensor,  # (rows, choices)
    blocks: Tensor,  # (rows, choices)
    slack: Tensor,  # (rows, 1)
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best sum, and block count and index of the finest choice near it."""
    top = sums.max(-1, keepdim=True).values
    count = torch.where(sums >= top - slack, blocks, -1)
    # Of equally fine choices the last is taken: argmax alone promises no order.
    finest = count.max(-1, keepdim=True).values
    order = torch.arange(sums.shape[-1], device=sums.device)
    choice = torch.where(count == finest, order, -1).max(-1).values
    return top.squeeze(-1), finest.squeeze(-1) + 1, choice


def _gather_runs(gains: Tensor, start: Tensor, batch: torch.Size) -> PartitionOptimum:
    """Walk back from the last member; sum the gains of the runs that were met."""
    rows, m = start.shape
    first = torch.zeros(rows, m, dtype=torch.bool, device=start.device)
    last = torch.zeros_like(first)
    end = torch.full((rows, 1), m - 1, device=start.device)
    for _ in range(m):  # rows that have reached the front repeat their first run
        begin = start.gather(-1, end)
        last.scatter_(-1, end, True)
        first.scatter_(-1, begin, True)
        end = torch.where(begin > 0, begin - 1, end)
    labels = first.long().cumsum(-1) - 1
    same = labels.unsqueeze(-1) == labels.unsqueeze(-2)
    chosen = first.unsqueeze(-1) & last.unsqueeze(-2) & same
    chosen = chosen.view(*batch, m, m)
    value = torch.where(chosen, gains, 0).sum((-2, -1))
    return PartitionOptimum(value, labels.view(*batch, m))


@checked
def best_set_partition(
    gains: Tensor,  # (*batch, 2**m)
    maximize: bool = True,
    tolerance: Tensor | float = 1e-12,
) -> PartitionOptimum:
    """Best partition into any blocks: dynamic programming over subsets.

    best(S) = max over blocks C ⊆ S that hold the first member of S of
    best(S∖C) + g(C).

    Args:
        gains: g(C) of every block by its code, ``(*batch, 2**m)``.
        maximize: Whether the sum is to be as large, or as small, as possible.
        tolerance: Sums closer than this at a step count as equal, in the units of
            ``gains``; a number or a tensor ``(*batch,)``.

    Returns:
        The optimum, in the units of ``gains``.

    Raises:
        ValueError: If the last axis is not a power of two long, or m exceeds
            :data:`MAX_PARTITIONED_PLAYERS`.

    Example:
        >>> best = best_set_partition(torch.tensor([0.0, 0, 0, -1, 0, 1, -1, -1]))
        >>> best.value.item(), best.labels.tolist()
        (1.0, [0, 1, 0])
    """
    m = n_players(gains)
    check_partitioned(m)
    batch = gains.shape[:-1]
    g = gains.detach().reshape(-1, 1 << m) * (1 if maximize else -1)
    slack = _per_row(tolerance, batch, g)
    best = torch.zeros_like(g)
    blocks = torch.zeros(g.shape, dtype=torch.int64, device=g.device)
    block = torch.zeros_like(blocks)
    for code in range(1, 1 << m):
        lowest = code & -code
        parts = lowest + _subset_codes(code ^ lowest, g.device)
        rest = code ^ parts
        best[:, code], blocks[:, code], choice = _most_blocks(
            best[:, rest] + g[:, parts], blocks[:, rest], slack
        )
        block[:, code] = parts[choice]
    return _gather_sets(gains, block, batch)


def check_partitioned(m: int) -> None:
    """Refuse all partitions of more members than the subset program can hold."""
    if m > MAX_PARTITIONED_PLAYERS:
        bad_value(
            "coalition",
            f"of at most {MAX_PARTITIONED_PLAYERS} players for all partitions",
            f"{m} players",
            'take a smaller coalition, or partitions="contiguous"',
        )


def _subset_codes(code: int, device: torch.device) -> Tensor:
    codes = torch.zeros(1, dtype=torch.int64, device=device)
    for bit in (1 << i for i in range(code.bit_length()) if code >> i & 1):
        codes = torch.cat([codes, codes + bit])
    return codes


def _gather_sets(gains: Tensor, block: Tensor, batch: torch.Size) -> PartitionOptimum:
    rows, length = block.shape
    m = length.bit_length() - 1
    bits = torch.arange(m, device=block.device)
    remaining = torch.full((rows, 1), length - 1, device=block.device)
    labels = torch.zeros(rows, m, dtype=torch.int64, device=block.device)
    codes = []
    for number in range(m):  # nothing remains: the block is the empty set, gain 0
        code = block.gather(-1, remaining)
        labels = torch.where(code >> bits & 1 == 1, number, labels)
        remaining = remaining ^ code
        codes.append(code)
    chosen = torch.cat(codes, dim=-1).view(*batch, m)
    picked = torch.where(chosen > 0, gains.gather(-1, chosen), 0)
    return PartitionOptimum(picked.sum(-1), labels.view(*batch, m))


def partition_blocks(
    labels: Tensor,  # (m,)
    members: tuple[int, ...],
) -> tuple[tuple[int, ...], ...]:
    """Return the blocks of one partition as tuples of players.

    Args:
        labels: Block number of each member, ``(m,)``.
        members: The players in the order of ``labels``.

    Returns:
        The blocks in the order of their numbers.

    Example:
        >>> partition_blocks(torch.tensor([0, 1, 0]), (2, 3, 5))
        ((2, 5), (3,))
    """
    blocks: dict[int, list[int]] = {}
    for player, label in zip(members, labels.tolist(), strict=True):
        blocks.setdefault(label, []).append(player)
    return tuple(tuple(blocks[label]) for label in sorted(blocks))
