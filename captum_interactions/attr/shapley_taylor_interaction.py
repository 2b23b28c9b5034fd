"""Shapley–Taylor interactions of a model's output, of coalitions of any size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
    info_of,
    table_of,
)
from captum_interactions.estimators import MAX_TABLE_PLAYERS, KernelEstimate
from captum_interactions.functional import small_coalitions
from captum_interactions.functional.truncated import n_small_coalitions
from captum_interactions.games import Game
from captum_interactions.results import (
    ListedInteractionResult,
    ShapleyTaylorInteractionResult,
)

__all__ = ["ShapleyTaylorInteraction"]

# Each takes a row of covariances: a minute at a budget of 2,000.
_MOST_LISTED = 100_000


class ShapleyTaylorInteraction(AbstractInteractionAttribution):
    """Shapley–Taylor interactions: v(N) − v(∅) as a sum over coalitions of ≤ k players.

    Coalitions of fewer than k players keep their AND interaction; those of k players
    share the larger AND interactions that contain them. With k = 1 these are the
    Shapley values.

    Args:
        forward_func: Model or callable to explain.

    References:
        Sundararajan, Dhamdhere & Agarwal (2020).

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] * x[:, 2] + x[:, 0]
        >>> result = ShapleyTaylorInteraction(model).interactions(
        ...     torch.tensor([[1.0, 2.0, 3.0]])
        ... )
        >>> result.top_k(4)
        [[{0, 1} +2, {0, 2} +2, {1, 2} +2, {0} +1]]
    """

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        max_size: int = 2,
        n_samples: int | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> ShapleyTaylorInteractionResult | ListedInteractionResult:
        """Shapley–Taylor interactions of coalitions of at most ``max_size`` players.

        See :class:`~captum_interactions.games.ModelGame` for the forms that the
        arguments take.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            max_size: k; the literature calls it the order of the index.
            n_samples: Coalitions to evaluate per example, of any number of players;
                None evaluates all 2**n.
            perturbations_per_eval: Coalitions per forward pass; None finds it.
            show_progress: Show a progress bar.
            generator: Source of randomness with ``n_samples``; None starts one from
                the global seed.

        Returns:
            The interactions, and whatever else the estimate says.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`, or if
                ``max_size`` is not an integer.
            ValueError: As :class:`~captum_interactions.games.ModelGame`; if
                ``max_size`` is not positive or ``n_samples`` is too small.
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
        return self.read(game, max_size, n_samples, generator=generator)

    attribute = attribution_of(
        interactions, "Shapley values, read from the same evaluation."
    )

    @classmethod
    def read(
        cls,
        game: Game,
        max_size: int = 2,
        n_samples: int | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> ShapleyTaylorInteractionResult | ListedInteractionResult:
        """The interactions of any game; options are those of :meth:`interactions`.

        Example:
            >>> from captum_interactions.games import TableGame
            >>> game = TableGame(torch.tensor([0.0, 1, 2, 5]))
            >>> ShapleyTaylorInteraction.read(game, max_size=1).top_k(2)
            [[{1} +3, {0} +2]]
        """
        check_positive_int("max_size", max_size, "2 gives single players and pairs")
        n = game.n_players
        if n_samples is not None and n > MAX_TABLE_PLAYERS:
            _check_count(n, min(max_size, n))
        found, count = table_of(game, n_samples, generator=generator)
        info = info_of(game, found.v_empty, found.v_full, count)
        if isinstance(found, KernelEstimate):
            listed = torch.cat(
                [
                    torch.zeros(len(members), n, dtype=torch.bool).scatter_(
                        1, members, True
                    )
                    for members in small_coalitions(n, min(max_size, n))[1:]
                ]
            )
            listed = listed.to(found.v_full.device)
            return ListedInteractionResult(info, found, listed, max_size)
        return ShapleyTaylorInteractionResult(info, found, max_size)


def _check_count(n: int, max_size: int) -> None:
    count = n_small_coalitions(n, max_size)
    if count > _MOST_LISTED:
        bad_value(
            "max_size",
            f"so small that at most {_MOST_LISTED:,} coalitions are listed",
            f"{max_size}, which makes {count:,} of {n} players",
            "lower it, or group the players by a coarser `feature_mask`",
        )
