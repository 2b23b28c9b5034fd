"""The figures of a comparison: heading, meaning, reading and format of each column."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from captum_interactions.comparison.row import MethodRow

__all__ = ["COLUMNS", "Column", "area"]


def area(curve: Tensor | None) -> float:
    """Mean height of a curve: its area over the share of players removed or added."""
    if curve is None:
        return math.nan
    return float(torch.trapezoid(curve)) / (len(curve) - 1)


class Column(NamedTuple):
    """One figure of every method.

    Attributes:
        heading: Name of the column.
        meaning: What it says, in one line.
        reading: The figure of a row; NaN if it does not apply.
        form: How it is written.
    """

    heading: str
    meaning: str
    reading: Callable[[MethodRow], float]
    form: str

    def written(self, row: MethodRow) -> str:
        """Return the figure as text, empty if it does not apply."""
        figure = self.reading(row)
        return "" if math.isnan(figure) else format(figure, self.form)


def _relative_error(row: MethodRow) -> float:
    """Σ of standard errors / Σ|values|."""
    if row.std_error is None or row.values is None:
        return math.nan
    return float(row.std_error.sum() / row.values.abs().sum())


def _share(part: str) -> Callable[[MethodRow], float]:
    return lambda row: getattr(row.allocation, part) if row.allocation else math.nan


COLUMNS = (
    Column(
        "gap",
        "how far the attributions are from summing to v(N) - v(∅); 0 is complete",
        lambda row: row.completeness_gap,
        ".2g",
    ),
    Column(
        "to Shapley",
        "Σ|t - φ| / Σ|φ|, the distance to the Shapley values, exact or estimated",
        lambda row: row.shapley_distance,
        ".1%",
    ),
    Column(
        "std. error",
        "Σ of standard errors / Σ|t|, of what was sampled in one call",
        _relative_error,
        ".1%",
    ),
    Column(
        "noise",
        "what noise of v leaves in an interaction; a smaller one says nothing",
        lambda row: row.noise,
        ".0e",
    ),
    Column(
        "infidelity",
        "captum.metrics.infidelity under small noise; 0 is faithful to the gradient",
        lambda row: row.infidelity,
        ".3g",
    ),
    Column(
        "sensitivity",
        "captum.metrics.sensitivity_max under small noise; 0 is stable",
        lambda row: row.sensitivity,
        ".3g",
    ),
    Column(
        "deletion",
        "mean of v while the players with the largest attribution are removed from N; "
        "low is good",
        lambda row: area(row.deletion),
        ".3g",
    ),
    Column(
        "insertion",
        "mean of v while the players with the largest attribution are added to ∅; "
        "high is good",
        lambda row: area(row.insertion),
        ".3g",
    ),
    Column(
        "pair insertion",
        "what players do together beyond one by one, while the pairs with the largest "
        "interaction are added to ∅; high is good",
        lambda row: area(row.pair_insertion),
        ".3g",
    ),
    Column(
        "pair deletion",
        "how much of what they do together is lost only once, while these pairs are "
        "removed from N; high is good",
        lambda row: area(row.pair_deletion),
        ".3g",
    ),
    Column(
        "inside",
        "what a perturbation method gives to the players of an AND interaction; 1 is "
        "the whole effect, once",
        _share("inside"),
        ".2f",
    ),
    Column("leak", "what it gives to the players outside", _share("leak"), ".2f"),
    Column(
        "uneven",
        "how far the shares inside are from equal",
        _share("unevenness"),
        ".2f",
    ),
    Column(
        "passes",
        "forward passes of the call, or its part of the shared evaluation's",
        lambda row: row.n_forwards,
        "d",
    ),
    Column("rows", "rows of those passes", lambda row: row.n_rows, "d"),
    Column("seconds", "wall-clock time, likewise", lambda row: row.seconds, ".3f"),
)
