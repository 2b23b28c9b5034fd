"""What is known about one method."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from captum_interactions.comparison.allocation import Allocation

__all__ = ["MethodRow"]


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
        seconds: Wall-clock time of the call.
        n_forwards: Forward passes of the call.
        n_rows: Rows those passes had in all.
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
    seconds: float = math.nan
    n_forwards: int = 0
    n_rows: int = 0
