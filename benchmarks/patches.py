"""A photograph as 12 to 196 players: how far two draws agree, and what it costs.

    pip install -e '.[models]'
    python benchmarks/patches.py                  # all of the page, 15 core minutes
    python benchmarks/patches.py coffee:49:4000   # photograph, players, coalitions

EfficientNet-Lite0, log-odds of the predicted class, a blurred photograph for what is
absent. A square number of players are patches, others about as many superpixels. Costs
are CPU seconds of one draw: passes, fit, all pairs with standard errors, orders.
"""

from __future__ import annotations

import sys
import time
from math import isqrt

import torch
from pretrained import cropped, efficientnet
from skimage import data
from timing import describe

from captum_interactions.baselines import blurred_image
from captum_interactions.estimators import evaluate, table_plan
from captum_interactions.games import ModelGame, log_odds
from captum_interactions.players import grid_mask, superpixels

PIXELS, BLUR, FRESH = 160, 10.0, 400
PHOTOGRAPHS = {"cat": "chelsea"}  # under scikit-image's name otherwise
ROWS = ["coffee:12:1000", "cat:12:1000"]
ROWS += [f"{name}:49:4000" for name in ("coffee", "cat", "astronaut", "rocket")]
ROWS += [f"{name}:196:6000" for name in ("coffee", "cat")]
HEAD = (
    "photograph, players, coalitions | r of Shapley values | r of all pairs "
    "| neighbors, others | R² | pairs beyond two errors, same sign in the other draw "
    "| seconds: passes, fit, pairs, orders"
)


def game_of(name, players):
    """Return the game of a photograph and how far its patches are apart."""
    pixels = getattr(data, PHOTOGRAPHS.get(name, name))()
    x, side = cropped(pixels, PIXELS)[None], isqrt(players)
    if side * side == players:
        mask = grid_mask(PIXELS, PIXELS, side)
        cells = torch.arange(players)
        down = (cells[:, None] // side - cells // side).abs()
        across = (cells[:, None] % side - cells % side).abs()
        apart = torch.maximum(down, across)
    else:
        mask, apart = superpixels(x, n_segments=20), None
    model = efficientnet(0, PIXELS)
    label = int(model(x).argmax())
    blurred = blurred_image(x, BLUR)
    game = ModelGame(
        log_odds(model), x, blurred, label, None, mask, perturbations_per_eval=8
    )
    return game, apart


def draw(game, neighbors, n, budget, seed):
    """Return an estimate, its readings and the seconds that each step took."""
    passes, seconds = [], []

    def timed(masks):
        began = time.process_time()
        values = game(masks)
        passes.append(time.process_time() - began)
        return values

    clock = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    plan = table_plan(n, budget, neighbors=neighbors, generator=generator)
    estimate = evaluate(plan, timed, budget)
    seconds += [sum(passes), time.process_time() - clock - sum(passes)]
    found = []
    for read in (
        lambda: (estimate.shapley_values(), estimate.pair_index("SII")),
        lambda: estimate.order_shapley_values(),
    ):
        clock = time.process_time()
        found.append(read())
        seconds.append(time.process_time() - clock)
    return estimate, *found[0], seconds


def agreement(a, b):
    """Return r of two vectors."""
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1])


def measure(game, neighbors, apart, n, budget):
    """Return the cells of one row."""
    draws = [draw(game, neighbors, n, budget, seed) for seed in (0, 1)]
    generator = torch.Generator().manual_seed(99)
    sizes = torch.arange(FRESH) * (n - 3) // FRESH + 2
    order = torch.rand(FRESH, n, generator=generator).argsort(1).argsort(1)
    fresh = order < sizes[:, None]
    values = game(fresh)[0].double()
    total = (values - values.mean()).square().sum()
    missed = [e.predict(fresh).value[0] - values for e, *_ in draws]
    r2 = [1 - float(part.square().sum() / total) for part in missed]
    singles = agreement(*(values.value[0] for _, values, *_ in draws))
    i, j = torch.triu_indices(n, n, 1)
    pairs = [reading.value[0, i, j] for _, _, reading, _ in draws]
    errors = [reading.std_error[0, i, j] for _, _, reading, _ in draws]
    sure = pairs[0].abs() > 2 * errors[0]
    same = (pairs[0] * pairs[1] > 0)[sure].double().mean()
    parts = ""
    if apart is not None:
        near = apart[i, j] == 1
        parts = ", ".join(
            f"{agreement(*(p[some] for p in pairs)):.3f}" for some in (near, ~near)
        )
    cost = torch.tensor([seconds for *_, seconds in draws]).mean(0)
    return [
        f"{singles:.3f}",
        f"{agreement(*pairs):.3f}",
        parts,
        ", ".join(f"{share:.3f}" for share in r2),
        f"{int(sure.sum())}, {same:.2f}",
        ", ".join(f"{second:.1f}" for second in cost.tolist()),
    ]


def main(arguments):
    """Print a row for each photograph and number of players."""
    torch.set_num_threads(1)
    print(describe())
    print(HEAD)
    for row in arguments or ROWS:
        name, players, budget = row.split(":")
        game, apart = game_of(name, int(players))
        neighbors = game.players.neighbors()
        cells = measure(game, neighbors, apart, game.n_players, int(budget))
        about = f"{name}, {game.n_players}, {budget}"
        print(" | ".join([about, *cells]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
