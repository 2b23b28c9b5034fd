"""L-BFGS for many small problems of one form at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Memory", "enlarged", "minimize"]

# Nocedal & Wright (2006), section 7.2: 3 to 20 pairs.
_MEMORY = 10
# Sufficient decrease of their algorithm 3.1.
_DECREASE = 1e-4
_HALVINGS = 6

Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Points ``(k, P)`` and which rows they belong to ``(k,)``, to values and gradients."""


@dataclass
class Memory:
    """Past steps and the changes of the gradient along them, ``(rows, P)`` each.

    Attributes:
        moves: Steps, oldest first.
        turns: Changes of the gradient.
        widths: How far parameters go, one to another, before anything is known of their
            curvature, ``(P,)``: a change of variables.
    """

    moves: list[Tensor] = field(default_factory=list)
    turns: list[Tensor] = field(default_factory=list)
    widths: Tensor | float = 1.0

    def add(self, rows: Tensor, move: Tensor, turn: Tensor, total: int) -> None:
        """Keep a step of some rows; the others did not move."""
        for past, new in ((self.moves, move), (self.turns, turn)):
            full = new.new_zeros(total, new.shape[-1])
            full[rows] = new
            past.append(full)
            del past[:-_MEMORY]

    def of(self, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Steps and changes of some rows, oldest first."""
        for move, turn in zip(self.moves, self.turns, strict=True):
            yield move[rows], turn[rows]

    def scaled(self, factor: float) -> Memory:
        """What a function ``factor`` times as large would have left."""
        turns = [factor * turn for turn in self.turns]
        return Memory(list(self.moves), turns, self.widths)


def minimize(
    objective: Objective,
    start: Tensor,  # (rows, P)
    steps: int,
    tolerance: float,
    memory: Memory | None = None,
) -> Tensor:
    """Minimise one function per row; a row stops when a step gains ``tolerance``.

    Args:
        objective: Values ``(k,)`` and gradients ``(k, P)`` of the rows asked for.
        start: Where to start.
        steps: Steps at most.
        tolerance: A row is done when a step lowers its value by less.
        memory: What earlier steps left; it is added to.

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
    memory = Memory() if memory is None else memory
    best = start.clone()
    rows = torch.arange(len(start), device=start.device)
    value, gradient = objective(best, rows)
    for _ in range(steps):
        x = best[rows]
        direction = _direction(gradient, list(memory.of(rows)), memory.widths)
        step, new_value, new_gradient = _search(
            objective, x, rows, value, gradient, direction
        )
        memory.add(rows, step, new_gradient - gradient, len(start))
        best[rows] = x + step
        active = value - new_value > tolerance
        rows, value, gradient = rows[active], new_value[active], new_gradient[active]
        if not len(rows):
            break
    return best


def enlarged(
    objective: Objective,
    larger: Objective,
    found: Tensor,  # (rows, P)
    more: int,
    without: float,
    steps: int,
    tolerance: float,
    worth: float,
) -> Tensor:
    """Minimise again with more parameters, where that gains something.

    Args:
        objective: The smaller function.
        larger: The same with ``more`` parameters at the end, which start at 0.
        found: Minima of the smaller function.
        more: How many parameters.
        without: What they are in rows that do without.
        steps: As in :func:`minimize`.
        tolerance: As in :func:`minimize`.
        worth: What the minimum has to fall by.

    Returns:
        Points of the larger function, ``(rows, P + more)``.
    """
    rows = torch.arange(len(found), device=found.device)
    extra = found.new_zeros(len(found), more)
    reached = minimize(larger, torch.cat([found, extra], -1), steps, tolerance)
    gain = objective(found, rows)[0] - larger(reached, rows)[0]
    same = torch.cat([found, torch.full_like(extra, without)], -1)
    return torch.where((gain > worth)[:, None], reached, same)


def _direction(
    gradient: Tensor, past: list[tuple[Tensor, Tensor]], widths: Tensor | float
) -> Tensor:
    """The two-loop recursion, row by row; pairs without curvature are left out."""
    out = gradient
    loop, scale = [], gradient.new_zeros(len(gradient), 1)
    for move, turn in reversed(past):
        curvature = (move * turn).sum(-1, keepdim=True)
        length = (widths * turn).square().sum(-1, keepdim=True)
        usable = curvature > 1e-10 * length
        inverse = torch.where(usable, 1 / curvature, 0.0)
        share = inverse * (move * out).sum(-1, keepdim=True)
        out = out - share * turn
        loop.append((move, turn, inverse, share))
        # The newest usable pair gives the size of the inverse Hessian.
        scale = torch.where((scale == 0) & usable, curvature / length, scale)
    plain = 1 / (widths * gradient).norm(dim=-1, keepdim=True).clamp(min=1)
    plain = plain * widths**2
    out = out * torch.where(scale > 0, scale * widths**2, plain)
    for move, turn, inverse, share in reversed(loop):
        out = out + move * (share - inverse * (turn * out).sum(-1, keepdim=True))
    uphill = (out * gradient).sum(-1, keepdim=True) <= 0
    return -torch.where(uphill, gradient * plain, out)


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
