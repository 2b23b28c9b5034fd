"""A game as numpy-based libraries call it; a coalition is evaluated once."""

from __future__ import annotations

import numpy as np
import torch

from captum_interactions._checks import bad_value
from captum_interactions.games import Game

__all__ = ["DistinctCoalitions"]


class DistinctCoalitions:
    """Coalitions as a binary matrix in, values of one example and output out.

    Estimators ask for the same coalition again and again (permutation sampling most
    of all); the model sees each one once.

    Args:
        game: A game of one example and one output.
    """

    def __init__(self, game: Game) -> None:
        self._game = game
        self._known: dict[bytes, float] = {}

    @property
    def n_evaluations(self) -> int:
        """Distinct coalitions evaluated so far."""
        return len(self._known)

    def __call__(
        self,
        coalitions: np.ndarray,  # (C, n)
    ) -> np.ndarray:  # (C,)
        """Return v of the coalitions as float64.

        Raises:
            ValueError: If the game has more than one example or output.
        """
        rows = coalitions.astype(bool)
        keys = [row.tobytes() for row in rows]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            values = self._game(torch.from_numpy(rows[list(new.values())]))
            if values.numel() != len(new):
                bad_value(
                    "game",
                    "of one example and one output",
                    f"values of shape {tuple(values.shape[:-1])} per coalition",
                    "choose one `target`, and make one game per example",
                )
            self._known.update(zip(new, values.reshape(-1).tolist(), strict=True))
        return np.array([self._known[key] for key in keys], dtype=np.float64)
