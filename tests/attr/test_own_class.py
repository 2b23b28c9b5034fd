"""The class that the how-to writes keeps the contract of all the others."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double, slow_game

EXAMPLE = Path(__file__).parents[2] / "docs" / "howto" / "banzhaf.py"
_spec = importlib.util.spec_from_file_location("banzhaf", EXAMPLE)
banzhaf = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(banzhaf)


class TestBanzhafInteraction(AttributionContract):
    method = banzhaf.BanzhafInteraction


def test_values_are_the_definition():
    x, model = double(1, 4), Mlp()
    result = banzhaf.BanzhafInteraction(model).interactions(x, target=1)
    game = slow_game(
        model, (x,), (torch.zeros(1, 4).double(),), (torch.arange(4)[None],), 0,
        output=(1,),
    )  # fmt: skip
    for i, j in ((0, 1), (1, 3)):
        expected = reference.banzhaf_interaction(game, frozenset({i, j}), 4)
        assert result.values[0, i, j].item() == pytest.approx(expected, abs=1e-9)
    best = result.top_k(1)[0][0]
    assert abs(best.value) == pytest.approx(result.values.abs().max().item())
    assert result.values[0][best.players].item() == pytest.approx(best.value)
