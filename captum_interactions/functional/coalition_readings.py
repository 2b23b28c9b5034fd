"""B([A]) of a coalition with its largest and smallest value over the partitions of A.

T([A]) = max_Ω B(Ω) − min_Ω B(Ω) is what its members can gain or lose by how they team
up; see :mod:`~captum_interactions.functional.multivariate` for B(Ω).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional.coalitions import n_players
from captum_interactions.functional.multivariate import (
    block_interactions,
    coalition_values,
)
from captum_interactions.functional.partitions import (
    PartitionOptimum,
    best_run_partition,
    best_set_partition,
    check_partitioned,
    run_codes,
)

__all__ = [
    "TIE_TOLERANCE",
    "CoalitionReading",
    "Partitions",
    "check_partitions",
    "partition_extremes",
    "read_coalition",
]

Partitions = Literal["contiguous", "all"]

# Sums of gains closer than this fraction of the largest |φ_A| are ties. Tables are
# float64, but most models answer in float32.
TIE_TOLERANCE = 1e-9


class CoalitionReading(NamedTuple):
    """B([A]) with its largest and smallest value over the partitions of A.

    Attributes:
        b: B([A]), ``(*batch,)``.
        largest: B_max = max_Ω B(Ω) ≥ max(0, B) and a partition that attains it.
        smallest: B_min = min_Ω B(Ω) ≤ min(0, B) and a partition that attains it.
    """

    b: Tensor
    largest: PartitionOptimum
    smallest: PartitionOptimum

    @property
    def significance(self) -> Tensor:
        """T([A]) = B_max − B_min ≥ |B([A])|, ``(*batch,)``."""
        return self.largest.value - self.smallest.value


def check_partitions(partitions: str) -> None:
    """Refuse an unknown family of partitions."""
    if partitions not in get_args(Partitions):
        bad_value(
            "partitions",
            f"one of {get_args(Partitions)}",
            repr(partitions),
            "contiguous blocks are runs of the sorted coalition",
        )


def partition_extremes(
    values: Tensor,  # (*batch, 2**m)
    partitions: Partitions = "contiguous",
) -> tuple[PartitionOptimum, PartitionOptimum]:
    """B_max and B_min over the partitions of A, from the game φ_A.

    Args:
        values: φ_A(C) of every block, ``(*batch, 2**m)``.
        partitions: ``"contiguous"``: blocks are runs of consecutive members of the
            sorted coalition, as in the authors' code; ``"all"``: any blocks, at most
            :data:`MAX_PARTITIONED_PLAYERS` members.

    Returns:
        The optima of B(Ω), largest and smallest, in the units of the value function.
        Boundaries that change nothing are splits.

    Raises:
        ValueError: If ``partitions`` is unknown, the coalition too large for all of
            them, or the last axis not a power of two long.

    Example:
        >>> import torch
        >>> v = torch.tensor([0.0, 0, 0, -1, 0, 1, -1, -1])
        >>> for family in ("contiguous", "all"):
        ...     largest, smallest = partition_extremes(v, family)
        ...     print(largest.value.item(), smallest.value.item())
        0.0 -1.0
        1.0 -1.0
    """
    check_partitions(partitions)
    m = n_players(values)
    gains = block_interactions(values)
    slack = TIE_TOLERANCE * values.detach().abs().amax(-1)
    if partitions == "all":
        check_partitioned(m)
        return (
            best_set_partition(gains, True, slack),
            best_set_partition(gains, False, slack),
        )
    runs = gains[..., run_codes(m, values.device)]
    return best_run_partition(runs, True, slack), best_run_partition(runs, False, slack)


def read_coalition(
    table: Tensor,  # (*batch, 2**n)
    coalition: Sequence[int],
    partitions: Partitions = "contiguous",
) -> CoalitionReading:
    """B([A]), B_max, B_min and T([A]) of a coalition, with the optimal partitions.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        coalition: The different players of A.
        partitions: ``"contiguous"`` or ``"all"``, as in :func:`partition_extremes`.

    Returns:
        The reading, in the units of the value function.

    Raises:
        ValueError: As in :func:`coalition_values` and :func:`partition_extremes`.

    References:
        Zhang et al. (AAAI 2021); the authors' code takes contiguous partitions.

    Example:
        >>> import torch
        >>> v = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 0])
        >>> reading = read_coalition(v, [0, 1, 2])
        >>> reading.b.item(), reading.significance.item()
        (0.0, 1.0)
        >>> reading.largest.labels.tolist()
        [0, 0, 1]
    """
    values = coalition_values(table, coalition)
    largest, smallest = partition_extremes(values, partitions)
    return CoalitionReading(block_interactions(values)[..., -1], largest, smallest)
