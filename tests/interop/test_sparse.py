"""shapiq's sparse estimators."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from captum_interactions import AndInteraction
from captum_interactions.functional import coalition_members
from captum_interactions.interop import sparse, sparse_and_interactions
from tests import reference
from tests.contracts.attribution import Mlp, double


def exact_estimator(name, n, seed):
    """An estimator that asks for every coalition, twice, and is right."""

    def estimate(budget, game):
        masks = np.array([[c >> i & 1 for i in range(n)] for c in range(2**n)])
        values = game(np.concatenate([masks, masks]))
        v = reference.as_game(values[: 2**n].tolist())
        return {
            coalition_members(c): reference.and_interaction(
                v, frozenset(coalition_members(c))
            )
            for c in range(2**n)
        }

    return estimate


def test_what_an_estimator_finds_becomes_a_result(monkeypatch):
    monkeypatch.setattr(sparse, "_estimator", exact_estimator)
    x, model = double(1, 4), Mlp()
    result = sparse_and_interactions(model, x, target=1, n_samples=16)
    exact = AndInteraction(model).interactions(x, target=1)
    assert_close(result.values, exact.values)
    assert_close(result.attributions(), exact.attributions())
    assert result.held_out_r2.item() == pytest.approx(1)
    assert result.n_held_out == 1000
    assert result.efficiency_gap.abs().item() < 1e-9


def test_bad_calls():
    model = Mlp()
    with pytest.raises(ValueError, match=r"`approximator` must be one of"):
        sparse_and_interactions(model, double(1, 4), approximator="SHAP")
    with pytest.raises(ValueError, match="`n_samples` must be a positive integer"):
        sparse_and_interactions(model, double(1, 4), n_samples=0)
    with pytest.raises(ValueError, match="`inputs` must be one example, got a batch"):
        sparse_and_interactions(model, double(2, 4), target=0)


def test_two_outputs_are_refused(monkeypatch):
    monkeypatch.setattr(sparse, "_estimator", exact_estimator)
    with pytest.raises(ValueError, match="`game` must be of one example"):
        sparse_and_interactions(Mlp(), double(1, 4))


@pytest.mark.parametrize(
    ("name", "missing"), [("SPEX", "sparse_transform"), ("ProxySPEX", "lightgbm")]
)
def test_a_missing_extra_is_named(monkeypatch, name, missing):
    found = importlib.import_module

    def without(module):
        if module == missing:
            raise ModuleNotFoundError(module)
        return found(module)

    pytest.importorskip("shapiq")
    monkeypatch.setattr(sparse.importlib, "import_module", without)
    with pytest.raises(
        ModuleNotFoundError, match=f"{name}.*needs the module|{missing}"
    ):
        sparse_and_interactions(Mlp(), double(1, 4), target=0, approximator=name)


@pytest.mark.slow
@pytest.mark.shapiq
def test_spex_finds_fifteen_terms_of_thirty_players():
    for module in ("shapiq", "sparse_transform", "galois"):
        pytest.importorskip(module)
    rng = np.random.default_rng(0)
    terms = {}
    while len(terms) < 15:
        members = rng.choice(30, 1 + len(terms) % 4, replace=False)
        terms[frozenset(members.tolist())] = float(rng.normal()) * 2

    def model(x):
        return sum(w * x[:, sorted(m)].prod(1) for m, w in terms.items())

    result = sparse_and_interactions(model, torch.ones(1, 30).double(), n_samples=12000)
    values = result.values[0].tolist()
    found = dict(zip(map(frozenset, result.coalitions), values, strict=True))
    for members, weight in terms.items():
        assert found[members] == pytest.approx(weight, abs=1e-6)
    assert result.held_out_r2.item() >= 0.999
    assert result.n_evaluations <= 12000 + 2 + 1000
