"""What a game is: a set function that answers for coalitions."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from captum_interactions._checks import check_enumerable
from captum_interactions.functional import all_masks
from captum_interactions.games._precision import ROUNDING_UNITS
from captum_interactions.players import Players

__all__ = ["Game"]


class Game(ABC):
    """A set function: masks in, values out, coalition axis last.

    Whatever reads a game takes any of them: that of a model, of a prompt, a table, or
    your own.

    **To override**: ``players`` (set it, or define it as a property), ``batch_size``
    and ``__call__``, which counts ``n_evaluations``. Calls are pure: they leave nothing
    changed. ``table`` may be overridden where all coalitions are had more cheaply.

    Attributes:
        players: The players.
        n_evaluations: Coalitions evaluated so far, per example.
        tuple_inputs: Whether attributions come as a tuple, one tensor per input.
        show_progress: Whether calls show a progress bar.
        name: What the bar says.

    Example:
        >>> class Majority(Game):
        ...     players, batch_size = Players.numbered(3), 1
        ...     def __call__(self, masks):
        ...         self.n_evaluations += len(masks)
        ...         return (masks.sum(-1, keepdim=True) > 1).double().mT
        >>> Majority().table().tolist()
        [[0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0]]
    """

    players: Players
    n_evaluations: int = 0
    tuple_inputs: bool = False
    show_progress: bool = False
    name: str = "Interactions"

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return len(self.players)

    @property
    def value_dtype(self) -> torch.dtype:
        """Floating dtype in which values come; that of a model once evaluated."""
        return torch.float64

    @property
    def reading_dtype(self) -> torch.dtype:
        """Dtype in which readings are returned: that of the values, at least float32.

        Sums of values overflow float16 and drown in the rounding of bfloat16.
        """
        return torch.promote_types(self.value_dtype, torch.float32)

    def value_noise(self, largest: Tensor) -> Tensor:
        """Standard deviation of the noise of v, ``(batch, *outputs)``.

        Four units in the last place of ``value_dtype`` at the largest |v|, which is
        what rounding was seen to do to values of networks.

        Args:
            largest: Largest |v| that the caller knows of, ``(batch, *outputs)``.
        """
        return ROUNDING_UNITS * torch.finfo(self.value_dtype).eps * largest

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """The number of examples."""

    @abstractmethod
    def __call__(
        self,
        masks: Tensor,  # (C, n) bool, or (batch, C, n)
    ) -> Tensor:
        """Return v of some coalitions, ``(batch, *outputs, C)``."""

    def table(self) -> Tensor:
        """Return v of all 2**n coalitions, ``(batch, *outputs, 2**n)``.

        Raises:
            ValueError: If there are too many players to enumerate.
        """
        check_enumerable(self.n_players)
        return self(all_masks(self.n_players))
