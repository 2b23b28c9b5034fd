"""Interactions inside a coalition of several players of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._random import own_generator
from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
    info_of,
    run,
    with_batch,
)
from captum_interactions.estimators.block_partitions import (
    BlockReading,
    block_codes,
    read_blocks,
)
from captum_interactions.estimators.block_values import (
    BlockValues,
    block_plan,
    exact_blocks,
)
from captum_interactions.functional.coalition_readings import (
    Partitions,
    check_partitions,
)
from captum_interactions.functional.multivariate import check_coalition
from captum_interactions.functional.partitions import check_partitioned
from captum_interactions.games import Game
from captum_interactions.players import Players
from captum_interactions.results import MultivariateInteractionResult

__all__ = ["MultivariateInteraction"]

Method = Literal["exact", "sampled", "learned"]


class MultivariateInteraction(AbstractInteractionAttribution):
    """Interactions inside a coalition A of players: B([A]), B_max, B_min and T([A]).

    B([A]) = φ_A(A) − Σ_{i∈A} φ_A({i}), where φ_A(C) is the Shapley value of block C as
    one player while the rest of A stays at baseline. Positive and negative interactions
    inside A cancel in B; B_max and B_min keep them apart, each by the partition of A
    whose blocks cooperate (work against each other) most, and T = B_max − B_min tells
    how much A interacts at all.

    Args:
        forward_func: Model or callable to explain.

    References:
        Zhang et al., "Interpreting multivariate Shapley interactions in DNNs" (AAAI
        2021), as in the authors' code.

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] - x[:, 2] * x[:, 3]
        >>> result = MultivariateInteraction(model).interactions(torch.ones(1, 4))
        >>> result.values.item(), result.significance.item()
        (0.0, 2.0)
        >>> result.max_partition()
        ([0 1] +1 (inside +1), [2] +0 (inside +0), [3] +0 (inside +0))
    """

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        coalition: Sequence[int | str] | None = None,
        partitions: Partitions = "contiguous",
        n_samples: int | None = None,
        method: Method | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> MultivariateInteractionResult:
        """B([A]), T([A]) and the partitions at B_max and B_min.

        See :class:`~captum_interactions.games.ModelGame` for the forms that the
        arguments take.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            coalition: The players of A, by index or by name; ``None`` for all.
            partitions: ``"contiguous"``: blocks are runs of consecutive members of the
                sorted coalition, as in the authors' code; ``"all"``: any blocks, up to
                12 members.
            n_samples: Budget of coalitions evaluated per example. From 2**n on,
                everything is exact. If it holds all contexts, B, T and the partitions
                are; with A = N there is a single context, and n(n+3)/2 + 1
                coalitions suffice. The members' shares are then sampled still.
            method: ``"exact"`` evaluates all 2**n coalitions; ``"sampled"`` takes
                ``n_samples`` of them; ``"learned"`` learns the probabilities of
                boundaries instead of finding the best partition, on the values of
                either. ``None`` is ``"sampled"`` if ``n_samples`` is given, else
                ``"exact"``.
            perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
            show_progress: Show a progress bar.
            generator: Source of randomness of sampling and learning. ``None`` starts
                one from torch's global seed, so that calls repeat; the global state is
                read, never advanced.

        Returns:
            The interactions and their partitions.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`, or if the
                coalition is not a sequence of players.
            ValueError: As :class:`~captum_interactions.games.ModelGame`; if the
                coalition is empty, repeats players or names absent ones, is too large
                for all partitions, or the options contradict each other.
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
            game, coalition, partitions, n_samples, method, generator=generator
        )

    attribute = attribution_of(
        interactions,
        """What each player contributes as a member of the coalition.

        These are Owen values, which share φ_A(A) among the members of A, and 0
        elsewhere; Shapley values if the coalition is everyone.""",
    )

    @classmethod
    def read(
        cls,
        game: Game,
        coalition: Sequence[int | str] | None = None,
        partitions: Partitions = "contiguous",
        n_samples: int | None = None,
        method: Method | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> MultivariateInteractionResult:
        """B([A]) and T([A]) of any game; options are those of :meth:`interactions`.

        Example:
            >>> from captum_interactions.games import TableGame
            >>> game = TableGame(torch.tensor([0.0, 1, 2, 5]))
            >>> MultivariateInteraction.read(game).values.item()
            2.0
        """
        members = _members(coalition, game.players)
        learned = _check_options(members, partitions, n_samples, method)
        generator = own_generator(generator)
        every = partitions == "all"
        if n_samples is None or n_samples >= 1 << game.n_players:
            table = with_batch(game.table())
            found, count = exact_blocks(table, members, every), table.shape[-1]
        else:
            plan = block_plan(game.n_players, members, n_samples, every, generator)
            found, count = run(plan, game, n_samples)
        # A sum over m blocks is as good as the values the model answers with.
        unit = 4 * len(members) * torch.finfo(game.value_dtype).eps
        rounding = unit * torch.maximum(found.v_empty.abs(), found.v_full.abs())
        reading = read_blocks(
            found.values, found.codes, partitions, learned, generator, rounding
        )
        return _result(game, members, partitions, found, reading, count)


def _result(
    game: Game,
    members: tuple[int, ...],
    partitions: Partitions,
    found: BlockValues,
    reading: BlockReading,
    count: int,
) -> MultivariateInteractionResult:
    optima = (reading.largest, reading.smallest)
    labels = torch.stack([best.labels for best in optima], dim=-2)
    at = _positions(block_codes(labels), found.codes)
    values = found.values.unsqueeze(-2).expand(*labels.shape[:-1], -1)
    return MultivariateInteractionResult(
        info=info_of(game, found.v_empty, found.v_full, count),
        coalition=members,
        partitions=partitions,
        interaction=reading.b,
        extremes=torch.stack([best.value for best in optima], dim=-1),
        labels=labels,
        block_values=values.gather(-1, at),
        singles=reading.singles,
        shares=found.shares,
        errors=found.errors(
            reading.whole_weights.expand_as(reading.largest_weights),
            reading.largest_weights,
            reading.smallest_weights,
            reading.largest_weights - reading.smallest_weights,
        ),
        share_errors=found.share_errors,
        block_errors=found.block_errors(at),
        probabilities=reading.probabilities,
    )


def _members(
    coalition: Sequence[int | str] | None, players: Players
) -> tuple[int, ...]:
    if coalition is None:
        return tuple(range(len(players)))
    if not isinstance(coalition, Sequence) or isinstance(coalition, str):
        bad_type("coalition", "a sequence of players", coalition, "pass a list")
    known = [players.index(p) if isinstance(p, str) else p for p in coalition]
    return check_coalition(known, len(players))


def _check_options(
    members: tuple[int, ...],
    partitions: Partitions,
    n_samples: int | None,
    method: Method | None,
) -> bool:
    """Refuse what does not fit; tell whether partitions are learned."""
    check_partitions(partitions)
    if partitions == "all":
        check_partitioned(len(members))
    if n_samples is not None:
        check_positive_int("n_samples", n_samples, "or None for exact values")
    if method is not None and method not in get_args(Method):
        bad_value("method", f"one of {get_args(Method)}", repr(method), "pick one")
    if method == "exact" and n_samples is not None:
        bad_value("n_samples", "None for exact values", n_samples, "leave it out")
    if method == "sampled" and n_samples is None:
        bad_value("n_samples", "a budget for sampled values", None, "give a number")
    if method == "learned" and partitions == "all":
        bad_value(
            "partitions",
            "'contiguous' for learned partitions",
            repr(partitions),
            "learning decides boundaries between neighbors",
        )
    return method == "learned"


def _positions(wanted: Tensor, codes: Tensor) -> Tensor:
    """Where in ``codes`` each wanted code is."""
    ordered, order = codes.sort()
    return order[torch.searchsorted(ordered, wanted)]
