"""Multi-order interactions of a model's output: what a pair does, by context size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from captum_interactions._captum import log_usage, progress_bar
from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.estimators import CompletedTable, PairEstimate
from captum_interactions.estimators.contexts import Evaluate
from captum_interactions.estimators.strategy import Sampling, sample_orders
from captum_interactions.functional import (
    matrices_from_pairs,
    multi_order_interaction,
    multi_order_shapley,
    order_utility,
    read_pairs,
    resolve_orders,
    resolve_pairs,
    shapley_values,
)
from captum_interactions.games import ModelGame
from captum_interactions.results.base import ResultInfo
from captum_interactions.results.multi_order import MultiOrderInteractionResult

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

    @log_usage(part_of_slo=True)
    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        orders: Orders | None = None,
        n_samples: int | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        unbiased: bool = False,
        generator: torch.Generator | None = None,
    ) -> Tensor | tuple[Tensor, ...]:
        """The part of the Shapley value that the chosen orders contribute.

        Arguments are those of :meth:`interactions`, with all pairs.

        Returns:
            Attributions shaped like the inputs, ``(batch, *outputs, *features)``, in
            the units of the value function; a tuple if the inputs are one. With
            ``orders=None`` they are the Shapley values; otherwise the sum over the
            chosen m of (n−1−m)/n · mean_j I^(m)(i,j), which leaves out the players'
            solo effects v({i}) − v(∅). Elements of one player share its value.

        Raises:
            TypeError: As :meth:`interactions`.
            ValueError: As :meth:`interactions`.
        """
        return self.interactions(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            orders,
            None,
            n_samples,
            perturbations_per_eval,
            show_progress,
            # Attributions need values that all pairs share.
            sampling="reuse",
            unbiased=unbiased,
            generator=generator,
        ).attributions()

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
                only ``"paired"`` is possible.
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
            show_progress and n_samples is None,
        )
        n = game.n_players
        sizes = resolve_orders(orders, n)
        chosen = resolve_pairs(pairs, n)
        if sampling not in get_args(Sampling):
            bad_value(
                "sampling", f"one of {get_args(Sampling)}", repr(sampling), "pick one"
            )
        if n_samples is None:
            table = game.table()
            info = self._info(game, inputs, table[..., 0], table[..., -1])
            exact = table.new_zeros(0, *table.shape)
            return _from_table(info, table, exact, sizes, chosen, orders is None)
        check_positive_int("n_samples", n_samples, "None evaluates all coalitions")
        ends = torch.tensor([[False] * n, [True] * n])
        with progress_bar(show_progress, self.get_name(), n_samples) as bar:
            sampled = sample_orders(
                _counted(game, bar),
                n,
                chosen,
                sizes,
                n_samples,
                sampling=sampling,
                unbiased=unbiased,
                generator=generator,
            )
            bar.total = game.n_evaluations  # duplicates were not evaluated
            bar.update(0)
        if isinstance(sampled, CompletedTable):
            table = sampled.table
            info = self._info(game, inputs, table[..., 0], table[..., -1])
            return _from_table(
                info, table, sampled.errors, sizes, chosen, orders is None
            )
        v_empty, v_full = game(ends).unbind(-1)
        info = self._info(game, inputs, v_empty, v_full)
        return _from_pairs(info, sampled, sizes, chosen)


def _counted(game: ModelGame, bar: Any) -> Evaluate:
    """The game, with one progress bar over all its calls."""

    def evaluate(masks: Tensor) -> Tensor:
        values = game(masks)
        bar.update(len(masks))
        return values

    return evaluate


def _from_table(
    info: ResultInfo,
    table: Tensor,
    errors: Tensor,
    orders: list[int],
    pairs: list[tuple[int, int]],
    all_orders: bool,
) -> MultiOrderInteractionResult:
    n = len(info.players)
    whole = len(pairs) == n * (n - 1) // 2
    done = CompletedTable(table, errors)

    def matrices(values: Tensor) -> Tensor:
        interactions = multi_order_interaction(values)[..., orders, :, :]
        return matrices_from_pairs(read_pairs(interactions, pairs), pairs, n)

    def contributions(values: Tensor) -> Tensor:
        if all_orders:
            return shapley_values(values)
        interactions = multi_order_interaction(values)[..., orders, :, :]
        return order_utility(interactions, orders).sum((-3, -1))

    def singles(values: Tensor) -> Tensor:
        by_order = multi_order_shapley(values)
        return by_order if all_orders else by_order[..., orders, :]

    pairwise, error = done.read(matrices)
    own, own_error = done.read(contributions)
    exact = len(errors) == 0
    return MultiOrderInteractionResult(
        info=info,
        orders=tuple(orders),
        pairs=tuple(pairs),
        interactions=pairwise,
        contributions=own if whole else None,
        by_order=singles(table) if whole else None,
        interaction_errors=None if exact else error,
        contribution_errors=None if exact or not whole else own_error,
        table=table if exact else None,
    )


def _from_pairs(
    info: ResultInfo,
    sampled: PairEstimate,
    orders: list[int],
    pairs: list[tuple[int, int]],
) -> MultiOrderInteractionResult:
    n = len(info.players)
    return MultiOrderInteractionResult(
        info=info,
        orders=tuple(orders),
        pairs=tuple(pairs),
        interactions=matrices_from_pairs(sampled.mean, pairs, n),
        contributions=None,
        by_order=None,
        interaction_errors=matrices_from_pairs(sampled.std_error, pairs, n),
        contribution_errors=None,
        absolute=matrices_from_pairs(sampled.mean_absolute, pairs, n),
        contexts=tuple(sampled.contexts.tolist()),
    )
