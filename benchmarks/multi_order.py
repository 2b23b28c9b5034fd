"""Multi-order interactions: speed of the exact reading, error of the sampled one.

    python benchmarks/multi_order.py speed
    python benchmarks/multi_order.py sampling [--repetitions 5]
    python benchmarks/multi_order.py coverage [--repetitions 50]
    python benchmarks/multi_order.py shapley  [--repetitions 2]
    python benchmarks/multi_order.py scale

Networks are trained and tabulated once and kept in ``--cache``. Everything runs on one
thread; times are medians of CPU time within one run, errors are against full
enumeration, and budgets count distinct coalitions.
"""

from __future__ import annotations

import argparse
import time
from math import comb
from pathlib import Path

import report
import sampling as estimators
import torch
from readings import naive_orders
from trained_games import GAMES, digits_cnn

from captum_interactions import MultiOrderInteraction
from captum_interactions.estimators import (
    PairedEstimate,
    TableEstimate,
    evaluate,
    order_plan,
    table_plan,
)
from captum_interactions.functional import (
    masks_to_codes,
    moebius,
    multi_order_interaction,
    upper_pairs,
)
from captum_interactions.functional.orders import context_variances
from captum_interactions.functional.pairs import read_pairs, resolve_pairs
from captum_interactions.players import neighbor_pairs

READINGS = {
    "orders": lambda found: map(upper_pairs, found.multi_order()),
    "SII": lambda found: map(upper_pairs, found.pair_index()),
    "SV": lambda found: found.shapley_values(),
}


def truth_of(table, key):
    """A reading of all values."""
    exact = TableEstimate(table)
    if key == "SV":
        return exact.shapley_values().value
    index = exact.multi_order() if key == "orders" else exact.pair_index()
    return upper_pairs(index.value)


def cpu_time(function, repeats=7):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return sorted(times)[len(times) // 2]


def speed():
    n = 16
    table = torch.randn(1 << n, dtype=torch.float64)
    bits = torch.randn(1 << n, n, dtype=torch.float64)
    reading = cpu_time(lambda: multi_order_interaction(table))
    transform = cpu_time(lambda: moebius(table))
    product = cpu_time(lambda: bits.T @ bits)
    yardstick = transform + 16 * product
    print(f"n = {n}, all {n * (n - 1) // 2} pairs, all {n - 1} orders")
    print(f"  exact reading          {1e3 * reading:8.2f} ms")
    print(f"  Möbius + 16 n·n·2^n    {1e3 * yardstick:8.2f} ms")
    print(f"  ratio                  {reading / yardstick:8.3f}   (goal: at most 3)")
    start = time.process_time()
    slow = naive_orders(table, n)
    naive = time.process_time() - start
    error = (slow - multi_order_interaction(table)).abs().max()
    print(
        f"  naive loop             {1e3 * naive:8.0f} ms ({naive / reading:.0f} times)"
    )
    print(f"  largest difference     {error:.1e}")


def tables(cache, names=None):
    """Tables of the trained games, from the cache where it has them."""
    found = torch.load(cache) if cache.exists() else {}
    makers = {**GAMES, "digits CNN logit (16)": lambda: digits_cnn(logit=True)}
    for name in names or GAMES:
        if name not in found:
            found[name] = makers[name]()
            torch.save(found, cache)
    return {name: found[name] for name in names or GAMES}


def evaluate_table(table):
    return lambda masks: table[..., masks_to_codes(masks)]


def paired_error(table, n, budget):
    """Expected squared error of paired sampling, by order and pair.

    Orders with few contexts are enumerated, which takes nothing from their error; the
    budget is level over the orders, and finite populations are corrected for.
    """
    variance = context_variances(table, resolve_pairs(None, n))
    contexts = budget / (4 * comb(n, 2) * (n - 1))
    available = torch.tensor([comb(n - 2, m) for m in range(n - 1)]).double()
    rest = ((available - contexts) / (available - 1).clamp(min=1)).clamp(min=0)
    return variance / contexts * rest[:, None]


BUDGETS = {
    "wine MLP (12)": (300, 1000),
    "digits CNN (16)": (500, 1500),
    "cancer MLP (14)": (500, 2000),
    "transformer (14)": (500, 2000),
    "AND-OR (12)": (300, 1000),
    "iid (12)": (1000,),
}


def sampling(cache, repetitions):
    print(f"squared error over mean I², all pairs and orders, {repetitions} draws")
    head = f"{'game':18s} {'budget':>6s} {'paired':>9s} {'default':>9s} {'ratio':>7s}"
    print(f"{head} {'unbiased':>9s} {'ratio':>7s} {'CPU s':>6s}")
    for name, table in tables(cache).items():
        n = table.shape[-1].bit_length() - 1
        truth = truth_of(table, "orders")
        scale = truth.square().mean()
        for budget in BUDGETS[name]:
            paired = paired_error(table, n, budget).mean() / scale
            errors, seconds = {}, 0.0
            for unbiased in (False, True):
                total = 0.0
                for seed in range(repetitions):
                    start = time.process_time()
                    done = evaluate(
                        table_plan(
                            n,
                            budget,
                            unbiased=unbiased,
                            generator=torch.Generator().manual_seed(seed),
                        ),
                        evaluate_table(table),
                    )
                    seconds += 0 if unbiased else time.process_time() - start
                    estimate = upper_pairs(done.multi_order().value)
                    total += (estimate - truth).square().mean() / scale
                errors[unbiased] = total / repetitions
            print(
                f"{name:18s} {budget:6d} {paired:9.3g} {errors[False]:9.3g} "
                f"{paired / errors[False]:6.0f}x {errors[True]:9.3g} "
                f"{paired / errors[True]:6.0f}x {seconds / repetitions:6.1f}",
                flush=True,
            )


def pilot(cache, repetitions):
    """Few pairs and few orders: what the pilot picks, against both pure choices."""
    print("few pairs, budget 1000: mean squared error")
    for name, table in tables(cache).items():
        n = table.shape[-1].bit_length() - 1
        every = multi_order_interaction(table)
        for count, orders in ((1, [n // 2]), (3, [1, n // 2, n - 3])):
            pairs = resolve_pairs(None, n)[:: n * (n - 1) // 2 // count][:count]
            truth = read_pairs(every[orders], pairs)
            budget = 1000
            total = dict.fromkeys(("paired", "reuse", "auto"), 0.0)
            chosen = 0
            for seed in range(repetitions):
                for way in total:
                    generator = torch.Generator().manual_seed(seed)
                    plan = order_plan(
                        n, pairs, orders, budget, sampling=way, generator=generator
                    )
                    got = evaluate(plan, evaluate_table(table))
                    if not isinstance(got, PairedEstimate):
                        chosen += way == "auto"
                        mean = read_pairs(got.multi_order(orders).value, pairs)
                    else:
                        mean = got.mean
                    total[way] += (mean - truth).square().mean().item() / repetitions
            print(
                f"{name:18s} {count} pairs, {len(orders)} orders: paired "
                f"{total['paired']:8.2e}  reuse {total['reuse']:8.2e}  "
                f"auto {total['auto']:8.2e}  (reuse picked {chosen}/{repetitions})",
                flush=True,
            )


def coverage(cache, repetitions):
    print(f"share of cells within 1.96 standard errors, {repetitions} draws")
    print(f"{'game':18s} {'budget':>6s}  default: orders SII SV   unbiased: the same")
    for name, table in tables(cache).items():
        n = table.shape[-1].bit_length() - 1
        budget = BUDGETS[name][0]
        shares = []
        for unbiased in (False, True):
            hits = dict.fromkeys(READINGS, 0.0)
            for seed in range(repetitions):
                done = evaluate(
                    table_plan(
                        n,
                        budget,
                        unbiased=unbiased,
                        generator=torch.Generator().manual_seed(seed),
                    ),
                    evaluate_table(table),
                )
                for key, reading in READINGS.items():
                    estimate, error = reading(done)
                    sampled = error > 0  # exact cells would only flatter
                    inside = (estimate - truth_of(table, key)).abs() <= 1.96 * error
                    hits[key] += inside[sampled].double().mean().item() / repetitions
            shares += hits.values()
        print(
            f"{name:18s} {budget:6d}  " + "  ".join(f"{s:.3f}" for s in shares),
            flush=True,
        )


def shapley(cache, repetitions):
    """The comparison of ``sampling.py``, also at 10,000 coalitions."""
    names = ["transformer (14)", "digits CNN logit (16)", "cancer MLP (14)"]
    for name, table in tables(cache, names).items():
        for budget in (500, 2000, 10_000):
            report.show(list(estimators.compare(name, table, budget, repetitions)))


def scale(contexts=100, n_pairs=200, side=224):
    """The authors' protocol on one image: 16×16 players, neighbors, 12 orders."""
    import resource

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 8, stride=8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(128, 10),
    ).eval()
    image = torch.randn(1, 3, side, side)
    cell = torch.arange(side) * 16 // side
    mask = cell[:, None] * 16 + cell
    orders = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0]
    generator = torch.Generator().manual_seed(0)
    pairs = neighbor_pairs(16, 16, n_pairs, generator=generator)
    budget = 4 * n_pairs * (11 * contexts + 1) + 2
    start = time.perf_counter()
    result = MultiOrderInteraction(model).interactions(
        image,
        target=0,
        feature_mask=mask,
        orders=orders,
        pairs=pairs,
        n_samples=budget,
        show_progress=True,
        generator=generator,
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(pairs)} pairs, contexts {result.contexts}, orders {result.orders}")
    print(
        f"{result.n_evaluations} coalitions in {seconds:.0f} s "
        f"({1e3 * seconds / result.n_evaluations:.2f} ms each), peak {peak:.0f} MiB"
    )
    print("mean |I| by order", result.pair_values()[0].abs().mean(-1))
    print("noise floor      ", result.noise_floor[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what",
        choices=["speed", "sampling", "pilot", "coverage", "shapley", "scale"],
    )
    parser.add_argument("--cache", type=Path, default=Path("multi_order_tables.pt"))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--contexts", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.what == "speed":
        speed()
    elif arguments.what == "scale":
        scale(arguments.contexts)
    else:
        run = {
            "sampling": sampling,
            "pilot": pilot,
            "coverage": coverage,
            "shapley": shapley,
        }
        run[arguments.what](arguments.cache, arguments.repetitions)


if __name__ == "__main__":
    main()
