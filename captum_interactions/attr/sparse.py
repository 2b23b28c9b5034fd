"""Interactions of some coalitions only, where there are too many to enumerate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._captum import log_usage
from captum_interactions._checks import (
    MAX_EXACT_PLAYERS,
    bad_value,
    check_positive_int,
)
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.attr.results import InteractionResult
from captum_interactions.attr.shapiq_values import listed_values
from captum_interactions.functional import (
    codes_to_masks,
    masks_to_codes,
    n_small_coalitions,
    r_squared,
    small_coalitions,
    truncated_moebius,
)
from captum_interactions.games import ModelGame

if TYPE_CHECKING:
    import shapiq

__all__ = [
    "SparseInteractionResult",
    "TruncatedAndInteraction",
    "held_out_masks",
    "pack_coalitions",
    "evaluate_distinct",
    "score_held_out",
]


def pack_coalitions(coalitions: Sequence[Sequence[int]]) -> Tensor:
    """Coalitions as rows of player indices, filled up with −1, ``(K, largest)``.

    Example:
        >>> pack_coalitions([(), (2,), (0, 1)]).tolist()
        [[-1, -1], [2, -1], [0, 1]]
    """
    width = max([len(members) for members in coalitions], default=0)
    rows = [[*members, *[-1] * (width - len(members))] for members in coalitions]
    return torch.tensor(rows, dtype=torch.int64).reshape(len(coalitions), width)


def held_out_masks(
    n: int, n_masks: int, generator: torch.Generator | None = None
) -> Tensor:
    """Random coalitions, each player present with probability ½, ``(n_masks, n)``."""
    if generator is None:  # a judge may be the same every time
        generator = torch.Generator().manual_seed(0)
    return torch.rand(n_masks, n, generator=generator) < 0.5


@dataclass(frozen=True, eq=False, repr=False)
class SparseInteractionResult(InteractionResult):
    """AND interactions of a list of coalitions, and how well they explain v.

    "Order" is the size |S| of a coalition here.

    Attributes:
        info: Players, evaluations and what else all results share.
        coefficients: I(S) of the K coalitions, ``(batch, *outputs, K)``.
        members: Their players, filled up with −1, ``(K, largest order)``.
        held_out_r2: R² of the sum of these interactions on random coalitions that were
            not used to find them, ``(batch, *outputs)``: 1 is perfect, below 0 is worse
            than a constant.
        n_held_out: How many random coalitions.
    """

    coefficients: Tensor = field(repr=False)
    members: Tensor = field(repr=False)
    held_out_r2: Tensor
    n_held_out: int

    @property
    def values(self) -> Tensor:
        """I(S) of the coalitions, ``(batch, *outputs, K)``."""
        return self._returned(self.coefficients)

    @property
    def coalitions(self) -> list[tuple[int, ...]]:
        """The players of each coalition, in the order of ``values``."""
        return [tuple(i for i in row if i >= 0) for row in self.members.tolist()]

    def shapley_values(self) -> Tensor:
        """What the listed interactions give each player: Σ_{S∋i} I(S)/|S|.

        Returns:
            ``(batch, *outputs, n)``; the Shapley values if no interaction is missing.
        """
        sizes = (self.members >= 0).sum(-1).clamp_min(1).to(self.coefficients)
        shares = (
            (self.coefficients / sizes)
            .unsqueeze(-1)
            .expand(*self.coefficients.shape, self.members.shape[-1])
        )
        # One column more than players, for the −1 that fills the rows up.
        n = len(self.players)
        out = shares.new_zeros(*shares.shape[:-2], n + 1)
        out.index_add_(-1, self.members.flatten() % (n + 1), shares.flatten(-2))
        return self._returned(out[..., :n])

    def top_k(self, k: int = 10) -> list[Any]:
        """The k listed coalitions S ≠ ∅ with the largest |I(S)|, strongest first.

        Args:
            k: How many.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis).

        Raises:
            ValueError: If k is not positive.
        """
        proper = (self.members >= 0).any(-1).nonzero()[:, 0]

        def players(position: int) -> tuple[int, ...]:
            row = self.members[proper[position]].tolist()
            return tuple(i for i in row if i >= 0)

        return self._ranked(self.coefficients[..., proper], players, k)

    def reconstruct(
        self,
        masks: Tensor,  # (C, n) bool
    ) -> Tensor:
        """V of some coalitions as the sum of the listed interactions inside each.

        Args:
            masks: Coalitions, True = present, ``(C, n)``.

        Returns:
            ``(batch, *outputs, C)``, in the units of the value function.
        """
        return self._returned(_sum_inside(self.coefficients, self.members, masks))

    def to_shapiq(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> shapiq.InteractionValues:
        """Return one example as shapiq's ``InteractionValues`` (index Moebius).

        Coalitions that are not listed are 0 there.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
            ModuleNotFoundError: If shapiq is not installed.
        """
        values = self._pick(self.coefficients, example, output)
        coalitions = [tuple(sorted(members)) for members in self.coalitions]
        empty = coalitions.index(()) if () in coalitions else None
        return listed_values(
            values,
            coalitions,
            len(self.players),
            "Moebius",
            baseline=0.0 if empty is None else float(values[empty]),
            budget=self.n_evaluations,
        )

    def order_strength(self) -> Tensor:
        """Σ_{|S|=s} |I(S)| for s = 0 … largest order, ``(batch, *outputs, …)``."""
        sizes = (self.members >= 0).sum(-1)
        zeros = self.coefficients.new_zeros(
            *self.coefficients.shape[:-1], self.members.shape[-1] + 1
        )
        return self._returned(zeros.index_add(-1, sizes, self.coefficients.abs()))

    def __repr__(self) -> str:
        worst = float(self.held_out_r2.min())
        return (
            f"{super().__repr__()}\n  {len(self.members)} interactions listed; R² ≥ "
            f"{worst:.4g} on {self.n_held_out} random coalitions"
        )


def _sum_inside(coefficients: Tensor, members: Tensor, masks: Tensor) -> Tensor:
    """Σ of the coefficients of the coalitions inside each mask, ``(*lead, C)``."""
    # A player more, always present, stands for the −1 that fills the rows up.
    present = torch.cat([masks, masks.new_ones(len(masks), 1)], dim=-1)
    columns = members.to(masks.device) % present.shape[-1]
    out = []
    rows = max(1, (1 << 24) // max(1, members.numel()))
    for block in present.split(rows):
        inside = block[:, columns].all(-1)  # (rows, K)
        out.append(coefficients @ inside.to(coefficients).mT)
    return torch.cat(out, dim=-1)


def score_held_out(
    coefficients: Tensor,  # (*lead, K)
    members: Tensor,  # (K, width)
    masks: Tensor,  # (C, n) bool
    values: Tensor,  # (*lead, C)
) -> Tensor:
    """R² of a list of interactions on coalitions with known v, ``(*lead,)``."""
    values = values.to(coefficients)
    return r_squared(values, _sum_inside(coefficients, members, masks))


class TruncatedAndInteraction(AbstractInteractionAttribution):
    """AND interactions of all coalitions of at most a few players, exactly.

    I(S) needs v of the subsets of S alone, so this works for hundreds of players. It is
    silent about larger coalitions, and evaluates inputs of which nearly everything is
    at the baseline, far from what a network was trained on. Read ``held_out_r2`` of the
    result: it says how much of v on ordinary coalitions the listed ones explain.

    Args:
        forward_func: Model or callable to explain.

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] + x.sum(1)
        >>> result = TruncatedAndInteraction(model).interactions(torch.ones(1, 40))
        >>> result.top_k(1), len(result.coalitions), result.held_out_r2.item()
        ([[{0} +1]], 821, 1.0)
    """

    @log_usage(part_of_slo=True)
    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        max_order: int = 2,
        n_held_out: int = 1000,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor | tuple[Tensor, ...]:
        """Each listed interaction shared equally by its players.

        Arguments are those of :meth:`interactions`.

        Returns:
            Attributions shaped like the inputs, ``(batch, *outputs, *features)``, in
            the units of the value function; Shapley values only if no larger coalition
            interacts (``result.efficiency_gap`` tells).

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :meth:`interactions`.
        """
        return self.interactions(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            max_order,
            n_held_out,
            perturbations_per_eval,
            show_progress,
            generator=generator,
        ).attributions()

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        max_order: int = 2,
        n_held_out: int = 1000,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> SparseInteractionResult:
        """AND interactions of all coalitions of at most ``max_order`` players.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            max_order: Largest |S|.
            n_held_out: Random coalitions evaluated on top, to judge the result.
            perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
            show_progress: Show a progress bar.
            generator: Draws the held-out coalitions; ``None`` takes a fixed seed.

        Returns:
            The interactions, with their R² on the held-out coalitions.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :class:`~captum_interactions.games.ModelGame`, or if there
                are too many coalitions of that size.
        """
        check_positive_int("max_order", max_order, "it is a coalition size |S|")
        check_positive_int("n_held_out", n_held_out, "1000 is a good number")
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
            show_progress,
        )
        n, order = game.n_players, min(max_order, game.n_players)
        _check_count(n, order)
        coalitions = small_coalitions(n, order)
        small = torch.cat([_masks_of(members, n) for members in coalitions])
        held_out = held_out_masks(n, n_held_out, generator)
        full = torch.ones(1, n, dtype=torch.bool)
        values = evaluate_distinct(game, torch.cat([small, full, held_out]))
        v_small, v_full, v_held_out = values.split([len(small), 1, n_held_out], dim=-1)
        coefficients = truncated_moebius(v_small, n, order)
        rows = [tuple(row) for members in coalitions for row in members.tolist()]
        packed = pack_coalitions(rows).to(coefficients.device)
        return SparseInteractionResult(
            info=self._info(game, inputs, v_small[..., 0], v_full[..., 0]),
            coefficients=coefficients,
            members=packed,
            held_out_r2=score_held_out(coefficients, packed, held_out, v_held_out),
            n_held_out=n_held_out,
        )


def evaluate_distinct(game: ModelGame, masks: Tensor) -> Tensor:
    """Evaluate each distinct coalition once; values of all rows, ``(*lead, C)``."""
    n = masks.shape[-1]
    if n > 62:  # codes end there, and random coalitions hardly ever coincide
        return game(masks)
    codes, inverse = masks_to_codes(masks).unique(return_inverse=True)
    values = game(codes_to_masks(codes, n))
    return values[..., inverse.to(values.device)]


def _masks_of(members: Tensor, n: int) -> Tensor:
    """Masks of coalitions given by their members (C, size), ``(C, n)``."""
    masks = torch.zeros(len(members), n, dtype=torch.bool)
    return masks.scatter_(1, members, True)


def _check_count(n: int, max_order: int) -> None:
    count = n_small_coalitions(n, max_order)
    if count > 1 << MAX_EXACT_PLAYERS:
        bad_value(
            "max_order",
            f"so small that at most 2**{MAX_EXACT_PLAYERS} coalitions are evaluated",
            f"{max_order}, which takes {count:,} for {n} players",
            "lower it, or group the players by a coarser `feature_mask`",
        )
