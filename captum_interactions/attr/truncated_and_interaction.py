"""Interactions of some coalitions only, where there are too many to enumerate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import (
    MAX_EXACT_PLAYERS,
    bad_value,
    check_positive_int,
)
from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
    info_of,
    run,
)
from captum_interactions.estimators import SparseEstimate
from captum_interactions.estimators.driver import Plan
from captum_interactions.estimators.sparse import held_out_masks
from captum_interactions.functional import small_coalitions, truncated_moebius
from captum_interactions.functional.truncated import n_small_coalitions
from captum_interactions.games import Game
from captum_interactions.results import SparseInteractionResult

__all__ = ["TruncatedAndInteraction"]


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

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        max_size: int = 2,
        n_held_out: int = 1000,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> SparseInteractionResult:
        """AND interactions of all coalitions of at most ``max_size`` players.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            max_size: Largest |S|.
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
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
            show_progress,
        )
        return self.read(
            game,
            max_size,
            n_held_out,
            generator=generator,
        )

    attribute = attribution_of(
        interactions,
        """Each listed interaction shared equally by its players.

        These are Shapley values only if no larger coalition interacts
        (``result.efficiency_gap`` tells).""",
    )

    @classmethod
    def read(
        cls,
        game: Game,
        max_size: int = 2,
        n_held_out: int = 1000,
        *,
        generator: torch.Generator | None = None,
    ) -> SparseInteractionResult:
        """Small coalitions of any game; options are those of :meth:`interactions`.

        Example:
            >>> from captum_interactions.games import TableGame
            >>> game = TableGame(torch.tensor([0.0, 1, 2, 5]))
            >>> TruncatedAndInteraction.read(game, n_held_out=9).coalitions
            [(), (0,), (1,), (0, 1)]
        """
        check_positive_int("max_size", max_size, "it is a coalition size |S|")
        n = game.n_players
        check_positive_int("n_held_out", n_held_out, "1000 is a good number", n)
        size = min(max_size, n)
        budget = _check_count(n, size) + 1 + n_held_out
        plan = _small_plan(n, size, n_held_out, generator)
        (found, v_full), count = run(plan, game, budget)
        info = info_of(game, found.v_empty, v_full, count)
        return SparseInteractionResult(info, found, n_held_out)


def _small_plan(
    n: int, max_size: int, n_held_out: int, generator: torch.Generator | None
) -> Plan[tuple[SparseEstimate, Tensor]]:
    """Small coalitions, N, and random ones to judge by; also returns v(N)."""
    small = torch.cat(
        [_masks_of(members, n) for members in small_coalitions(n, max_size)]
    )
    held_out = held_out_masks(n, n_held_out, generator)
    full = torch.ones(1, n, dtype=torch.bool)
    values = yield torch.cat([small, full, held_out])
    v_small, v_full, v_held_out = values.split([len(small), 1, n_held_out], dim=-1)
    coefficients = truncated_moebius(v_small, n, max_size)
    small = small.to(coefficients.device)
    found = SparseEstimate.judged(small, coefficients, held_out, v_held_out)
    return found, v_full[..., 0]


def _masks_of(members: Tensor, n: int) -> Tensor:
    """Masks of coalitions given by their members (C, size), ``(C, n)``."""
    masks = torch.zeros(len(members), n, dtype=torch.bool)
    return masks.scatter_(1, members, True)


def _check_count(n: int, max_size: int) -> int:
    """Return how many coalitions there are, if they can be evaluated."""
    count = n_small_coalitions(n, max_size)
    if count > 1 << MAX_EXACT_PLAYERS:
        bad_value(
            "max_size",
            f"so small that at most 2**{MAX_EXACT_PLAYERS} coalitions are evaluated",
            f"{max_size}, which takes {count:,} for {n} players",
            "lower it, or group the players by a coarser `feature_mask`",
        )
    return count
