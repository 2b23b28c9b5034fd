"""Figures summed over a data set: update, compute, reset, merge."""

from captum_interactions.metrics.base import AbstractOrderMetric
from captum_interactions.metrics.comparing import AttackingUtility, difference
from captum_interactions.metrics.concepts import ConceptFrequency, ConceptTransfer
from captum_interactions.metrics.order import (
    AverageInteraction,
    Disentanglement,
    OrderStrength,
    PositiveRatio,
)

__all__ = [
    "AbstractOrderMetric",
    "AttackingUtility",
    "AverageInteraction",
    "ConceptFrequency",
    "ConceptTransfer",
    "Disentanglement",
    "OrderStrength",
    "PositiveRatio",
    "difference",
]
