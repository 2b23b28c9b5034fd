"""A whole call over the forward passes it can't avoid.

Floor: looping the model over all 2**n masked inputs, made beforehand, at the best of
several batch sizes. Ours: ``AndInteraction.interactions`` and one reading, nothing
prepared, batch size found on the way.

For a step of a training loop the floor is its passes forward and back.

    python benchmarks/overhead.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import threading
import time

import baselines
import interaction_loss
import models
import report
import timing
import torch

from captum_interactions import AndInteraction
from captum_interactions.functional import all_masks

SIZES = (256, 512, 1024, 2048, 4096)
FEW_SIZES = SIZES[:4]  # where a sweep takes long


def compare(name, model, x, mask, n, target, rounds, sizes=SIZES):
    """Return one row of the table."""
    baseline = torch.zeros_like(x)
    present = all_masks(n)[:, mask.expand(1, *x.shape[1:])[0]]
    rows = torch.where(present, x, baseline)

    def floor(size):
        with torch.inference_mode():
            for start in range(0, len(rows), size):
                model(rows[start : start + size])

    sweep = timing.in_turns(
        {s: (lambda s=s: floor(s)) for s in sizes}, max(1, rounds // 3)
    )
    best = min(sizes, key=lambda s: statistics.median(sweep[s]))
    method = AndInteraction(model)

    def ours():
        method.interactions(x, baseline, target, None, mask).shapley_values()

    seconds = timing.in_turns({"floor": lambda: floor(best), "ours": ours}, rounds)
    floor_ms = timing.milliseconds(seconds["floor"])
    # The ratio of a row is that of paired times, so the floor is scaled to it.
    ratio = timing.ratio(seconds["ours"], seconds["floor"])
    per_row = floor_ms * 1e3 / (1 << n)
    return report.Row(
        f"{name}, {1 << n:,} rows of {report.number(per_row)} µs",
        f"its forward passes, {best} rows each",
        ratio * floor_ms,
        floor_ms,
        "ms",
    )


def peak_memory():
    """Return the memory of a call at n = 20 on an image-sized input."""
    x = torch.rand(1, 3, 224, 224)
    side = torch.arange(224) * 4 // 224
    mask = side[:, None] * 5 + torch.arange(224) * 5 // 224  # 4 x 5 patches
    rows = []

    def model(x):
        rows.append(len(x))
        return x[:, 0, ::56, ::44].flatten(1).sum(1)

    def resident():
        with open("/proc/self/status") as status:
            line = next(s for s in status if s.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    highest, running = [resident()], True

    def watch():
        while running:
            highest[0] = max(highest[0], resident())
            time.sleep(0.002)

    before = resident()
    watcher = threading.Thread(target=watch)
    watcher.start()
    AndInteraction(model).interactions(
        x, feature_mask=mask[None, None]
    ).shapley_values()
    running = False
    watcher.join()
    allowed = 3 * 8 * 2**20 + 2 * max(rows) * x.numel() * 4
    return report.Row(
        "peak memory above the start, n = 20, image of 3x224x224",
        f"three tables and two batches of {max(rows)} rows",
        (highest[0] - before) / 2**20,
        allowed / 2**20,
        "MiB",
    )


def rows(quick=False, rounds=9):
    """Return the rows of all models."""
    mlp, x, y = models.tabular_mlp()
    found = [
        compare(
            f"MLP, {n} groups", mlp, x[:1], models.groups(30, n), n, int(y[0]), rounds
        )
        for n in ((10,) if quick else (10, 12, 14, 16))
    ]
    if quick:
        return found
    few = max(3, rounds // 3)
    transformer, x, y = models.token_transformer()
    found.append(
        compare("transformer, 14 tokens", transformer, x[:1], models.groups(14, 14), 14,
                int(y[0]), few, FEW_SIZES)
    )  # fmt: skip
    cnn, x, y = models.digits_cnn()
    found.append(
        compare(
            "CNN, 16 patches",
            cnn,
            x[:1],
            models.patches(8, 4),
            16,
            int(y[0]),
            few,
            FEW_SIZES,
        )
    )
    return [*found, baselines.fitting_step(), *interaction_loss.training_steps()]


def main(rounds=9):
    """Print the table."""
    torch.set_num_threads(1)
    print(timing.describe())
    report.show(rows(rounds=rounds), inverse=True)
    report.show([peak_memory()], inverse=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
