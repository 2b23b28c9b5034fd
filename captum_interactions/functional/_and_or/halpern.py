"""A certified solver of the sparse AND-OR split: scaled, restarted Halpern iteration.

Every game of a batch has its own scaling, step, restarts and certificate: its answer
does not depend on the others. The constants were chosen on trained networks of 8 to 14
players; where nothing else is said, half or twice of one changes the number of
iterations by less than a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from captum_interactions.functional._and_or.certificate import MAX_POLISHED, polished
from captum_interactions.functional._and_or.scaling import Scaling
from captum_interactions.functional._and_or.state import (
    Checked,
    State,
    check,
    first_state,
    shift,
)
from captum_interactions.functional._and_or.sweep import Sweep
from captum_interactions.functional.coalitions import n_players

__all__ = ["solve_halpern"]

# A check costs as much as 10 iterations, or 20 where it repairs.
_CHECK_EVERY = 25
_CHECK_SHARE = 1 / 16  # later, of the iterations so far
# Iterations after which the scaling is fitted to the point reached.
_REFITS = (50, 150, 400)
# The first fitted scaling starts from 0.1 over the mean interaction. A small step that
# grows slowly matters most: ten times the step takes 1.8 times the iterations, a
# largest factor of 4 takes 1.3 times.
_STEP = 0.1
_LARGEST_FACTOR = 2.0
_BALANCED = (0.8, 1.25)  # factors in here are not worth a change
# The primal part of the gap is to be half of the dual one, which repairs make smaller.
_DUAL_SHARE = 0.5
# Restart when the residual has fallen to a fifth, or to 0.7 and rises, or when nothing
# of the sort has happened for long: the rules of Applegate et al. (2023).
_FALLEN, _FALLEN_AND_RISING = 0.2, 0.7
_OLD = 0.3  # of all iterations
_OLD_AT_LEAST = 50
# float32 is no faster for fewer players. Its noise leaves relative residuals of 2e-6.
_FLOAT32_PLAYERS = 11
_FLOAT32_RESIDUAL = 5e-6
_FLOAT32_ITERATIONS = 5000


def _advance(state: State, found: Checked) -> None:
    """One iteration from what a check found; restart, rescale and refit where due."""
    first = torch.where(state.first.isinf(), found.residual, state.first)
    rising = found.residual > state.last
    due = _due_for_refit(state, found)
    restart = (
        due
        | (found.residual < _FALLEN * first)
        | ((found.residual < _FALLEN_AND_RISING * first) & rising)
        | ((state.age > _OLD * state.spent) & (state.age >= _OLD_AT_LEAST))
    )
    rows = restart.view(-1, 1, 1)
    state.last, state.first = found.residual, torch.where(restart, torch.inf, first)
    state.age = torch.where(restart, 0, state.age + 1)
    age = state.age.to(found.near)
    weight = (age / (age + 1)).view(-1, 1, 1)
    ahead = 2 * (found.near + found.inner) - state.point
    ahead = torch.lerp(state.anchor, ahead, weight)
    # A new step keeps the multipliers u/τ.
    factor = torch.where(restart, _new_factor(found), 1.0).view(-1, 1, 1)
    inner = factor * found.inner
    state.step = factor * state.step
    state.point = torch.where(rows, found.near + inner, ahead)
    if due.any():
        _refit(state, found.near, inner, due)
    state.anchor = torch.where(rows, state.point, state.anchor)


def _new_factor(found: Checked) -> Tensor:
    """By what to multiply the step to balance the two parts of the gap."""
    tiny = torch.finfo(found.primal.dtype).tiny
    ratio = _DUAL_SHARE * found.dual / found.primal.clamp_min(tiny)
    factor = ratio.sqrt().clamp(1 / _LARGEST_FACTOR, _LARGEST_FACTOR)
    balanced = (factor >= _BALANCED[0]) & (factor <= _BALANCED[1])
    return torch.where(balanced, 1.0, factor)


def _due_for_refit(state: State, found: Checked) -> Tensor:
    """Which games get a new scaling; short sums of terms are better off without."""
    terms = (found.sparse[..., 1:] != 0).sum((-2, -1))
    many = terms > min(MAX_POLISHED, state.games.shape[-1] // 2)
    return many & (state.fits < sum(state.spent >= refit for refit in _REFITS))


def _refit(state: State, near: Tensor, inner: Tensor, due: Tensor) -> None:
    """Fit the scaling to the point; keep the point and the multipliers unscaled."""
    sizes = state.scaling.sizes
    point, w = near / sizes, sizes * inner / state.step
    mean = point.abs().mean((-2, -1), keepdim=True)
    fitted = Scaling.fitted(point.abs() + mean)

    def mean_log(sizes: Tensor) -> Tensor:
        return (state.costs / sizes)[..., 1:].log().mean((-2, -1), keepdim=True)

    # Later scalings keep the mean logarithm of the thresholds.
    kept = state.step * (mean_log(sizes) - mean_log(fitted.sizes)).exp()
    step = torch.where(state.fits.view(-1, 1, 1) == 0, _STEP / mean, kept)
    rows = due.view(-1, 1, 1)
    state.step = torch.where(rows, step, state.step)
    state.scaling = fitted.where(due, state.scaling)
    moved = fitted.sizes * point + state.step * w / fitted.sizes
    state.point = torch.where(rows, moved, state.point)
    state.shift = torch.where(rows, shift(state.scaling, state.offset), state.shift)
    fits = sum(state.spent >= refit for refit in _REFITS)
    state.fits = torch.where(due, fits, state.fits)


class _Answers:
    """What is known of the games of a block."""

    def __init__(self, games: Tensor, report: Callable[[float], None]) -> None:
        self.and_part = torch.zeros_like(games)
        self.lower = torch.zeros_like(games[:, 0])
        self.spent = torch.zeros_like(self.lower, dtype=torch.int64)
        self._share = torch.zeros_like(self.lower)
        self._report = report

    def book(self, state: State, sparse: Tensor) -> None:
        """Take over games that are done."""
        for row, game, costs, and_part, z in zip(
            state.rows,
            state.games,
            state.costs,
            state.best.and_part,
            sparse,
            strict=True,
        ):
            self.and_part[row] = polished(game, costs, and_part, z)
        self.lower[state.rows] = state.best.lower
        self.spent[state.rows] = state.spent

    def report(self, state: State, done: Tensor, tolerance: float) -> None:
        """Say how far the block is: the logarithm of the gap falls steadily."""
        share = (state.best.gap.log() / math.log(min(tolerance, 0.5))).clamp(0, 1)
        self._share[state.rows] = torch.where(done, 1.0, share)
        self._report(self._share.mean().item())


def _run(
    state: State,
    dtype: torch.dtype,
    tolerance: float,
    max_iterations: int,
    answers: _Answers,
) -> list[State]:
    """Iterate in ``dtype``; return games that need a better one, one by one."""
    rest, sweep = [], Sweep(state.scaling, dtype)
    rough = dtype != state.games.dtype
    while len(state.rows):
        steps = max(_CHECK_EVERY, int(_CHECK_SHARE * state.spent))
        steps = min(steps, max_iterations - state.spent)
        if sweep.scaling is not state.scaling:
            sweep = Sweep(state.scaling, dtype)
        state.point = sweep.run(
            state.point, state.limit, state.anchor, state.shift, state.age, steps - 1
        )
        state.age = state.age + steps - 1
        state.spent += steps
        found = check(state, tolerance)
        done = (state.best.gap <= tolerance) | (state.spent >= max_iterations)
        answers.report(state, done, tolerance)
        noisy = torch.zeros_like(done)
        if rough:
            size = state.point.flatten(1).norm(dim=-1)
            noisy = ~done & (
                (found.residual < _FLOAT32_RESIDUAL * size)
                | (state.spent >= _FLOAT32_ITERATIONS)
            )
        _advance(state, found)
        if done.any():
            answers.book(state.keep(done), found.sparse[done])
        rest += [state.keep(row.view(1)) for row in noisy.nonzero()[:, 0]]
        if (done | noisy).any():
            state = state.keep(~(done | noisy))
    return rest


def solve_halpern(
    games: Tensor,
    costs: Tensor,
    tolerance: float,
    max_iterations: int,
    report: Callable[[float], None],
) -> tuple[Tensor, Tensor, Tensor]:
    """Split games; see :func:`~captum_interactions.functional.and_or_split`.

    Args:
        games: v(S), ``(games, 2**n)``.
        costs: Weights of |I(S)|, ``(games, 2, 2**n)``: 0 at ∅, positive elsewhere.
        tolerance: Relative duality gap at which a game is done.
        max_iterations: Iterations after which the rest is returned as it is.
        report: Called with the share of the work that is done.

    Returns:
        AND part ``(games, 2**n)`` (its entry at ∅ means nothing), lower bound and
        iterations, ``(games,)``.
    """
    games = games - games[:, :1]
    scale = games.abs().amax(-1, keepdim=True)
    scale = torch.where(scale > 0, scale, 1.0)
    level = costs.mean((-2, -1), keepdim=True)
    state = first_state(games / scale, costs / level)
    answers = _Answers(games, report)
    rough = n_players(games) >= _FLOAT32_PLAYERS
    dtype = torch.float32 if rough else games.dtype
    for rest in _run(state, dtype, tolerance, max_iterations, answers):
        _run(rest, games.dtype, tolerance, max_iterations, answers)
    lower = answers.lower * (scale * level[:, 0]).squeeze(-1)
    return answers.and_part * scale, lower, answers.spent
