"""Captum attribution classes, and the results they return."""

from captum_interactions.attr.and_or import AndInteraction, AndInteractionResult
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.attr.baseline_comparison import (
    BaselineComparison,
    compare_baselines,
)
from captum_interactions.attr.learned_baseline import LearnedBaselineShapley
from captum_interactions.attr.order_profile import OrderProfile
from captum_interactions.attr.results import Interaction, InteractionResult
from captum_interactions.attr.shapley_interaction import (
    ShapleyInteraction,
    ShapleyInteractionResult,
)

__all__ = [
    "AbstractInteractionAttribution",
    "AndInteraction",
    "AndInteractionResult",
    "LearnedBaselineShapley",
    "OrderProfile",
    "BaselineComparison",
    "compare_baselines",
    "ShapleyInteraction",
    "ShapleyInteractionResult",
    "Interaction",
    "InteractionResult",
]
