"""ShapleyInteraction: the contract, and the index of pairs."""

from __future__ import annotations

import pytest
import torch

from captum_interactions import ShapleyInteraction
from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double, slow_game


class TestShapleyInteraction(AttributionContract):
    method = ShapleyInteraction


def test_values_are_the_definition():
    x, model = double(2, 4), Mlp()
    result = ShapleyInteraction(model).interactions(x, target=0)
    assert result.values.shape == (2, 4, 4)
    assert result.std_error is None
    for example in range(2):
        game = slow_game(
            model, (x,), (torch.zeros(1, 4).double(),), (torch.arange(4)[None],),
            example, output=(0,),
        )  # fmt: skip
        for i in range(4):
            assert result.values[example, i, i] == 0
            for j in range(i):
                expected = reference.shapley_interaction(game, frozenset({i, j}), 4)
                for a, b in [(i, j), (j, i)]:
                    got = result.values[example, a, b].item()
                    assert got == pytest.approx(expected, abs=1e-9)


def test_top_k_lists_each_pair_once():
    result = ShapleyInteraction(Mlp()).interactions(double(2, 4), target=0)
    best = result.top_k(100)
    assert len(best[0]) == 6
    assert {i.players for i in best[0]} == {
        (i, j) for i in range(4) for j in range(i + 1, 4)
    }
    assert abs(best[0][0].value) == pytest.approx(result.values[0].abs().max().item())


def test_one_player_has_no_pairs():
    mask = torch.zeros(1, 4, dtype=torch.long)
    result = ShapleyInteraction(Mlp()).interactions(
        double(1, 4), target=0, feature_mask=mask
    )
    assert result.top_k() == [[]]
    assert result.values.shape == (1, 1, 1)
    assert "1 players" in repr(result)


def test_thirty_players_within_a_budget():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 30, generator=generator)

    def model(z):
        return z[:, 0] * z[:, 1] + z[:, 2] + z[:, 3] * z[:, 4] * z[:, 5]

    found = ShapleyInteraction(model).interactions(
        x, n_samples=600, generator=generator
    )
    assert found.n_evaluations == 600
    torch.testing.assert_close(
        found.values[:, 0, 1], x[:, 0] * x[:, 1], atol=1e-3, rtol=0
    )
    torch.testing.assert_close(
        found.values[:, 3, 4], x[:, 3:6].prod(-1) / 2, atol=1e-3, rtol=0
    )
    torch.testing.assert_close(found.shapley_values().sum(-1), model(x))
