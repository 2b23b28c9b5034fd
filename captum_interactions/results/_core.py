"""What every interaction result holds, and what is read off it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from captum_interactions._captum import format_output
from captum_interactions._checks import bad_value, check_example, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.players import Players
from captum_interactions.results._noise import above, decade, told, untold

__all__ = ["Interaction", "Listing", "ResultCore", "ResultInfo", "written"]

R = TypeVar("R", bound="ResultCore")


def written(name: str) -> str:
    """A name as it appears in a list: quoted where it would not be told apart.

    Example:
        >>> written("bad"), written(","), written("")
        ('bad', "','", "''")
    """
    plain = name.isprintable() and name.strip() == name != ""
    return name if plain and not set(name) & set("{},;∧\N{LOGICAL OR}") else repr(name)


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
        return f"{{{', '.join(map(written, self.names))}}} {self.value:+.4g}"


class Listing(NamedTuple):
    """The interactions that a result can name, in the order of one axis.

    Attributes:
        values: Their values, ``(batch, *outputs, K)``.
        players: The players of a position on the last axis.
        kind: ``"and"`` or ``"or"``, for a position.
        errors: Standard errors, shaped as ``values``; None where exact.
        noise: What noise of v leaves in each, shaped alike; None where unknown.
    """

    values: Tensor
    players: Callable[[int], tuple[int, ...]]
    kind: Callable[[int], str] = lambda position: "and"
    errors: Tensor | None = None
    noise: Tensor | None = None


@checked_methods
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
        value_noise: Standard deviation of the noise of v, ``(batch, *outputs)``; None
            where it is not known.
    """

    players: Players
    n_evaluations: int
    v_empty: Tensor = field(repr=False)
    v_full: Tensor = field(repr=False)
    dtype: torch.dtype
    tuple_inputs: bool
    value_noise: Tensor | None = field(default=None, repr=False)


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class ResultCore(ABC):
    """What a result is to its own pictures and files: data and readings."""

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

    @property
    def noise_floor(self) -> Tensor:
        """What the noise of v leaves in an interaction, in the units of v.

        An interaction that is no larger says nothing about the model. The noise is that
        of rounding: four units in the last place of the coarsest numbers that the model
        computes with, at max |v|, or what one coalition was seen to differ by from
        pass to pass, if that is more. It is taken through the sums that make up an
        interaction, where independent noise adds up in squares.

        Returns:
            ``(batch, *outputs)``; with an axis more where it depends on the size |S|
            of a coalition (0..n) or on the order. Sampling errors are not in it.
        """
        return self._returned(self._rounding())

    def _noise_gain(self) -> float | Sequence[float]:
        """Standard deviation of an interaction if that of v is 1, once or by size.

        Unless a class knows better, that of Δv(i,j,S), of which a mean has no more.
        """
        return 2.0

    def _rounding(self) -> Tensor:
        """Noise of v times the gain, ``(batch, *outputs)`` or with an axis of sizes."""
        sigma = self._sigma
        gain = self._noise_gain()
        if isinstance(gain, float):
            return sigma * gain
        return sigma.unsqueeze(-1) * sigma.new_tensor(gain)

    @property
    def _sigma(self) -> Tensor:
        """Standard deviation of the noise of v, ``(batch, *outputs)``."""
        noise = self.info.value_noise
        return torch.zeros_like(self.info.v_full) if noise is None else noise

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
            ValueError: If there is not one name per player. Names may repeat.
        """
        info = replace(self.info, players=self.players.named(names))
        return replace(self, info=info)

    def __repr__(self) -> str:
        lead = self.info.v_full.shape
        outputs = f" x {tuple(lead[1:])} outputs" if len(lead) > 1 else ""
        first = (0,) * len(lead)
        with untold():
            best = self.top_k(5)
        for index in first:
            best = best[index]
        best = above(best, self._rounding()[first])
        return (
            f"{type(self).__name__}({lead[0]} example{'s' * (lead[0] != 1)}{outputs}, "
            f"{len(self.players)} players, {self.n_evaluations} coalitions evaluated)\n"
            f"  first example: v(∅) = {self.info.v_empty[first].item():.4g}, "
            f"v(N) = {self.info.v_full[first].item():.4g}, "
            f"noise floor below {decade(self.noise_floor[first])}\n"
            f"  strongest: {'  '.join(map(repr, best)) or 'none above the noise floor'}"
        )

    def _listing(self) -> Listing:
        """The interactions that have a value in every example; here single players."""
        return Listing(self.shapley_values(), lambda position: (position,))

    def _steps(self, k: int, example: int, output: tuple[int, ...]) -> list[Any]:
        """The k strongest terms of a decomposition of v(N) − v(∅)."""
        values = self._singles(example, output)
        best = values.abs().argsort(descending=True, stable=True)[:k].tolist()
        return [self._interaction((i,), float(values[i])) for i in best]

    def _strongest(self, k: int, example: int, output: tuple[int, ...]) -> list[Any]:
        terms: Any = self.top_k(k)
        for index in check_example(self.info.v_full.shape, example, output):
            terms = terms[index]
        return list(terms)

    def _singles(self, example: int, output: tuple[int, ...]) -> Tensor:
        return self._pick(self.shapley_values(), example, output)

    def _labels(self, names: Sequence[str] | None) -> Sequence[str]:
        if names is None:
            return self.players.names
        if isinstance(names, str) or len(names) != len(self.players):
            bad_value(
                "names",
                f"{len(self.players)} texts, one per player",
                repr(names) if isinstance(names, str) else len(names),
                "pass a list in the order of the players",
            )
        return names

    def _interaction(self, players: tuple[int, ...], value: float) -> Interaction:
        names = tuple(self.players.names[p] for p in players)
        return Interaction(players, names, value)

    def _feature_mask(self, example: int, position: int) -> Tensor:
        """The player of every element of one example's image."""
        masks = self.players.masks
        if not 0 <= position < len(masks):
            bad_value(
                "position",
                f"an index in 0..{len(masks) - 1}, one of the inputs",
                position,
                "say which of the inputs is the image",
            )
        (example, *_) = check_example(self.info.v_full.shape[:1], example, ())
        rows = masks[position]
        return rows[example if len(rows) > 1 else 0]

    def _returned(self, values: Tensor) -> Tensor:
        return values.to(self.info.dtype)

    def _ranked(
        self,
        values: Tensor,  # (*lead, K)
        coalition: Callable[[int], tuple[int, ...]],
        k: int,
        floor: Tensor | None = None,
    ) -> list[Any]:
        """Return the k largest |values| of each example, as nested lists.

        ``coalition`` gives the players of a position on the last axis. Warns of noise
        that is shown; ``floor`` is given where the values are of one example only.
        """
        check_positive_int("k", k, "ask for at least one interaction")
        order = values.abs().topk(min(k, values.shape[-1]), dim=-1).indices

        def nested(row: Tensor, best: Tensor) -> list[Any]:
            if row.dim() > 1:
                return [nested(r, b) for r, b in zip(row, best, strict=True)]
            return [
                self._interaction(coalition(i), float(row[i])) for i in best.tolist()
            ]

        return told(nested(values, order), self._rounding() if floor is None else floor)

    def _pick(self, values: Tensor, example: int, output: tuple[int, ...]) -> Tensor:
        """Return the values of one example and one output."""
        return values[check_example(self.info.v_full.shape, example, output)]
