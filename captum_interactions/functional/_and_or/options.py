"""What can be asked of the AND-OR split, checked before anything is evaluated."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions.functional.coalitions import n_players

__all__ = [
    "Solver",
    "check_split_options",
    "check_split_table",
    "filled_weights",
]

Solver = Literal["admm", "sgd"]

# At n = 18 one iteration takes about 5 ms and the work space 100 MiB; every further
# player doubles both, and thousands of iterations are needed.
MAX_SPLIT_PLAYERS = 18
# The noise term needs a dense 2^n × 2^n matrix: 128 MiB at n = 12.
MAX_NOISE_PLAYERS = 12


def check_split_options(
    n: int,
    solver: str,
    noise_bound: float | Tensor,
    tolerance: float = 1e-4,
    learning_rate: float = 1e-5,
    max_iterations: int | None = None,
    weights: Tensor | None = None,
) -> None:
    """Refuse what :func:`and_or_split` can't do, before anything is evaluated.

    Raises:
        TypeError: If ``max_iterations`` is not an integer.
        ValueError: If there are too many players or an option is out of range.
    """
    if solver not in get_args(Solver):
        bad_value("solver", f"one of {get_args(Solver)}", repr(solver), "pick one")
    if n > MAX_SPLIT_PLAYERS:
        bad_value(
            "table",
            f"a game of at most {MAX_SPLIT_PLAYERS} players",
            f"{n} players, which would take about {25 << n >> 16} MiB of work space "
            f"and {(5 << n >> 18) / 1000:.2f} s for each of some thousand iterations",
            "group the players by a coarser `feature_mask`, or truncate to small "
            "coalitions",
        )
    bounds = torch.as_tensor(noise_bound)
    if not (bounds >= 0).all() or not bounds.isfinite().all():
        bad_value("noise_bound", "finite and at least 0", noise_bound, "0 leaves q out")
    if n > MAX_NOISE_PLAYERS and bounds.any():
        bad_value(
            "noise_bound",
            f"0 beyond {MAX_NOISE_PLAYERS} players, because the noise term needs a "
            f"dense 2**n x 2**n matrix ({8 << 2 * n >> 20} MiB)",
            noise_bound,
            "leave the noise term out or group the players",
        )
    for argument, value in (("tolerance", tolerance), ("learning_rate", learning_rate)):
        if not 0 < value < math.inf:
            bad_value(argument, "positive", value, "leave it out for the default")
    if max_iterations is not None:
        check_positive_int(
            "max_iterations", max_iterations, "leave it out for the default"
        )
    if weights is not None:
        _check_weights(weights, n)


def check_split_table(table: Tensor) -> None:
    if not table.is_floating_point():
        bad_type("table", "a floating-point tensor", table.dtype, "use table.double()")
    if not table.isfinite().all():
        count = int((~table.isfinite()).sum())
        bad_value("table", "finite", f"{count} entries that are not", "mend the model")


def _check_weights(weights: Tensor, n: int) -> None:
    """Refuse weights of |I(S)| that are not positive, or not of n players."""
    if weights.shape[-1:] != (1 << n,) or (weights.dim() > 1 and weights.shape[-2] > 2):
        bad_value(
            "weights",
            f"broadcastable to (*batch, 2, {1 << n}): AND and OR of every coalition",
            f"a tensor of {tuple(weights.shape)}",
            "give one row of 2**n weights for both or two rows",
        )
    proper = weights[..., 1:]
    if not weights.is_floating_point() or not (proper > 0).all():
        bad_value(
            "weights",
            "positive floating-point numbers for every S ≠ ∅",
            "others",
            "a small weight makes a term cheap; none can be free",
        )
    if not proper.isfinite().all():
        bad_value("weights", "finite", "others", "a large weight forbids a term")


def filled_weights(weights: Tensor | None, table: Tensor) -> Tensor:
    """Fill up the weights to ``(*batch, 2, 2**n)``: 0 at ∅, the smaller at |S| = 1."""
    n = n_players(table)
    if weights is None:
        weights = table.new_ones(1 << n)
    shape = (*table.shape[:-1], 2, 1 << n)
    try:
        costs = weights.detach().broadcast_to(shape).clone()
    except RuntimeError:
        bad_value(
            "weights",
            f"broadcastable to {shape}, (*batch, AND or OR, coalition)",
            f"a tensor of {tuple(weights.shape)}",
            "give one row of 2**n weights for both or two rows",
        )
    costs[..., 0] = 0
    single = [1 << player for player in range(n)]
    costs[..., single] = costs[..., single].amin(-2, keepdim=True)
    return costs
