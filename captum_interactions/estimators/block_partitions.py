"""From the values of a coalition's blocks to B, B_max, B_min and their partitions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions.estimators.learned_partition import learn_partition
from captum_interactions.functional import (
    PartitionOptimum,
    best_run_partition,
    best_set_partition,
    codes_to_masks,
)
from captum_interactions.functional.coalition_readings import TIE_TOLERANCE, Partitions

__all__ = ["BlockReading", "block_codes", "read_blocks"]


@dataclass(frozen=True)
class BlockReading:
    """B([A]) and its partitions, from known values of blocks.

    Attributes:
        b: B([A]), ``(*batch,)``.
        singles: φ_A({i}) of every member, ``(*batch, m)``.
        largest: B_max and its partition.
        smallest: B_min and its partition.
        probabilities: Learned probabilities that neighbors share a block at the
            maximum and at the minimum, ``(*batch, 2, m − 1)``, or ``None``.
        whole_weights: Coefficients of the blocks in B([A]), ``(blocks,)``.
        largest_weights: Coefficients of the blocks in B_max, ``(*batch, blocks)``.
        smallest_weights: Coefficients of the blocks in B_min, ``(*batch, blocks)``.
    """

    b: Tensor
    singles: Tensor
    largest: PartitionOptimum
    smallest: PartitionOptimum
    probabilities: Tensor | None
    whole_weights: Tensor
    largest_weights: Tensor
    smallest_weights: Tensor


def read_blocks(
    values: Tensor,  # (*batch, blocks)
    codes: Tensor,  # (blocks,)
    partitions: Partitions = "contiguous",
    learned: bool = False,
    generator: torch.Generator | None = None,
    rounding: Tensor | float = 0.0,
) -> BlockReading:
    """Find B, B_max and B_min from φ_A of blocks.

    Args:
        values: φ_A of some blocks, ``(*batch, blocks)``.
        codes: Their codes over the positions of A's members: all runs of consecutive
            members, or all non-empty subsets for ``partitions="all"``.
        partitions: Over which partitions to optimize.
        learned: Learn contiguous partitions instead of finding the best.
        generator: Source of randomness of learning.
        rounding: Error of the values, a number or ``(*batch,)``: sums closer than this,
            or than 1e-9 of the largest |φ_A|, are equal.

    Returns:
        The reading, in the units of the value function.

    Example:
        >>> reading = read_blocks(
        ...     torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1, 2, 3])
        ... )
        >>> reading.b.item(), reading.largest.labels.tolist()
        (2.0, [0, 0])
    """
    m = int(codes.max()).bit_length()
    inside = codes_to_masks(codes, m).to(values)  # (blocks, m)
    alone = inside.sum(-1) == 1
    is_single = inside * alone.unsqueeze(-1)
    singles = values @ is_single
    gains = torch.where(alone, 0, values - singles @ inside.mT)
    slack = TIE_TOLERANCE * values.detach().abs().amax(-1) + rounding
    probabilities = None
    if partitions == "all":
        table = gains.new_zeros(*gains.shape[:-1], 1 << m)
        table[..., codes] = gains
        best = [best_set_partition(table, way, slack) for way in (True, False)]
    else:
        runs = gains.new_zeros(*gains.shape[:-1], m, m)
        first = inside.argmax(-1)
        runs[..., first, first + inside.sum(-1).long() - 1] = gains
        if learned:
            found = [
                learn_partition(runs, way, tolerance=slack, generator=generator)
                for way in (True, False)
            ]
            best = [PartitionOptimum(f.value, f.labels) for f in found]
            probabilities = torch.stack([f.probabilities for f in found], dim=-2)
        else:
            best = [best_run_partition(runs, way, slack) for way in (True, False)]
    return BlockReading(
        b=gains[..., codes == (1 << m) - 1].squeeze(-1),
        singles=singles,
        largest=best[0],
        smallest=best[1],
        probabilities=probabilities,
        whole_weights=(codes == (1 << m) - 1).to(values) - is_single.sum(-1),
        largest_weights=_in_partition(best[0].labels, codes, values) - alone.to(values),
        smallest_weights=_in_partition(best[1].labels, codes, values)
        - alone.to(values),
    )


def block_codes(
    labels: Tensor,  # (*batch, m)
) -> Tensor:
    """Return the code of the block that each member is in, ``(*batch, m)``.

    Example:
        >>> block_codes(torch.tensor([0, 1, 0])).tolist()
        [5, 2, 5]
    """
    same = labels.unsqueeze(-1) == labels.unsqueeze(-2)
    return (same.long() << torch.arange(labels.shape[-1], device=labels.device)).sum(-1)


def _in_partition(labels: Tensor, codes: Tensor, like: Tensor) -> Tensor:
    """1 for the blocks that belong to the partition, ``(*batch, blocks)``."""
    members = block_codes(labels).unsqueeze(-1)
    return (members == codes.to(members.device)).any(-2).to(like)
