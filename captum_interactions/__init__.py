"""Game-theoretic interactions of deep networks, beside Captum's attributions."""

from captum_interactions import functional, games
from captum_interactions.attr import (
    AndInteraction,
    MultivariateInteraction,
    ShapleyInteraction,
)

__version__ = "0.1.0"

__all__ = [
    "AndInteraction",
    "MultivariateInteraction",
    "ShapleyInteraction",
    "functional",
    "games",
]
