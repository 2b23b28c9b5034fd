"""The game that is given by its table."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captum_interactions._kinds import check_masks
from captum_interactions._signature import checked_methods
from captum_interactions.functional.coalitions import masks_to_codes, n_players
from captum_interactions.games.base import Game
from captum_interactions.players import Players

__all__ = ["TableGame"]


@checked_methods
class TableGame(Game):
    """A game given by its table.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        names: One name per player; their numbers unless given.

    Raises:
        ValueError: If the last axis is not a power of two long, or there is not one
            name per player.

    Example:
        >>> game = TableGame(torch.tensor([0.0, 1.0, 2.0, 5.0]))
        >>> game(torch.tensor([[True, True], [False, True]])).tolist()
        [5.0, 2.0]
    """

    def __init__(self, table: Tensor, names: Sequence[str] | None = None) -> None:
        self.players = Players.numbered(n_players(table), names)
        self._table = table

    @property
    def value_dtype(self) -> torch.dtype:
        """Floating dtype of the table."""
        floating = self._table.is_floating_point()
        return self._table.dtype if floating else super().value_dtype

    @property
    def batch_size(self) -> int:
        """The number of examples; 1 for a table without a batch axis."""
        return self._table.shape[0] if self._table.dim() > 1 else 1

    def __call__(
        self,
        masks: Tensor,  # (C, n) bool, or (batch, C, n)
    ) -> Tensor:
        """Return v of some coalitions, ``(*batch, C)``."""
        check_masks(masks, self.n_players)
        self.n_evaluations += masks.shape[-2]
        codes = masks_to_codes(masks).to(self._table.device)
        if codes.dim() == 1:
            return self._table[..., codes]
        outputs = self._table.dim() - 2
        codes = codes.view(len(codes), *(1,) * outputs, -1)
        return self._table.gather(-1, codes.expand(*self._table.shape[:-1], -1))

    def table(self) -> Tensor:
        """Return v of all 2**n coalitions, ``(*batch, 2**n)``."""
        self.n_evaluations += self._table.shape[-1]
        return self._table
