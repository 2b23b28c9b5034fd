"""Bars of planted games whose terms are found in part."""

from __future__ import annotations

import pytest
import torch

from captum_interactions.estimators import evaluate, kernel_plan


def planted(n, terms, seed):
    """Σ_A c_A [A in S] of one to five players: the game and its Shapley values."""
    draw = torch.Generator().manual_seed(seed)
    players = torch.zeros(terms, n, dtype=torch.float64)
    for row in players:
        size = int(torch.randint(1, 6, (), generator=draw))
        row[torch.randperm(n, generator=draw)[:size]] = 1
    c = torch.randn(terms, generator=draw, dtype=torch.float64)

    def game(masks):
        return ((1 - masks.double()) @ players.mT == 0).double() @ c

    return game, (c / players.sum(-1)) @ players


@pytest.mark.parametrize("seed", [3])
def test_terms_found_in_part_have_honest_bars(seed):
    n = 24
    game, truth = planted(n, 50, seed)
    generator = torch.Generator().manual_seed(seed)
    found = evaluate(kernel_plan(n, 720, generator=generator), game)
    assert len(found.prior.terms) > 0
    assert found.r2 < 0.9995
    masks = torch.rand(300, n, generator=generator) < torch.rand(
        300, 1, generator=generator
    )
    values, predicted = found.shapley_values(), found.predict(masks)
    unknown = predicted.std_error > 0
    assert unknown.double().mean() > 0.9
    z = (predicted.value - game(masks))[unknown] / predicted.std_error[unknown]
    assert z.square().mean() < 4
    assert ((values.value - truth) / values.std_error).square().mean() < 4
