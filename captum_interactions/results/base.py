"""What every interaction result has: players, attributions, a file, a repr."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from captum_interactions._captum import format_output
from captum_interactions._checks import check_example, check_positive_int
from captum_interactions.players import Players
from captum_interactions.results._storage import read_npz, write_npz

__all__ = ["Interaction", "InteractionResult", "ResultInfo"]

R = TypeVar("R", bound="InteractionResult")


class Interaction(NamedTuple):
    """One interaction, for people to read.

    Attributes:
        players: Indices of the players that interact.
        names: Their names.
        value: The interaction, in the units of the value function.
    """

    players: tuple[int, ...]
    names: tuple[str, ...]
    value: float

    def __repr__(self) -> str:
        return f"{{{', '.join(self.names)}}} {self.value:+.4g}"


@dataclass(frozen=True)
class ResultInfo:
    """What every result carries besides its own values.

    Attributes:
        players: The players.
        n_evaluations: Distinct coalitions evaluated per example.
        v_empty: v(∅), ``(batch, *outputs)``.
        v_full: v(N), ``(batch, *outputs)``.
        dtype: The model's floating dtype, in which readings are returned.
        tuple_inputs: Whether the inputs came as a tuple.
    """

    players: Players
    n_evaluations: int
    v_empty: Tensor = field(repr=False)
    v_full: Tensor = field(repr=False)
    dtype: torch.dtype
    tuple_inputs: bool


@dataclass(frozen=True, eq=False, repr=False)
class InteractionResult(ABC):
    """Result of an attribution class; tensors are on the inputs' device.

    Values are kept as they were accumulated (float64 where the device has it) and
    returned in the model's floating dtype.

    Attributes:
        info: Players, evaluations and what else all results share.
    """

    info: ResultInfo

    @property
    @abstractmethod
    def values(self) -> Tensor:
        """The interactions, batch axis first, in the units of the value function."""

    @abstractmethod
    def shapley_values(self) -> Tensor:
        """The Shapley values the interactions imply, ``(batch, *outputs, n)``."""

    @abstractmethod
    def top_k(self, k: int = 10) -> list[Any]:
        """The strongest interactions of each example, strongest first."""

    @property
    def players(self) -> Players:
        """The players of the game."""
        return self.info.players

    @property
    def n_evaluations(self) -> int:
        """Distinct coalitions evaluated per example."""
        return self.info.n_evaluations

    def attributions(self) -> Tensor | tuple[Tensor, ...]:
        """Return what ``attribute`` returns, without a second evaluation.

        Returns:
            The players' Shapley values spread over their input elements: a tensor, or a
            tuple if the inputs were one, each ``(batch, *outputs, *input.shape[1:])``,
            in the units of the value function.
        """
        scattered = self.players.scatter(self.shapley_values())
        placed = tuple(
            values.to(mask.device)
            for values, mask in zip(scattered, self.players.masks, strict=True)
        )
        formatted: Tensor | tuple[Tensor, ...] = format_output(
            self.info.tuple_inputs, placed
        )
        return formatted

    @property
    def efficiency_gap(self) -> Tensor:
        """Σ of the players' attributions − [v(N) − v(∅)], ``(batch, *outputs)``."""
        total = self.info.v_full - self.info.v_empty
        return self._returned(self.shapley_values().to(total).sum(-1) - total)

    def named(self: R, names: Sequence[str]) -> R:
        """Return the same result with other names for its players.

        Args:
            names: One name per player, in the order of their feature-mask ids.

        Raises:
            ValueError: If there is not one distinct name per player.
        """
        info = replace(self.info, players=self.players.named(names))
        return replace(self, info=info)

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
        return read_npz(cls, path, device)

    def __repr__(self) -> str:
        lead = self.info.v_full.shape
        outputs = f" x {tuple(lead[1:])} outputs" if len(lead) > 1 else ""
        first = (0,) * len(lead)
        best = self.top_k(5)
        for index in first:
            best = best[index]
        return (
            f"{type(self).__name__}({lead[0]} example{'s' * (lead[0] != 1)}{outputs}, "
            f"{len(self.players)} players, {self.n_evaluations} coalitions evaluated)\n"
            f"  first example: v(∅) = {self.info.v_empty[first].item():.4g}, "
            f"v(N) = {self.info.v_full[first].item():.4g}\n"
            f"  strongest: {'  '.join(map(repr, best))}"
        )

    def _returned(self, values: Tensor) -> Tensor:
        return values.to(self.info.dtype)

    def _ranked(
        self,
        values: Tensor,  # (*lead, K)
        coalition: Callable[[int], tuple[int, ...]],
        k: int,
    ) -> list[Any]:
        """Return the k largest |values| of each example, as nested lists.

        ``coalition`` gives the players of a position on the last axis.
        """
        check_positive_int("k", k, "ask for at least one interaction")
        order = values.abs().topk(min(k, values.shape[-1]), dim=-1).indices
        names = self.players.names

        def nested(row: Tensor, best: Tensor) -> list[Any]:
            if row.dim() > 1:
                return [nested(r, b) for r, b in zip(row, best, strict=True)]
            found = [(coalition(i), float(row[i])) for i in best.tolist()]
            return [
                Interaction(members, tuple(names[p] for p in members), value)
                for members, value in found
            ]

        return nested(values, order)

    def _pick(self, values: Tensor, example: int, output: tuple[int, ...]) -> Tensor:
        """Return the values of one example and one output."""
        return values[check_example(self.info.v_full.shape, example, output)]
