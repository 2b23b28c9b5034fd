"""Which coalitions to evaluate when 2^n is too many, and what their values imply.

Nothing here knows a model: plans are masks, estimates are functions of values.
"""

from captum_interactions.estimators.agglomeration import (
    Agglomeration,
    Criterion,
    Merge,
    Tolerance,
    agglomerate,
    run_together,
)
from captum_interactions.estimators.block_partitions import (
    BlockReading,
    block_codes,
    read_blocks,
)
from captum_interactions.estimators.coalition import (
    BlockEstimates,
    BlockPlan,
    plan_coalition,
)
from captum_interactions.estimators.completed import CompletedTable, complete_table
from captum_interactions.estimators.contexts import (
    ChainEstimate,
    PairEstimate,
    paired_contexts,
    sample_chains,
    sample_pairs,
)
from captum_interactions.estimators.corner_pairs import PairPlan, plan_corner_pairs
from captum_interactions.estimators.learned_partition import (
    LearnedPartition,
    learn_partition,
)
from captum_interactions.estimators.marginals import (
    MarginalPlan,
    bernoulli_marginals,
    permutation_marginals,
)
from captum_interactions.estimators.pilot import PILOT_SHARE, reuse_is_better
from captum_interactions.estimators.plan import (
    MAX_TABLE_PLAYERS,
    CoalitionPlan,
    distinct,
    smallest_budget,
    stratified_codes,
)
from captum_interactions.estimators.tree_contexts import ExactContexts, SampledContexts

__all__ = [
    "MAX_TABLE_PLAYERS",
    "PILOT_SHARE",
    "ChainEstimate",
    "CoalitionPlan",
    "CompletedTable",
    "PairEstimate",
    "complete_table",
    "distinct",
    "paired_contexts",
    "reuse_is_better",
    "sample_chains",
    "sample_pairs",
    "smallest_budget",
    "stratified_codes",
    "Agglomeration",
    "Criterion",
    "ExactContexts",
    "Merge",
    "SampledContexts",
    "Tolerance",
    "agglomerate",
    "run_together",
    "BlockEstimates",
    "BlockPlan",
    "plan_coalition",
    "BlockReading",
    "block_codes",
    "read_blocks",
    "LearnedPartition",
    "learn_partition",
    "MarginalPlan",
    "bernoulli_marginals",
    "permutation_marginals",
    "PairPlan",
    "plan_corner_pairs",
]
