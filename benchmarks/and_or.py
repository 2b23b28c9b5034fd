"""The AND-OR split: solvers against each other, and how sparse real networks are.

    python benchmarks/and_or.py solver       # ours, HiGHS and the authors' SGD
    python benchmarks/and_or.py networks     # sparsity and faithfulness
    python benchmarks/and_or.py sparse       # 30 players through shapiq

Each prints a Markdown table. CPU seconds of one thread; quote ratios within a run.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise

import models
import numpy as np
import report
import timing
import torch
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, hstack
from torch import Tensor

from captum_interactions import AndInteraction, AndOrInteraction
from captum_interactions.attr import TruncatedAndInteraction
from captum_interactions.functional import (
    all_masks,
    and_or_split,
    explained_ratio,
    moebius,
    net_explained_ratio,
    or_interactions,
    or_reconstruction,
    r_squared,
    salient_interactions,
    terms_for_share,
    zeta,
)
from captum_interactions.games import log_odds
from captum_interactions.interop import sparse_and_interactions


def planted_game(n: int, n_terms: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Table and AND and OR weights of a game of a few terms of orders 2 to 4."""
    rng = np.random.default_rng(seed)
    weights = torch.zeros(2, 1 << n, dtype=torch.float64)
    codes = torch.arange(1 << n)
    table = torch.zeros(1 << n, dtype=torch.float64)
    taken: set[int] = set()
    while len(taken) < n_terms:
        size = int(rng.integers(2, 5))
        code = int(sum(1 << int(i) for i in rng.choice(n, size, replace=False)))
        if code in taken:
            continue
        kind = len(taken) % 2
        taken.add(code)
        weight = 2 * float(rng.normal())
        weights[kind, code] = weight
        hit = (codes & code) != 0 if kind else (codes & code) == code
        table += weight * hit
    return table, weights[0], weights[1]


def network_game(n: int, seed: int) -> Tensor:
    """A random two-layer network on random inputs: a game that is not sparse."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [n, 64, 64, 1]
    x = all_masks(n).double() * torch.randn(n, generator=generator).double()
    for i, (a, b) in enumerate(pairwise(sizes)):
        x = x @ torch.randn(a, b, generator=generator).double() / a**0.5
        x = x + torch.randn(b, generator=generator).double() / a**0.5
        x = x.relu() if i < 2 else x
    return x.squeeze(-1)


def highs_terms(table: Tensor) -> tuple[float, float]:
    """Least l1 norm and seconds of scipy's HiGHS on a sparse form in the terms.

    v(T) − v(∅) = Σ_{S⊆T} a(S) + c − Σ_{S⊆N∖T} b(S), c = Σ b: 3^n nonzero entries per
    part, with a and b split into positive and negative parts.
    """
    values = table.numpy() - table[0].item()
    size = len(values)
    rows, columns = [], []
    for code in range(size):
        part = code
        while part:  # all nonempty S ⊆ T
            rows.append(code)
            columns.append(part - 1)
            part = (part - 1) & code
    inside = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size - 1))
    outside = inside[::-1]
    system = hstack(
        [inside, -outside, -inside, outside, csr_matrix(np.ones((size, 1)))]
    ).tocsr()
    cost = np.ones(4 * (size - 1) + 1)
    cost[-1] = 0
    limits = [(0, None)] * (4 * (size - 1)) + [(None, None)]
    return _timed(cost, limits, A_eq=system, b_eq=values)


def highs_split(table: Tensor) -> tuple[float, float]:
    """The same by the form the papers write: free p, v_and = v/2 + p, |I| ≤ t."""
    size = len(table)
    half = (table - table[0]) / 2
    identity = torch.eye(size, dtype=torch.float64)
    and_rows = moebius(identity).mT[1:].numpy()
    or_rows = or_interactions(identity).mT[1:].numpy()
    signs = np.kron([[1.0, 0.0], [0.0, 1.0]], np.eye(size - 1))
    blocks = np.concatenate([and_rows, -or_rows])
    system = np.block([[blocks, -signs], [-blocks, -signs]])
    known = np.concatenate([moebius(half)[1:], or_interactions(half)[1:]])
    cost = np.concatenate([np.zeros(size), np.ones(2 * (size - 1))])
    limits = [(0, 0)] + [(None, None)] * (size - 1) + [(0, None)] * (2 * (size - 1))
    return _timed(
        cost,
        limits,
        A_ub=csr_matrix(system),
        b_ub=np.concatenate([-known, known]),
    )


def _timed(cost: np.ndarray, limits: list, **constraints) -> tuple[float, float]:
    start = time.process_time()
    solved = linprog(cost, bounds=limits, method="highs", **constraints)
    seconds = time.process_time() - start
    if solved.status != 0:
        raise RuntimeError(solved.message)
    return float(solved.fun), seconds


def recovered(found: Tensor, planted: Tensor) -> str:
    """Planted terms above 0.05 of the maximum that were found, and others that were."""
    level = 0.05 * planted.abs().max()
    there, seen = planted.abs() > level, found.abs() > level
    return (
        f"{int((there & seen).sum())}/{int(there.sum())} + {int((seen & ~there).sum())}"
    )


def timed(call) -> tuple:
    """Return what a call returns, and its CPU seconds."""
    start = time.process_time()
    found = call()
    return found, time.process_time() - start


def rows(quick: bool = False) -> list[report.Row]:
    """Least l1 norm by our solver, HiGHS and the authors' SGD on the same games."""
    and_or_split(network_game(5, 0))  # warm up
    cases = [("planted", 6)]
    if not quick:
        cases = [("planted", 8), ("planted", 10), ("network", 8), ("network", 9)]
    found = []
    for kind, n in cases:
        values = planted_game(n, n, 0)[0] if kind == "planted" else network_game(n, 0)
        split, ours_s = timed(lambda v=values: and_or_split(v))
        ours = split.objective.item()
        rivals = {"HiGHS, a sparse form": lambda v=values: highs_terms(v)[0]}
        if n == 8:
            rivals["HiGHS, the papers' form"] = lambda v=values: highs_split(v)[0]
            rivals["published SGD, 10,000 steps"] = lambda v=values: (
                and_or_split(v, "sgd", learning_rate=1e-5, max_iterations=10_000)
                .objective.item()
            )  # fmt: skip
        for name, call in rivals.items():
            other, seconds = timed(call)
            found.append(
                report.Row(
                    f"split of a {kind} game, n = {n}",
                    name,
                    ours,
                    other,
                    "l1 norm",
                    seconds=(ours_s, seconds),
                    difference=abs(ours - other) if "HiGHS" in name else None,
                )
            )
    return found


def solver(largest_highs: int) -> None:
    print(
        "| game | n | l1 norm over HiGHS, less 1 | gap | planted found + false "
        "| ours s | HiGHS s, sparse form | HiGHS s, papers' form |"
    )
    print("|---|---|---|---|---|---|---|---|")
    and_or_split(network_game(6, 0))  # warm up
    cases = [("planted", n, s) for n in (6, 8, 9, 10, 12, 14) for s in range(3)]
    cases += [("network", n, s) for n in (6, 8, 9) for s in range(2)]
    cases += [("network", n, 0) for n in (10, 12, 14)]
    for kind, n, seed in cases:
        hits = ""
        if kind == "planted":
            table, *planted = planted_game(n, min(12, n), seed)
        else:
            table = network_game(n, seed)
        start = time.process_time()
        split = and_or_split(table)
        seconds = time.process_time() - start
        if kind == "planted":
            found = torch.stack([split.and_values, split.or_values])
            hits = recovered(found, torch.stack(planted))
        excess = slow = fast = ""
        if n <= largest_highs:
            best, fast_s = highs_terms(table)
            excess, fast = f"{split.objective.item() / best - 1:.1e}", f"{fast_s:.2f}"
        if n <= largest_highs and seed == 0 and (kind == "planted" or n < 10):
            slow = f"{highs_split(table)[1]:.2f}"
        print(
            f"| {kind} {seed} | {n} | {excess} | {split.gap.item():.0e} | {hits} | "
            f"{seconds:.3f} | {fast} | {slow} |",
            flush=True,
        )
    print("\n| SGD at the published settings | n | l1 norm / optimum | s | found |")
    print("|---|---|---|---|---|")
    for n in (6, 8, 10):
        table, a, b = planted_game(n, max(6, n), 0)
        optimum = and_or_split(table).objective
        for rate, steps in ((1e-5, 10_000), (1e-6, 10_000), (1e-7, 20_000)):
            start = time.process_time()
            split = and_or_split(table, "sgd", learning_rate=rate, max_iterations=steps)
            seconds = time.process_time() - start
            found = recovered(
                torch.stack([split.and_values, split.or_values]), torch.stack([a, b])
            )
            print(
                f"| {rate:g}, {steps} steps | {n} | "
                f"{(split.objective / optimum).item():.2f} | {seconds:.1f} | {found} |",
                flush=True,
            )


def readings(table: Tensor, parts: Tensor) -> dict[str, Tensor]:
    """Sparsity and faithfulness of AND and OR parts ``(examples, 2, 2**n)`` of v."""
    effects = parts[..., 1:].flatten(-2)
    chosen = salient_interactions(effects)
    dozen = torch.zeros_like(chosen).scatter(
        -1, effects.abs().topk(12, dim=-1).indices, True
    )

    def fitted(kept: Tensor) -> Tensor:
        keep = torch.where(kept, effects, 0.0).view(parts[..., 1:].shape)
        both = torch.cat([parts[..., :1], keep], dim=-1)
        return zeta(both[:, 0]) + or_reconstruction(both[:, 1])

    total = (table[:, -1] - table[:, 0]).abs()
    return {
        "l1 norm over |v(N) - v(0)|": effects.abs().sum(-1) / total,
        "salient": chosen.sum(-1).double(),
        "for 90 %": terms_for_share(effects, 0.9).double(),
        "for 95 %": terms_for_share(effects, 0.95).double(),
        "strict ratio": explained_ratio(effects, chosen),
        "authors' ratio": net_explained_ratio(effects, chosen),
        "R² salient": r_squared(table, fitted(chosen)),
        "R² of 12 terms": r_squared(table, fitted(dozen)),
    }


def networks(n_examples: int) -> None:
    tabular, digits, tokens = (
        models.tabular_mlp(),
        models.digits_cnn(),
        models.token_transformer(),
    )
    upper = (torch.arange(8) // 2)[:, None]
    cases = [
        ("tabular MLP, 10 properties", tabular, models.groups(30, 10)),
        (
            "digits CNN, 12 patches",
            digits,
            (upper * 3 + torch.arange(8) * 3 // 8)[None],
        ),
        ("digits CNN, 16 patches", digits, models.patches(8, 4)),
        ("transformer, 14 tokens", tokens, None),
    ]
    columns = None
    for name, (model, x, y), mask in cases:
        # The split of 14 players and more takes a while: fewer examples there.
        rows = n_examples if name.endswith(("properties", "12 patches")) else 3
        x, y = x[-rows:], y[-rows:]
        value = log_odds(model)
        found = {}
        exact = AndInteraction(value).interactions(x, target=y, feature_mask=mask)
        table = zeta(exact.dividends)
        alone = torch.stack([exact.dividends, torch.zeros_like(table)], dim=-2)
        found["AND"] = readings(table, alone)
        start = time.process_time()
        split = AndOrInteraction(value).interactions(x, target=y, feature_mask=mask)
        seconds = (time.process_time() - start) / len(x)
        found["AND-OR"] = readings(table, split.parts)
        if columns is None:
            columns = list(found["AND"])
            print("| network | form | " + " | ".join(columns) + " | s per example |")
            print("|---" * (len(columns) + 3) + "|")
        for form, values in found.items():
            cells = [f"{values[c].median().item():.3g}" for c in columns]
            took = f"{seconds:.1f}" if form == "AND-OR" else ""
            print(f"| {name} | {form} | {' | '.join(cells)} | {took} |", flush=True)


def sparse() -> None:
    """Thirty players, fifteen AND terms of orders 1 to 4."""
    rng = np.random.default_rng(0)
    terms: dict[frozenset[int], float] = {}
    while len(terms) < 15:
        members = rng.choice(30, 1 + len(terms) % 4, replace=False)
        terms[frozenset(members.tolist())] = float(rng.normal()) * 2

    def model(x: Tensor) -> Tensor:
        return sum(w * x[:, sorted(m)].prod(1) for m, w in terms.items())

    x = torch.ones(1, 30, dtype=torch.float64)
    print("| method | evaluations | terms found | largest error | held-out R² | s |")
    print("|---|---|---|---|---|---|")
    for name, call in (
        ("SPEX", lambda: sparse_and_interactions(model, x, n_samples=12_000)),
        *(
            (
                f"at most {k} players",
                lambda k=k: TruncatedAndInteraction(model).interactions(x, max_size=k),
            )
            for k in (2, 3, 4)
        ),
    ):
        start = time.process_time()
        result = call()
        seconds = time.process_time() - start
        values = result.values[0].tolist()
        found = dict(zip(map(frozenset, result.coalitions), values, strict=True))
        errors = [abs(found[m] - w) for m, w in terms.items() if m in found]
        hits = sum(error < 1e-3 for error in errors)
        print(
            f"| {name} | {result.n_evaluations} | {hits}/15 | {max(errors):.1e} | "
            f"{result.held_out_r2.item():.4f} | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["solver", "networks", "sparse"])
    parser.add_argument("--largest-highs", type=int, default=10)
    parser.add_argument("--examples", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(timing.describe() + "\n")
    if options.part == "solver":
        solver(options.largest_highs)
    elif options.part == "networks":
        networks(options.examples)
    else:
        sparse()
