"""Error at an equal number of evaluations: ours against shapiq, shap and Captum.

Every estimator plays the same game, a trained network's table of all 2**n values, and
may look at the same number of coalitions; the error is against full enumeration.

    python benchmarks/sampling.py
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import report
import timing
import torch
from captum.attr import KernelShap, ShapleyValueSampling
from trained_games import GAMES, digits_cnn, random_and_or

from captum_interactions.estimators import evaluate, table_plan
from captum_interactions.functional import (
    masks_to_codes,
    shapley_interaction_index,
    shapley_values,
    upper_pairs,
)
from captum_interactions.functional.pairs import resolve_pairs

REPETITIONS = 2
BUDGETS = (500, 2000)
READINGS = {
    "SII": lambda v: upper_pairs(shapley_interaction_index(v)),
    "SV": shapley_values,
}


def lookup(values):
    """Return the game as a function from a 0/1 matrix of numpy to values."""
    flat, n = values.numpy(), values.shape[-1].bit_length() - 1
    codes = 1 << np.arange(n)
    # shapiq's permutation sampling asks for single coalitions as vectors.
    return lambda masks: flat[np.atleast_2d(masks).astype(np.int64) @ codes]


def shapiqs(name, index):
    """Return one of shapiq's approximators as a rival."""

    def estimate(play, n, budget, seed):
        import shapiq

        settings = {"n": n, "random_state": seed}
        if index == "SII":
            settings |= {"max_order": 2, "index": "SII"}
        elif name == "kADDSHAP":
            settings |= {"max_order": 2}
        found = getattr(shapiq.approximator, name)(**settings).approximate(budget, play)
        if index == "SV":
            return [found[i,] for i in range(n)]
        return [found[pair] for pair in resolve_pairs(None, n)]

    return estimate


def shap_kernel(play, n, budget, seed):
    """shap.KernelExplainer, without its selection of features."""
    import shap

    np.random.seed(seed)  # noqa: NPY002  (it draws from numpy's global state)
    explainer = shap.KernelExplainer(play, np.zeros((1, n)))
    return explainer.shap_values(
        np.ones(n), nsamples=budget - 2, l1_reg=0, silent=True
    ).tolist()


def shap_permutation(play, n, budget, seed):
    """shap.PermutationExplainer; forward and backward permutations of 2n rows."""
    import shap

    explainer = shap.explainers.Permutation(play, np.zeros((1, n)), seed=seed)
    pairs = max(1, budget // (2 * n))
    found = explainer(np.ones((1, n)), max_evals=pairs * 2 * n + 1, silent=True)
    return found.values[0].tolist()


def captums(method):
    """Return one of Captum's attributions as a rival."""

    def estimate(play, n, budget, seed):
        torch.manual_seed(seed)

        def forward(x):
            return torch.from_numpy(play(x.numpy()))

        samples = budget if method is KernelShap else (budget - 1) // n
        found = method(forward).attribute(
            torch.ones(1, n), n_samples=samples, perturbations_per_eval=n
        )
        return found[0].tolist()

    return estimate


RIVALS = {
    "SII": {
        "shapiq.KernelSHAPIQ": shapiqs("KernelSHAPIQ", "SII"),
        "shapiq.SVARMIQ": shapiqs("SVARMIQ", "SII"),
        "shapiq.PermutationSamplingSII": shapiqs("PermutationSamplingSII", "SII"),
    },
    "SV": {
        "shapiq.kADDSHAP": shapiqs("kADDSHAP", "SV"),
        "shapiq.KernelSHAP": shapiqs("KernelSHAP", "SV"),
        "shap.KernelExplainer": shap_kernel,
        "shap.PermutationExplainer": shap_permutation,
        "captum.attr.KernelShap": captums(KernelShap),
        "captum.attr.ShapleyValueSampling": captums(ShapleyValueSampling),
    },
}


def games(quick=False):
    """Return the tables that are sampled, by name."""
    if quick:
        return {"40 AND and OR terms (9)": random_and_or(9)}
    return {
        "transformer (14)": GAMES["transformer (14)"](),
        "digits CNN, logit (16)": digits_cnn(logit=True),
        "cancer MLP (14)": GAMES["cancer MLP (14)"](),
    }


def errors(draw, truths, repetitions):
    """Return CPU seconds per draw and mean squared errors, one per reading.

    ``draw(seed)`` gives the values of every reading.
    """
    totals, seconds = [0.0] * len(truths), 0.0
    for seed in range(repetitions):
        start = time.process_time()
        found = draw(seed)
        seconds += time.process_time() - start
        for k, (values, truth) in enumerate(zip(found, truths, strict=True)):
            difference = torch.as_tensor(values, dtype=torch.float64) - truth
            totals[k] += difference.square().mean().item() / repetitions
    return seconds / repetitions, totals


def compare(name, values, budget, repetitions):
    """Yield a row for each rival on one game at one budget."""
    n = values.shape[-1].bit_length() - 1
    play = lookup(values)

    def ours(seed):
        generator = torch.Generator().manual_seed(seed)
        plan = table_plan(n, budget, generator=generator)
        done = evaluate(plan, lambda masks: values[masks_to_codes(masks)])
        return [upper_pairs(done.pair_index().value), done.shapley_values().value]

    truths = {index: reading(values) for index, reading in READINGS.items()}
    own_s, own = errors(ours, list(truths.values()), repetitions)
    for (index, truth), error in zip(truths.items(), own, strict=True):
        for rival, estimate in RIVALS[index].items():
            what = f"{index} of {name}, {budget} coalitions"
            if not report.installed(rival.split(".")[0]):
                yield report.Row(what, rival, error, None, "MSE", note="not installed")
                continue
            seconds, [other] = errors(
                lambda seed, e=estimate: [e(play, n, budget, seed)],
                [truth],
                repetitions,
            )
            yield report.Row(what, rival, error, other, "MSE", seconds=(own_s, seconds))


def rows(quick=False):
    """Return all rows."""
    warnings.filterwarnings("ignore", module="shapiq|shap|captum|sklearn")
    list(compare("warm-up", random_and_or(6), 30, 1))
    return [
        row
        for name, values in games(quick).items()
        for budget in ((200,) if quick else BUDGETS)
        for row in compare(name, values, budget, 1 if quick else REPETITIONS)
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(timing.describe())
    report.show(rows())
