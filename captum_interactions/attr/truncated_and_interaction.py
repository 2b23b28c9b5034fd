"""Interactions of some coalitions only, where there are too many to enumerate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import log_usage
from captum_interactions._checks import (
    MAX_EXACT_PLAYERS,
    bad_value,
    check_positive_int,
)
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.functional import (
    codes_to_masks,
    masks_to_codes,
    n_small_coalitions,
    small_coalitions,
    truncated_moebius,
)
from captum_interactions.games import ModelGame
from captum_interactions.results.sparse import (
    SparseInteractionResult,
    held_out_masks,
    pack_coalitions,
    score_held_out,
)

__all__ = [
    "TruncatedAndInteraction",
    "evaluate_distinct",
]


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
