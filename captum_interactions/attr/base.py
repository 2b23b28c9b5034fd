"""What all attribution classes share: Captum's call, turned into a game."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from inspect import signature
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

from captum_interactions._captum import PerturbationAttribution, log_usage
from captum_interactions._checks import check_positive_int
from captum_interactions._signature import checked, checked_methods
from captum_interactions.attr._budget_notice import Stopwatch
from captum_interactions.estimators import (
    MAX_TABLE_PLAYERS,
    Estimate,
    Evaluations,
    KernelEstimate,
    TableEstimate,
    completed_table,
    evaluate,
    table_plan,
)
from captum_interactions.estimators.driver import Plan
from captum_interactions.games import Game, ModelGame
from captum_interactions.results import InteractionResult, ResultInfo

__all__ = [
    "AbstractInteractionAttribution",
    "attribution_of",
    "estimate_of",
    "table_of",
    "info_of",
    "run",
    "with_batch",
]

P = ParamSpec("P")
T = TypeVar("T")
Attributions = Tensor | tuple[Tensor, ...]

_SHARED_DOC = """{0}

        Arguments are those of :meth:`interactions`.

        Returns:
            Attributions shaped like the inputs, ``(batch, *outputs, *features)``, in
            the units of the value function; a tuple if the inputs are one. Elements of
            one player share its value.

        Raises:
            TypeError: As :meth:`interactions`.
            ValueError: As :meth:`interactions`.
        """


def attribution_of(
    interactions: Callable[Concatenate[Any, P], InteractionResult], doc: str
) -> Callable[Concatenate[Any, P], Attributions]:
    """Derive ``attribute`` from ``interactions``: same arguments, same order.

    Args:
        interactions: The verb that a class writes.
        doc: What each element of the inputs gets, in a sentence.

    Returns:
        A method, decorated with Captum's ``log_usage``, which NoiseTunnel relies on.
    """
    found = checked(interactions)

    def attribute(self: Any, *args: P.args, **kwargs: P.kwargs) -> Attributions:
        return found(self, *args, **kwargs).attributions()

    written = signature(interactions)
    attribute.__signature__ = written.replace(  # type: ignore[attr-defined]
        return_annotation="Tensor | tuple[Tensor, ...]"
    )
    attribute.__doc__ = _SHARED_DOC.format(doc)
    attribute.__module__ = interactions.__module__
    owner = interactions.__qualname__.rpartition(".")[0]
    attribute.__qualname__ = f"{owner}.attribute"
    logged: Callable[Concatenate[Any, P], Attributions] = log_usage(part_of_slo=True)(
        attribute
    )
    return logged


class AbstractInteractionAttribution(PerturbationAttribution, ABC):
    """Captum attribution that reads a game played by the model.

    A concrete class is final: a signature, a plan and a reading.

    * ``interactions`` has the one written signature, builds the game of Captum's
      arguments and returns what :meth:`read` makes of it;
    * ``attribute = attribution_of(interactions, …)`` takes the same arguments and
      returns ``result.attributions()``, shaped like the inputs;
    * ``read(game, …)`` is the same on any game: a table, a prompt, your own.

    Both verbs read ``self.forward_func`` at call time, so a shallow copy whose
    ``forward_func`` is replaced explains the new function.

    The arguments they share are Captum's and are documented by
    :class:`~captum_interactions.games.ModelGame`.

    Args:
        forward_func: Model or callable to explain.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Check arguments of what a class writes by its annotations."""
        super().__init_subclass__(**options)
        checked_methods(cls, ("interactions", "read", "fit"))

    @abstractmethod
    def interactions(self, *args: Any, **kwargs: Any) -> InteractionResult:
        """Return the result object; concrete classes have an explicit signature."""

    @classmethod
    @abstractmethod
    def read(cls, game: Game, *args: Any, **kwargs: Any) -> InteractionResult:
        """Return the result of any game; concrete classes name their options."""

    def attribute_future(self, *args: Any, **kwargs: Any) -> Any:
        """Not offered: evaluation is batched, not asynchronous."""
        raise NotImplementedError(
            f"{type(self).__name__} has no attribute_future; call attribute"
        )

    def _game(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any,
        target: Any,
        additional_forward_args: Any,
        feature_mask: Tensor | tuple[Tensor, ...] | None,
        perturbations_per_eval: int | None,
        show_progress: bool,
    ) -> ModelGame:
        return ModelGame(
            self.forward_func,
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval=perturbations_per_eval,
            show_progress=show_progress,
            name=self.get_name(),
        )


def estimate_of(
    game: Game,
    n_samples: int | None,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Estimate, int]:
    """Evaluate a game, on all coalitions or within a budget.

    Args:
        game: Any game.
        n_samples: Coalitions per example; None evaluates all 2**n.
        generator: Source of randomness of a budget.

    Returns:
        The estimate, and how many distinct coalitions each example took.

    Raises:
        TypeError: If ``n_samples`` is not an integer.
        ValueError: If there are too many players, or the budget is too small.
    """
    if n_samples is None:
        table = with_batch(game.table())
        return TableEstimate(table), table.shape[-1]
    check_positive_int("n_samples", n_samples, "None evaluates all coalitions")
    plan = table_plan(
        game.n_players,
        n_samples,
        neighbors=game.players.neighbors(),
        generator=generator,
    )
    return run(plan, game, n_samples)


def table_of(
    game: Game,
    n_samples: int | None,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Estimate, int]:
    """As :func:`estimate_of`: a table of all values of at most 20 players.

    Beyond, a :class:`~captum_interactions.estimators.KernelEstimate` of named
    coalitions.
    """
    found, count = estimate_of(game, n_samples, generator=generator)
    if isinstance(found, KernelEstimate) and game.n_players <= MAX_TABLE_PLAYERS:
        found = completed_table(found, generator)
    return found, count


def run(plan: Plan[T], game: Game, budget: int) -> tuple[T, int]:
    """Run a plan on a game, with one progress bar over all its rounds.

    Returns:
        What the plan returns, and how many distinct coalitions each example took; a
        game that is read twice counts its own evaluations on.
    """
    watch = Stopwatch(game)
    asked = Evaluations(lambda masks: with_batch(watch(masks)))
    shown, game.show_progress = game.show_progress, False
    try:
        result = evaluate(plan, asked, budget, show_progress=shown, name=game.name)
    finally:
        game.show_progress = shown
    watch.compare(budget, asked.n_evaluations)
    return result, asked.n_evaluations


def with_batch(
    values: Tensor,  # (batch, *outputs, C), or (C,)
) -> Tensor:
    """Return values with a batch axis, of one example if they have none."""
    return values.unsqueeze(0) if values.dim() == 1 else values


def info_of(
    game: Game,
    v_empty: Tensor,
    v_full: Tensor,
    n_evaluations: int,
    largest: Tensor | None = None,
) -> ResultInfo:
    """Collect what every result carries besides its own values.

    Args:
        game: What was read.
        v_empty: v(∅), ``(batch, *outputs)``.
        v_full: v(N), ``(batch, *outputs)``.
        n_evaluations: Distinct coalitions that the result took, per example.
        largest: Largest |v| of all coalitions, where it is known.
    """
    if largest is None:
        largest = torch.maximum(v_empty.abs(), v_full.abs())
    return ResultInfo(
        players=game.players,
        n_evaluations=n_evaluations,
        v_empty=v_empty,
        v_full=v_full,
        dtype=game.reading_dtype,
        tuple_inputs=game.tuple_inputs,
        value_noise=game.value_noise(largest),
    )
