"""A whole call over the forward passes it can't avoid.

Floor: looping the model over all 2**n masked inputs, made beforehand, at the best of
several batch sizes. Ours: ``AndInteraction.interactions`` and one reading, nothing
prepared, batch size found on the way.

    python benchmarks/overhead.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import threading
import time

import models
import timing
import torch

from captum_interactions import AndInteraction
from captum_interactions.functional import all_masks

SIZES = (256, 512, 1024, 2048, 4096)


def compare(name, model, x, mask, n, target, rounds):
    """Print one row of the table."""
    baseline = torch.zeros_like(x)
    present = all_masks(n)[:, mask.expand(1, *x.shape[1:])[0]]
    rows = torch.where(present, x, baseline)

    def floor(size):
        with torch.inference_mode():
            for start in range(0, len(rows), size):
                model(rows[start : start + size])

    sweep = timing.in_turns(
        {s: (lambda s=s: floor(s)) for s in SIZES}, max(1, rounds // 3)
    )
    best = min(SIZES, key=lambda s: statistics.median(sweep[s]))
    method = AndInteraction(model)

    def ours():
        method.interactions(x, baseline, target, None, mask).shapley_values()

    seconds = timing.in_turns({"floor": lambda: floor(best), "ours": ours}, rounds)
    floor_ms = timing.milliseconds(seconds["floor"])
    print(
        f"{name:<28}{1 << n:>9}{floor_ms * 1e3 / (1 << n):>12.2f}{best:>8}"
        f"{floor_ms:>12.1f}{timing.milliseconds(seconds['ours']):>12.1f}"
        f"{timing.ratio(seconds['ours'], seconds['floor']):>9.2f}x"
    )


def peak_memory():
    """Print the memory of a call at n = 20 on an image-sized input."""
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
    used = highest[0] - before
    print(
        f"\npeak memory at n = 20, 3x224x224: {used / 2**20:.0f} MiB above the start; "
        f"3 tables and 2 batches of {max(rows)} rows are {allowed / 2**20:.0f} MiB"
    )


def main(rounds=9):
    """Print the table."""
    torch.set_num_threads(1)
    print(timing.describe())
    print(
        f"{'model':<28}{'rows':>9}{'µs per row':>12}{'batch':>8}{'floor ms':>12}"
        f"{'ours ms':>12}{'ratio':>10}"
    )
    mlp, x, y = models.tabular_mlp()
    for n in (10, 12, 14, 16):
        mask = models.groups(30, n)
        compare(f"MLP, {n} groups", mlp, x[:1], mask, n, int(y[0]), rounds)
    few = max(3, rounds // 3)
    transformer, x, y = models.token_transformer()
    compare("transformer, 14 tokens", transformer, x[:1], models.groups(14, 14), 14,
            int(y[0]), few)  # fmt: skip
    cnn, x, y = models.digits_cnn()
    compare("CNN, 16 patches", cnn, x[:1], models.patches(8, 4), 16, int(y[0]), few)
    peak_memory()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
