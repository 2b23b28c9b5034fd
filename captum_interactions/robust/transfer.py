"""Success of adversarial inputs on another network, and the step to stop at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked, checked_methods
from captum_interactions.games.passes import Passes
from captum_interactions.robust.game import (
    as_labels,
    check_classes,
    margin_of,
    strongest_other,
)

__all__ = ["LeaveOneOutSuccess", "success_by_step", "leave_one_out_success"]


@checked_methods
@dataclass(frozen=True)
class LeaveOneOutSuccess:
    """Success when each image's step is chosen on the others.

    Attributes:
        rate: Share of images that succeed at their step.
        steps: The step chosen for each image, ``(images,)``.
        success: Whether it succeeds there, ``(images,)`` bool.
    """

    rate: float
    steps: Tensor = field(repr=False)
    success: Tensor = field(repr=False)


@checked
def success_by_step(
    forward_func: Callable[..., Tensor],
    trajectory: Tensor,
    target: Any,
    targeted: bool = False,
) -> Tensor:
    """Say which states of an attack fool a network.

    Args:
        forward_func: The network to fool, usually not the one that was attacked.
        trajectory: States of :meth:`TransferAttack.trajectory`, ``(steps, batch, …)``.
        target: True labels, or those to reach if ``targeted``.
        targeted: Whether success is to be classified as the target.

    Returns:
        ``(batch, steps)`` bool.

    Raises:
        TypeError: If labels are not integers.
        ValueError: If labels don't fit, or the network returns probabilities.

    Example:
        >>> states = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
        >>> success_by_step(torch.nn.Identity(), 5 * states, 0).tolist()
        [[False, True]]
    """
    if trajectory.dim() < 2:
        shape = f"shape {tuple(trajectory.shape)}"
        bad_value("trajectory", "(steps, batch, *features)", shape, "see trajectory")
    steps, batch = trajectory.shape[:2]
    labels = as_labels(target, batch, trajectory.device).repeat(steps)
    with torch.no_grad():
        logits = Passes(forward_func, batch).outputs((trajectory.flatten(0, 1),))
    check_classes(logits, labels)
    margin = margin_of(logits, labels, strongest_other(logits, labels))
    success = margin < 0 if targeted else margin > 0
    return success.reshape(steps, batch).T


@checked
def leave_one_out_success(success: Tensor) -> LeaveOneOutSuccess:
    """Choose the number of steps for each image by all the others.

    Image i stops at the step where the share of successes among the other images is
    largest (the first of several).

    Args:
        success: ``(images, steps)`` bool, as :func:`success_by_step` returns it.

    Returns:
        The rate of success, and the chosen steps.

    Raises:
        ValueError: If there is just one image, or no step.

    References:
        Wang et al. (ICLR 2021), evaluation protocol.

    Example:
        >>> leave_one_out_success(torch.tensor([[1, 0], [1, 0], [0, 1]]).bool()).rate
        0.6666666666666666
    """
    if success.dim() != 2 or len(success) < 2 or success.shape[1] < 1:
        bad_value(
            "success",
            "of shape (images, steps) with at least two images",
            f"shape {tuple(success.shape)}",
            "one image leaves no others to choose by",
        )
    counts = success.long()
    steps = (counts.sum(0) - counts).argmax(1)
    chosen = success.bool().gather(1, steps.unsqueeze(1))[:, 0]
    return LeaveOneOutSuccess(float(chosen.double().mean()), steps, chosen)
