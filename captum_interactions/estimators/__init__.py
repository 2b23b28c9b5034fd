"""Which coalitions to evaluate when 2^n is too many, and what their values imply.

Nothing here knows a model: plans are masks, estimates are functions of values.
"""

from captum_interactions.estimators.completed import CompletedTable, complete_table
from captum_interactions.estimators.plan import (
    MAX_TABLE_PLAYERS,
    CoalitionPlan,
    distinct,
    smallest_budget,
    stratified_codes,
)

__all__ = [
    "MAX_TABLE_PLAYERS",
    "CoalitionPlan",
    "CompletedTable",
    "complete_table",
    "distinct",
    "smallest_budget",
    "stratified_codes",
]
