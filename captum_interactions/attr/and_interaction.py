"""AND interactions (Harsanyi dividends) of a model's output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
    info_of,
    table_of,
)
from captum_interactions.estimators import KernelEstimate
from captum_interactions.games import Game
from captum_interactions.results import AndInteractionResult, ListedInteractionResult

__all__ = ["AndInteraction"]

# Of each example and output; more than anyone reads, and quick to save.
_LISTED = 100


class AndInteraction(AbstractInteractionAttribution):
    """AND interactions I(S) = Σ_{T⊆S} (−1)^{|S|−|T|} v(T) of all coalitions S.

    I(S) is the part of the output that appears only when all players of S are present.
    Every other index is read from the same evaluation.

    Args:
        forward_func: Model or callable to explain.

    References:
        Harsanyi (1963); Ren et al. (CVPR 2023), Eq. 1.

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
        >>> x = torch.tensor([[2.0, 3.0, 5.0]])
        >>> AndInteraction(model).attribute(x).tolist()
        [[3.0, 3.0, 5.0]]
        >>> AndInteraction(model).interactions(x).top_k(2)
        [[{0, 1} +6, {2} +5]]
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
    ) -> AndInteractionResult | ListedInteractionResult:
        """AND interactions of all coalitions.

        See :class:`~captum_interactions.games.ModelGame` for the forms that the
        arguments take.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            n_samples: Coalitions to evaluate per example; None evaluates all 2**n, once
                each. With a budget all values are estimated, and standard errors are
                reported; a small I(S) of a large S is then mostly error. Beyond 20
                players the result lists the coalitions that a search in the posterior
                finds strongest.
            perturbations_per_eval: Coalitions per forward pass; None finds it.
            show_progress: Show a progress bar.
            generator: Source of randomness with ``n_samples``; None starts one from
                the global seed.

        Returns:
            The interactions and everything that can be read from them.

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
        interactions, "Shapley values: each interaction shared equally by its players."
    )

    @classmethod
    def read(
        cls,
        game: Game,
        n_samples: int | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> AndInteractionResult | ListedInteractionResult:
        """AND interactions of any game; options are those of :meth:`interactions`.

        Example:
            >>> from captum_interactions.games import TableGame
            >>> AndInteraction.read(TableGame(torch.tensor([0.0, 1, 2, 5]))).top_k(1)
            [[{1} +2]]
        """
        found, count = table_of(game, n_samples, generator=generator)
        info = info_of(game, found.v_empty, found.v_full, count)
        if isinstance(found, KernelEstimate):
            return ListedInteractionResult(info, found, _strongest(found))
        return AndInteractionResult(info, found)


def _strongest(found: KernelEstimate) -> torch.Tensor:
    """The strongest coalitions of any example, with every player, ``(K, n)``."""
    rows = [found.strongest_coalitions(row)[:_LISTED] for row in range(found.n_rows)]
    singles = torch.eye(found.n_players, dtype=torch.bool, device=rows[0].device)
    return torch.cat([singles, *rows]).unique(dim=0)
