"""One game that all methods of ours, and the figures, evaluate together."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from captum_interactions.estimators import Evaluations
from captum_interactions.games import Game, ModelGame, TableGame

__all__ = ["SharedGame"]


class SharedGame(Game):
    """A model's game that evaluates no coalition twice, whoever asks.

    Args:
        game: The game.

    Attributes:
        seconds: Wall-clock time of its evaluations so far.

    Example:
        >>> model = ModelGame(lambda x: x.prod(1), torch.ones(1, 2))
        >>> game = SharedGame(model)
        >>> masks = torch.tensor([[True, True]])
        >>> game(masks).tolist(), game(masks).tolist(), model.n_evaluations
        ([[1.0]], [[1.0]], 1)
    """

    def __init__(self, game: ModelGame) -> None:
        self._game = game
        self.players, self.tuple_inputs = game.players, game.tuple_inputs
        self._asked = Evaluations(game)
        self._whole: TableGame | None = None
        self.seconds = 0.0

    @property
    def model_game(self) -> ModelGame:
        """The game that is evaluated."""
        return self._game

    @property
    def batch_size(self) -> int:
        """The number of examples."""
        return self._game.batch_size

    @property
    def value_dtype(self) -> torch.dtype:
        """Floating dtype of the model's output."""
        return self._game.value_dtype

    def value_noise(self, largest: Tensor) -> Tensor:
        """Standard deviation of the noise of v, ``(batch,)``."""
        return self._game.value_noise(largest)

    @property
    def n_known(self) -> int:
        """Distinct coalitions evaluated so far, per example."""
        whole = self._whole
        return self._asked.n_evaluations if whole is None else 1 << whole.n_players

    def __call__(
        self,
        masks: Tensor,  # (C, n) bool, or (batch, C, n)
    ) -> Tensor:
        """Return v of some coalitions, ``(batch, C)``; known ones cost nothing."""
        if self._whole is not None:
            return self._whole(masks)
        return self._timed(lambda: self._asked(masks))

    def table(self) -> Tensor:
        """Return v of all 2**n coalitions, ``(batch, 2**n)``."""
        if self._whole is None:
            self._whole = TableGame(self._timed(self._game.table))
        return self._whole.table()

    def cost(self, n_evaluations: int) -> tuple[int, int, float]:
        """Passes, rows and seconds of so many coalitions, as a share of all.

        Args:
            n_evaluations: Coalitions per example that somebody asked for.
        """
        share = n_evaluations / max(1, self.n_known)
        passes = -(-self._game.n_forwards * n_evaluations // max(1, self.n_known))
        rows = n_evaluations * self._game.rows_per_coalition
        return passes, rows, share * self.seconds

    def _timed(self, evaluated: Callable[[], Tensor]) -> Tensor:
        start = time.perf_counter()
        values = evaluated()
        self.seconds += time.perf_counter() - start
        return values
