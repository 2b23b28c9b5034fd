"""The costs that "Choosing a method" states are those of real calls."""

from __future__ import annotations

import re
import warnings
from functools import partial
from pathlib import Path

import pytest
import torch
from captum import attr as captum_attr

import captum_interactions as ci
from captum_interactions import attr, baselines, robust
from captum_interactions.comparison.running import Counted
from captum_interactions.games import ModelGame

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "choosing.md"
SIZES = (10, 16, 64)


def model(x):
    return x.prod(1) + x.sum(1)


def inputs(n):
    return torch.rand(1, n, generator=torch.Generator().manual_seed(0))


def reported(method, n, **options):
    """What the result says; for exact calls, the rows of the model as well."""
    if "n_samples" in options:
        options["generator"] = torch.Generator().manual_seed(0)
    counted = Counted(model)
    with counted as f:
        result = method(f).interactions(inputs(n), **options)
    if "n_samples" in options:
        assert result.n_evaluations <= options["n_samples"]
    else:
        assert result.n_evaluations == counted.n_rows - 2  # two controls
    return result.n_evaluations


def rows(call, n, games=0):
    """Rows of the model, without the two that each game spends on its controls."""
    counted = Counted(model)
    with counted as f, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum's, on gradients of the inputs
        call(f, inputs(n))
    return counted.n_rows - 2 * games


def fitted(n):
    data = torch.rand(8, n, generator=torch.Generator().manual_seed(0))
    method = attr.LearnedBaselineShapley(model).fit(data, steps=1)
    return method.interactions(inputs(n)).n_evaluations


def whole_input(n):
    return reported(ci.MultivariateInteraction, n, n_samples=n * (n + 3) // 2 + 1)


def of_game(f):
    return partial(rows, lambda h, x: f(ModelGame(h, x)), games=1)


def of_captum(method):
    return partial(rows, lambda h, x: method(h).attribute(x))


CALLS = {
    "AndInteraction": partial(reported, ci.AndInteraction),
    "AndOrInteraction": partial(reported, ci.AndOrInteraction, max_iterations=1),
    "ShapleyInteraction": partial(reported, ci.ShapleyInteraction),
    "ShapleyInteraction, n_samples=300": partial(
        reported, ci.ShapleyInteraction, n_samples=300
    ),
    "MultiOrderInteraction": partial(reported, ci.MultiOrderInteraction),
    'MultiOrderInteraction, one pair, n_samples=1000, sampling="paired"': partial(
        reported,
        ci.MultiOrderInteraction,
        pairs=[(0, 1)],
        n_samples=1000,
        sampling="paired",
    ),
    "MultivariateInteraction": partial(reported, ci.MultivariateInteraction),
    "MultivariateInteraction of the whole input, n_samples=n*(n+3)//2+1": whole_input,
    "InteractionTree": partial(reported, ci.InteractionTree),
    "InteractionTree, n_samples=2000": partial(
        reported, ci.InteractionTree, n_samples=2000
    ),
    "LearnedBaselineShapley, once fitted": fitted,
    "TruncatedAndInteraction, max_size=2": partial(
        reported, attr.TruncatedAndInteraction, max_size=2
    ),
    "compare_baselines, two baselines": partial(
        rows,
        lambda h, x: baselines.compare_baselines(h, x, {"0": 0 * x, "1": 1 + 0 * x}),
        games=2,
    ),
    "mean_interaction": of_game(robust.mean_interaction),
    "leave_one_out_statistics": of_game(robust.leave_one_out_statistics),
    "Captum's Saliency": of_captum(captum_attr.Saliency),
    "Captum's IntegratedGradients": of_captum(captum_attr.IntegratedGradients),
    "Captum's FeatureAblation": of_captum(captum_attr.FeatureAblation),
    "Captum's ShapleyValueSampling": of_captum(captum_attr.ShapleyValueSampling),
}


def table():
    text = PAGE.read_text(encoding="utf-8")
    found = {}
    for row in re.findall(r"^\|(.*)\|$", text.split("## Cost")[1], re.MULTILINE):
        cells = [cell.strip() for cell in row.split("|")]
        if cells[0] == "call" or set(cells[0]) == {"-"}:
            continue
        found[cells[0].replace("`", "")] = cells[2:5]
    return found


def test_every_row_is_measured():
    assert table().keys() == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_counts_are_those_of_real_calls(name):
    for n, stated in zip(SIZES, table()[name], strict=True):
        if stated == "\N{EN DASH}":
            with pytest.raises(ValueError, match="players"):
                CALLS[name](n)
        else:
            assert f"{CALLS[name](n):,}" == stated, f"n = {n}"
