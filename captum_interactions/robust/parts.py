"""Parts that smooth the gradient of an attack, and the papers' combinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_value, check_held, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.games.branches import find_modules, scaled_gradients
from captum_interactions.robust._gradients import (
    Diversity,
    diversify,
    l1_normalized,
    smooth,
)
from captum_interactions.robust.part import AttackPart, Place, check_at_least_zero
from captum_interactions.robust.reduction import InteractionReduction
from captum_interactions.robust.run import AttackRun, Climb, Tensors

__all__ = [
    "PRESETS",
    "InputDiversity",
    "Momentum",
    "NoiseAverage",
    "SkipGradient",
    "TranslationInvariance",
]


@checked_methods
@dataclass(frozen=True)
class Momentum(AttackPart):
    """MI: the direction is the sum of all gradients, earlier ones decayed.

    Each gradient counts by its direction, divided by its L1 norm.

    Args:
        decay: μ; the papers take 1, and 0 remembers nothing.

    References:
        Dong et al. (CVPR 2018).
    """

    decay: float = 1.0
    place: ClassVar[Place] = "direction"

    def __post_init__(self) -> None:
        check_at_least_zero("decay", self.decay)

    def wrap(self, climb: Climb, run: AttackRun) -> Climb:
        """Return the decayed sum of all directions so far."""
        if self.decay == 0:
            return climb
        velocity = tuple(torch.zeros_like(x) for x in run.clean)

        def accumulated(state: Tensors) -> Tensors:
            nonlocal velocity
            velocity = tuple(
                self.decay * old + l1_normalized(new)
                for old, new in zip(velocity, run.movable(climb(state)), strict=True)
            )
            return velocity

        return accumulated


@checked_methods
@dataclass(frozen=True)
class TranslationInvariance(AttackPart):
    """TI: the gradient is convolved with a Gaussian, as if over shifted images.

    Args:
        kernel_size: Width of the kernel, odd; the paper takes 15, and 1 is none.

    References:
        Dong et al. (CVPR 2019).
    """

    kernel_size: int = 15
    place: ClassVar[Place] = "gradient"

    def __post_init__(self) -> None:
        size = check_positive_int("kernel_size", self.kernel_size, "1 is no smoothing")
        check_held("kernel_size", size**2, "15 is the paper's")
        if self.kernel_size % 2 == 0:
            bad_value("kernel_size", "odd", self.kernel_size, "the kernel is centered")

    def wrap(self, climb: Climb, run: AttackRun) -> Climb:
        """Return the smoothed direction; what may not change leaks nothing into it."""
        if self.kernel_size == 1:
            return climb
        _check_images(self, run.clean)
        return lambda state: tuple(
            smooth(part, self.kernel_size) for part in run.movable(climb(state))
        )


@checked_methods
@dataclass(frozen=True)
class SkipGradient(AttackPart):
    """SGM: less gradient through the residual branches, more through the skips.

    Args:
        gamma: γ, what the branches' gradient is multiplied by: 0.2 for ResNets and 0.5
            for DenseNets in the paper; 1 changes nothing.
        modules: The branches, submodules or their names; ``None`` for the attack's
            ``skip_modules``.

    References:
        Wu et al. (ICLR 2020).
    """

    gamma: float = 0.2
    modules: Sequence[str | nn.Module] | None = None
    place: ClassVar[Place] = "network"

    def __post_init__(self) -> None:
        check_at_least_zero("gamma", self.gamma)

    def wrap(self, climb: Climb, run: AttackRun) -> Climb:
        """Return the direction with the branches' gradients scaled."""
        if self.gamma == 1:
            return climb
        branches = run.skip_modules
        if self.modules is not None:
            branches = find_modules(run.forward_func, self.modules)
        if not branches:
            bad_value(
                "modules",
                "the residual branches whose gradient is scaled",
                "none",
                "name them here or in the attack's `skip_modules`",
            )

        def scaled(state: Tensors) -> Tensors:
            with scaled_gradients(branches, self.gamma):
                return climb(state)

        return scaled


@checked_methods
@dataclass(frozen=True)
class NoiseAverage(AttackPart):
    """VR: the gradient is a mean over copies with Gaussian noise.

    Args:
        copies: How many; the number is not published.
        std: Standard deviation; the paper's 15 of 255 levels, for images in [0, 1].

    References:
        Wang et al. (ICLR 2021), with the mean over copies, so that λ keeps its meaning.
    """

    copies: int = 10
    std: float = 15 / 255
    place: ClassVar[Place] = "copies"

    def __post_init__(self) -> None:
        remedy = "leave the part out for no noise"
        check_positive_int("copies", self.copies, remedy, holds=1)
        check_at_least_zero("std", self.std)

    def wrap(self, climb: Climb, run: AttackRun) -> Climb:
        """Return the mean direction over noisy copies of the state."""
        if self.std == 0:
            return climb

        def averaged(state: Tensors) -> Tensors:
            rows = tuple((x + self._noise(x, run)).flatten(0, 1) for x in state)
            return tuple(
                direction.unflatten(0, (self.copies, -1)).mean(0)
                for direction in climb(rows)
            )

        return averaged

    def _noise(self, like: Tensor, run: AttackRun) -> Tensor:
        """Noise of all copies, shared by the batch, ``(copies, 1, *features)``."""
        shape, device = (self.copies, 1, *like.shape[1:]), run.generator.device
        noise = torch.randn(
            shape, dtype=torch.float32, generator=run.generator, device=device
        )
        return self.std * noise.to(like)


@checked_methods
@dataclass(frozen=True)
class InputDiversity(AttackPart):
    """DI: with some probability, the network sees images resized and moved at random.

    Args:
        probability: Of a transformation in each step; usually 0.5.
        scale: The largest size over the images'; usually 1.1.

    References:
        Xie et al. (CVPR 2019).
    """

    probability: float = 0.5
    scale: float = 1.1
    place: ClassVar[Place] = "input"

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            bad_value("probability", "in 0..1", self.probability, "see InputDiversity")

    def wrap(self, climb: Climb, run: AttackRun) -> Climb:
        """Return the gradient with respect to the images before transformation."""
        if self.probability == 0:
            return climb
        _check_images(self, run.clean)
        for tensor in run.clean:
            size = min(tensor.shape[-2:])
            if int(size * self.scale) <= size:
                bad_value(
                    "scale",
                    "large enough to add a pixel",
                    f"{self.scale} for {tuple(tensor.shape[-2:])} pixels",
                    "use a larger one",
                )

        def diverse(state: Tensors) -> Tensors:
            draw = Diversity.draw(self.probability, run.generator)
            if draw is None:
                return climb(state)
            with torch.enable_grad():
                leaves = tuple(x.detach().requires_grad_() for x in state)
                seen = tuple(diversify(x, self.scale, draw) for x in leaves)
                direction = climb(tuple(x.detach() for x in seen))
                return torch.autograd.grad(seen, leaves, direction)

        return diverse


def _check_images(part: AttackPart, inputs: Tensors) -> None:
    for tensor in inputs:
        if tensor.dim() != 4:
            bad_value(
                "parts",
                f"without {type(part).__name__} unless inputs are (batch, channels, "
                "height, width)",
                f"{part} for shape {tuple(tensor.shape)}",
                "it works on images",
            )


_IR = InteractionReduction()

#: Lists of parts by the papers' names. SGM needs the attack's ``skip_modules``.
PRESETS: dict[str, list[AttackPart]] = {
    "PGD": [],
    "MI": [Momentum()],
    "VR": [NoiseAverage()],
    "SGM": [SkipGradient()],
    "IR": [_IR],
    "MI+IR": [Momentum(), _IR],
    "SGM+IR": [SkipGradient(), _IR],
    "Hybrid": [Momentum(), NoiseAverage(), SkipGradient(), _IR],
}
