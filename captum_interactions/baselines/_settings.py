"""How baselines are learned: the presets, and what users choose in their place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor
from typing import Any, Literal, get_args

from captum_interactions._checks import bad_type, bad_value, check_positive_int

__all__ = [
    "FitSettings",
    "Objective",
    "Preset",
    "choose_settings",
    "penalized_orders",
]

Objective = Literal["shapley", "marginal", "l1_interaction"]
Preset = Literal["default", "paper"]


@dataclass(frozen=True)
class FitSettings:
    """Everything a fit needs to know besides model and data.

    Attributes:
        objective: Which loss is minimized.
        max_order: Largest context size m to penalize; a float is a part λ of n.
        bounds: How far baselines may go.
        outside: What happens to an init outside the bounds. Those of the default,
            which nobody chose, are widened; those of the authors clamp it in the first
            step; a user's refuse it.
        n_contexts: Contexts K per order, player and example.
        bernoulli: Draw contexts as the authors do, player by player.
        orders_per_step: Orders drawn for each step; ``None`` for all.
        steps: Number of steps.
        learning_rate: First step size.
        decay: Last step size as a part of the first; log-spaced between them.
        adam: Adam, in units of each element's standard deviation; otherwise plain
            gradient descent in the units of the inputs.
        batch_size: Examples per step; ``None`` for all.
        include_empty: Count I(∅) in the l1 norm.
    """

    objective: Objective = "shapley"
    max_order: float = 0.5
    bounds: tuple[Any, ...] | None = ("sigma", 1.0)
    outside: Literal["widen", "clamp", "refuse"] = "widen"
    n_contexts: int = 8
    bernoulli: bool = False
    orders_per_step: int | None = 2
    steps: int = 200
    learning_rate: float = 0.5
    decay: float = 0.05
    adam: bool = True
    batch_size: int | None = 32
    include_empty: bool = False


# Measured on the published synthetic functions (benchmarks/baselines.py): 8 to 16
# examples, 6 to 8 contexts and 2 orders per step find the sides of all variables in 120
# to 150 steps of Adam; here is some more of each. The paper's range would be 0.3 of a
# standard deviation, on whose border most features end.
_DEFAULT = FitSettings()
# Ren et al. (ICLR 2023): the authors' code and the command of their README.
_PAPER = FitSettings(
    bounds=("sigma", 0.3),
    outside="clamp",
    n_contexts=100,
    bernoulli=True,
    orders_per_step=None,
    steps=300,
    learning_rate=0.01,
    decay=1.0,
    adam=False,
    batch_size=None,
    include_empty=True,
)
# Ren et al. (CVPR 2023): the sparsifier of AND interactions, likewise.
_PAPER_L1 = replace(_PAPER, steps=50, learning_rate=1e-3, decay=0.1)


def choose_settings(
    objective: Objective,
    preset: Preset,
    bounds: Any,
    chosen: dict[str, Any],
) -> FitSettings:
    """Return a preset with what the user chose in its place.

    Args:
        objective: Which loss is minimized.
        preset: Where everything else comes from.
        bounds: ``"preset"``, or the user's.
        chosen: Other settings; ``None`` leaves the preset's.

    Raises:
        TypeError: If a number is of the wrong type.
        ValueError: If a name is unknown or a number out of range.
    """
    for name, value, known in [
        ("objective", objective, get_args(Objective)),
        ("preset", preset, get_args(Preset)),
    ]:
        if value not in known:
            bad_value(name, f"one of {known}", repr(value), "pick one")
    settings = _DEFAULT
    if preset == "paper":
        settings = _PAPER_L1 if objective == "l1_interaction" else _PAPER
    given = {name: value for name, value in chosen.items() if value is not None}
    for name in given.keys() & {"n_contexts", "orders_per_step", "steps", "batch_size"}:
        holds = int(name in ("n_contexts", "steps"))
        check_positive_int(name, given[name], "leave it out for the preset's", holds)
    if not 0 < given.get("learning_rate", 1.0) < float("inf"):
        bad_value(
            "learning_rate", "positive", given["learning_rate"], "it is a step size"
        )
    if not (isinstance(bounds, str) and bounds == "preset"):
        given |= {"bounds": bounds, "outside": "refuse"}
    return replace(settings, objective=objective, **given)


def penalized_orders(max_order: float, n: int) -> list[int]:
    """Return the context sizes m that a loss penalizes.

    Args:
        max_order: An integer is the largest m; a float is the part λ of n, which gives
            m = 0..⌊λn⌋−1, as the authors do, and order 0 at least.
        n: Number of players.

    Raises:
        ValueError: If the integer is not in 0..n−1, or the float not in (0, 1].

    Example:
        >>> penalized_orders(0.5, 7), penalized_orders(1, 7)
        ([0, 1, 2], [0, 1])
    """
    if isinstance(max_order, bool) or not isinstance(max_order, (int, float)):
        bad_type("max_order", "an integer or a float", max_order, "try 0.5")
    if isinstance(max_order, int):
        if not 0 <= max_order < n:
            bad_value(
                "max_order",
                f"a context size in 0..{n - 1}",
                max_order,
                "or pass a part of the players as a float, such as 0.5",
            )
        return list(range(max_order + 1))
    if not 0 < max_order <= 1:
        bad_value("max_order", "a part of n in (0, 1]", max_order, "try 0.5")
    return list(range(max(1, floor(max_order * n))))
