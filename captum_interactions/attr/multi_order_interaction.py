"""Multi-order interactions of a model's output: what a pair does, by context size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
    estimate_of,
    info_of,
    run,
)
from captum_interactions.estimators import Estimate, order_plan
from captum_interactions.estimators.plans import Sampling
from captum_interactions.functional.pairs import resolve_orders, resolve_pairs
from captum_interactions.games import Game
from captum_interactions.results import MultiOrderInteractionResult

__all__ = ["MultiOrderInteraction"]

Pairs = Sequence[Sequence[int]] | Tensor
Orders = Sequence[int | float]


class MultiOrderInteraction(AbstractInteractionAttribution):
    """Multi-order interactions I^(m)(i,j): the pair's effect in contexts of m players.

    I^(m)(i,j) is the mean of v(S∪{i,j}) − v(S∪{i}) − v(S∪{j}) + v(S) over contexts S of
    m players other than i and j. Low orders say what a pair does on an almost empty
    input, high orders what it does on an almost complete one; the mean over all orders
    is the Shapley interaction index. Order means context size throughout.

    Args:
        forward_func: Model or callable to explain.

    References:
        Ren et al., "A unified game-theoretic interpretation of adversarial robustness"
        (NeurIPS 2021); Deng et al., "Discovering and explaining the representation
        bottleneck of DNNs" (ICLR 2022).

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] * x[:, 2]
        >>> x = torch.tensor([[1.0, 2.0, 3.0]])
        >>> MultiOrderInteraction(model).interactions(x).values[0, :, 0, 1].tolist()
        [0.0, 6.0]
    """

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        orders: Orders | None = None,
        pairs: Pairs | None = None,
        n_samples: int | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        sampling: Sampling = "auto",
        unbiased: bool = False,
        generator: torch.Generator | None = None,
    ) -> MultiOrderInteractionResult:
        """Multi-order interactions of the chosen pairs and orders.

        Arguments not listed are those of
        :class:`~captum_interactions.attr.and_interaction.AndInteraction`.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            orders: Context sizes m in 0..n−2 as integers, or fractions of n − 2 as
                floats; None means all of them.
            pairs: Pairs (i, j) of player indices; None means all of them.
            n_samples: Coalitions to evaluate per example; None evaluates all 2^n.
            perturbations_per_eval: Coalitions per forward pass; None finds it.
            show_progress: Show a progress bar.
            sampling: With ``n_samples``: ``"reuse"`` lets every value serve all pairs,
                ``"paired"`` draws contexts for each pair and order, as the papers do
                (and as D^(m) needs), ``"auto"`` picks by a pilot. Beyond 20 players
                ``"auto"`` reuses for all pairs and draws for chosen ones.
            unbiased: Give up the smallest error for an estimate that is right on
                average.
            generator: Source of randomness; None starts one from the global seed.

        Returns:
            The interactions; with ``n_samples``, their standard errors.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`, or if an order
                is not a number.
            ValueError: As :class:`~captum_interactions.games.ModelGame`; if orders or
                pairs are out of range, or the budget is too small for them.
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
            orders,
            pairs,
            n_samples,
            sampling=sampling,
            unbiased=unbiased,
            generator=generator,
        )

    attribute = attribution_of(
        interactions,
        """The part of the Shapley value that the chosen orders contribute.

        With ``orders=None`` these are the Shapley values; otherwise the sum over the
        chosen m of (n-1-m)/n · mean_j I^(m)(i,j), which leaves out the players' solo
        effects v({i}) - v(∅). All pairs are needed, and values that they share.""",
    )

    @classmethod
    def read(
        cls,
        game: Game,
        orders: Orders | None = None,
        pairs: Pairs | None = None,
        n_samples: int | None = None,
        *,
        sampling: Sampling = "auto",
        unbiased: bool = False,
        generator: torch.Generator | None = None,
    ) -> MultiOrderInteractionResult:
        """Multi-order interactions of any game, with the options of the verbs.

        Example:
            >>> from captum_interactions.games import TableGame
            >>> game = TableGame(torch.tensor([0.0, 1, 2, 5]))
            >>> MultiOrderInteraction.read(game).at_order(0)[0, 0, 1].item()
            2.0
        """
        n = game.n_players
        sizes, chosen = resolve_orders(orders, n), resolve_pairs(pairs, n)
        if sampling not in get_args(Sampling):
            bad_value(
                "sampling", f"one of {get_args(Sampling)}", repr(sampling), "pick one"
            )
        found: Estimate
        if n_samples is None:
            found, count = estimate_of(game, None)
        else:
            check_positive_int("n_samples", n_samples, "None evaluates all coalitions")
            plan = order_plan(
                n,
                chosen,
                sizes,
                n_samples,
                sampling=sampling,
                unbiased=unbiased,
                neighbors=game.players.neighbors(),
                generator=generator,
            )
            found, count = run(plan, game, n_samples)
        info = info_of(game, found.v_empty, found.v_full, count)
        return MultiOrderInteractionResult(info, found, tuple(sizes), tuple(chosen))
