"""Attribution methods, ours and Captum's, on the same examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from captum.attr import NeuronAttribution
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.comparison.agreement import distance, removal_curves
from captum_interactions.comparison.allocation import allocation_of
from captum_interactions.comparison.captum_metrics import measure
from captum_interactions.comparison.result import AttributionComparison
from captum_interactions.comparison.row import MethodRow
from captum_interactions.comparison.running import (
    aggregate,
    reason,
    run,
    undisturbed,
)
from captum_interactions.functional import moebius, shapley_values_from_and
from captum_interactions.games import ModelGame

__all__ = ["compare_attributions"]

# Above this many players the exact Shapley values cost more than they are worth here.
_EXACT_PLAYERS = 16
# Two methods explain the same scalar if v(N) and v(∅) differ by less than rounding.
_SAME = 1e-3


def compare_attributions(
    methods: Mapping[str, Any],
    inputs: Tensor | tuple[Tensor, ...],
    *,
    target: Any = None,
    baselines: Any = None,
    additional_forward_args: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    captum_metrics: bool = False,
    allocation: bool = True,
) -> AttributionComparison:
    """Compare attribution methods on the same examples.

    Every method is called with those of the shared arguments that its ``attribute``
    takes. What it returns is summed over the elements of each player, and held against
    the game ``v(S)`` that the model plays with these baselines. Random methods all
    start from the current state of the global generator, which is left as it was: the
    other methods of a comparison don't change a row.

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
        captum_metrics: Also compute ``captum.metrics`` infidelity and maximal
            sensitivity (Gaussian perturbations of 0.02); the latter calls every method
            ten times more.
        allocation: Also run perturbation methods on single AND interactions, to see
            where their effect goes. Only these methods are functions of v alone.

    Returns:
        One row per method; a method that fails says why in its row.

    Raises:
        TypeError: If ``methods`` does not hold Captum attributions.
        ValueError: If there are no methods, or as :class:`ModelGame`.

    Example:
        >>> from captum.attr import FeatureAblation, ShapleyValues
        >>> f = lambda x: x[:, 0] * x[:, 1]
        >>> methods = {"ablation": FeatureAblation(f), "Shapley": ShapleyValues(f)}
        >>> found = compare_attributions(methods, torch.tensor([[2.0, 3.0]]))
        >>> found.values["ablation"].tolist(), found.values["Shapley"].tolist()
        ([[6.0, 6.0]], [[3.0, 3.0]])
    """
    calls = _format_methods(methods)
    shared = {
        "target": target,
        "baselines": baselines,
        "additional_forward_args": additional_forward_args,
        "feature_mask": feature_mask,
    }
    first, _ = next(iter(calls.values()))
    question = _ask(first.forward_func, inputs, shared)
    rows = {}
    for name, (method, options) in calls.items():
        # Whatever a method raises concerns its own row; the others go on.
        try:
            with undisturbed(question.tensors):
                rows[name] = _row(method, options, question, captum_metrics, allocation)
        except Exception as error:
            rows[name] = MethodRow(error=reason(error))
    tensors = question.tensors
    images = (
        tensors[0]
        if len(tensors) == 1 and tensors[0].dim() == 4 and tensors[0].shape[1] in (1, 3)
        else None
    )
    return AttributionComparison(
        rows,
        question.game.players,
        v_empty=question.ends[:, 0],
        v_full=question.ends[:, 1],
        shapley=question.shapley,
        images=images,
        text=len(tensors) == 1 and not tensors[0].is_floating_point(),
    )


@dataclass(frozen=True)
class _Question:
    """What all methods are asked, and the answer where it is known."""

    game: ModelGame
    inputs: Tensor | tuple[Tensor, ...]
    shared: Mapping[str, Any]
    ends: Tensor  # v(∅) and v(N), (batch, 2)
    dividends: Tensor | None  # (batch, 2**n), unless there are too many players
    shapley: Tensor | None  # (batch, n)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)


def _ask(
    forward_func: Any, inputs: Tensor | tuple[Tensor, ...], shared: Mapping[str, Any]
) -> _Question:
    game = ModelGame(forward_func, inputs, **shared)
    ends = _ends(game)
    if ends.dim() != 2 or len(ends) != game.batch_size:
        bad_value(
            "target",
            "an output that gives one scalar per example",
            f"values of shape {tuple(ends.shape[:-1])}",
            "choose one output through `target`",
        )
    exact = game.n_players <= _EXACT_PLAYERS
    dividends = moebius(game.table()).cpu() if exact else None
    shapley = None if dividends is None else shapley_values_from_and(dividends)
    return _Question(game, inputs, shared, ends, dividends, shapley)


def _ends(game: ModelGame) -> Tensor:
    n = game.n_players
    return game(torch.tensor([[False] * n, [True] * n])).cpu()


def _row(
    method: Any,
    options: Mapping[str, Any],
    question: _Question,
    captum_metrics: bool,
    allocation: bool,
) -> MethodRow:
    game, ends = question.game, question.ends
    found = run(method, question.inputs, question.shared, options)
    values = aggregate(found, game.players, game.batch_size)
    deletion, insertion = removal_curves(lambda masks: game(masks).cpu(), values)
    notes = [*found.notes, *_other_scalar(method, question)]
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
    gap = values.sum(-1) - (ends[:, 1] - ends[:, 0])
    return MethodRow(
        values=values,
        notes=tuple(notes),
        completeness_gap=float(gap.abs().mean()),
        shapley_distance=(
            math.nan if question.shapley is None else distance(values, question.shapley)
        ),
        deletion=deletion,
        insertion=insertion,
        allocation=shares,
        seconds=found.seconds,
        n_forwards=found.n_forwards,
        n_rows=found.n_rows,
        infidelity=unfaithful,
        sensitivity=unstable,
    )


def _other_scalar(method: Any, question: _Question) -> list[str]:
    """Say so if a method explains something else than the first one."""
    if isinstance(method, NeuronAttribution):
        return ["explains a neuron, not the output: its gap and distance say little"]
    if method.forward_func is question.game.forward_func:
        return []
    game = ModelGame(method.forward_func, question.inputs, **question.shared)
    own, asked = _ends(game), question.ends
    if own.shape == asked.shape and torch.allclose(own, asked, rtol=_SAME, atol=_SAME):
        return []
    return [
        "explains another scalar than the first method: its v(N) - v(∅) is "
        f"{float((own[..., 1] - own[..., 0]).mean()):.3g}, not "
        f"{float((asked[:, 1] - asked[:, 0]).mean()):.3g}"
    ]


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
