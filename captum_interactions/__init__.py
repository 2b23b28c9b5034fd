"""Game-theoretic interactions of deep networks, beside Captum's attributions."""

from captum_interactions import (
    baselines,
    estimators,
    functional,
    games,
    interop,
    losses,
    metrics,
    players,
    robust,
    visualization,
)
from captum_interactions.attr import (
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    LearnedBaselineShapley,
    LLMInteraction,
    MultiOrderInteraction,
    MultivariateInteraction,
    ShapleyInteraction,
    ShapleyTaylorInteraction,
    TruncatedAndInteraction,
)
from captum_interactions.comparison import compare_attributions
from captum_interactions.results import load

__version__ = "0.1.0"

__all__ = [
    "AndInteraction",
    "AndOrInteraction",
    "InteractionTree",
    "LearnedBaselineShapley",
    "LLMInteraction",
    "MultiOrderInteraction",
    "MultivariateInteraction",
    "ShapleyInteraction",
    "ShapleyTaylorInteraction",
    "TruncatedAndInteraction",
    "compare_attributions",
    "load",
    "baselines",
    "estimators",
    "functional",
    "games",
    "interop",
    "losses",
    "metrics",
    "players",
    "robust",
    "visualization",
]
