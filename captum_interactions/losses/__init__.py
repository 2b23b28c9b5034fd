"""What is minimized: interactions as training losses, and as a measure of networks."""

from captum_interactions.losses.interaction import InteractionLoss, LossOutput
from captum_interactions.losses.steering import OrderSteeringLoss, steering_weights
from captum_interactions.losses.strength import (
    InteractionStrength,
    interaction_strength,
)

__all__ = [
    "InteractionLoss",
    "LossOutput",
    "OrderSteeringLoss",
    "steering_weights",
    "InteractionStrength",
    "interaction_strength",
]
