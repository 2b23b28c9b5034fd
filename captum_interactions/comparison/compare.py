"""Attribution methods, ours and Captum's, on the same examples."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from captum.attr import PerturbationAttribution
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.comparison.agreement import distance, removal_curves
from captum_interactions.comparison.allocation import (
    Allocation,
    allocate,
    summarise,
)
from captum_interactions.comparison.result import AttributionComparison, MethodRow
from captum_interactions.comparison.running import Run, aggregate, run
from captum_interactions.functional import (
    coalition_members,
    moebius,
    shapley_values_from_and,
)
from captum_interactions.games import ModelGame

__all__ = ["compare_attributions"]

# Above this many players the exact Shapley values cost more than they are worth here.
_EXACT_PLAYERS = 16
_RADIUS = 0.02  # of the perturbations in Captum's metrics, Captum's own default
_ALLOCATED = 10  # strongest AND interactions that allocation looks at


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
    the game ``v(S)`` that the model plays with these baselines.

    Args:
        methods: Names and Captum attributions, ours among them; or pairs of an
            attribution and further arguments for its ``attribute``:
            ``{"Occlusion": (Occlusion(f), {"sliding_window_shapes": (1, 2, 2)})}``.
            The forward function of the first one is the model that is explained.
        inputs: Input tensor or tuple of tensors, batch axis first.
        target: Which output is explained.
        baselines: What replaces absent players.
        additional_forward_args: Further arguments of the forward function.
        feature_mask: Which input elements form a player.
        captum_metrics: Also compute ``captum.metrics`` infidelity and maximal
            sensitivity (Gaussian perturbations of 0.02); the latter calls every method
            ten times more. Their random numbers come from the global generator, which
            is left as it was.
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
    first, _ = next(iter(calls.values()))
    game = ModelGame(
        first.forward_func,
        inputs,
        baselines,
        target,
        additional_forward_args,
        feature_mask,
    )
    n = game.n_players
    ends = game(torch.tensor([[False] * n, [True] * n])).cpu()
    if ends.dim() != 2 or len(ends) != game.batch_size:
        bad_value(
            "target",
            "an output that gives one scalar per example",
            f"values of shape {tuple(ends.shape[:-1])}",
            "choose one output through `target`",
        )
    dividends = moebius(game.table()).cpu() if n <= _EXACT_PLAYERS else None
    shapley = None if dividends is None else shapley_values_from_and(dividends)
    shared = {
        "target": target,
        "baselines": baselines,
        "additional_forward_args": additional_forward_args,
        "feature_mask": feature_mask,
    }
    rows = {}
    for name, (method, options) in calls.items():
        try:
            found = run(method, inputs, shared, options)
            values = aggregate(found, game.players, game.batch_size)
        except Exception as error:
            # Whatever a method raises concerns its own row; the others go on.
            message = " ".join(str(error).split())
            rows[name] = MethodRow(error=f"{type(error).__name__}: {message[:200]}")
            continue
        deletion, insertion = removal_curves(lambda masks: game(masks).cpu(), values)
        unfaithful = unstable = math.nan
        if captum_metrics:
            unfaithful, unstable = _captum_metrics(
                method, found, inputs, shared, options
            )
        rows[name] = MethodRow(
            values=values,
            completeness_gap=float(
                (values.sum(-1) - (ends[:, 1] - ends[:, 0])).abs().mean()
            ),
            shapley_distance=(
                math.nan if shapley is None else distance(values, shapley)
            ),
            deletion=deletion,
            insertion=insertion,
            allocation=_allocation(method, dividends, options) if allocation else None,
            seconds=found.seconds,
            n_forwards=found.n_forwards,
            n_rows=found.n_rows,
            infidelity=unfaithful,
            sensitivity=unstable,
        )
    single = inputs if isinstance(inputs, Tensor) else inputs[0]
    images = single if single.dim() == 4 and single.shape[1] in (1, 3) else None
    return AttributionComparison(rows, game.players, shapley, images)


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
        calls[name] = (method, dict(options))
    return calls


def _captum_metrics(
    method: Any,
    found: Run,
    inputs: Tensor | tuple[Tensor, ...],
    shared: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[float, float]:
    """Infidelity and maximal sensitivity; NaN for inputs that are not real."""
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    if not all(tensor.is_floating_point() for tensor in tensors) or any(
        values.shape != tensor.shape
        for values, tensor in zip(found.attributions, tensors, strict=True)
    ):
        return math.nan, math.nan

    # Captum passes a lone tensor as it is, several as a tuple.
    def disturb(given: Any) -> Any:
        several = given if isinstance(given, tuple) else (given,)
        noise = tuple(_RADIUS * torch.randn_like(x) for x in several)
        return noise, tuple(x - e for x, e in zip(several, noise, strict=True))

    def nearby(given: Any, radius: float) -> Any:
        several = given if isinstance(given, tuple) else (given,)
        return tuple(x + radius * torch.randn_like(x) for x in several)

    taken = {
        key: value
        for key, value in shared.items()
        if value is not None and (key != "feature_mask" or found.per_player)
    }
    call = {k: taken[k] for k in ("target", "additional_forward_args") if k in taken}
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = infidelity(
            method.forward_func, disturb, tensors, found.attributions, **call
        )
        spread = sensitivity_max(
            lambda given, **call: run(method, given, call, options).attributions,
            tensors,
            nearby,
            perturb_radius=_RADIUS,
            **taken,
        )
    return float(score.mean()), float(spread.mean())


def _allocation(
    method: Any, dividends: Tensor | None, options: Mapping[str, Any]
) -> Allocation | None:
    """Share of the strongest interactions of two or more, on perturbation methods."""
    if dividends is None or not isinstance(method, PerturbationAttribution):
        return None
    n = dividends.shape[-1].bit_length() - 1
    strength = dividends.abs().sum(0)
    strength[[0, *(1 << i for i in range(n))]] = 0.0
    best = strength.topk(min(_ALLOCATED, len(strength)))
    kept = [(float(s), int(c)) for s, c in zip(*best, strict=True) if s > 0]
    if not kept:
        return None
    coalitions = [coalition_members(code) for _, code in kept]
    usable = {k: v for k, v in options.items() if k in ("n_samples", "show_progress")}
    try:
        with torch.random.fork_rng():
            shares = allocate(method, coalitions, n, usable)
    except Exception:
        # Methods that need more than a mask (a window, a layer) have no allocation.
        return None
    return summarise(shares, coalitions, torch.tensor([s for s, _ in kept]))
