"""What every interaction result is: readings, pictures, a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from captum_interactions.estimators import (
    PairedEstimate,
    SparseEstimate,
    TableEstimate,
)
from captum_interactions.players import Players
from captum_interactions.results._core import Interaction, ResultCore, ResultInfo
from captum_interactions.results._pictures import Pictures
from captum_interactions.results._storage import read_npz, write_npz

__all__ = ["Interaction", "InteractionResult", "ResultInfo"]

R = TypeVar("R", bound="InteractionResult")


# What results hold, besides tensors and numbers.
_PARTS = (ResultInfo, Players, TableEstimate, SparseEstimate, PairedEstimate)


@dataclass(frozen=True, eq=False, repr=False)
class InteractionResult(Pictures, ResultCore):
    """Result of an attribution class; tensors are on the inputs' device.

    Values are kept as they were accumulated (float64 where the device has it) and
    returned in the model's floating dtype.

    Attributes:
        info: Players, evaluations and what else all results share.
    """

    def save(self, path: str | Path) -> None:
        """Write the result as a numpy archive of plain arrays, without pickle.

        Args:
            path: File to write, by convention ending in ``.npz``.
        """
        write_npz(self, path)

    @classmethod
    def load(cls: type[R], path: str | Path, device: torch.device | str = "cpu") -> R:
        """Read a result that :meth:`save` wrote.

        Args:
            path: File to read.
            device: Where its tensors go.

        Raises:
            ValueError: If the file holds another kind of result.
        """
        return read_npz(cls, path, device, _PARTS)
