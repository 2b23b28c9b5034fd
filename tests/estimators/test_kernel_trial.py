"""Bars of planted games whose terms are found in part."""

from __future__ import annotations

import torch

from captum_interactions.estimators import evaluate, kernel_plan


def planted(n, terms, seed):
    """ANDs and ORs of one to five players: the game and its Shapley values."""
    draw = torch.Generator().manual_seed(seed)
    players, weights = torch.zeros(terms, n, dtype=torch.float64), []
    for row in players:
        size = int(torch.randint(1, 6, (), generator=draw))
        row[torch.randperm(n, generator=draw)[:size]] = 1
        weights.append(torch.randn((), generator=draw, dtype=torch.float64))
    c = torch.stack(weights)
    some = torch.arange(terms) % 2 == 1

    def game(masks):
        x = masks.double()
        every, none = (1 - x) @ players.mT == 0, x @ players.mT == 0
        return torch.where(some, ~none, every).double() @ c

    return game, (c / players.sum(-1)) @ players


def test_terms_found_in_part_have_honest_bars():
    n = 30
    game, truth = planted(n, 60, 17)
    generator = torch.Generator().manual_seed(1000)
    found = evaluate(kernel_plan(n, 1500, generator=generator), game)
    assert len(found.prior.terms) > 0
    assert found.r2 < 0.999
    share = torch.rand(300, 1, generator=generator)
    masks = torch.rand(300, n, generator=generator) < share
    # Those that were drawn evaluated are known.
    masks = masks[(masks[:, None] != found.masks).any(-1).all(-1)]
    masks = masks[(masks[:, None] == found.masks).any(-1).all(-1)]
    values, predicted = found.shapley_values(), found.predict(masks)
    z = (predicted.value - game(masks)) / predicted.std_error
    assert z.square().mean() < 4
    assert ((values.value - truth) / values.std_error).square().mean() < 4
