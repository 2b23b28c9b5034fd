"""One output of a prompt's game as a game of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions.games._responses import Reading
from captum_interactions.games.base import Game

if TYPE_CHECKING:
    from captum_interactions.games.prompt_game import PromptGame

__all__ = ["PromptOutput"]


class PromptOutput(Game):
    """One output of a :class:`PromptGame` as a game of its own.

    It shares the other's evaluations.

    Attributes:
        game: The game of all outputs.
        name: What the output is.
    """

    def __init__(self, game: PromptGame, name: str, reading: Reading) -> None:
        self.game = game
        self.players = game.players
        self.name = name
        self._reading = reading

    def __repr__(self) -> str:
        return f"PromptOutput({self.name!r} of {self.game!r})"

    @property
    def batch_size(self) -> int:
        """One: the prompt."""
        return 1

    @property
    def value_dtype(self) -> torch.dtype:
        """Floating dtype of the model."""
        return self.game.value_dtype

    @property
    def n_evaluations(self) -> int:  # type: ignore[override]
        """Distinct coalitions evaluated so far, for any output."""
        return self.game.n_evaluations

    def __call__(self, masks: Tensor) -> Tensor:
        """Evaluate some coalitions ``(C, n)``: v(S), ``(1, C)``."""
        values = self.game._rows.log_probs(masks, self.game.show_progress)
        return self._reading(values)[None]
