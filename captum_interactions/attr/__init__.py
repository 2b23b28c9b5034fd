"""Captum attribution classes, and the results they return."""

from captum_interactions.attr.and_or import AndInteraction, AndInteractionResult
from captum_interactions.attr.and_or_split import (
    AndOrInteraction,
    AndOrInteractionResult,
    AndOrTerm,
)
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.attr.multi_order import MultiOrderInteraction
from captum_interactions.attr.multi_order_result import MultiOrderInteractionResult
from captum_interactions.attr.results import Interaction, InteractionResult
from captum_interactions.attr.shapley_interaction import (
    ShapleyInteraction,
    ShapleyInteractionResult,
)
from captum_interactions.attr.sparse import (
    SparseInteractionResult,
    TruncatedAndInteraction,
)

__all__ = [
    "AbstractInteractionAttribution",
    "AndInteraction",
    "AndInteractionResult",
    "AndOrInteraction",
    "AndOrInteractionResult",
    "AndOrTerm",
    "MultiOrderInteraction",
    "MultiOrderInteractionResult",
    "ShapleyInteraction",
    "ShapleyInteractionResult",
    "SparseInteractionResult",
    "TruncatedAndInteraction",
    "Interaction",
    "InteractionResult",
]
