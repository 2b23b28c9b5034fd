"""A game as numpy-based libraries call it; a coalition is evaluated once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.estimators import Evaluations
from captum_interactions.games import Game

__all__ = ["DistinctCoalitions"]


class DistinctCoalitions:
    """Coalitions as a binary matrix in, values of one example and output out.

    Args:
        game: A game of one example and one output.
    """

    def __init__(self, game: Game) -> None:
        def one(masks: Tensor) -> Tensor:
            values = game(masks)
            if values.numel() != len(masks):
                bad_value(
                    "game",
                    "of one example and one output",
                    f"values of shape {tuple(values.shape[:-1])} per coalition",
                    "choose one `target`, and make one game per example",
                )
            return values.reshape(-1)

        self._asked = Evaluations(one)

    @property
    def n_evaluations(self) -> int:
        """Distinct coalitions evaluated so far."""
        return self._asked.n_evaluations

    def __call__(
        self,
        coalitions: np.ndarray,  # (C, n)
    ) -> np.ndarray:  # (C,)
        """Return v of the coalitions as float64.

        Raises:
            ValueError: If the game has more than one example or output.
        """
        values = self._asked(torch.from_numpy(coalitions.astype(bool)))
        found: np.ndarray = values.detach().double().cpu().numpy()
        return found
