"""What is known about one method."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.comparison.allocation import Allocation

__all__ = ["MethodRow"]


@checked_methods
@dataclass(frozen=True)
class MethodRow:
    """What is known about one method; a figure that does not apply is NaN.

    Attributes:
        values: Attribution of every player, ``(batch, n)``, or ``None`` if it failed.
        error: Why it failed, or ``None``.
        notes: What has to be known to read the row: warnings of the method, and why a
            figure is missing.
        completeness_gap: Mean over examples of |Σ values − (v(N) − v(∅))|.
        shapley_distance: Σ|values − φ|/Σ|φ| to the exact Shapley values.
        infidelity: ``captum.metrics.infidelity``, mean over examples.
        sensitivity: ``captum.metrics.sensitivity_max``, mean over examples.
        deletion: Mean v after removing the first 0..n players, ``(n + 1,)``.
        insertion: Mean v after adding the first 0..n players, ``(n + 1,)``.
        allocation: Where the strongest AND interactions go, for perturbation methods.
        std_error: Standard errors of ``values``, ``(batch, n)``; ``None`` where they
            are exact or unknown.
        noise: What noise of v leaves in an interaction, mean over examples.
        pairs: Interactions of all pairs, ``(batch, n, n)``, or ``None`` without.
        pair_error: Their standard errors, or ``None``.
        pair_deletion: What players do together while pairs are removed, ``(n + 1,)``.
        pair_insertion: What they do together while pairs are added, ``(n + 1,)``.
        seconds: Wall-clock time of the call.
        n_forwards: Forward passes of the call.
        n_rows: Rows those passes had in all.
        shared: Coalitions per example that were read from the evaluation that methods
            share; passes, rows and seconds are then its part of the cost.
    """

    values: Tensor | None = field(default=None, repr=False)
    error: str | None = None
    notes: tuple[str, ...] = ()
    completeness_gap: float = math.nan
    shapley_distance: float = math.nan
    infidelity: float = math.nan
    sensitivity: float = math.nan
    deletion: Tensor | None = field(default=None, repr=False)
    insertion: Tensor | None = field(default=None, repr=False)
    allocation: Allocation | None = None
    std_error: Tensor | None = field(default=None, repr=False)
    noise: float = math.nan
    pairs: Tensor | None = field(default=None, repr=False)
    pair_error: Tensor | None = field(default=None, repr=False)
    pair_deletion: Tensor | None = field(default=None, repr=False)
    pair_insertion: Tensor | None = field(default=None, repr=False)
    seconds: float = math.nan
    n_forwards: int = 0
    n_rows: int = 0
    shared: int = 0
