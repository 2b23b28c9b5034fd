"""Readings of a table, and whole calls, against shapiq, Captum, shap and plain loops.

All of them return the same exact result, and the largest difference is reported.

    python benchmarks/readings.py
"""

from __future__ import annotations

import time
from itertools import combinations
from math import comb

import models
import numpy as np
import report
import timing
import torch
from captum.attr import ShapleyValues

from captum_interactions import AndInteraction
from captum_interactions.functional import (
    moebius,
    multi_order_interaction,
    shapley_interaction_index,
    shapley_values,
)


def once(call):
    """Return the CPU seconds one call takes, and its result."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def best_of(call, rounds=9):
    """Return the CPU seconds of the fastest of several calls, and its result."""
    call()
    return min((once(call) for _ in range(rounds)), key=lambda pair: pair[0])


def transforms(sizes):
    """Return the Möbius transform over a copy of its table."""
    for n in sizes:
        values = torch.randn(1 << n, dtype=torch.float64)
        seconds = timing.in_turns(
            {"copy": values.clone, "moebius": lambda v=values: moebius(v)}, 31
        )
        yield report.Row(
            f"Möbius transform, n = {n}",
            "copying the table",
            timing.milliseconds(seconds["moebius"]),
            timing.milliseconds(seconds["copy"]),
            "ms",
        )


def against_shapiq(n):
    """Return our readings of a random table against shapiq's ExactComputer."""
    values = torch.from_numpy(np.random.default_rng(0).normal(size=1 << n))
    for name, call, index, order in [
        ("Möbius interactions", lambda: moebius(values), "Moebius", n),
        ("pairs, SII", lambda: shapley_interaction_index(values), "SII", 2),
        ("Shapley values", lambda: shapley_values(values), "SV", 1),
    ]:
        ours_s, ours = best_of(call)
        row = (f"{name}, n = {n}", "shapiq.ExactComputer", ours_s * 1e3)
        if not report.installed("shapiq"):
            yield report.Row(*row, None, "ms", note="not installed")
            continue
        computer = _exact_computer(values.numpy(), n)
        theirs_s, theirs = once(lambda c=computer, i=index, o=order: c(i, o))
        difference = max(
            abs(value - ours[_place(members, index)].item())
            for members, value in theirs.interactions.items()
            if members and (index != "SII" or len(members) == 2)
        )
        yield report.Row(*row, theirs_s * 1e3, "ms", difference=difference)


def _exact_computer(values, n):
    """Return shapiq's exact computer on a game that looks its values up."""
    import shapiq

    codes = 1 << np.arange(n)

    class Table(shapiq.Game):
        def value_function(self, coalitions):
            return values[coalitions.astype(np.int64) @ codes]

    return shapiq.ExactComputer(Table(n_players=n, normalize=False))


def _place(members, index):
    """Where our reading of an index holds a coalition's value."""
    if index == "Moebius":
        return sum(1 << i for i in members)
    return members if index == "SII" else members[0]


def against_captum(n):
    """Return a whole call for Shapley values against captum.attr.ShapleyValues."""
    model, x, y = models.tabular_mlp()
    mask, target = models.groups(30, n).unsqueeze(0), int(y[0])
    call = {"target": target, "feature_mask": mask}
    theirs_s, theirs = once(
        lambda: ShapleyValues(model).attribute(x[:1], perturbations_per_eval=n, **call)
    )
    ours_s, ours = best_of(lambda: AndInteraction(model).attribute(x[:1], **call))
    yield report.Row(
        f"Shapley values of a model, n = {n}",
        "captum.attr.ShapleyValues",
        ours_s * 1e3,
        theirs_s * 1e3,
        "ms",
        difference=(theirs - ours).abs().max().item(),
    )


def against_shap(n):
    """Return whole calls for two indices against shap's exact explainer.

    Its ``interactions=True`` is half the Shapley–Taylor index off the diagonal.
    """
    model, x, y = models.tabular_mlp()
    player, target = models.groups(30, n), int(y[0])
    method = AndInteraction(model)

    def ours(read):
        return read(method.interactions(x[:1], None, target, None, player[None]))

    def play(coalitions):
        masks = torch.from_numpy(np.asarray(coalitions, dtype=bool))[:, player]
        with torch.inference_mode():
            return model(torch.where(masks, x[:1], 0.0))[:, target].numpy()

    off = ~np.eye(n, dtype=bool)
    for name, read, interactions in [
        ("Shapley values of a model", lambda r: r.shapley_values(), False),
        ("pairs of a model, STII", lambda r: r.interaction_index("STII") / 2, True),
    ]:
        ours_s, found = best_of(lambda read=read: ours(read))
        row = (f"{name}, n = {n}", "shap.explainers.Exact", ours_s * 1e3)
        if not report.installed("shap"):
            yield report.Row(*row, None, "ms", note="not installed")
            continue
        import shap

        explainer = shap.explainers.Exact(play, np.zeros((1, n)))
        theirs_s, theirs = best_of(
            lambda e=explainer, i=interactions: e(np.ones((1, n)), interactions=i), 3
        )
        error = np.abs(theirs.values[0] - found[0].double().numpy())
        error = error[off] if interactions else error
        yield report.Row(*row, theirs_s * 1e3, "ms", difference=float(error.max()))


def naive_orders(values, n):
    """Loop over pairs and contexts, as the definition is written."""
    out = torch.zeros(n - 1, n, n, dtype=torch.float64)
    v = values.tolist()
    for i, j in combinations(range(n), 2):
        others = [p for p in range(n) if p not in (i, j)]
        for m in range(n - 1):
            total = 0.0
            for context in combinations(others, m):
                s = sum(1 << p for p in context)
                total += v[s | 1 << i | 1 << j] + v[s] - v[s | 1 << i] - v[s | 1 << j]
            out[m, i, j] = out[m, j, i] = total / comb(n - 2, m)
    return out


def against_loops(n):
    """Return all pairs and orders at once against loops over them."""
    values = torch.randn(1 << n, dtype=torch.float64)
    ours_s, ours = best_of(lambda: multi_order_interaction(values))
    slow_s, slow = once(lambda: naive_orders(values, n))
    yield report.Row(
        f"all pairs and orders I^(m), n = {n}",
        "loops in Python",
        ours_s * 1e3,
        slow_s * 1e3,
        "ms",
        difference=(ours - slow).abs().max().item(),
    )


def rows(quick=False):
    """Return all rows."""
    torch.manual_seed(0)
    return [
        *transforms((14,) if quick else (14, 20)),
        *against_shapiq(8 if quick else 14),
        *against_captum(4 if quick else 7),
        *against_shap(6 if quick else 12),
        *against_loops(8 if quick else 14),
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(timing.describe())
    report.show(rows())
