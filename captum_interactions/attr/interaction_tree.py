"""Trees of interactions: which words, patches or time steps act together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import (
    bad_value,
    check_enumerable,
    check_positive_int,
)
from captum_interactions._random import own_generator
from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
    info_of,
    run,
    with_batch,
)
from captum_interactions.estimators.agglomeration import (
    Criterion,
    Tolerance,
    check_criterion,
)
from captum_interactions.estimators.forest import (
    Forest,
    exact_forest,
    forest_plan,
)
from captum_interactions.estimators.tree_graphs import graphs_of
from captum_interactions.games import Game
from captum_interactions.players import Players
from captum_interactions.results import InteractionTreeResult
from captum_interactions.results._tree_building import collect_trees

__all__ = ["MAX_TREE_PLAYERS", "InteractionTree"]

# 2^14 = 16,384 coalitions per example.
MAX_TREE_PLAYERS = 14
# Codes of coalitions are 64-bit integers.
_MOST_PLAYERS = 62
# What counts as rounding follows the dtype in which the model answers: float32 values
# carry about 1e-7 of their size, and batches of different size round differently.
_TOLERANCES = {torch.float64: Tolerance()}
_COARSE = Tolerance(figure=1e-6, value=1e-6, tie=1e-6)


class InteractionTree(AbstractInteractionAttribution):
    """Binary tree over the players, grown from the bottom by interaction strength.

    At first every player is a constituent. Again and again the two neighboring
    constituents that interact most are merged into one, which from then on acts as a
    single player.

    Args:
        forward_func: Model or callable to explain.

    References:
        Zhang et al., "Building interpretable interaction trees for deep NLP models"
        (AAAI 2021), as in the authors' code; see
        :func:`~captum_interactions.estimators.agglomeration.agglomerate` for what is
        ours.

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] - 2 * x[:, 2] * x[:, 3]
        >>> result = InteractionTree(model).interactions(torch.ones(1, 4))
        >>> result.to_newick()
        "(('0','1')'+1',('2','3')'-2')'+0';"
    """

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        neighbors: Sequence[Sequence[int]] | Tensor | None = None,
        criterion: Criterion = "r",
        n_samples: int | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> InteractionTreeResult:
        """The tree of every example.

        See :class:`~captum_interactions.games.ModelGame` for the forms that the
        arguments take.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player. A player that an example
                lacks is no part of its tree, so that sentences of different length can
                share a batch.
            neighbors: Pairs of players that are neighbors, such as
                :func:`~captum_interactions.players.neighbor_pairs` of image patches;
                ``None`` for a sequence. They must connect all players.
            criterion: Which figure decides what is merged: ``"r"`` (the published
                density), ``"dependence"`` (finds AND and OR groups alike, whatever
                they are worth), ``"b_between"`` or ``"psi_inter"``, see
                :class:`~captum_interactions.functional.MergeFigures`.
            n_samples: Budget of coalitions evaluated per example. ``None``, or a
                budget that holds all 2**n, is exact; required beyond 14 players. The
                other values are estimated, as for
                :class:`~captum_interactions.ShapleyInteraction`.
            perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
            show_progress: Show a progress bar.
            generator: Source of randomness of sampling. ``None`` starts one from
                torch's global seed, so that calls repeat; the global state is read,
                never advanced.

        Returns:
            The trees.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :class:`~captum_interactions.games.ModelGame`; if there are
                more than 14 players without ``n_samples`` or more than 62 with it, an
                example has fewer than two players, the neighbors do not connect the
                players, or the budget is too small.
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
            neighbors,
            criterion,
            n_samples,
            generator=generator,
        )

    attribute = attribution_of(interactions, "Shapley values of the leaves.")

    @classmethod
    def read(
        cls,
        game: Game,
        neighbors: Sequence[Sequence[int]] | Tensor | None = None,
        criterion: Criterion = "r",
        n_samples: int | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> InteractionTreeResult:
        """The tree of any game; options are those of :meth:`interactions`.

        Example:
            >>> from captum_interactions.games import TableGame
            >>> found = InteractionTree.read(TableGame(torch.tensor([0.0, 1, 2, 5])))
            >>> found.roots[0].span
            (0, 1)
        """
        check_criterion(criterion)
        exact = _check_budget(game.n_players, n_samples)
        present = _present(game.players, game.batch_size)
        graphs = graphs_of(game.n_players, present, neighbors)
        if exact:
            table = with_batch(game.table())
            forest = exact_forest(graphs, table, criterion, _tolerance(game))
            return _collected(game, criterion, forest, table.shape[-1])
        assert n_samples is not None
        source = own_generator(generator)
        plan = forest_plan(
            graphs, n_samples, criterion, lambda: _tolerance(game), source
        )
        forest, n_evaluations = run(plan, game, n_samples)
        return _collected(game, criterion, forest, n_evaluations)


def _tolerance(game: Game) -> Tolerance:
    """What the dtype in which the game has answered leaves open."""
    return _TOLERANCES.get(game.value_dtype, _COARSE)


def _collected(
    game: Game, criterion: Criterion, forest: Forest, n_evaluations: int
) -> InteractionTreeResult:
    info = info_of(game, forest.v_empty, forest.v_full, n_evaluations)
    return collect_trees(info, criterion, forest.trees)


def _present(players: Players, batch_size: int) -> list[tuple[int, ...]]:
    """Return the players that own any input element, example by example."""
    if not players.per_example:
        return [tuple(range(len(players)))] * batch_size
    return [
        tuple(
            torch.cat(
                [mask[min(b, len(mask) - 1)].flatten().cpu() for mask in players.masks]
            )
            .unique()
            .tolist()
        )
        for b in range(batch_size)
    ]


def _check_budget(n_players: int, n_samples: int | None) -> bool:
    """Refuse what can't be done; tell whether all coalitions are evaluated."""
    if n_samples is None:
        check_enumerable(n_players, MAX_TREE_PLAYERS)
        return True
    check_positive_int("n_samples", n_samples, "or None for an exact tree")
    if n_players > _MOST_PLAYERS:
        bad_value(
            "inputs",
            f"of at most {_MOST_PLAYERS} players for a tree",
            n_players,
            "pass a coarser `feature_mask`",
        )
    return n_players <= MAX_TREE_PLAYERS and 1 << n_players <= n_samples
