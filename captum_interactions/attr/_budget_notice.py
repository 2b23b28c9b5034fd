"""A budget that costs more than exactness says so."""

from __future__ import annotations

import time
import warnings

from torch import Tensor

from captum_interactions._checks import user_level
from captum_interactions.games import Game

__all__ = ["Stopwatch"]

# Seconds below which nobody minds which way was taken.
_NOTICEABLE = 2.0
# Beyond, all coalitions are refused anyway.
_MOST_PLAYERS = 24
_told: set[tuple[int, int]] = set()


class Stopwatch:
    """Tells the seconds of a game's passes from those of the estimate.

    Args:
        game: The game; call the stopwatch in its place.
    """

    def __init__(self, game: Game) -> None:
        self._game, self._passes, self._own = game, 0.0, 0.0
        self._start = time.process_time()

    def __call__(self, masks: Tensor) -> Tensor:
        """V of some coalitions."""
        start = time.perf_counter()
        # Passes may run elsewhere; an estimate is arithmetic, however busy the machine.
        self._own += time.process_time() - self._start
        try:
            return self._game(masks)
        finally:
            self._passes += time.perf_counter() - start
            self._start = time.process_time()

    def compare(self, budget: int, n_evaluations: int) -> None:
        """Warn, once for a budget, if all coalitions would have taken less time."""
        n, own = self._game.n_players, self._own + time.process_time() - self._start
        if n > _MOST_PLAYERS or not 0 < n_evaluations < 2**n or (n, budget) in _told:
            return
        every = self._passes / n_evaluations * 2**n
        if own < _NOTICEABLE or self._passes + own <= every:
            return
        _told.add((n, budget))
        warnings.warn(
            f"`n_samples={budget}` took {self._passes:.1f} s of forward passes and "
            f"{own:.1f} s of estimation; all {2**n:,} coalitions would take about "
            f"{every:.1f} s here and leave no error: pass `n_samples=None`",
            stacklevel=user_level(),
        )
