"""Infidelity and sensitivity of a method, by Captum's own metrics."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor

from captum_interactions.comparison.failures import reason
from captum_interactions.comparison.running import Run, run

__all__ = ["RADIUS", "measure"]

RADIUS = 0.02  # of the perturbations, Captum's own default


def measure(
    method: Any,
    found: Run,
    inputs: Tensor | tuple[Tensor, ...],
    shared: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[float, float, tuple[str, ...]]:
    """Infidelity and maximal sensitivity, mean over examples.

    Args:
        method: Captum attribution.
        found: What it returned for ``inputs``.
        inputs: Inputs as Captum takes them.
        shared: Arguments for all methods, by Captum's names.
        options: Further arguments of this method.

    Returns:
        Infidelity, sensitivity, and why one of them is NaN.
    """
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    if not all(tensor.is_floating_point() for tensor in tensors):
        return math.nan, math.nan, ("no captum.metrics: the inputs are not real",)
    if [v.shape for v in found.attributions] != [x.shape for x in tensors]:
        why = "no captum.metrics: the attributions are not shaped like the inputs"
        return math.nan, math.nan, (why,)
    taken = {
        key: value
        for key, value in shared.items()
        if value is not None and (key != "feature_mask" or found.per_player)
    }
    forward = {k: taken[k] for k in ("target", "additional_forward_args") if k in taken}

    def unfaithful() -> Tensor:
        return infidelity(
            method.forward_func, _disturb, tensors, found.attributions, **forward
        )

    def unstable() -> Tensor:
        return sensitivity_max(
            lambda given, **call: run(method, given, call, options).attributions,
            tensors,
            _nearby,
            perturb_radius=RADIUS,
            **taken,
        )

    scores, notes = [], []
    for name, metric in (("infidelity", unfaithful), ("sensitivity", unstable)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scores.append(float(metric().mean()))
        except Exception as error:
            # As for the method itself: what a metric can't do is said in the row.
            scores.append(math.nan)
            notes.append(f"no {name}: {reason(error)}")
    return scores[0], scores[1], tuple(notes)


# Captum passes a lone tensor as it is, several as a tuple.
def _disturb(given: Any) -> Any:
    several = given if isinstance(given, tuple) else (given,)
    noise = tuple(RADIUS * torch.randn_like(x) for x in several)
    return noise, tuple(x - e for x, e in zip(several, noise, strict=True))


def _nearby(given: Any, radius: float) -> Any:
    several = given if isinstance(given, tuple) else (given,)
    return tuple(x + radius * torch.randn_like(x) for x in several)
