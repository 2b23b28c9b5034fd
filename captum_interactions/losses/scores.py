"""Which scalar of a classifier's output a loss is about."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from captum_interactions._captum import expand_target
from captum_interactions._checks import bad_value
from captum_interactions.games.arguments import select_output
from captum_interactions.games.value_functions import log_odds, log_prob, logit, prob

__all__ = ["Score", "ScoreFunction", "widened"]

Score = Literal["logit", "prob", "log_prob", "log_odds"]

_SCORES = {"logit": logit, "prob": prob, "log_prob": log_prob, "log_odds": log_odds}


class ScoreFunction:
    """The target's score from a model's output.

    Args:
        score: Which one; ``"logit"`` is the output itself.

    Raises:
        ValueError: If there is no such score.
    """

    def __init__(self, score: Score) -> None:
        if score not in _SCORES:
            bad_value("score", f"one of {get_args(Score)}", repr(score), "pick one")
        self.name = score
        self._transform = _SCORES[score](nn.Identity())

    def __call__(self, output: Tensor, target: Any, repeats: int) -> Tensor:
        """Return ``(repeats·batch,)`` scores for a batch tiled ``repeats`` times.

        Raises:
            ValueError: If the target does not pick one number per row.
        """
        selected = select_output(self.all(output), expand_target(target, repeats))
        if selected.numel() != len(output):
            bad_value(
                "target",
                "an index that picks one output per example",
                f"{target!r} for an output of shape {tuple(output.shape)}",
                "pass the class labels (None only if there is a single output)",
            )
        return selected.reshape(-1)

    def all(self, output: Tensor) -> Tensor:
        """Return the scores of all classes, same shape as the output."""
        # Differences of nearly equal numbers will be taken: not in half precision.
        return self._transform(widened(output))


def widened(tensor: Tensor) -> Tensor:
    """Return half-precision numbers as float32, anything else as it is."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.float() if half else tensor
