"""Readings of a table against shapiq, Shapley values against Captum.

python benchmarks/readings.py
"""

from __future__ import annotations

import time

import models
import numpy as np
import timing
import torch
from captum.attr import ShapleyValues

from captum_interactions import AndInteraction
from captum_interactions.functional import (
    moebius,
    shapley_interaction_index,
    shapley_values,
)


def once(call):
    """Return the seconds one call takes, and its result."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def transforms():
    """Print the Möbius transform over a copy of its table."""
    for n in (14, 16, 18, 20):
        table = torch.randn(1 << n, dtype=torch.float64)
        seconds = timing.in_turns(
            {"copy": table.clone, "moebius": lambda t=table: moebius(t)}, 31
        )
        print(
            f"Möbius, n = {n:<3}{timing.milliseconds(seconds['moebius']):>10.2f} ms"
            f"{timing.ratio(seconds['moebius'], seconds['copy']):>9.1f}x a copy"
        )


def against_shapiq(n=14):
    """Print our readings of a random table against shapiq's ExactComputer."""
    import shapiq

    table = np.random.default_rng(0).normal(size=1 << n)
    codes = 1 << np.arange(n)

    class Table(shapiq.Game):
        def value_function(self, coalitions):
            return table[coalitions.astype(np.int64) @ codes]

    ours = torch.from_numpy(table)
    for name, call, index, order in [
        ("Möbius", lambda: moebius(ours), "Moebius", n),
        ("pairwise SII", lambda: shapley_interaction_index(ours), "SII", 2),
        ("Shapley values", lambda: shapley_values(ours), "SV", 1),
    ]:
        computer = shapiq.ExactComputer(
            n_players=n, game=Table(n_players=n, normalize=False)
        )
        theirs_s, theirs = once(lambda c=computer, i=index, o=order: c(i, o))
        ours_s = min(once(call)[0] for _ in range(9))
        result = call()
        error = max(
            abs(theirs[(i, j)] - result[i, j].item())
            if index == "SII"
            else abs(theirs[(i,)] - result[1 << i if index == "Moebius" else i].item())
            for i in range(n)
            for j in range(i + 1, n)
        )
        print(
            f"{name + ', n = ' + str(n):<24}{ours_s * 1e3:>9.2f} ms, shapiq "
            f"{theirs_s * 1e3:>9.0f} ms: {theirs_s / ours_s:>8.0f}x faster, "
            f"they differ by at most {error:.0e}"
        )


def against_captum(n=7):
    """Print a whole call for Shapley values against captum.attr.ShapleyValues."""
    model, x, y = models.tabular_mlp()
    mask, target = models.groups(30, n).unsqueeze(0), int(y[0])
    call = {"target": target, "feature_mask": mask}
    theirs_s, theirs = once(
        lambda: ShapleyValues(model).attribute(x[:1], perturbations_per_eval=n, **call)
    )
    ours = AndInteraction(model)
    ours_s = min(once(lambda: ours.attribute(x[:1], **call))[0] for _ in range(9))
    error = (theirs - ours.attribute(x[:1], **call)).abs().max().item()
    print(
        f"{'Shapley values, n = ' + str(n):<24}{ours_s * 1e3:>9.2f} ms, Captum "
        f"{theirs_s * 1e3:>9.0f} ms: {theirs_s / ours_s:>8.0f}x faster, "
        f"they differ by at most {error:.0e}"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(timing.describe())
    transforms()
    against_shapiq()
    against_captum()
