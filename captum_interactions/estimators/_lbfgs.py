"""L-BFGS for many small problems of one form at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["minimize"]

# Nocedal & Wright (2006), section 7.2: 3 to 20 pairs.
_MEMORY = 10
# Sufficient decrease of their algorithm 3.1.
_DECREASE = 1e-4
_HALVINGS = 6

Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Points ``(k, P)`` and which rows they belong to ``(k,)``, to values and gradients."""


def minimize(
    objective: Objective,
    start: Tensor,  # (rows, P)
    steps: int,
    tolerance: float,
) -> Tensor:
    """Minimise one function per row; a row stops when a step gains ``tolerance``.

    Args:
        objective: Values ``(k,)`` and gradients ``(k, P)`` of the rows asked for.
        start: Where to start.
        steps: Steps at most.
        tolerance: A row is done when a step lowers its value by less.

    Returns:
        The points reached, ``(rows, P)``.

    References:
        Nocedal & Wright (2006), algorithm 7.4.

    Example:
        >>> goal = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> def squares(x, rows):
        ...     rest = x - goal[rows]
        ...     return rest.square().sum(-1), 2 * rest
        >>> minimize(squares, torch.zeros(2, 2), 20, 1e-9).round().tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    best = start.clone()
    rows = torch.arange(len(start), device=start.device)
    x = start.clone()
    value, gradient = objective(x, rows)
    moves: list[Tensor] = []
    turns: list[Tensor] = []
    for _ in range(steps):
        direction = _direction(gradient, moves, turns)
        step, new_value, new_gradient = _search(
            objective, x, rows, value, gradient, direction
        )
        moves.append(step)
        turns.append(new_gradient - gradient)
        moves, turns = moves[-_MEMORY:], turns[-_MEMORY:]
        x = x + step
        active = value - new_value > tolerance
        value, gradient = new_value, new_gradient
        best[rows] = x
        if not active.all():
            rows, x, value, gradient = (
                rows[active],
                x[active],
                value[active],
                gradient[active],
            )
            moves = [past[active] for past in moves]
            turns = [past[active] for past in turns]
        if not len(rows):
            break
    return best


def _direction(gradient: Tensor, moves: list[Tensor], turns: list[Tensor]) -> Tensor:
    """The two-loop recursion, row by row; pairs without curvature are left out."""
    if not moves:
        return -gradient / gradient.norm(dim=-1, keepdim=True).clamp(min=1)
    out = gradient.clone()
    inverse, shares = [], []
    for move, turn in zip(reversed(moves), reversed(turns), strict=True):
        curvature = (move * turn).sum(-1, keepdim=True)
        usable = curvature > 1e-10 * turn.square().sum(-1, keepdim=True)
        inverse.append(torch.where(usable, 1 / curvature, 0.0))
        shares.append(inverse[-1] * (move * out).sum(-1, keepdim=True))
        out = out - shares[-1] * turn
    last = turns[-1].square().sum(-1, keepdim=True)
    scale = (moves[-1] * turns[-1]).sum(-1, keepdim=True) / last.clamp(min=1e-300)
    out = out * torch.where(scale > 0, scale, 1.0)
    for move, turn, one, share in zip(
        moves, turns, reversed(inverse), reversed(shares), strict=True
    ):
        out = out + move * (share - one * (turn * out).sum(-1, keepdim=True))
    uphill = (out * gradient).sum(-1, keepdim=True) <= 0
    return -torch.where(uphill, gradient, out)


def _search(
    objective: Objective,
    x: Tensor,
    rows: Tensor,
    value: Tensor,
    gradient: Tensor,
    direction: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Halve the step of each row until its value falls; no step where it never does."""
    slope = (direction * gradient).sum(-1)
    step = torch.zeros_like(x)
    new_value, new_gradient = value.clone(), gradient.clone()
    left = torch.arange(len(x), device=x.device)
    length = 1.0
    for _ in range(_HALVINGS):
        trial = length * direction[left]
        found, slopes = objective(x[left] + trial, rows[left])
        fell = found <= value[left] + _DECREASE * length * slope[left]
        taken = left[fell]
        step[taken], new_value[taken] = trial[fell], found[fell]
        new_gradient[taken] = slopes[fell]
        left = left[~fell]
        if not len(left):
            break
        length *= 0.35
    return step, new_value, new_gradient
