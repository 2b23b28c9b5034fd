"""Game-theoretic interactions of deep networks, beside Captum's attributions."""

from captum_interactions import (
    functional,
    games,
    interop,
    losses,
    metrics,
    robust,
    visualization,
)
from captum_interactions.attr import (
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    LearnedBaselineShapley,
    MultiOrderInteraction,
    MultivariateInteraction,
    ShapleyInteraction,
)
from captum_interactions.comparison import compare_attributions

__version__ = "0.1.0"

__all__ = [
    "AndInteraction",
    "AndOrInteraction",
    "InteractionTree",
    "LearnedBaselineShapley",
    "MultiOrderInteraction",
    "MultivariateInteraction",
    "ShapleyInteraction",
    "compare_attributions",
    "functional",
    "games",
    "interop",
    "losses",
    "metrics",
    "robust",
    "visualization",
]
