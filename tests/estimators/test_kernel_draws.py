"""Draws of a kernel posterior have its mean and its deviations."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from captum_interactions.estimators import evaluate, kernel_plan
from captum_interactions.estimators._kernel_draws import DrawnGame
from captum_interactions.functional import all_masks, masks_to_codes, shapley_values


def found_for(n, budget, terms=0):
    draw = torch.Generator().manual_seed(n)
    weights = torch.randn(n, 8, generator=draw).double()
    sets = torch.rand(terms, n, generator=draw) < 3 / n

    def game(masks):
        value = torch.tanh(masks.double() @ weights / 2).sum(-1)
        for chosen in sets:
            value = value + 3 * (masks[..., chosen].all(-1)).double()
        return value

    return evaluate(kernel_plan(n, budget, generator=draw), game)


@pytest.mark.parametrize(
    ("n", "budget", "terms"), [(9, 60, 0), (24, 200, 0), (24, 400, 6)]
)
def test_mean_and_deviation(n, budget, terms):
    found = found_for(n, budget, terms)
    draws = torch.Generator().manual_seed(0)
    game = DrawnGame(found.posterior(0), 64, draws)
    masks = torch.rand(400, n, generator=draws) < 0.5
    masks[:20] = found.masks[:20]
    wanted = found.predict(masks)
    got = found.center + found.scale * game(masks_to_codes(masks))
    assert_close(got[0], wanted.value)
    error = got[1:] - got[0]
    assert error[:, :20].abs().max() == 0  # evaluated ones are known
    fresh = wanted.std_error > 0
    assert fresh.sum() > 300
    ratio = error[:, fresh].std(0) / wanted.std_error[fresh]
    # 64 draws of 400 values; random Walsh terms stand for all of them.
    assert 0.9 < ratio.mean() < 1.1
    assert ratio.min() > 0.5
    assert ratio.max() < 1.6


def test_the_same_game_at_every_call():
    found = found_for(10, 60)
    game = DrawnGame(found.posterior(0), 4, torch.Generator().manual_seed(0))
    codes = torch.arange(1 << 10)
    first = game(codes[200:300])
    assert torch.equal(game(codes)[:, 200:300], first)
    assert game(codes.view(2, -1)).shape == (5, 2, 512)


def test_linear_readings_have_the_posterior_s_deviations():
    found = found_for(8, 40)
    game = DrawnGame(found.posterior(0), 400, torch.Generator().manual_seed(0))
    table = found.scale * game(masks_to_codes(all_masks(8)))
    errors = shapley_values(table[1:]) - shapley_values(table[:1])
    ratio = errors.std(0) / found.shapley_values().std_error
    assert ratio.min() > 0.7
    assert ratio.max() < 1.3
