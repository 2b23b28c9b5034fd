"""AND interactions (Harsanyi dividends) of a model's output."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from captum_interactions._captum import log_usage
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.functional import (
    moebius,
)
from captum_interactions.results import AndInteractionResult

__all__ = ["AndInteraction"]


class AndInteraction(AbstractInteractionAttribution):
    """AND interactions I(S) = Σ_{L⊆S} (−1)^{|S|−|L|} v(L) of all coalitions of players.

    I(S) is the part of the output that appears only when all players of S are present.
    All 2**n coalitions are evaluated, once each; every other index is read from them.

    Args:
        forward_func: Model or callable to explain.

    References:
        Harsanyi (1963); Ren et al. (CVPR 2023), Eq. 1.

    Example:
        >>> import torch
        >>> model = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
        >>> x = torch.tensor([[2.0, 3.0, 5.0]])
        >>> AndInteraction(model).attribute(x).tolist()
        [[3.0, 3.0, 5.0]]
        >>> AndInteraction(model).interactions(x).top_k(2)
        [[{0, 1} +6, {2} +5]]
    """

    @log_usage(part_of_slo=True)
    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
    ) -> Tensor | tuple[Tensor, ...]:
        """Exact Shapley values, each dividend shared equally by its players.

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
            perturbations_per_eval,
            show_progress,
        ).attributions()

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
    ) -> AndInteractionResult:
        """AND interactions of all coalitions.

        See :class:`~captum_interactions.games.ModelGame` for the forms that the
        arguments take.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
            show_progress: Show a progress bar.

        Returns:
            The interactions and everything that can be read from them.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :class:`~captum_interactions.games.ModelGame`; beyond 24
                players in particular.
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
        table = game.table()
        return AndInteractionResult(
            info=self._info(game, inputs, table[..., 0], table[..., -1]),
            dividends=moebius(table),
        )
