"""The pairwise Shapley interaction index of a model's output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import log_usage
from captum_interactions._checks import check_positive_int
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.estimators import CompletedTable
from captum_interactions.estimators.strategy import sample_table
from captum_interactions.functional import (
    moebius,
    pair_index_from_and,
    shapley_interaction_index,
    shapley_values,
    shapley_values_from_and,
)
from captum_interactions.results import ShapleyInteractionResult

__all__ = ["ShapleyInteraction"]


class ShapleyInteraction(AbstractInteractionAttribution):
    """Shapley interaction index of all pairs of players.

    I(i,j) = Σ_S |S|!(n−|S|−2)!/(n−1)! [v(S∪{i,j}) − v(S∪{i}) − v(S∪{j}) + v(S)]: how
    much two players bring together beyond what they bring alone, averaged over contexts
    S ⊆ N∖{i,j}.

    Args:
        forward_func: Model or callable to explain.

    References:
        Grabisch & Roubens (1999).

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
        >>> x = torch.tensor([[2.0, 3.0, 5.0]])
        >>> ShapleyInteraction(model).interactions(x).values[0].tolist()
        [[0.0, 6.0, 0.0], [6.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    @log_usage(part_of_slo=True)
    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        n_samples: int | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor | tuple[Tensor, ...]:
        """Shapley values, read from the same evaluation as the pairs.

        Arguments are those of :meth:`interactions`.

        Returns:
            Attributions shaped like the inputs, ``(batch, *outputs, *features)``, in
            the units of the value function; a tuple if the inputs are one. Elements of
            one player share its value.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :class:`~captum_interactions.games.ModelGame`.
        """
        return self.interactions(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            n_samples,
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
        n_samples: int | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> ShapleyInteractionResult:
        """Shapley interaction index of all pairs.

        Arguments not listed are those of
        :class:`~captum_interactions.attr.and_interaction.AndInteraction`.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            n_samples: Coalitions to evaluate per example, with at most 20 players: the
                other values are estimated (see
                :func:`~captum_interactions.estimators.complete_table`), and standard
                errors are reported. None evaluates all 2^n.
            perturbations_per_eval: Coalitions per forward pass; None finds it.
            show_progress: Show a progress bar.
            generator: Source of randomness with ``n_samples``; None starts one from
                the global seed.

        Returns:
            The index of all pairs, and the Shapley values.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :class:`~captum_interactions.games.ModelGame`; beyond 24
                players in particular. If ``n_samples`` is too small, or there are more
                than 20 players to sample.
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
        if n_samples is None:
            table = game.table()
            done = CompletedTable(table, table.new_zeros(0, *table.shape))
        else:
            check_positive_int("n_samples", n_samples, "None evaluates all coalitions")
            done = sample_table(game, game.n_players, n_samples, generator=generator)
        dividends = moebius(done.table)
        sampled = len(done.errors) > 0
        return ShapleyInteractionResult(
            info=self._info(game, inputs, done.table[..., 0], done.table[..., -1]),
            pairs=pair_index_from_and(dividends, "SII"),
            singles=shapley_values_from_and(dividends),
            pairs_error=done.error(shapley_interaction_index) if sampled else None,
            singles_error=done.error(shapley_values) if sampled else None,
        )
