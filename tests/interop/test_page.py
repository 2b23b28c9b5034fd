"""The examples of docs/howto/other_libraries.md run where the other library is."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from captum_interactions import AndInteraction

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "other_libraries.md"
BEGINNING, *SECTIONS = re.split(
    r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
)
SECTIONS = dict(zip(SECTIONS[::2], SECTIONS[1::2], strict=True))
BLOCK = re.compile(r"^```(py|python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(text, namespace, capsys=None):
    for kind, block in BLOCK.findall(text):
        if kind != "text":
            exec(compile(block, PAGE.name, "exec"), namespace)
        else:
            assert capsys.readouterr().out == block
    matplotlib.pyplot.close("all")
    return namespace


@pytest.mark.filterwarnings("default")  # of the libraries
@pytest.mark.parametrize("name", SECTIONS)
def test_a_library(name, capsys):
    pytest.importorskip(name.lower())
    seen = run(SECTIONS[name], run(BEGINNING, {}), capsys)
    if name == "Quantus":
        assert np.isfinite(seen["scores"]).all()
    if name == "shap":
        expected = seen["shown"].values
        np.testing.assert_allclose(seen["shapley"], expected, atol=1e-9)


def test_shaps_interactions_are_half_of_shapley_taylor():
    shap = pytest.importorskip("shap")
    seen = run(BEGINNING, {})
    play = run(
        SECTIONS["shap"].split("and its explainers")[1].split("Beware")[0],
        {**seen, "shap": shap},
    )["play"]
    pairs = shap.explainers.Exact(play, np.zeros((1, 5)))(
        np.ones((1, 5)), interactions=True
    ).values[0]
    result = AndInteraction(seen["model"]).interactions(seen["x"], target=1)
    off = ~np.eye(5, dtype=bool)
    half = result.interaction_index("STII")[0].numpy() / 2
    np.testing.assert_allclose(pairs[off], half[off], atol=1e-9)
    assert np.abs(pairs - result.interaction_index("SII")[0].numpy())[off].max() > 1e-3
