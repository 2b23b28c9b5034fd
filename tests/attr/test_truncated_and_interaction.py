"""Truncated AND interactions and what judges them."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import AndInteraction
from captum_interactions.attr import TruncatedAndInteraction
from captum_interactions.estimators.sparse import held_out_masks
from captum_interactions.results import SparseInteractionResult
from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double


class TestTruncatedAndInteraction(AttributionContract):
    method = TruncatedAndInteraction
    options = {"max_size": 9, "n_held_out": 10}  # noqa: RUF012


def product_model(terms):
    """Σ weight · Π of the members' features: an AND interaction each."""

    def forward(x):
        return sum(w * x[:, sorted(m)].prod(1) for m, w in terms.items())

    return forward


def test_is_the_full_transform_cut_off():
    x, model = double(2, 6), Mlp(6)
    full = AndInteraction(model).interactions(x)
    cut = TruncatedAndInteraction(model).interactions(x, max_size=3)
    assert cut.values.shape == (2, 2, 42)
    codes = [reference.code(members) for members in cut.coalitions]
    assert_close(cut.values, full.values[..., codes])
    masks = torch.rand(9, 6) < 0.5
    every = full.values.clone()
    every[..., [c for c in range(64) if c not in codes]] = 0
    for row, mask in enumerate(masks):
        inside = [
            c for c in codes if not c & ~reference.code(mask.nonzero()[:, 0].tolist())
        ]
        assert_close(cut.reconstruct(masks)[..., row], every[..., inside].sum(-1))
    assert cut.n_evaluations <= 64  # each coalition once, held-out ones included
    strength = cut.size_strength()
    assert_close(strength, full.size_strength()[..., :4])


def test_two_hundred_players_and_the_caveat():
    terms = {
        frozenset({3}): 2.0,
        frozenset({7, 199}): -1.5,
        frozenset({1, 2, 50}): 8.0,
    }
    result = TruncatedAndInteraction(product_model(terms)).interactions(
        torch.ones(1, 200).double(), max_size=2
    )
    assert len(result.coalitions) == 20_101
    assert result.n_evaluations == 20_101 + 1 + 1000
    best = result.top_k(3)[0]
    assert [(t.players, t.value) for t in best[:2]] == [((3,), 2.0), ((7, 199), -1.5)]
    assert best[2].value == 0
    # The interaction of three players is missed, and the figure says so.
    assert result.held_out_r2.item() < 0.5
    assert result.efficiency_gap.item() == pytest.approx(-8)
    assert "R² ≥" in repr(result)


def test_held_out_figure_is_r_squared_on_those_masks():
    x, model = double(1, 7), Mlp(7, 1)
    generator = torch.Generator().manual_seed(5)
    result = TruncatedAndInteraction(model).interactions(
        x, max_size=2, n_held_out=40, generator=generator
    )
    masks = held_out_masks(7, 40, torch.Generator().manual_seed(5))
    v = model(torch.where(masks, x, 0.0))[:, 0]
    fitted = result.reconstruct(masks)[0, 0]
    expected = 1 - ((v - fitted) ** 2).sum() / ((v - v.mean()) ** 2).sum()
    assert result.held_out_r2.item() == pytest.approx(expected.item())
    assert result.n_held_out == 40


def test_same_call_same_result():
    x, model = double(1, 7), Mlp(7, 1)
    state = torch.get_rng_state()
    first = TruncatedAndInteraction(model).interactions(x)
    second = TruncatedAndInteraction(model).interactions(x)
    assert_close(first.held_out_r2, second.held_out_r2, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), state)


def test_file_and_back(tmp_path):
    result = TruncatedAndInteraction(Mlp()).interactions(double(1, 4), target=0)
    result.save(tmp_path / "r.npz")
    loaded = SparseInteractionResult.load(tmp_path / "r.npz")
    assert loaded.coalitions == result.coalitions
    assert_close(loaded.held_out_r2, result.held_out_r2)


def test_bad_orders_before_the_first_forward():
    def refuse(x):
        raise AssertionError("evaluated")

    method, x = TruncatedAndInteraction(refuse), torch.zeros(1, 200)
    with pytest.raises(ValueError, match=r"at most 2\*\*24 coalitions.*66,018,451 for"):
        method.interactions(x, max_size=4)
    with pytest.raises(ValueError, match="`max_size` must be a positive integer"):
        method.interactions(x, max_size=0)
    with pytest.raises(ValueError, match="`n_held_out` must be a positive integer"):
        method.interactions(x, n_held_out=0)
