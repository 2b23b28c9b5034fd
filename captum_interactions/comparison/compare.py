"""Attribution methods, ours and Captum's, on the same examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import progress_bar
from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.comparison.agreement import distance, removal_curves
from captum_interactions.comparison.allocation import allocation_of
from captum_interactions.comparison.captum_metrics import measure
from captum_interactions.comparison.failures import reason
from captum_interactions.comparison.pairs import pair_curves, pairs_of
from captum_interactions.comparison.question import Question, ask, other_scalar
from captum_interactions.comparison.result import AttributionComparison
from captum_interactions.comparison.row import MethodRow
from captum_interactions.comparison.running import Run, run, run_shared, undisturbed
from captum_interactions.comparison.shared import SharedGame
from captum_interactions.comparison.summing import aggregate
from captum_interactions.results import InteractionResult

__all__ = ["compare_attributions"]


@checked
def compare_attributions(
    methods: Mapping[str, Any],
    inputs: Tensor | tuple[Tensor, ...],
    *,
    target: Any = None,
    baselines: Any = None,
    additional_forward_args: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    n_samples: int | None = None,
    draws: int = 1,
    captum_metrics: bool = False,
    allocation: bool = True,
    show_progress: bool = False,
) -> AttributionComparison:
    """Compare attribution methods on the same examples.

    Every method is called with those of the shared arguments that its ``attribute``
    takes. What it returns is summed over the elements of each player, and held against
    the game ``v(S)`` that the model plays with these baselines. Random methods all
    start from the current state of the global generator, which is left as it was: the
    other methods of a comparison don't change a row. Methods of ours, the Shapley
    values that all are held against and the curves read one evaluation of the game.

    Args:
        methods: Names and Captum attributions, ours among them; or pairs of an
            attribution and further arguments for its ``attribute``:
            ``{"Occlusion": (Occlusion(f), {"sliding_window_shapes": (1, 2, 2)})}``.
            The forward function of the first one is the model that is explained.
        inputs: Input tensor or tuple of tensors, batch axis first.
        target: Which output is explained.
        baselines: What replaces absent players; 0 for the methods that must have some.
        additional_forward_args: Further arguments of the forward function.
        feature_mask: Which input elements form a player.
        n_samples: Coalitions per example that each method of ours may evaluate, of any
            number of players; the Shapley values that others are held against are then
            estimated, too, from as many. ``None`` evaluates all of them, and has
            Shapley values up to 16 players.
        draws: How often methods of others are called, for the standard error of one
            call of those that are random. Ours report theirs.
        captum_metrics: Also compute ``captum.metrics`` infidelity and maximal
            sensitivity (Gaussian perturbations of 0.02); the latter calls every method
            ten times more.
        allocation: Also run perturbation methods on single AND interactions, to see
            where their effect goes. Only these methods are functions of v alone.
        show_progress: Show a bar of the evaluation, and one that counts methods.

    Returns:
        One row per method; a method that fails says why in its row.

    Raises:
        TypeError: If ``methods`` does not hold Captum attributions.
        ValueError: If there are no methods, ``draws`` is not positive, or as
            :class:`~captum_interactions.games.ModelGame`.

    Example:
        >>> from captum.attr import FeatureAblation, ShapleyValues
        >>> f = lambda x: x[:, 0] * x[:, 1]
        >>> methods = {"ablation": FeatureAblation(f), "Shapley": ShapleyValues(f)}
        >>> found = compare_attributions(methods, torch.tensor([[2.0, 3.0]]))
        >>> found.values["ablation"].tolist(), found.values["Shapley"].tolist()
        ([[6.0, 6.0]], [[3.0, 3.0]])
    """
    calls = _format_methods(methods)
    check_positive_int("draws", draws, "1 calls every method once")
    if n_samples is not None:
        check_positive_int("n_samples", n_samples, "None evaluates all coalitions")
    shared = {
        "target": target,
        "baselines": baselines,
        "additional_forward_args": additional_forward_args,
        "feature_mask": feature_mask,
    }
    first, _ = next(iter(calls.values()))
    question = ask(first.forward_func, inputs, shared, n_samples, show_progress)
    options = (question, draws, captum_metrics, allocation)
    rows = {}
    with progress_bar(show_progress, "Methods", len(calls)) as bar:
        for name, (method, own) in calls.items():
            # Whatever a method raises concerns its own row; the others go on.
            try:
                with undisturbed(question.tensors):
                    rows[name] = _row(method, own, *options)
            except Exception as error:
                rows[name] = MethodRow(error=reason(error, method))
            bar.update(1)
    tensors = question.tensors
    images = (
        tensors[0]
        if len(tensors) == 1 and tensors[0].dim() == 4 and tensors[0].shape[1] in (1, 3)
        else None
    )
    return AttributionComparison(
        {name: _charge(row, question.game) for name, row in rows.items()},
        question.game.players,
        v_empty=question.v_empty,
        v_full=question.v_full,
        shapley=question.shapley,
        shapley_error=question.shapley_error,
        noise=question.noise,
        n_samples=n_samples,
        images=images,
        text=len(tensors) == 1 and not tensors[0].is_floating_point(),
    )


def _row(
    method: Any,
    options: Mapping[str, Any],
    question: Question,
    draws: int,
    captum_metrics: bool,
    allocation: bool,
) -> MethodRow:
    game = question.game
    found, shared = _called(method, options, question)
    values = aggregate(found, game.players, game.batch_size)
    deletion, insertion = removal_curves(question.values, values)
    notes = [*found.notes, *other_scalar(method, question)]
    shares = None
    if allocation and question.dividends is not None:
        shares, why = allocation_of(method, question.dividends, options)
        notes += [why] if why else []
    unfaithful = unstable = math.nan
    if captum_metrics:
        unfaithful, unstable, whys = measure(
            method, found, question.inputs, question.shared, options
        )
        notes += whys
    gap = values.sum(-1) - (question.v_full - question.v_empty)
    row = MethodRow(
        values=values,
        notes=tuple(notes),
        completeness_gap=float(gap.abs().mean()),
        shapley_distance=_to_shapley(values, question),
        deletion=deletion,
        insertion=insertion,
        allocation=shares,
        seconds=found.seconds,
        n_forwards=found.n_forwards,
        n_rows=found.n_rows,
        shared=found.result.n_evaluations if shared and found.result else 0,
        infidelity=unfaithful,
        sensitivity=unstable,
    )
    if found.result is not None:
        return replace(row, **_read(found.result, question))
    return replace(row, std_error=_spread(method, options, question, values, draws))


def _called(
    method: Any, options: Mapping[str, Any], question: Question
) -> tuple[Run, bool]:
    """What a method found, and whether it read the shared evaluation."""
    takes = signature(getattr(method, "interactions", method.attribute)).parameters
    ours = isinstance(method, AbstractInteractionAttribution)
    if ours and question.n_samples is not None and "n_samples" in takes:
        options = {"n_samples": question.n_samples} | dict(options)
    found = run_shared(method, question.game, options)
    if found is not None:
        return found, True
    return run(method, question.inputs, question.shared, options), False


def _to_shapley(values: Tensor, question: Question) -> float:
    """Distance to the Shapley values; NaN for the estimate that stands for them."""
    phi = question.shapley
    if phi is None:
        return math.nan
    itself = question.shapley_error is not None and torch.allclose(values, phi)
    return math.nan if itself else distance(values, phi)


def _read(result: InteractionResult, question: Question) -> dict[str, Any]:
    """What a result of ours says besides its attributions."""
    fields: dict[str, Any] = {"noise": float(result.noise_floor.double().mean())}
    error = getattr(result, "shapley_error", lambda: None)()
    if error is not None:
        fields["std_error"] = error.double().cpu()
    pairs = pairs_of(result)
    if pairs is not None:
        values, errors = pairs
        removed, added = pair_curves(question.values, values)
        fields |= {
            "pairs": values,
            "pair_error": errors,
            "pair_deletion": removed,
            "pair_insertion": added,
        }
    return fields


def _spread(
    method: Any,
    options: Mapping[str, Any],
    question: Question,
    values: Tensor,
    draws: int,
) -> Tensor | None:
    """Standard deviation over calls that go on with the random numbers."""
    if draws == 1:
        return None
    game = question.game
    found = [values]
    for _ in range(draws - 1):
        again = run(method, question.inputs, question.shared, options)
        found.append(aggregate(again, game.players, game.batch_size))
    return torch.stack(found).std(0)


def _charge(row: MethodRow, game: SharedGame) -> MethodRow:
    """Say what a reading of the shared evaluation cost, once all of it is done."""
    if not row.shared:
        return row
    passes, rows, seconds = game.cost(row.shared)
    return replace(row, n_forwards=passes, n_rows=rows, seconds=row.seconds + seconds)


def _format_methods(
    methods: Mapping[str, Any],
) -> dict[str, tuple[Any, dict[str, Any]]]:
    if not isinstance(methods, Mapping) or not methods:
        bad_value(
            "methods",
            "a dictionary of at least one name and attribution",
            methods,
            'write {"IG": IntegratedGradients(model)}',
        )
    calls = {}
    for name, entry in methods.items():
        method, options = entry if isinstance(entry, tuple) else (entry, {})
        if not callable(getattr(method, "attribute", None)):
            bad_type(
                f"methods[{name!r}]", "a Captum attribution", method, "construct it"
            )
        calls[str(name)] = (method, dict(options))
    return calls
