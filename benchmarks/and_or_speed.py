"""The solver of the AND-OR split against the ADMM it replaced, to the same proven gap.

    python benchmarks/and_or_speed.py              # networks and planted games, 1e-4
    python benchmarks/and_or_speed.py --gap 1e-6 --largest 12

The ADMM is the one that still solves splits with a noise term, here without one: its
projection then takes two Kronecker transforms, as it did. Both solve every game in
turn, in one process, on one thread; quote the ratios. Every network is trained here;
none of them was used to choose the solver's constants.
"""

from __future__ import annotations

import argparse
import math
import time
from copy import copy
from functools import partial

import and_or
import report
import timing
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from torch import Tensor, nn
from trained_games import log_odds, table_of, train, transformer_on_rules

from captum_interactions.functional import and_or_split
from captum_interactions.functional._and_or.admm import iterate
from captum_interactions.functional._and_or.certificate import (
    Certificate,
    dual_point,
    excess,
    or_operator,
)
from captum_interactions.functional.moebius import moebius

SEED = 2000
SIZES = (8, 10, 12, 14)
ROWS = {14: (40,)}  # examples; two where none are named
PATCHES = {6: (3, 2), 8: (4, 2), 10: (5, 2), 12: (4, 3), 14: (7, 2)}


class KroneckerPower:
    """Multiplies by the n-th Kronecker power of a 2 × 2 matrix, along the last axis."""

    def __init__(self, factor: Tensor, n: int) -> None:
        self.blocks: list[Tensor] = []
        n_blocks = max(1, math.ceil(n / 6))  # products of at most 64 × 64
        for block in range(n_blocks):
            power = torch.ones(1, 1, dtype=factor.dtype)
            for _ in range(n // n_blocks + (block < n % n_blocks)):
                power = torch.kron(factor, power)
            self.blocks.append(power)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the product with every row of ``x``."""
        out, below = x, 1
        for power in self.blocks:  # the lowest players vary fastest
            width = power.shape[0]
            if below == 1:
                out = torch.matmul(out.reshape(x.shape[0], -1, width), power.mT)
            else:
                folded = out.reshape(-1, width, below)
                out = torch.bmm(power.expand(len(folded), -1, -1), folded)
            below *= width
        return out.reshape(x.shape)


class ExactSplit:
    """The problem without noise term, as ADMM took it; points are a and b.

    With q₀, q₁ the singular vectors of [[1, 1], [0, −1]], P q_k = g_k q_{1−k}: in the
    basis of their Kronecker products P is a reversal of the table and a gain per mode.
    """

    def __init__(self, games: Tensor) -> None:
        n = games.shape[-1].bit_length() - 1
        p = torch.tensor([[1.0, 1.0], [0.0, -1.0]]).to(games)
        q = torch.linalg.eigh(p.mT @ p).eigenvectors
        swap = ((p @ q) * q.flip(-1)).sum(0)  # g_k = q_{1−k}ᵀ P q_k
        self.gain = torch.ones(1, dtype=games.dtype)
        for _ in range(n):
            self.gain = torch.cat([swap[0] * self.gain, swap[1] * self.gain])
        self.damping = 1 / (1 + self.gain**2)
        self.to_modes, self.from_modes = KroneckerPower(q.mT, n), KroneckerPower(q, n)
        self.offset = or_operator(games)
        self.costs = torch.ones(len(games), 2, 1 << n).to(games)
        self.costs[..., 0] = 0
        self.start = torch.stack([moebius(games), self.offset], dim=1) / 2

    def project(self, point: Tensor) -> Tensor:
        """Return the nearest feasible point."""
        modes = point.clone()
        modes[:, 1] -= self.offset
        modes = self.to_modes(modes)
        a, b = modes.unbind(1)
        torch.addcmul(a, self.gain, b.flip(-1), out=a)
        a *= self.damping
        torch.mul(self.gain, a, out=b)
        modes[:, 1] = b.flip(-1)
        out = self.from_modes(modes)
        out[:, 1] += self.offset
        return out

    def shrink(self, point: Tensor, step: Tensor) -> Tensor:
        """Soft-threshold everything but ∅."""
        limit = step * self.costs
        return point - point.clamp(-limit, limit)

    def certify(self, point: Tensor, multiplier: Tensor) -> Certificate:
        """Bound the optimum."""
        w = dual_point(multiplier)
        lower = (w[:, 1] * self.offset).sum(-1) / excess(w, self.costs)
        upper = (self.costs * point.abs()).sum((-2, -1))
        return Certificate(point[:, 0], torch.zeros_like(point[:, 0]), upper, lower)

    def keep(self, chosen: Tensor) -> ExactSplit:
        """Return the chosen games."""
        kept = copy(self)
        for name in ("offset", "costs", "start"):
            setattr(kept, name, getattr(self, name)[chosen])
        return kept


def admm(table: Tensor, gap: float) -> tuple[float, float]:
    """Solve one game by the ADMM; return the gap it proved and its l1 norm."""
    games = (table - table[0]).unsqueeze(0)
    scale = games.abs().amax()
    found, _ = iterate(ExactSplit(games / scale), gap, 20_000, lambda share: None)
    return found.gap.item(), (found.upper * scale).item()


def tabular(data, activation, seed: int, n: int) -> list[Tensor]:
    """An MLP on a table of features, dealt out to n players in turn."""
    torch.manual_seed(seed)
    x, y = (torch.as_tensor(part) for part in data(return_X_y=True))
    x = ((x - x.mean(0)) / x.std(0)).float()
    n_features, n_classes = x.shape[1], int(y.max()) + 1
    model = nn.Sequential(
        nn.Linear(n_features, 64),
        activation(),
        nn.Linear(64, 64),
        activation(),
        nn.Linear(64, n_classes),
    )
    train(model, x, y, 40, 3e-3)
    player = torch.arange(n_features) % n

    def value(row: Tensor, label: int, masks: Tensor) -> Tensor:
        return log_odds(model(torch.where(masks[:, player], row, 0.0)), label)

    rows = ROWS.get(n, (10, 127))
    return [table_of(partial(value, x[row], int(y[row])), n) for row in rows]


def digits(seed: int, n: int) -> list[Tensor]:
    """A convolutional network on 8×8 digits, in n rectangles."""
    torch.manual_seed(seed)
    x, y = (torch.as_tensor(part) for part in load_digits(return_X_y=True))
    x = (x.float() / 16).view(-1, 1, 8, 8)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 10),
    )
    train(model, x, y, 12, 3e-3)
    rows, columns = PATCHES[n]
    steps = torch.arange(8)
    grid = (steps * rows // 8)[:, None] * columns + (steps * columns // 8)[None]

    def value(row: Tensor, label: int, masks: Tensor) -> Tensor:
        return log_odds(model(torch.where(masks[:, grid][:, None], row, 0.0)), label)

    chosen = ROWS.get(n, (10, 127))
    return [table_of(partial(value, x[row], int(y[row])), n) for row in chosen]


def tokens(seed: int, n: int) -> list[Tensor]:
    """A transformer on sequences that a rule of AND and OR labels."""
    model, x, y = transformer_on_rules(n, seed)

    def value(row: Tensor, label: int, masks: Tensor) -> Tensor:
        return log_odds(model(torch.where(masks, row, 0)), label)

    chosen = ROWS.get(n, (10, 127))
    return [table_of(partial(value, x[row], int(y[row])), n) for row in chosen]


def networks(n: int):
    """Names and tables of networks with n players."""
    yield "ReLU MLP", tabular(load_breast_cancer, nn.ReLU, SEED + n, n)
    yield "GELU MLP", tabular(load_breast_cancer, nn.GELU, SEED + n + 50, n)
    yield "digits CNN", digits(SEED + n + 100, n)
    yield "transformer", tokens(SEED + n + 150, n)
    if n <= 13:
        yield "tanh MLP", tabular(load_wine, nn.Tanh, SEED + n + 200, n)


def planted(n: int):
    """Name and tables of short sums of AND and OR terms."""
    yield "planted", [and_or.planted_game(n, min(12, n), SEED + k)[0] for k in (0, 1)]


def compare(name: str, n: int, tables: list[Tensor], gap: float) -> list[report.Row]:
    """CPU seconds of both solvers on every table."""
    rows = []
    for example, table in enumerate(tables):
        split, ours = and_or.timed(lambda v=table: and_or_split(v, tolerance=gap))
        (reached, norm), theirs = and_or.timed(lambda v=table: admm(v, gap))
        note = "" if reached <= gap else f" (stopped at {reached:.0e})"
        rows.append(
            report.Row(
                f"{name}, n = {n}, example {example}",
                "ADMM" + note,
                ours,
                theirs,
                "s",
                difference=abs(split.objective.item() - norm) / norm,
            )
        )
        assert split.gap.item() <= gap
    return rows


def rows(quick: bool = False, gap: float = 1e-4, largest: int = 14):
    """CPU seconds to a proven gap, and geometric means of the ratios."""
    and_or_split(and_or.network_game(6, 0))  # warm up
    admm(and_or.network_game(6, 0), 1e-3)
    found = []
    for kind, games in (("networks", networks), ("planted games", planted)):
        ours = []
        for n in (6,) if quick else [n for n in SIZES if n <= largest]:
            for name, tables in games(n):
                ours += compare(name, n, tables, gap)
        ratios = [row.other / row.ours for row in ours]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        what = f"{kind}, geometric mean of {len(ratios)}"
        summary = report.Row(what, f"ADMM, ratios {min(ratios):.1f} to "
                             f"{max(ratios):.1f}", 1.0, mean, "time")  # fmt: skip
        found += [*ours, summary]
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--largest", type=int, default=14, help="players")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(timing.describe() + "\n")
    start = time.perf_counter()
    report.show(rows(gap=options.gap, largest=options.largest))
    print(f"\n{time.perf_counter() - start:.0f} s")
