"""What all methods of a comparison are asked, and the answer where it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from captum.attr import NeuronAttribution
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.attr.base import estimate_of
from captum_interactions.comparison.running import undisturbed
from captum_interactions.comparison.shared import SharedGame
from captum_interactions.estimators import Estimate, TableEstimate
from captum_interactions.functional import moebius
from captum_interactions.games import ModelGame

__all__ = ["Question", "ask", "other_scalar"]

# Above this many players the exact Shapley values cost more than they are worth here.
_EXACT_PLAYERS = 16
# Two methods explain the same scalar if v(N) and v(∅) differ by less than rounding.
_SAME = 1e-3


@dataclass(frozen=True)
class Question:
    """What all methods are asked, and the answer where it is known.

    Attributes:
        game: The model's game, of which nothing is evaluated twice.
        inputs: As they were given.
        shared: Arguments for all methods, by Captum's names.
        n_samples: Coalitions that methods of ours may evaluate; None for all.
        v_empty: v(∅), ``(batch,)``.
        v_full: v(N), ``(batch,)``.
        estimate: What is known of the game; None for too many players.
        dividends: All AND interactions where they are exact, ``(batch, 2**n)``.
        shapley: Shapley values, ``(batch, n)``, where the game is known.
        shapley_error: Their standard errors; None where exact.
    """

    game: SharedGame
    inputs: Tensor | tuple[Tensor, ...]
    shared: Mapping[str, Any]
    n_samples: int | None
    v_empty: Tensor
    v_full: Tensor
    estimate: Estimate | None
    dividends: Tensor | None
    shapley: Tensor | None
    shapley_error: Tensor | None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The inputs, one tensor each."""
        return self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)

    def values(self, masks: Tensor) -> Tensor:
        """Return v of some coalitions on the CPU, ``(batch, C)``."""
        return self.game(masks).detach().cpu()

    @property
    def noise(self) -> Tensor:
        """Standard deviation of the noise of v, ``(batch,)``."""
        largest = torch.maximum(self.v_empty.abs(), self.v_full.abs())
        device = self.game.model_game.inputs[0].device
        return self.game.value_noise(largest.to(device)).detach().cpu()


def ask(
    forward_func: Any,
    inputs: Tensor | tuple[Tensor, ...],
    shared: Mapping[str, Any],
    n_samples: int | None,
    show_progress: bool,
) -> Question:
    """Evaluate the model's game as far as it is affordable.

    Raises:
        TypeError: As :class:`ModelGame`.
        ValueError: As :class:`ModelGame`; if there is not one scalar per example.
    """
    played = ModelGame(forward_func, inputs, **shared, name="Evaluation")
    game = SharedGame(played)
    ends = _ends(played)
    if ends.dim() != 2 or len(ends) != game.batch_size:
        bad_value(
            "target",
            "an output that gives one scalar per example",
            f"values of shape {tuple(ends.shape[:-1])}",
            "choose one output through `target`",
        )
    played.show_progress = show_progress
    estimate: Estimate | None = None
    if n_samples is not None:
        with undisturbed(played.inputs):
            estimate, _ = estimate_of(game, n_samples)
    elif game.n_players <= _EXACT_PLAYERS:
        estimate = TableEstimate(game.table())
    played.show_progress = False
    dividends = shapley = error = None
    if estimate is not None:
        value, error = estimate.shapley_values()
        shapley = value.double().cpu()
        error = None if error is None else error.double().cpu()
    if isinstance(estimate, TableEstimate) and estimate.exact:
        dividends = moebius(estimate.table).cpu()
    v_empty, v_full = ends[:, 0], ends[:, 1]
    return Question(
        game,
        inputs,
        shared,
        n_samples,
        v_empty,
        v_full,
        estimate,
        dividends,
        shapley,
        error,
    )


def _ends(game: ModelGame) -> Tensor:
    n = game.n_players
    return game(torch.tensor([[False] * n, [True] * n])).cpu()


def other_scalar(method: Any, question: Question) -> list[str]:
    """Say so if a method explains something else than the first one."""
    if isinstance(method, NeuronAttribution):
        return ["explains a neuron, not the output: its gap and distance say little"]
    if method.forward_func is question.game.model_game.forward_func:
        return []
    game = ModelGame(method.forward_func, question.inputs, **question.shared)
    own = _ends(game)
    asked = torch.stack([question.v_empty, question.v_full], -1)
    if own.shape == asked.shape and torch.allclose(own, asked, rtol=_SAME, atol=_SAME):
        return []
    return [
        "explains another scalar than the first method: its v(N) - v(∅) is "
        f"{float((own[..., 1] - own[..., 0]).mean()):.3g}, not "
        f"{float((asked[:, 1] - asked[:, 0]).mean()):.3g}"
    ]
