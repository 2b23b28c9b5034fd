"""One call of an attack, as its parts see it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.games import ModelGame
from captum_interactions.games.passes import Passes
from captum_interactions.robust.game import check_classes, margin_of, strongest_other

__all__ = ["AttackRun", "Climb", "Loss", "Tensors", "format_mask"]

Tensors = tuple[Tensor, ...]
Loss = Callable[[Tensor, Tensor], Tensor]
#: From a state, one tensor per input, to the direction in which to go from there.
Climb = Callable[[Tensors], Tensors]


@checked_methods
@dataclass(eq=False)
class AttackRun:
    """What one call of an attack is about.

    Attributes:
        forward_func: The attacked model.
        loss_func: ``"cross_entropy"``, ``"margin"`` or a callable.
        clean: The inputs, one tensor each.
        labels: Labels ``(batch,)``.
        sign: +1 to climb the loss of the true class, −1 to descend to a chosen one.
        allowed: Which elements may change, one mask per input; ``None`` for all.
        args: Further arguments of the model.
        feature_mask: The units of the perturbation.
        radius: ε.
        step_size: Length of a step.
        step_num: How many steps.
        norm: ``"Linf"`` or ``"L2"``.
        skip_modules: Residual branches of the model.
        per_eval: Copies per forward pass; ``None`` chooses.
        generator: Source of randomness. What is drawn is to be shared by the examples
            of a batch.
    """

    forward_func: Callable[..., Tensor]
    loss_func: str | Loss
    clean: Tensors
    labels: Tensor
    sign: int
    allowed: tuple[Tensor | None, ...]
    args: tuple[object, ...]
    feature_mask: Tensor | Tensors | None
    radius: float
    step_size: float
    step_num: int
    norm: str
    skip_modules: tuple[nn.Module, ...]
    per_eval: int | None
    generator: torch.Generator
    _checked: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("radius", "step_size"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                bad_value(name, "a positive number", value, "the attack has to move")
        check_positive_int("step_num", self.step_num, "10 is usual", holds=1)
        if self.norm not in ("Linf", "L2"):
            bad_value("norm", "'Linf' or 'L2'", repr(self.norm), "as in Captum")

    def climb(self, state: Tensors) -> Tensors:
        """Return the gradient of the loss, from which all parts start.

        Args:
            state: Perturbed inputs, or several copies of the batch one after the other,
                ``(copies·batch, *features)``.

        Returns:
            One tensor per input, shaped like it: up for the loss of the true class,
            down for that of a chosen one.
        """
        return Passes(
            self.forward_func, len(self.labels), self.args, self.per_eval
        ).gradient(state, lambda logits: self.sign * self._losses(logits).sum())

    def game(self, state: Tensors) -> ModelGame:
        """Return the game of a perturbation; its values are differentiable logits.

        Players are the units of the perturbation: those present are as in ``state``,
        the others as in the clean inputs. Values are ``(batch, classes, coalitions)``.
        """
        return ModelGame(
            self.forward_func,
            state,
            self.clean,
            additional_forward_args=self.args,
            feature_mask=self.feature_mask,
            perturbations_per_eval=self.per_eval,
            gradients=True,
        )

    def movable(self, direction: Tensors) -> Tensors:
        """Return a direction with zeros where inputs may not change."""
        return tuple(
            part if may is None else torch.where(may, part, 0)
            for part, may in zip(direction, self.allowed, strict=True)
        )

    def check(self, logits: Tensor) -> None:
        """Refuse what are no logits for these labels; once, as looking takes time.

        Raises:
            TypeError: As :meth:`TransferAttack.perturb`.
            ValueError: As :meth:`TransferAttack.perturb`.
        """
        if not self._checked:
            check_classes(logits, self.labels.repeat(len(logits) // len(self.labels)))
            self._checked = True

    def _losses(self, logits: Tensor) -> Tensor:
        labels = self.labels.repeat(len(logits) // len(self.labels))
        if isinstance(self.loss_func, str):
            self.check(logits)
        if self.loss_func == "cross_entropy":
            return cross_entropy(logits, labels, reduction="none")
        if self.loss_func == "margin":
            return margin_of(logits, labels, strongest_other(logits, labels))
        losses = self.loss_func(logits, labels)  # type: ignore[operator]
        if not isinstance(losses, Tensor) or losses.shape != labels.shape:
            shape = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses)
            bad_value(
                "loss_func",
                f"a function that returns one loss per example ({len(labels)},)",
                f"{shape}",
                "use reduction='none'",
            )
        return losses


def format_mask(
    mask: Tensor | Tensors | None, inputs: Tensors
) -> tuple[Tensor | None, ...]:
    """Return which elements may change, one bool tensor like each input.

    Raises:
        ValueError: If masks don't fit, or leave an example nothing to perturb.
    """
    if mask is None:
        return (None,) * len(inputs)
    masks = mask if isinstance(mask, tuple) else (mask,)
    if len(masks) != len(inputs):
        bad_value("mask", f"one per input ({len(inputs)})", len(masks), "pass a tuple")
    formatted = []
    for part, tensor in zip(masks, inputs, strict=True):
        try:
            formatted.append((part != 0).expand_as(tensor).to(tensor.device))
        except RuntimeError:
            bad_value(
                "mask",
                f"broadcastable to the input's shape {tuple(tensor.shape)}",
                f"shape {tuple(part.shape)}",
                "1 marks what may change",
            )
    free = torch.stack([part.flatten(1).any(-1) for part in formatted]).any(0)
    if not bool(free.all()):
        bad_value(
            "mask",
            "one that leaves every example something to perturb",
            f"an empty set of perturbation units for example "
            f"{int((~free).nonzero()[0])}",
            "1 marks what may change",
        )
    return tuple(formatted)
