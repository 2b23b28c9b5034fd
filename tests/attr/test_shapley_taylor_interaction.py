"""Shapley–Taylor interactions of any order, through the class."""

from __future__ import annotations

import pytest
import torch

from captum_interactions import ShapleyTaylorInteraction
from captum_interactions.functional import coalition_members
from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double, slow_game


class TestShapleyTaylorInteraction(AttributionContract):
    method = ShapleyTaylorInteraction


@pytest.mark.parametrize("max_size", [1, 2, 3, 4, 7])
def test_values_are_the_definition(max_size):
    x, model = double(1, 4), Mlp()
    game = slow_game(
        model, (x,), (torch.zeros(1, 4).double(),), (torch.arange(4)[None],), 0,
        output=(1,),
    )  # fmt: skip
    result = ShapleyTaylorInteraction(model).interactions(
        x, target=1, max_size=max_size
    )
    for code in range(16):
        members = frozenset(coalition_members(code))
        expected = 0.0
        if len(members) <= max_size:
            expected = reference.shapley_taylor(game, members, 4, max_size)
        assert result.values[0, code].item() == pytest.approx(expected, abs=1e-9)
    total = result.values.sum(-1) - result.info.v_full
    assert total.abs().max() < 1e-9


def test_a_budget_has_standard_errors_and_a_file(tmp_path):
    x, model = double(1, 9), Mlp(9)
    generator = torch.Generator().manual_seed(0)
    result = ShapleyTaylorInteraction(model).interactions(
        x, target=0, max_size=3, n_samples=200, generator=generator
    )
    exact = ShapleyTaylorInteraction(model).interactions(x, target=0, max_size=3)
    gap = (result.values - exact.values).abs()
    assert gap.max() < 5 * result.std_error.max()
    result.save(tmp_path / "r.npz")
    loaded = type(result).load(tmp_path / "r.npz")
    assert loaded.max_size == 3
    assert torch.equal(loaded.values, result.values)


@pytest.mark.shapiq
def test_shapiq_gets_the_same_numbers():
    pytest.importorskip("shapiq")
    result = ShapleyTaylorInteraction(Mlp()).interactions(double(1, 4), target=0)
    values = result.to_shapiq()
    assert values.index == "STII"
    assert values[(0, 2)] == pytest.approx(result.values[0, 5].item())


def test_bad_sizes():
    def refuse(x):
        raise AssertionError("evaluated")

    method, x = ShapleyTaylorInteraction(refuse), torch.zeros(1, 4)
    with pytest.raises(ValueError, match="`max_size` must be a positive integer"):
        method.interactions(x, max_size=0)
    with pytest.raises(TypeError, match="`max_size` must be an integer"):
        method.interactions(x, max_size=1.5)
