"""The part of an attack that lowers the interactions of its perturbation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.games.passes import copies_at_once
from captum_interactions.robust._gradients import draw_units
from captum_interactions.robust.game import margin_of, strongest_other
from captum_interactions.robust.part import AttackPart, Place, check_at_least_zero
from captum_interactions.robust.run import AttackRun, Climb, Tensors

__all__ = ["InteractionReduction"]


@checked_methods
@dataclass(frozen=True)
class InteractionReduction(AttackPart):
    """IR: climb E[loss] − λ·G, so that the units of the perturbation interact less.

    G is the mean over random sets A of v(Ω) − v(Ω∖A) − v(A) + v(∅), the interaction
    between A and the other units, in the margin game of
    :func:`~captum_interactions.robust.perturbation_game`. Take the margin as the loss.

    Args:
        weight: λ; the paper takes 1, and infinity leaves out the loss.
        fraction: Share of the units in A; the authors draw 32 of 256.
        sets: Sets A per step; the authors take 32.

    References:
        Wang et al. (ICLR 2021), with the sign of the authors' code, without normalizer;
        sets are drawn without replacement and reach the rim of the image.
    """

    weight: float = 1.0
    fraction: float = 0.125
    sets: int = 32
    place: ClassVar[Place] = "objective"

    def __post_init__(self) -> None:
        check_at_least_zero("weight", self.weight)
        check_positive_int("sets", self.sets, "the papers take 32", holds=1)
        if not 0 < self.fraction < 1:
            bad_value("fraction", "between 0 and 1", self.fraction, "A is a part")

    def wrap(self, climb: Climb, run: AttackRun) -> Climb:
        """Return the direction less λ times the gradient of G."""
        if self.weight == 0:
            return climb
        units = run.game(run.clean).n_players
        if units < 2:
            bad_value(
                "feature_mask",
                "one with at least two perturbation units",
                f"{units}",
                "refine it, or leave out InteractionReduction",
            )

        def reduced(state: Tensors) -> Tensors:
            if math.isinf(self.weight):
                return tuple(-part for part in self._interaction(state, run))
            direction = climb(state)
            return tuple(
                own - self.weight * part
                for own, part in zip(
                    direction, self._interaction(state, run), strict=True
                )
            )

        return reduced

    def _interaction(self, state: Tensors, run: AttackRun) -> Tensors:
        """Gradient of G, summed over the batch; v(∅) has none and is left out."""
        with torch.enable_grad():
            leaves = tuple(x.detach().requires_grad_() for x in state)
            game = run.game(leaves)
            own = draw_units(game.n_players, self.fraction, self.sets, run.generator)
            masks = torch.cat([torch.ones_like(own[:1]), own, ~own])
            weights = torch.full((len(masks),), -1 / len(own))
            weights[0] = 1
            size = run.per_eval or copies_at_once(state, len(run.labels))
            total = tuple(torch.zeros_like(x) for x in state)
            rivals: Tensor | None = None  # the same for all coalitions
            for some, weight in zip(
                masks.split(size), weights.split(size), strict=True
            ):
                logits = game(some)
                if rivals is None:
                    run.check(logits[..., 0])
                    rivals = strongest_other(logits[..., 0], run.labels)
                margins = margin_of(logits, run.labels, rivals)
                value = run.sign * (margins * weight.to(margins)).sum()
                parts = torch.autograd.grad(value, leaves, allow_unused=True)
                total = tuple(
                    t if part is None else t + part
                    for t, part in zip(total, parts, strict=True)
                )
        return total
