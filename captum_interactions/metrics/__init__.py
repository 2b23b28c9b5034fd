"""Figures summed over a data set: update, compute, reset, merge."""

from captum_interactions.metrics.concepts import ConceptFrequency, ConceptTransfer

__all__ = ["ConceptFrequency", "ConceptTransfer"]
