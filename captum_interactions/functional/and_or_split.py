"""The sparse AND-OR form of a game: the split v = v_and + v_or of least l1 norm.

Minimize Σ_{S≠∅} |I_and(S)| + |I_or(S)| over all splits, where I_and are the AND
interactions of v_and and I_or the OR interactions of v_or: a linear program in 2^n
unknowns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._kinds import check_fits
from captum_interactions._signature import checked, checked_methods
from captum_interactions.functional._and_or.admm import solve_admm
from captum_interactions.functional._and_or.halpern import solve_halpern
from captum_interactions.functional._and_or.options import (
    Solver,
    check_split_options,
    check_split_table,
    filled_weights,
)
from captum_interactions.functional._and_or.sgd import solve_sgd
from captum_interactions.functional.and_or import merge_singletons, or_interactions
from captum_interactions.functional.coalitions import accumulation_dtype, n_players
from captum_interactions.functional.moebius import zeta

__all__ = ["AndOrSplit", "Solver", "and_or_split", "check_split_options"]

_Parts = tuple[Tensor, Tensor, Tensor, Tensor]  # AND part, noise, bound, iterations

# Enough for a gap of 1e-6 at n = 12, where a trained network takes up to 40,000. With a
# noise term an iteration multiplies by a dense matrix; the authors take 10,000 of SGD.
_ITERATIONS = {"admm": 100_000, "noise": 20_000, "sgd": 10_000}
# Games are solved together while their tables fit into the processor's cache.
_BLOCK_ENTRIES = 1 << 17


@checked_methods
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
        objective: Σ_{S≠∅} |I_and(S)| + |I_or(S)|, ``(*batch,)``, each term times its
            weight.
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


@checked
def and_or_split(
    table: Tensor,  # (*batch, 2**n)
    solver: Solver = "admm",
    *,
    weights: Tensor | None = None,  # broadcastable to (*batch, 2, 2**n)
    noise_bound: float | Tensor = 0.0,  # broadcastable to (*batch,)
    merge: bool = True,
    tolerance: float = 1e-4,
    max_iterations: int | None = None,
    learning_rate: float = 1e-5,
    on_progress: Callable[[float], object] | None = None,
) -> AndOrSplit:
    """Split games into AND and OR parts of least l1 norm.

    Every game of the batch stops on its own certificate: a feasible dual point proves
    that no split is better by more than ``tolerance`` (relative). Where a few terms are
    left that fit the game exactly, their weights are then solved for without that
    tolerance. Not differentiable.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        solver: ``"admm"`` solves the linear program by operator splitting. ``"sgd"``
            repeats the procedure of the papers' authors (gradient descent from p = 0
            with momentum 0.9 and a step that falls to a tenth), which stops far from
            the optimum.
        weights: What |I_and(S)| and |I_or(S)| count in the norm, positive,
            broadcastable to ``(*batch, 2, 2**n)``; all 1 by default. The empty set
            never counts. For one player AND and OR are the same function: the smaller
            weight holds.
        noise_bound: Largest |q(S)| of a noise term that the parts need not explain, in
            the units of the value function, broadcastable to ``(*batch,)``; the authors
            use 0.02 to 0.05 of |v(N) − v(∅)|. 0, the default, leaves it out: on games
            without noise it invents and loses terms.
        merge: Whether AND and OR interactions of single players, which are the same
            function of the mask, are both booked as AND. Unmerged, only their sum is
            determined.
        tolerance: Relative duality gap at which a game is solved; ``"admm"`` only.
        max_iterations: Iterations after which a game is returned as it is (100,000 for
            ``"admm"``, 20,000 with a noise term, the authors' 10,000 for ``"sgd"``);
            read ``gap`` for what it reached.
        learning_rate: First step size; ``"sgd"`` only.
        on_progress: Called now and then with the share of the work done, in [0, 1].

    Returns:
        The split. Whatever the gap, the parts reconstruct v (with a noise term v + q)
        to rounding error.

    Raises:
        ValueError: If the table is not finite, has too many players for the solver, or
            if an option is out of range.

    References:
        Li & Zhang, "Does a neural network really encode symbolic concepts?" (ICML 2023)
        for the objective; Lieder, "On the convergence rate of the Halpern-iteration"
        (2021) for the iteration, here of Peaceman-Rachford splitting, which is ADMM
        (Boyd et al., 2011) with a relaxation of 2; Lu & Yang, "Restarted Halpern PDHG
        for linear programming" (2024) and Applegate et al., "Faster first-order
        primal-dual methods for linear programming using restarts and sharpness" (2023)
        for restarts.

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
        n, solver, noise_bound, tolerance, learning_rate, max_iterations, weights
    )
    check_split_table(table)
    games = table.detach().to(accumulation_dtype(table.device)).reshape(-1, 1 << n)
    bounds = torch.as_tensor(noise_bound, dtype=games.dtype, device=games.device)
    check_fits("noise_bound", bounds, "table", table.shape[:-1], to=True)
    bounds = bounds.broadcast_to(table.shape[:-1]).reshape(-1)
    costs = filled_weights(weights, table).to(games).reshape(-1, 2, 1 << n)

    def solve(rows: Tensor, report: Callable[[float], None]) -> _Parts:
        block, cost, bound = games[rows], costs[rows], bounds[rows]
        noisy = bool(bound.any())
        method = "noise" if noisy and solver == "admm" else solver
        steps = max_iterations or _ITERATIONS[method]
        if solver == "sgd":
            return solve_sgd(block, cost, bound, learning_rate, steps, report)
        if noisy:
            return solve_admm(block, cost, bound, tolerance, steps, report)
        and_part, lower, spent = solve_halpern(block, cost, tolerance, steps, report)
        return and_part, torch.zeros_like(and_part), lower, spent

    with torch.no_grad():
        parts = _in_blocks(solve, bounds > 0, _BLOCK_ENTRIES >> n, on_progress)
        return _finished(games, costs, parts, merge, table.shape[:-1])


def _in_blocks(
    solve: Callable[[Tensor, Callable[[float], None]], _Parts],
    noisy: Tensor,
    size: int,
    on_progress: Callable[[float], object] | None,
) -> _Parts:
    """Solve a few games at a time, those with and without noise term apart."""
    order = noisy.to(torch.int8).argsort(stable=True)
    groups = order.split([int((~noisy).sum()), int(noisy.sum())])
    blocks = [rows for group in groups for rows in group.split(max(1, size))]
    solved, done = [], 0
    for rows in blocks:
        if not len(rows):
            continue

        def report(share: float, done: int = done, games: int = len(rows)) -> None:
            if on_progress is not None:
                on_progress((done + share * games) / len(noisy))

        solved.append(solve(rows, report))
        report(1.0)
        done += len(rows)
    back = order.argsort()
    first, second, third, fourth = zip(*solved, strict=True)
    return (
        torch.cat(first)[back],
        torch.cat(second)[back],
        torch.cat(third)[back],
        torch.cat(fourth)[back],
    )


def _finished(
    games: Tensor, costs: Tensor, parts: _Parts, merge: bool, batch: torch.Size
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
    both = torch.stack([and_part, or_part], dim=1)
    objective = (costs * both.abs()).sum((-2, -1))
    return AndOrSplit(
        and_values=and_part.reshape(*batch, -1),
        or_values=or_part.reshape(*batch, -1),
        noise=noise.reshape(*batch, -1),
        objective=objective.reshape(batch),
        lower_bound=lower.reshape(batch),
        n_iterations=spent.reshape(batch),
    )
