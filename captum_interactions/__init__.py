"""Game-theoretic interactions of deep networks, beside Captum's attributions."""

from captum_interactions import functional, games
from captum_interactions.attr import (
    AndInteraction,
    LearnedBaselineShapley,
    ShapleyInteraction,
)

__version__ = "0.1.0"

__all__ = [
    "AndInteraction",
    "LearnedBaselineShapley",
    "ShapleyInteraction",
    "functional",
    "games",
]
