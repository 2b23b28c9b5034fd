"""Which coalitions to evaluate when 2^n is too many, and what their values imply.

Nothing here knows a model: plans are masks, estimates are functions of values.
"""

from captum_interactions.estimators.completed import CompletedTable, complete_table
from captum_interactions.estimators.contexts import (
    ChainEstimate,
    PairEstimate,
    paired_contexts,
    sample_chains,
    sample_pairs,
)
from captum_interactions.estimators.pairs import neighbour_pairs, random_pairs
from captum_interactions.estimators.pilot import PILOT_SHARE, reuse_is_better
from captum_interactions.estimators.plan import (
    MAX_TABLE_PLAYERS,
    CoalitionPlan,
    distinct,
    smallest_budget,
    stratified_codes,
)

__all__ = [
    "MAX_TABLE_PLAYERS",
    "PILOT_SHARE",
    "ChainEstimate",
    "CoalitionPlan",
    "CompletedTable",
    "PairEstimate",
    "complete_table",
    "distinct",
    "neighbour_pairs",
    "paired_contexts",
    "random_pairs",
    "reuse_is_better",
    "sample_chains",
    "sample_pairs",
    "smallest_budget",
    "stratified_codes",
]
