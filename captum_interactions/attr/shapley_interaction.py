"""The pairwise Shapley interaction index of a model's output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
    estimate_of,
    info_of,
)
from captum_interactions.games import Game
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
            n_samples: Coalitions to evaluate per example, of any number of players: the
                other values are estimated (see
                :func:`~captum_interactions.estimators.table_plan`), and standard
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
                players in particular, without ``n_samples``. If ``n_samples`` is too
                small.
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
        return self.read(game, n_samples, generator=generator)

    attribute = attribution_of(
        interactions, "Shapley values, read from the same evaluation as the pairs."
    )

    @classmethod
    def read(
        cls,
        game: Game,
        n_samples: int | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> ShapleyInteractionResult:
        """The index of any game; options are those of :meth:`interactions`.

        Example:
            >>> from captum_interactions.games import TableGame
            >>> found = ShapleyInteraction.read(TableGame(torch.tensor([0.0, 1, 2, 5])))
            >>> found.values[0, 0, 1].item()
            2.0
        """
        found, count = estimate_of(game, n_samples, generator=generator)
        info = info_of(game, found.v_empty, found.v_full, count)
        return ShapleyInteractionResult(info, found)
