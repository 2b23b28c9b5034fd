"""Large work: ranks of torch.distributed, a store, data sets, hundreds of players.

    python benchmarks/scaling.py           # the rows of the table
    python benchmarks/scaling.py --quick

Ranks by wall time, since waiting is what they share; stores and data sets by the CPU
time they add. The least of several rounds. A model that waits takes no processor, so
that its ranks can outnumber the cores; of a network, the CPU time of the slowest rank
is what idle cores would take.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import large_games
import report
import torch
import torch.distributed as dist
from timing import in_turns
from torch import nn

from captum_interactions import AndInteraction
from captum_interactions.attr import explain_dataset
from captum_interactions.estimators import evaluate, kernel_plan
from captum_interactions.games import ModelGame, evaluation

FORK = multiprocessing.get_context("fork")
ESTIMATES = ((64, 2000), (64, 10_000), (1000, 10_000))  # players, coalitions


class Waiting(nn.Module):
    """Takes so many seconds per row, and no processor."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, x):
        """Wait, and multiply."""
        time.sleep(self.seconds * len(x))
        return x.prod(-1)


def network():
    """A convolutional network of 5 ms per row on one thread."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    ).eval()  # fmt: skip


def least(call, rounds, clock=time.perf_counter):
    """Return the least time of several calls."""
    seconds = []
    for _ in range(rounds):
        start = clock()
        call()
        seconds.append(clock() - start)
    return min(seconds)


def on_ranks(size, make, rounds, clock):
    """Return the least time of a table by so many ranks, that of the slowest."""
    if size == 1:
        game = make()
        return least(lambda: table(game), rounds, clock)
    with tempfile.TemporaryDirectory() as folder:
        pipes = [FORK.Pipe(duplex=False) for _ in range(size)]
        ranks = [
            FORK.Process(
                target=_rank, args=(r, size, folder, make, rounds, clock, pipes[r][1])
            )
            for r in range(size)
        ]
        for rank in ranks:
            rank.start()
        seconds = max(pipe[0].recv() for pipe in pipes)
        for rank in ranks:
            rank.join()
    return seconds


def _rank(rank, size, folder, make, rounds, clock, pipe):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size
    )
    game = make()
    dist.barrier()
    pipe.send(least(lambda: table(game), rounds, clock))
    dist.barrier()


def table(game, **settings):
    """Evaluate all coalitions in fixed blocks."""
    with evaluation(**settings):
        return game.table()


def store_cost(seconds, n, rounds):
    """Return the time of a table with a new store and without: waiting and CPU."""
    game = ModelGame(Waiting(0.0), torch.ones(1, n))

    def kept():
        with tempfile.TemporaryDirectory() as folder:
            table(game, store=folder)

    taken = in_turns({"ours": kept, "other": lambda: table(game)}, rounds)
    waiting = seconds * 2**n
    return waiting + min(taken["ours"]), waiting + min(taken["other"])


def stream(n_examples, rounds):
    """Return CPU seconds of a streamed data set of 10 players, and of its passes."""
    inputs = torch.randn(n_examples, 10)
    model = nn.Sequential(nn.Linear(10, 256), nn.ReLU(), nn.Linear(256, 1)).eval()
    batches = inputs.split(100)

    def ours():
        with tempfile.TemporaryDirectory() as folder:
            explain_dataset(
                AndInteraction(model), batches, folder=f"{folder}/explained"
            )

    def passes():
        for batch in batches:
            ModelGame(model, batch).table()

    taken = in_turns({"ours": ours, "passes": passes}, rounds)
    return min(taken["ours"]), min(taken["passes"])


def estimate(n, budget):
    """Return CPU seconds and MB of an estimate, its readings, and one factor's time."""
    here, there = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_estimate, args=(n, budget, there))
    process.start()
    found = here.recv()
    process.join()
    return found


def _estimate(n, budget, pipe):
    game = large_games.and_or(n, 1, terms=min(2 * n, 500))
    generator = torch.Generator().manual_seed(0)
    clock, before = time.process_time, _peak()
    start = clock()
    found = evaluate(kernel_plan(n, budget, generator=generator), game.value)
    found.shapley_values(), found.pair_index()
    share = torch.rand(1000, 1, generator=generator)
    fresh = torch.rand(1000, n, generator=generator) < share
    missed = found.predict(fresh).value - game.value(fresh)
    seconds, memory = clock() - start, _peak() - before
    r2 = 1 - missed.square().mean() / game.value(fresh).var()
    matrix = torch.eye(budget, dtype=torch.float64) + 1e-3
    start = clock()
    torch.linalg.cholesky(matrix)
    pipe.send((seconds, memory, clock() - start, float(r2)))


def _peak():
    """Return the most memory this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def rows(quick: bool = False) -> list[report.Row]:
    """Return the rows of the table."""
    torch.set_num_threads(1)
    found = []
    rounds = 1 if quick else 3
    n = 9 if quick else 12

    def waiting():
        return ModelGame(Waiting(1e-3), torch.ones(1, n))

    def convolutions():
        image = torch.linspace(-1, 1, 3072).reshape(1, 3, 32, 32)
        cells = torch.arange(16).reshape(1, 1, 4, 4) % (n - 2)
        mask = cells.repeat_interleave(8, -1).repeat_interleave(8, -2)
        return ModelGame(network(), image, target=0, feature_mask=mask)

    wall, cpu = time.perf_counter, time.process_time
    for what, make, sizes, clock in (
        (f"2^{n} rows that wait 1 ms each", waiting, (2, 4), wall),
        (f"2^{n - 2} rows of a network, CPU", convolutions, (2,), cpu),
    ):
        alone = on_ranks(1, make, rounds, clock)
        for size in sizes:
            ours = on_ranks(size, make, rounds, clock)
            found.append(report.Row(what, f"1 rank; ours: {size}", ours, alone, "s"))
    for seconds, players in ((3e-5, n + 1), (1e-3, n)):
        kept, without = store_cost(seconds, players, 3 * rounds)
        what = f"2^{players} rows of {seconds * 1e6:.0f} µs, kept in a store"
        found.append(report.Row(what, "without a store", kept, without, "s"))
    with tempfile.TemporaryDirectory() as folder:
        game = waiting()
        first = least(lambda: table(game, store=folder), 1)
        again = least(lambda: table(game, store=folder), 1)
        found.append(
            report.Row("the same again, from the store", "first", again, first, "s")
        )
    examples = 500 if quick else 10_000
    ours, passes = stream(examples, rounds)
    what = f"{examples:,} examples of 10 players, streamed to files"
    found.append(report.Row(what, "the passes alone (CPU)", ours, passes, "s"))
    for players, budget in ((40, 400),) if quick else ESTIMATES:
        ours, memory, factor, r2 = estimate(players, budget)
        what = f"estimate of {players:,} players by {budget:,} coalitions (R² {r2:.3f})"
        against = f"one factor of {budget:,}²"
        found.append(report.Row(what, f"{against} (CPU)", ours, factor, "s"))
        matrix = 8 * budget**2 / 1e6
        found.append(report.Row(what, f"{against}, its memory", memory, matrix, "MB"))
    return found


if __name__ == "__main__":
    print(Path(__file__).name)
    report.show(rows(quick="--quick" in sys.argv))
