"""Captum attribution classes: a signature, a plan, a reading."""

from captum_interactions.attr.and_interaction import AndInteraction
from captum_interactions.attr.and_or_interaction import AndOrInteraction
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.attr.dataset import explain_dataset
from captum_interactions.attr.interaction_tree import InteractionTree
from captum_interactions.attr.learned_baseline_shapley import LearnedBaselineShapley
from captum_interactions.attr.llm_interaction import LLMInteraction
from captum_interactions.attr.multi_order_interaction import MultiOrderInteraction
from captum_interactions.attr.multivariate_interaction import MultivariateInteraction
from captum_interactions.attr.shapley_interaction import ShapleyInteraction
from captum_interactions.attr.shapley_taylor_interaction import (
    ShapleyTaylorInteraction,
)
from captum_interactions.attr.truncated_and_interaction import TruncatedAndInteraction

__all__ = [
    "AbstractInteractionAttribution",
    "AndInteraction",
    "AndOrInteraction",
    "ShapleyInteraction",
    "ShapleyTaylorInteraction",
    "MultiOrderInteraction",
    "MultivariateInteraction",
    "InteractionTree",
    "LearnedBaselineShapley",
    "LLMInteraction",
    "TruncatedAndInteraction",
    "explain_dataset",
]
