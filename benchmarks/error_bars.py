"""How often nominal 95 % bars hold, on games that few settings were chosen by.

Every draw chooses its coalitions anew; the truth is full enumeration. Settings were
chosen on example 0 of each network, and the tilt on the transformer and the cancer MLP
below as well; the others are other examples, and another synthetic game.

    python benchmarks/error_bars.py
"""

from __future__ import annotations

import sys

import torch
from trained_games import (
    cancer_mlp,
    digits_cnn,
    random_and_or,
    token_transformer,
    wine_mlp,
)

from captum_interactions.estimators import TableEstimate, evaluate, table_plan
from captum_interactions.functional import masks_to_codes, upper_pairs

GAMES = {
    "wine MLP (12)": lambda: wine_mlp(2),
    "AND-OR (13)": lambda: random_and_or(13, 25, seed=5),
    "transformer (14)": lambda: token_transformer(3),
    "cancer MLP (15)": lambda: cancer_mlp(15, 3),
    "digits CNN (16)": lambda: digits_cnn(7),
}
BUDGETS = (200, 500)


def readings(estimate):
    """Shapley values, pairs and orders between the first and the last."""
    middle = range(1, estimate.n_players - 2)
    return {
        "Shapley": estimate.shapley_values(),
        "SII": [
            upper_pairs(part) for part in estimate.pair_index() if part is not None
        ],
        "orders": [
            upper_pairs(part)
            for part in estimate.multi_order(middle)
            if part is not None
        ],
    }


def _upper(reading):
    return [upper_pairs(part) for part in reading if part is not None]


def coverage(table, budget, draws):
    """Share of readings within 1.96 standard errors, by group."""
    n = table.shape[-1].bit_length() - 1
    truth = {key: found[0] for key, found in readings(TableEstimate(table)).items()}
    shares = dict.fromkeys(truth, 0.0)
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        plan = table_plan(n, budget, generator=generator)
        estimate = evaluate(plan, lambda masks: table[masks_to_codes(masks)])
        for key, (value, error) in readings(estimate).items():
            held = (value - truth[key]).abs() <= 1.96 * error
            shares[key] += held.double().mean().item() / draws
    return shares


def main(quick=False):
    """Print a row for each game and budget."""
    games = {"AND-OR (9)": lambda: random_and_or(9)} if quick else GAMES
    for name, make in games.items():
        table = make()
        for budget in (60,) if quick else BUDGETS:
            shares = coverage(table, budget, 2 if quick else 50)
            row = "  ".join(f"{key} {share:.3f}" for key, share in shares.items())
            print(f"{name:18s} {budget:5d}  {row}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main("--quick" in sys.argv[1:])
