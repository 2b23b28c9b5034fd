"""Captum attribution classes, and the results they return."""

from captum_interactions.attr.and_or import AndInteraction, AndInteractionResult
from captum_interactions.attr.and_or_result import AndOrInteractionResult, AndOrTerm
from captum_interactions.attr.and_or_split import AndOrInteraction
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.attr.baseline_comparison import (
    BaselineComparison,
    compare_baselines,
)
from captum_interactions.attr.learned_baseline import LearnedBaselineShapley
from captum_interactions.attr.multi_order import MultiOrderInteraction
from captum_interactions.attr.multi_order_result import MultiOrderInteractionResult
from captum_interactions.attr.multivariate import MultivariateInteraction
from captum_interactions.attr.multivariate_result import (
    Block,
    MultivariateInteractionResult,
)
from captum_interactions.attr.order_profile import OrderProfile
from captum_interactions.attr.prototypes import (
    Prototypes,
    prototype_records,
    prototypes,
    visualize_prototypes,
)
from captum_interactions.attr.results import Interaction, InteractionResult
from captum_interactions.attr.shapley_interaction import (
    ShapleyInteraction,
    ShapleyInteractionResult,
)
from captum_interactions.attr.sparse import (
    SparseInteractionResult,
    TruncatedAndInteraction,
)
from captum_interactions.attr.tree import InteractionTree
from captum_interactions.attr.tree_result import InteractionNode, InteractionTreeResult

__all__ = [
    "AbstractInteractionAttribution",
    "AndInteraction",
    "AndInteractionResult",
    "AndOrInteraction",
    "AndOrInteractionResult",
    "AndOrTerm",
    "MultiOrderInteraction",
    "MultiOrderInteractionResult",
    "LearnedBaselineShapley",
    "OrderProfile",
    "BaselineComparison",
    "compare_baselines",
    "ShapleyInteraction",
    "ShapleyInteractionResult",
    "SparseInteractionResult",
    "TruncatedAndInteraction",
    "MultivariateInteraction",
    "MultivariateInteractionResult",
    "Block",
    "Prototypes",
    "prototypes",
    "prototype_records",
    "visualize_prototypes",
    "InteractionTree",
    "InteractionTreeResult",
    "InteractionNode",
    "Interaction",
    "InteractionResult",
]
