"""What losses and attacks ask of a classifier: labels and logits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.games.arguments import check_target

__all__ = ["check_labels", "check_logits"]


def check_labels(target: Any, batch: int) -> Any:
    """Return class labels for a batch, or ``None``.

    Raises:
        TypeError: If they are not integers.
        ValueError: If there is not one per example.
    """
    if isinstance(target, Tensor) and (
        target.is_floating_point() or target.is_complex() or target.dtype == torch.bool
    ):
        bad_type(
            "target",
            "integer class labels",
            f"a tensor of {target.dtype}",
            "pass labels, not one-hot rows or probabilities",
        )
    return check_target(target, batch)


def check_logits(output: Any, argument: str = "model") -> Tensor:
    """Return the output of a classifier unless it can't be logits.

    Raises:
        TypeError: If it is no tensor.
        ValueError: If its rows are probabilities.
    """
    if not isinstance(output, Tensor):
        bad_type(argument, "a model that returns a tensor", output, "wrap it")
    if output.dim() >= 2 and output.shape[-1] > 1:
        rows = output.detach().float()
        sums = (rows.sum(-1) - 1).abs().amax()
        if bool((rows >= 0).all()) and bool(sums < 1e-3):
            bad_value(
                argument,
                "one that returns logits",
                "outputs that are probabilities (non-negative, rows that sum to 1)",
                "leave the softmax away; losses take the probability by `score`",
            )
    return output
