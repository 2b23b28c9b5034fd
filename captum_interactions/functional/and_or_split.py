"""The sparse AND-OR form of a game: the split v = v_and + v_or of least l1 norm.

Minimize Σ_{S≠∅} |I_and(S)| + |I_or(S)| over all splits, where I_and are the AND
interactions of v_and and I_or the OR interactions of v_or: a linear program in 2^n
unknowns, solved by :mod:`~captum_interactions.functional.and_or_admm`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions.functional.and_or import merge_singletons, or_interactions
from captum_interactions.functional.and_or_admm import solve_admm
from captum_interactions.functional.coalitions import accumulation_dtype, n_players
from captum_interactions.functional.moebius import moebius, superset_moebius, zeta

__all__ = ["AndOrSplit", "Solver", "and_or_split"]

Solver = Literal["admm", "sgd"]
_Parts = tuple[Tensor, Tensor, Tensor, Tensor]  # AND part, noise, bound, iterations

# At n = 18 one iteration takes about 30 ms and the work space 100 MiB; every further
# player doubles both, and thousands of iterations are needed.
MAX_SPLIT_PLAYERS = 18
# The noise term needs a dense 2^n × 2^n matrix: 128 MiB at n = 12.
MAX_NOISE_PLAYERS = 12

_MOMENTUM = 0.9
# Games are solved together while their tables fit into the processor's cache.
_BLOCK_ENTRIES = 1 << 17


@dataclass(frozen=True)
class AndOrSplit:
    """A split of a game into an AND part and an OR part.

    Attributes:
        and_values: I_and(S), ``(*batch, 2**n)``, float64, in the units of the value
            function.
        or_values: I_or(S), ``(*batch, 2**n)``. The two parts reconstruct the game as
            v(T) = Σ_{S⊆T} I_and(S) + I_or(∅) + Σ_{S∩T≠∅} I_or(S).
        noise: The noise term q, ``(*batch, 2**n)``; zero unless a bound was given. With
            it, the parts reconstruct v + q.
        objective: Σ_{S≠∅} |I_and(S)| + |I_or(S)|, ``(*batch,)``.
        lower_bound: What no split can go below, ``(*batch,)``: the value of a feasible
            point of the dual problem, so that objective − lower_bound is a certificate.
            −inf for ``solver="sgd"``, which has none.
        n_iterations: Iterations spent, ``(*batch,)`` int64.
    """

    and_values: Tensor
    or_values: Tensor
    noise: Tensor
    objective: Tensor
    lower_bound: Tensor
    n_iterations: Tensor

    @property
    def gap(self) -> Tensor:
        """Relative duality gap (objective − lower_bound)/objective, ``(*batch,)``."""
        excess = self.objective - self.lower_bound
        return torch.where(self.objective > 0, excess / self.objective, 0.0)


def and_or_split(
    table: Tensor,  # (*batch, 2**n)
    solver: Solver = "admm",
    *,
    noise_bound: float | Tensor = 0.0,  # broadcastable to (*batch,)
    merge: bool = True,
    tolerance: float = 1e-4,
    max_iterations: int | None = None,
    learning_rate: float = 1e-5,
) -> AndOrSplit:
    """Split games into AND and OR parts of least l1 norm.

    Every game of the batch stops on its own certificate: a feasible dual point proves
    that no split is better by more than ``tolerance`` (relative). Where a few terms are
    left that fit the game exactly, their weights are then solved for without that
    tolerance. Not differentiable.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        solver: ``"admm"`` solves the linear program. ``"sgd"`` repeats the procedure of
            the papers' authors (gradient descent from p = 0 with momentum 0.9 and a
            step that falls to a tenth), which stops far from the optimum.
        noise_bound: Largest |q(S)| of a noise term that the parts need not explain, in
            the units of the value function, broadcastable to ``(*batch,)``; the authors
            use 0.02 to 0.05 of |v(N) − v(∅)|. 0, the default, leaves it out: on games
            without noise it invents and loses terms.
        merge: Whether AND and OR interactions of single players, which are the same
            function of the mask, are both booked as AND. Unmerged, only their sum is
            determined.
        tolerance: Relative duality gap at which a game is solved; ``"admm"`` only.
        max_iterations: Iterations after which a game is returned as it is (20,000 for
            ``"admm"``, the authors' 10,000 for ``"sgd"``); read ``gap`` for what it
            reached.
        learning_rate: First step size; ``"sgd"`` only.

    Returns:
        The split. Whatever the gap, the parts reconstruct v (with a noise term v + q)
        to rounding error.

    Raises:
        ValueError: If the table is not finite, has too many players for the solver, or
            if an option is out of range.

    References:
        Li & Zhang, "Does a neural network really encode symbolic concepts?" (ICML 2023)
        for the objective; Boyd et al., "Distributed optimization and statistical
        learning via ADMM" (2011) for the solver; the restarts from averages follow
        Applegate et al., "Faster first-order primal-dual methods for linear programming
        using restarts and sharpness" (2023).

    Example:
        >>> from captum_interactions.functional import all_masks
        >>> x = all_masks(3).double()
        >>> either = 1 - (1 - x[:, 1]) * (1 - x[:, 2])
        >>> split = and_or_split(3 * x[:, 0] * x[:, 1] + 2 * either)
        >>> (split.and_values.round(decimals=9) + 0.0).tolist()
        [0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0]
        >>> (split.or_values.round(decimals=9) + 0.0).tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0]
    """
    n = n_players(table)
    check_split_options(
        n, solver, noise_bound, tolerance, learning_rate, max_iterations
    )
    _check_table(table)
    if max_iterations is None:
        max_iterations = 20_000 if solver == "admm" else 10_000
    games = table.detach().to(accumulation_dtype(table.device)).reshape(-1, 1 << n)
    bounds = torch.as_tensor(noise_bound, dtype=games.dtype, device=games.device)
    bounds = bounds.broadcast_to(table.shape[:-1])
    step = tolerance if solver == "admm" else learning_rate
    solve = solve_admm if solver == "admm" else _solve_sgd
    with torch.no_grad():
        parts = _in_blocks(solve, games, bounds.reshape(-1), step, max_iterations)
        return _finished(games, parts, merge, table.shape[:-1])


def _in_blocks(
    solve: Callable[[Tensor, Tensor, float, int], _Parts],
    games: Tensor,
    bounds: Tensor,
    step: float,
    max_iterations: int,
) -> _Parts:
    """Solve a few games at a time, those with and without noise term apart."""
    rows = max(1, _BLOCK_ENTRIES // games.shape[-1])
    noisy = bounds > 0
    order = torch.cat([(~noisy).nonzero()[:, 0], noisy.nonzero()[:, 0]])
    groups = order.split([int((~noisy).sum()), int(noisy.sum())])
    blocks = [block for group in groups for block in group.split(rows) if len(block)]
    solved = [solve(games[b], bounds[b], step, max_iterations) for b in blocks]
    back = order.argsort()
    first, second, third, fourth = zip(*solved, strict=True)
    return (
        torch.cat(first)[back],
        torch.cat(second)[back],
        torch.cat(third)[back],
        torch.cat(fourth)[back],
    )


def check_split_options(
    n: int,
    solver: str,
    noise_bound: float | Tensor,
    tolerance: float = 1e-4,
    learning_rate: float = 1e-5,
    max_iterations: int | None = None,
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
            f"and {(30 << n >> 18) / 1000:.1f} s for each of some thousand iterations",
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


def _check_table(table: Tensor) -> None:
    if not table.is_floating_point():
        bad_type("table", "a floating-point tensor", table.dtype, "use table.double()")
    if not table.isfinite().all():
        count = int((~table.isfinite()).sum())
        bad_value("table", "finite", f"{count} entries that are not", "mend the model")


def _finished(
    games: Tensor, parts: _Parts, merge: bool, batch: torch.Size
) -> AndOrSplit:
    """Book what the AND part leaves of the game to the OR part, exactly."""
    # Through v_or itself rather than through P, so that the parts reconstruct the game
    # to rounding error however far the solver went. The empty set goes to the AND part.
    and_part, noise, lower, spent = parts
    and_part[..., 0] = games[..., 0] + noise[..., 0]
    or_part = or_interactions(games + noise - zeta(and_part))
    or_part[..., 0] = 0
    if merge:
        and_part, or_part = merge_singletons(and_part, or_part)
    objective = and_part[..., 1:].abs().sum(-1) + or_part[..., 1:].abs().sum(-1)
    return AndOrSplit(
        and_values=and_part.reshape(*batch, -1),
        or_values=or_part.reshape(*batch, -1),
        noise=noise.reshape(*batch, -1),
        objective=objective.reshape(batch),
        lower_bound=lower.reshape(batch),
        n_iterations=spent.reshape(batch),
    )


def _solve_sgd(
    games: Tensor, bounds: Tensor, learning_rate: float, max_iterations: int
) -> _Parts:
    """Descend as the papers' authors do: p and q from 0, v_and = (v + q)/2 + p."""
    bounds = bounds.unsqueeze(-1)
    p, q = torch.zeros_like(games), torch.zeros_like(games)
    p_speed, q_speed = torch.zeros_like(games), torch.zeros_like(games)
    for iteration in range(max_iterations):
        rate = learning_rate * 0.1 ** (iteration / max(1, max_iterations - 1))
        half = (games + q) / 2
        # The subgradient of Σ|I|, the empty set included: the transposed transforms
        # of the signs.
        and_signs = moebius(half + p).sign()
        or_signs = or_interactions(half - p).sign()
        and_slope = superset_moebius(and_signs)
        or_slope = _or_adjoint(or_signs)
        p_speed = _MOMENTUM * p_speed + and_slope - or_slope
        p = p - rate * p_speed
        if bounds.any():
            q_speed = _MOMENTUM * q_speed + (and_slope + or_slope) / 2
            q = (q - rate * q_speed).clamp(-bounds, bounds)
    lower = torch.full_like(games[:, 0], -torch.inf)
    spent = torch.full_like(lower, max_iterations, dtype=torch.int64)
    return moebius((games + q) / 2 + p), q, lower, spent


def _or_adjoint(x: Tensor) -> Tensor:
    """The transpose of :func:`or_interactions`."""
    proper = x.clone()
    proper[..., 0] = 0
    out = -superset_moebius(proper).flip(-1)
    out[..., 0] += x[..., 0]
    return out
