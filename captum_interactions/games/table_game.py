"""What a game is, and the game that is given by its table."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from captum_interactions.functional.coalitions import masks_to_codes, n_players

__all__ = ["Game", "TableGame"]


class Game(Protocol):
    """A set function: masks in, values out, coalition axis last."""

    @property
    def n_players(self) -> int:
        """The number of players n."""

    def __call__(self, masks: Tensor) -> Tensor:
        """Return v of the coalitions in ``masks`` (C, n), ``(*batch, C)``."""

    def table(self) -> Tensor:
        """Return v of all 2**n coalitions, ``(*batch, 2**n)``."""


class TableGame:
    """A game given by its table.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> import torch
        >>> game = TableGame(torch.tensor([0.0, 1.0, 2.0, 5.0]))
        >>> game(torch.tensor([[True, True], [False, True]])).tolist()
        [5.0, 2.0]
    """

    def __init__(self, table: Tensor) -> None:
        self._n_players = n_players(table)
        self._table = table

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return self._n_players

    def __call__(
        self,
        masks: Tensor,  # (C, n) bool
    ) -> Tensor:
        """Return v of some coalitions, ``(*batch, C)``."""
        return self._table[..., masks_to_codes(masks)]

    def table(self) -> Tensor:
        """Return v of all 2**n coalitions, ``(*batch, 2**n)``."""
        return self._table
