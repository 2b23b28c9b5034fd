"""Which coalitions to evaluate, and what their values imply: an Estimate.

Nothing here knows a model. A plan is a generator that yields masks, is sent their
values, and returns an estimate; :func:`evaluate` runs it on a game.
"""

from captum_interactions.estimators._kernel_estimation import kernel_plan
from captum_interactions.estimators._kernel_table import completed_table
from captum_interactions.estimators._stratified import (
    MAX_TABLE_PLAYERS,
    smallest_budget,
)
from captum_interactions.estimators.driver import Evaluations, evaluate
from captum_interactions.estimators.estimate import Estimate, Reading
from captum_interactions.estimators.kernel import KernelEstimate
from captum_interactions.estimators.paired import PairedEstimate, pair_plan
from captum_interactions.estimators.plans import order_plan, table_plan
from captum_interactions.estimators.sparse import SparseEstimate
from captum_interactions.estimators.table import TableEstimate

__all__ = [
    "Estimate",
    "Reading",
    "TableEstimate",
    "SparseEstimate",
    "PairedEstimate",
    "KernelEstimate",
    "completed_table",
    "kernel_plan",
    "evaluate",
    "Evaluations",
    "table_plan",
    "order_plan",
    "pair_plan",
    "smallest_budget",
    "MAX_TABLE_PLAYERS",
]
