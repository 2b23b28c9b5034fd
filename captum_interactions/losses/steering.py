"""Losses that move a network's interactions to other orders."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._random import own_generator, random_ranks
from captum_interactions._signature import checked, checked_methods
from captum_interactions.games.arguments import format_inputs
from captum_interactions.games.layers import evaluation_mode
from captum_interactions.games.logits import check_labels, check_logits
from captum_interactions.games.masking import MaskedInputs, format_baselines
from captum_interactions.games.passes import Passes
from captum_interactions.losses.scores import widened
from captum_interactions.players.players import Players

__all__ = ["OrderSteeringLoss", "steering_weights"]

Steering = Literal["encourage", "suppress"]


@checked
def steering_weights(n: int, k1: int, k2: int) -> Tensor:
    """Return how much each order of interaction weighs in the steered difference.

    With v̄(k) the mean of v over coalitions of k players,
    v̄(k2) − (k2/k1)·v̄(k1) = (1 − k2/k1)·v(∅) + Σ_{i≠j} Σ_m w_m I^(m)(i,j) over ordered
    pairs and context sizes m, where w_m = (m+1)(k2−k1)/(k1 n(n−1)) for m < k1,
    (k2−1−m)/(n(n−1)) for k1 ≤ m < k2, and 0 above: a peak at m = k1 − 1 with a linear
    ramp on either side, not a plateau between k1 and k2. For k1 = 0 the difference is
    v̄(k2) − v(∅), which keeps (k2/n) Σ_i φ^(0)(i) besides.

    Args:
        n: Players.
        k1: Size of the smaller coalitions, 0 or more.
        k2: Size of the larger ones, more than k1.

    Returns:
        w_m for context sizes m = 0..n−2, ``(n − 1,)`` float64.

    Raises:
        TypeError: If n is not an integer.
        ValueError: If 0 <= k1 < k2 <= n and n >= 2 do not hold.

    References:
        Deng et al. (ICLR 2022), whose Theorem 2 this is in exact form.

    Example:
        >>> (steering_weights(4, 1, 3) * 12).tolist()
        [2.0, 1.0, 0.0]
    """
    check_positive_int("n", n, "it counts the players", holds=1)
    if n < 2 or not 0 <= k1 < k2 <= n:
        bad_value(
            "k2", f"sizes with 0 <= k1 < k2 <= n = {n} >= 2", (k1, k2), "k1 is smaller"
        )
    m = torch.arange(n - 1, dtype=torch.float64)
    falling = (k2 - 1 - m).clamp_min(0)
    rising = (m + 1) * (k2 - k1) / max(k1, 1)
    return torch.where(m < k1, rising, falling) / (n * (n - 1))


@checked_methods
class OrderSteeringLoss(nn.Module):
    """A loss that encourages or suppresses interactions of chosen orders.

    For each image, a random chain S1 ⊂ S2 of k1 and k2 players gives
    Δu = u(S2) − (k2/k1)·u(S1), a vector over classes with u the logits of the masked
    image (the factor is 1 for k1 = 0). ``"encourage"`` is the cross entropy of
    softmax(Δu), ``"suppress"`` is minus its entropy. Which orders that concerns is
    exactly :func:`steering_weights`.

    The masked images are run in eval mode, and every module's mode is restored.

    Args:
        model: Classifier that returns logits ``(batch, classes)``.
        low: k1 as a fraction of the players.
        high: k2 as a fraction of the players.
        steering: ``"encourage"`` (L+) or ``"suppress"`` (L−). The authors' presets:
            high orders by suppress(0, .5), middle ones by encourage(.3, .7), low ones
            by suppress(.7, 1).
        baselines: What replaces absent players, as in Captum.
        feature_mask: Which input elements form a player, as in Captum.
        generator: Source of randomness; ``None`` makes one from the global seed.

    Raises:
        TypeError: If ``model`` is not a module.
        ValueError: If 0 <= low < high <= 1 does not hold, or ``steering`` is unknown.

    References:
        Deng et al., "Discovering and explaining the representation bottleneck of DNNs"
        (ICLR 2022). Their factor high/low is k2/k1 only where both sizes are whole;
        k2/k1 is what cancels the players' own effects.

    Example:
        >>> criterion = OrderSteeringLoss(nn.Linear(10, 3), 0.3, 0.7)
        >>> criterion.sizes(10)
        (3, 7)
        >>> criterion(torch.randn(4, 10), torch.tensor([0, 1, 2, 0])).shape
        torch.Size([])
    """

    def __init__(
        self,
        model: nn.Module,
        low: float,
        high: float,
        steering: Steering = "encourage",
        *,
        baselines: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            bad_type("model", "an nn.Module", model, "its train mode is looked after")
        if not 0 <= low < high <= 1:
            bad_value("low", "fractions 0 <= low < high <= 1", (low, high), "swap them")
        if steering not in get_args(Steering):
            bad_value("steering", f"one of {get_args(Steering)}", repr(steering), "")
        self.model = model
        self.low = low
        self.high = high
        self.steering = steering
        self.baselines = baselines
        self.feature_mask = feature_mask
        self.generator = generator

    def extra_repr(self) -> str:
        """Name the range and the direction."""
        return f"low={self.low}, high={self.high}, steering={self.steering!r}"

    def sizes(self, n: int) -> tuple[int, int]:
        """Return k1 and k2 for n players.

        Raises:
            ValueError: If the fractions give the same size twice.
        """
        # Rounded down as by the authors; 0.29·100 must not become 28 by float rounding.
        k1, k2 = (math.floor(r * n + 1e-9) for r in (self.low, self.high))
        if k1 == k2:
            bad_value(
                "high",
                f"at least one of {n} players above `low`",
                (self.low, self.high),
                "widen the range or refine `feature_mask`",
            )
        return k1, k2

    def forward(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        target: Any = None,
        additional_forward_args: Any = None,
    ) -> Tensor:
        """Evaluate the loss on one chain per image.

        Args:
            inputs: A tensor or a tuple of tensors, batch axis first.
            target: Class labels ``(batch,)``; not used by ``"suppress"``.
            additional_forward_args: Passed to the model after the inputs.

        Returns:
            The mean over the batch, a scalar.

        Raises:
            TypeError: If labels are not integers.
            ValueError: If labels don't fit, or the model returns no logits per class.
        """
        tensors = format_inputs(inputs)
        batch, device = len(tensors[0]), tensors[0].device
        target = check_labels(target, batch)
        if self.steering == "encourage" and not isinstance(target, Tensor):
            bad_type("target", "a tensor of class labels", target, "L+ needs them")
        players = Players.from_feature_mask(self.feature_mask, tensors)
        masked = MaskedInputs(
            tensors, format_baselines(self.baselines, tensors), players
        )
        k1, k2 = self.sizes(len(players))
        self.generator = own_generator(self.generator, device)
        rank = random_ranks(self.generator, batch, len(players)).to(device)
        masks = torch.stack([rank < k1, rank < k2], dim=1)
        passes = Passes(self.model, batch, additional_forward_args)
        with evaluation_mode(self.model):
            logits = check_logits(passes.outputs(masked.rows(masks)))
        if logits.dim() != 2 or logits.shape[-1] < 2:
            bad_value(
                "model",
                "one that returns logits (batch, classes)",
                f"shape {tuple(logits.shape)}",
                "the loss is about a distribution over classes",
            )
        small, large = widened(logits).chunk(2)
        return self._loss(large - (k2 / k1 if k1 else 1.0) * small, target)

    def _loss(self, steered: Tensor, target: Any) -> Tensor:
        if self.steering == "encourage":
            return nn.functional.cross_entropy(steered, target)
        log_probs = steered.log_softmax(-1)
        return (log_probs.exp() * log_probs).sum(-1).mean()
