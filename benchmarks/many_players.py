"""Error at a budget against shapiq ≥ 1.5: 13 games of 12 to 100 players.

shapiq 1.8 needs Python 3.12 and its own environment (``pip install shapiq xgboost-cpu
lightgbm``). Name that Python, or let ``python3.12`` be found; it plays the games of
this process, every draw is a new set of coalitions, and figures go to a file as they
come, so that a run can be stopped, resumed, and repeated for one side alone.

    python benchmarks/many_players.py --rivals .venv312/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import time
import warnings
from contextlib import contextmanager
from multiprocessing.connection import Listener
from pathlib import Path
from tempfile import TemporaryDirectory

import large_games
import numpy as np
import report
import torch

from captum_interactions.estimators import evaluate, table_plan
from captum_interactions.functional import upper_pairs

DRAWS = 20
SECONDS = 3  # of a rival's CPU in a cell, after which its draws end (two at least)
# A draw takes over a minute beyond, with errors a hundred times those of the others.
MOST_PLAYERS = {"SVARMIQ": 30}
ROUND_OFF = 1e-12  # of values of order 1: what is below is right to the last digits
OURS = "captum_interactions"
SIDES = ("ours", "rivals")
FIGURES = Path(__file__).with_name("many_players.json")


def budgets(n):
    """Return the four budgets of a game, fixed before the first run."""
    return (150, 300, 600, 1200) if n <= 16 else tuple(k * n for k in (10, 20, 50, 100))


@contextmanager
def rivals(python):
    """Start the other Python; yield a function that asks it, and its greeting."""
    key = secrets.token_hex(16)
    with Listener(("127.0.0.1", 0), authkey=key.encode()) as listener:
        script = Path(__file__).with_name("rivals.py")
        process = subprocess.Popen(
            [python, script, str(listener.address[1])],
            env=os.environ | {"RIVALS_KEY": key, "OMP_NUM_THREADS": "1"},
        )
        with listener.accept() as other:

            def ask(game, *request):
                other.send(request)
                while (answer := other.recv())[0] == "play":
                    masks = torch.from_numpy(answer[1])
                    other.send(game.value(masks).numpy())
                return answer

            yield ask, other.recv()
            other.send(None)
        process.wait()


def squared_error(found, game, index):
    """Mean squared error, less what the truth itself is off by."""
    error = (torch.as_tensor(found) - game.truth[index]).square().mean().item()
    return max(error - game.own_error[index], 0.0)


def our_draw(game, budget, seed):
    """Return our errors of both readings, and the CPU seconds of the estimate."""
    plan = table_plan(game.n, budget, generator=torch.Generator().manual_seed(seed))
    played = 0.0

    def play(masks):
        nonlocal played
        start = time.process_time()
        values = game.value(masks)
        played += time.process_time() - start
        return values

    start = time.process_time()
    estimate = evaluate(plan, play)
    readings = {
        "SV": estimate.shapley_values().value.flatten(),
        "SII": upper_pairs(estimate.pair_index("SII").value).flatten(),
    }
    seconds = time.process_time() - start - played
    errors = {k: squared_error(v, game, k) for k, v in readings.items()}
    return errors, seconds


def measure_ours(game, budget, count):
    """Return cells of ours, one per reading."""
    draws = [our_draw(game, budget, seed) for seed in range(count)]
    seconds = float(np.mean([s for _, s in draws]))
    return {
        f"{index} {OURS}": {"errors": [e[index] for e, _ in draws], "seconds": seconds}
        for index in ("SV", "SII")
    }


def measure_rival(ask, game, index, name, budget, count):
    """Return a rival's cell; it may end early, or say why it has no figure."""
    errors, total = [], 0.0
    for seed in range(count):
        kind, found, seconds = ask(game, index, name, game.n, budget, seed)
        if kind == "failed":
            return {"errors": [], "seconds": 0.0, "note": found}
        errors.append(squared_error(found, game, index))
        total += seconds
        if total > SECONDS and len(errors) >= 2:
            break
    return {"errors": errors, "seconds": total / len(errors)}


def ratio_interval(ours, other):
    """Return other / ours of the mean errors, and a 95 % bootstrap interval.

    Draws that both have are paired.
    """
    k = min(len(ours), len(other))
    chosen = np.random.default_rng(0).integers(k, size=(2000, k))
    pair = np.maximum(np.stack([ours[:k], other[:k]]), ROUND_OFF)
    means = pair[:, chosen].mean(-1)
    low, high = np.quantile(means[1] / means[0], [0.025, 0.975])
    return pair[1].mean() / pair[0].mean(), low, high


def verdicts(cells):
    """Yield game, budget, reading, ours, the best rival's name and cell, or None."""
    for place, methods in cells.items():
        for index in ("SV", "SII"):
            ours = methods.get(f"{index} {OURS}")
            others = {
                name.split()[1]: cell
                for name, cell in methods.items()
                if name.startswith(f"{index} ") and OURS not in name and cell["errors"]
            }
            if not ours:
                continue
            best = min(
                others, key=lambda name: np.mean(others[name]["errors"]), default=None
            )
            game, _, budget = place.rpartition(" @ ")
            yield game, int(budget), index, ours, best, others.get(best)


def rows(quick=False):
    """Measure what the stored figures lack; return each cell against its best rival."""
    if not quick:
        cells = fill(FIGURES, list(large_games.GAMES), SIDES, find_python())["cells"]
    else:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "figures.json"
            cells = fill(path, ["AND-OR (15)"], SIDES, find_python(), 1)["cells"]
    return list(map(row, verdicts(cells)))


def row(verdict):
    """Return a cell as a row."""
    game, budget, index, ours, best, other = verdict
    what = f"{index} of {game}, {budget} coalitions"
    own = float(np.mean(ours["errors"]))
    if other is None:
        return report.Row(what, "shapiq ≥ 1.5", own, None, "MSE", note="not installed")
    _, low, high = ratio_interval(ours["errors"], other["errors"])
    return report.Row(
        what,
        f"shapiq.{best} ({low:.2g} to {high:.2g})",
        own,
        float(np.mean(other["errors"])),
        "MSE",
        seconds=(ours["seconds"], other["seconds"]),
    )


def summarize(cells):
    """Print how many cells are won, and every one that is lost."""
    for index in ("SV", "SII"):
        won = total = 0
        for game, budget, reading, ours, best, other in verdicts(cells):
            if reading != index or other is None:
                continue
            ratio, low, high = ratio_interval(ours["errors"], other["errors"])
            total, won = total + 1, won + (ratio >= 1)
            if ratio < 1:
                print(
                    f"lost: {index} of {game} at {budget} to {best}: its error is "
                    f"{ratio:.2f} of ours ({low:.2f} to {high:.2f})"
                )
        print(f"{index}: at or below the best rival in {won} of {total} cells")


def find_python():
    """Return a Python beside this one that has shapiq ≥ 1.5, or None."""
    for name in ("python3.12", "python3.13"):
        python = shutil.which(name)
        asked = "import shapiq.approximator as a; a.ProxySHAP"
        if (
            python
            and not subprocess.run(
                [python, "-c", asked], capture_output=True
            ).returncode
        ):
            return python
    return None


def fill(figures, names, sides, python, draws=DRAWS, fresh=False):
    """Measure the cells that a file of figures lacks, and keep each as it comes."""
    record = {"cells": {}}
    if figures.exists():
        record = json.loads(figures.read_text(encoding="utf-8"))
    if fresh:
        for methods in record["cells"].values():
            for name in [name for name in methods if OURS in name]:
                del methods[name]

    def keep(place, found):
        record["cells"].setdefault(place, {}).update(found)
        text = json.dumps(record, indent=1, ensure_ascii=False)
        figures.write_text(text + "\n", encoding="utf-8")

    def play(ask, methods):
        for name in names:
            game = large_games.GAMES[name]()
            for budget in budgets(game.n):
                place = f"{name} @ {budget}"
                known = record["cells"].get(place, {})
                if "ours" in sides and f"SV {OURS}" not in known:
                    keep(place, measure_ours(game, budget, draws))
                for index, method in methods:
                    if game.n > MOST_PLAYERS.get(method, game.n):
                        continue
                    if f"{index} {method}" not in known:
                        cell = measure_rival(ask, game, index, method, budget, draws)
                        keep(place, {f"{index} {method}": cell})
                print(place, flush=True)

    if "rivals" in sides and python:
        with rivals(python) as (ask, greeting):
            record["shapiq"] = greeting["version"]
            play(ask, greeting["methods"])
    else:
        play(None, [])
    return record


def main():
    """Measure what is missing, write, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rivals", default=find_python(), help="Python with shapiq")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--games", nargs="+", default=list(large_games.GAMES))
    parser.add_argument("--fresh", action="store_true", help="forget ours first")
    parser.add_argument("--figures", type=Path, default=FIGURES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="sklearn")
    record = fill(
        options.figures,
        options.games,
        options.sides,
        options.rivals,
        fresh=options.fresh,
    )
    summarize(record["cells"])


if __name__ == "__main__":
    main()
