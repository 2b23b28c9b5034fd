"""The iterate of the AND-OR solver, one row per game, and its certificate.

The point y is scaled by D. With u = clamp(y) to ±τc/D and x the nearest feasible point
of y − 2u, D(x − y + 2u)/τ is a multiplier; at a solution x = y − u.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from captum_interactions.functional._and_or.certificate import (
    Certificate,
    dual_point,
    excess,
    or_operator,
)
from captum_interactions.functional._and_or.scaling import Scaling
from captum_interactions.functional.coalitions import n_players
from captum_interactions.functional.moebius import moebius

__all__ = ["Checked", "State", "check", "first_state", "repair", "shift"]

# 0.5 is a good first step without a scaling: the tables have a largest |v| of 1.
_FIRST_STEP = 0.5
# Repairs are tried where the dual part is at most ten times what is allowed, and end
# when at their present pace 8 more would not do.
_REPAIRABLE = 10.0
_REPAIRS = 20
_REPAIRS_LEFT = 8


@dataclass
class State:
    """The iterate and all that belongs to it, one row per game that is not done."""

    rows: Tensor  # (games,), which games these are
    games: Tensor  # (games, 2**n)
    costs: Tensor  # (games, 2, 2**n)
    offset: Tensor  # (games, 2**n), o
    scaling: Scaling
    step: Tensor  # (games, 1, 1), τ
    point: Tensor  # (games, 2, 2**n), y
    anchor: Tensor  # (games, 2, 2**n), y at the last restart
    shift: Tensor  # (games, 2, 2**n), f: the scaled (0, o) normal to the subspace
    age: Tensor  # (games,), iterations since the restart
    fits: Tensor  # (games,), refits there were
    first: Tensor  # (games,), residual at the first check since the restart, or inf
    last: Tensor  # (games,), residual at the last check
    best: Certificate
    spent: int = 0

    @property
    def limit(self) -> Tensor:
        """Where u = clamp(y) is cut off."""
        return self.step * self.costs / self.scaling.sizes

    def keep(self, chosen: Tensor) -> State:
        """Return the rows of the chosen games only."""
        kept: dict[str, Any] = {"spent": self.spent}
        for field in fields(self)[:-1]:
            value = getattr(self, field.name)
            rows = value[chosen] if isinstance(value, Tensor) else value.keep(chosen)
            kept[field.name] = rows
        return State(**kept)


@dataclass(frozen=True)
class Checked:
    """What a check found of the present iterate."""

    inner: Tensor  # u, the multiplier times the step
    near: Tensor  # x, the projected point
    primal: Tensor  # (games,), what the point costs beyond the multiplier's value
    dual: Tensor  # (games,), what making the multiplier feasible costs
    residual: Tensor  # (games,)
    sparse: Tensor  # (games, 2, 2**n), y − u unscaled: with exact zeros


def first_state(games: Tensor, costs: Tensor) -> State:
    offset = or_operator(games)
    point = torch.stack([moebius(games), offset], dim=1) / 2
    scaling = Scaling.none(len(games), n_players(games), games)
    zero, count = torch.zeros_like(games[:, 0]), torch.zeros_like(games[:, 0]).long()
    return State(
        rows=torch.arange(len(games), device=games.device),
        games=games,
        costs=costs,
        offset=offset,
        scaling=scaling,
        step=(zero + _FIRST_STEP).view(-1, 1, 1),
        point=point,
        anchor=point,
        shift=shift(scaling, offset),
        age=count,
        fits=count,
        first=zero + torch.inf,
        last=zero + torch.inf,
        best=Certificate(torch.zeros_like(games), games, zero + torch.inf, zero),
    )


def shift(scaling: Scaling, offset: Tensor) -> Tensor:
    point = torch.stack([torch.zeros_like(offset), scaling.sizes[:, 1] * offset], dim=1)
    return point - scaling.project(point)


def check(state: State, tolerance: float) -> Checked:
    """Certify the iterate; try to repair its multiplier where that may be the last."""
    limit, sizes = state.limit, state.scaling.sizes
    inner = state.point.clamp(-limit, limit)
    near = state.scaling.project(state.point - 2 * inner) + state.shift
    moved = near + inner - state.point
    w = dual_point(sizes * (moved + inner) / state.step)
    value = (w[:, 1] * state.offset).sum(-1)
    lower = value / excess(w, state.costs)
    point = near / sizes
    upper = (state.costs * point.abs()).sum((-2, -1))
    found = Certificate(point[:, 0], state.best.noise, upper, lower)
    state.best = state.best.improved_by(found)
    goal = state.best.upper * (1 - tolerance)
    loss = _REPAIRABLE * tolerance * state.best.upper
    hopeful = (state.best.lower < goal) & (value >= goal) & (value - lower < loss)
    if hopeful.any():
        repaired = repair(state.keep(hopeful), w[hopeful], goal[hopeful])
        better = lower.masked_scatter(hopeful, repaired)
        state.best = state.best.improved_by(replace(found, lower=better))
    return Checked(
        inner=inner,
        near=near,
        primal=(upper - value).abs(),
        dual=(value - lower).abs(),
        residual=moved.flatten(1).norm(dim=-1),
        sparse=(state.point - inner) / sizes,
    )


def repair(state: State, w: Tensor, goal: Tensor) -> Tensor:
    """Bring a multiplier nearer to |w| ≤ c by projections in turn; return its bound.

    Dividing by the largest |w|/c pays for the worst entry everywhere. Cutting off what
    is beyond c and projecting back on the normal space pays for each where it is; the
    rest to be divided by shrinks by 3 to 8 times.
    """
    sizes = state.scaling.sizes
    best, missing = torch.full_like(goal, -torch.inf), torch.full_like(goal, torch.inf)
    going = missing > 0
    for _ in range(_REPAIRS):
        inside = w.clamp(-state.costs, state.costs) / sizes
        w = dual_point(sizes * (inside - state.scaling.project(inside)))
        bound = (w[:, 1] * state.offset).sum(-1) / excess(w, state.costs)
        best = torch.where(going, torch.maximum(best, bound), best)
        before, missing = missing, goal - best
        going &= (missing > 0) & ((before - missing) * _REPAIRS_LEFT >= missing)
        if not going.any():
            break
    return best
