"""Which coalitions to evaluate when 2**n is too many, and how to read them."""

from captum_interactions.estimators.agglomeration import (
    Agglomeration,
    Criterion,
    Merge,
    Tolerance,
    agglomerate,
    grid_edges,
    run_together,
    sequence_edges,
)
from captum_interactions.estimators.block_partitions import (
    BlockReading,
    block_codes,
    read_blocks,
)
from captum_interactions.estimators.coalition import (
    BlockEstimates,
    CoalitionPlan,
    plan_coalition,
)
from captum_interactions.estimators.contexts import ExactContexts, SampledContexts
from captum_interactions.estimators.learned_partition import (
    LearnedPartition,
    learn_partition,
)
from captum_interactions.estimators.pairs import PairPlan, plan_corner_pairs

__all__ = [
    "Agglomeration",
    "Criterion",
    "ExactContexts",
    "Merge",
    "SampledContexts",
    "Tolerance",
    "agglomerate",
    "run_together",
    "sequence_edges",
    "grid_edges",
    "BlockEstimates",
    "CoalitionPlan",
    "plan_coalition",
    "BlockReading",
    "block_codes",
    "read_blocks",
    "LearnedPartition",
    "learn_partition",
    "PairPlan",
    "plan_corner_pairs",
]
