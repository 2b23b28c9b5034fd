"""Game-theoretic interactions of deep networks, beside Captum's attributions."""

from captum_interactions import functional, games, metrics
from captum_interactions.attr import (
    AndInteraction,
    InteractionTree,
    MultiOrderInteraction,
    MultivariateInteraction,
    ShapleyInteraction,
)

__version__ = "0.1.0"

__all__ = [
    "AndInteraction",
    "InteractionTree",
    "MultiOrderInteraction",
    "MultivariateInteraction",
    "ShapleyInteraction",
    "functional",
    "games",
    "metrics",
]
