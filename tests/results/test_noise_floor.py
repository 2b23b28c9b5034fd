"""What rounding leaves is not shown as if it were an interaction."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions import (
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    MultivariateInteraction,
    ShapleyInteraction,
)
from captum_interactions.attr import TruncatedAndInteraction
from captum_interactions.functional import coalition_sizes, moebius
from captum_interactions.games import ModelGame, TableGame
from tests.games.brute_force import brute_force

METHODS = (
    AndInteraction,
    AndOrInteraction,
    ShapleyInteraction,
    MultiOrderInteraction,
    MultivariateInteraction,
    InteractionTree,
    TruncatedAndInteraction,
)


def smooth(x):
    """A function with few strong interactions."""
    return x[:, :4].prod(1) + x[:, 3:6].prod(1) - 0.5 * x[:, 6:8].sum(1)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1)).eval()


@pytest.mark.parametrize("method", METHODS)
def test_every_result_has_a_floor_that_grows_with_the_unit(method):
    x = torch.rand(2, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    results = [
        method(lambda x, d=dtype: smooth(x).to(d)).interactions(x)
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    ]
    floors = [float(r.noise_floor.max()) for r in results]
    units = [torch.finfo(d).eps for d in (torch.float64, torch.float32, torch.float16)]
    assert floors[0] > 0
    assert floors[1] / floors[0] == pytest.approx(units[1] / units[0], rel=0.05)
    assert floors[2] / floors[1] == pytest.approx(units[2] / units[1], rel=0.05)
    assert floors[3] == pytest.approx(8 * floors[2], rel=0.05)
    assert results[0].noise_floor.shape[0] == 2
    assert "noise floor below 1e" in repr(results[0])
    assert results[0].named(list("abcdefgh")).noise_floor.equal(results[0].noise_floor)


@pytest.mark.parametrize("method", METHODS)
def test_the_floor_holds_the_errors(method, tmp_path):
    x = torch.rand(1, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    f = network()
    exact = method(network().double()).interactions(x.double(), target=0)
    for offset in (0.0, 1e4):
        rounded = method(lambda x, c=offset: f(x) + c).interactions(x, target=0)
        error = (rounded.shapley_values().double() - exact.shapley_values()).abs().max()
        assert error <= 4 * float(rounded.noise_floor.max())
    rounded.save(tmp_path / "r.npz")
    loaded = type(rounded).load(tmp_path / "r.npz")
    assert_close(loaded.noise_floor, rounded.noise_floor)


def test_and_interactions_err_by_less_than_their_floor():
    x = torch.rand(1, 10, generator=torch.Generator().manual_seed(0)) + 0.5
    expected = moebius(brute_force(smooth, x.double()))
    sizes = coalition_sizes(10)
    for dtype, offset in (
        (torch.float32, 1e4),
        (torch.float32, 0),
        (torch.bfloat16, 0),
    ):
        f = lambda x: (smooth(x) + offset).to(dtype)  # noqa: B023, E731
        result = AndInteraction(f).interactions(x)
        gap = (result.dividends - expected).abs()[..., 1:]
        floor = result.noise_floor[..., sizes[1:]]
        assert bool((gap <= floor).all())
        assert float((gap / floor).max()) > 0.02  # … and not by much


def test_bfloat16_finds_no_more_than_there_is():
    # 16 players, 7 interactions: rounding to 8 bits makes hundreds of others.
    x = torch.rand(1, 16, generator=torch.Generator().manual_seed(1)) + 0.5

    def f(x):
        return 40 + smooth(x) + x[:, 8:12].prod(1) + 0.7 * x[:, 12:].sum(1)

    exact = AndInteraction(lambda x: f(x.double())).interactions(x)
    half = AndInteraction(lambda x: f(x).bfloat16()).interactions(x)
    there = exact.salient(0.05)
    found = half.salient(0.05)
    naive = half.values.abs() > 0.05 * half.values[..., 1:].abs().max()
    assert int(naive.sum()) > 200
    assert int(found.sum()) <= int(there.sum()) == 9
    assert not (found & ~there).any()
    with pytest.warns(UserWarning, match=r"interactions shown are no larger than .*"):
        half.top_k(40)
    assert len(repr(half).splitlines()[-1].split("{")) <= 9


def trained(act):
    """A network of 16 players that has learned two AND terms and a sum."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(16, 32), act(), nn.Linear(32, 32), act(), nn.Linear(32, 1)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(300):
        x = (torch.rand(256, 16) < 0.5).float()
        y = 2 * x[:, :3].prod(1) - x[:, 3:5].prod(1) + x[:, 5:].sum(1) / 2
        optimizer.zero_grad()
        (model(x)[:, 0] - y).square().mean().backward()
        optimizer.step()
    return model.eval().requires_grad_(False)


def test_a_trained_bfloat16_network_finds_no_more_than_there_is():
    # Where seen: 231 salient interactions of these weights, 20,967 after rounding.
    model, x = trained(nn.Tanh).bfloat16(), torch.ones(1, 16)
    half = AndInteraction(model).interactions(x.bfloat16(), target=0)
    exact = AndInteraction(copy.deepcopy(model).double())
    exact = exact.interactions(x.double(), target=0)
    there, found = int(exact.salient().sum()), int(half.salient().sum())
    naive = half.values.abs() > 0.05 * half.values[..., 1:].abs().max()
    assert int(naive.sum()) > 20 * there
    assert 0 < found <= there
    # Thresholds are parts of maxima that differ a little.
    assert not (half.salient() & ~exact.salient(0.03)).any()
    with pytest.warns(UserWarning, match=r"interactions shown are no larger than .*"):
        half.top_k(100)


def test_modules_inside_a_function_count():
    model = network().bfloat16()
    x = torch.rand(1, 8)
    hidden = AndInteraction(lambda x: model(x.bfloat16()).float()).interactions(
        x, target=0
    )
    plain = AndInteraction(network()).interactions(x, target=0)
    assert hidden.values.dtype == torch.float32
    assert float(hidden.noise_floor.max()) > 1000 * float(plain.noise_floor.max())


def test_an_offset_hides_everything():
    f = lambda x: smooth(x) + 1e7  # noqa: E731
    result = AndInteraction(f).interactions(torch.rand(1, 8) + 0.5)
    assert int(result.salient().sum()) == 0
    assert "none above the noise floor" in repr(result)
    with pytest.warns(UserWarning, match="say nothing about the model"):
        result.top_k(3)
    pairs = ShapleyInteraction(f).interactions(torch.rand(1, 8) + 0.5)
    if pairs.values.any():
        with pytest.warns(UserWarning, match="say nothing about the model"):
            pairs.plot_pairs()


def test_no_warning_where_all_is_well():
    x = torch.rand(1, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in METHODS:
            result = method(smooth).interactions(x)
            result.top_k(3)
            repr(result)


def test_what_passes_differ_by_counts():
    def f(x):  # a coarser answer where coalitions share a pass
        grain = 1e-6 if len(x) > 1 else 1e-9
        return (smooth(x.double()) / grain).round() * grain

    game = ModelGame(f, torch.rand(1, 8) + 0.5)
    noise = game.value_noise(game.table().abs().amax(-1))
    assert noise.shape == (1,)
    assert 1e-8 < float(noise) < 1e-5  # doubles alone would leave 1e-15


def test_tables_and_whole_numbers():
    table = AndInteraction.read(TableGame(torch.tensor([0.0, 1.0, 2.0, 5.0])))
    assert 0 < float(table.noise_floor.max()) < 1e-5
    whole = AndInteraction(lambda x: x.sum(1)).interactions(torch.ones(1, 3).long())
    assert float(whole.noise_floor.max()) < 1e-13
