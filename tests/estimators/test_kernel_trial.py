"""Bars of planted games whose terms are found in part."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from captum_interactions.estimators import _kernel_trial, evaluate, kernel_plan
from captum_interactions.estimators._explicit_terms import (
    EVEN_AND,
    ODD_AND,
    WALSH,
    ExplicitTerms,
    no_terms,
)
from captum_interactions.estimators._kernel_fit import fit_priors
from captum_interactions.estimators._kernel_terms import with_terms
from captum_interactions.estimators._term_screening import screen


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
    found = evaluate(kernel_plan(n, 1000, generator=generator), game)
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


def random_signs(pairs, n, seed):
    draw = torch.Generator().manual_seed(seed)
    return 1 - 2 * torch.randint(2, (pairs, n), generator=draw, dtype=torch.float64)


# ANDs of fewer than three players are Walsh terms as well.
@pytest.mark.parametrize(
    ("players", "kind"),
    [
        ((4,), WALSH),
        ((0, 7), WALSH),
        *product([(1, 2, 8), (2, 3, 5, 9)], [WALSH, EVEN_AND, ODD_AND]),
    ],
)
def test_screening_finds_the_term_that_a_residual_is(players, kind):
    signs = random_signs(400, 12, 1)
    held = torch.zeros(1, 12, dtype=torch.bool)
    held[0, list(players)] = True
    planted = ExplicitTerms(held, torch.tensor([kind]), torch.ones(1, 1).double())
    even = bool(planted.is_even())
    residual, nothing = planted.features(signs)[:, 0], torch.zeros(400).double()
    residual = residual - residual.mean()
    weights = (residual, nothing) if even else (nothing, residual)
    members = no_terms(1, 12, signs)
    found = screen(signs, weights, members, torch.ones(12).double(), 60)[not even]
    assert len(found) <= 60
    assert found.is_even().eq(even).all()
    rows = torch.cat([found.players.long(), found.kind[:, None]], -1)
    assert len(rows.unique(dim=0)) == len(rows)
    same = (found.players == held).all(-1) & (found.kind == kind)
    assert same.any()


def test_the_fit_that_predicts_best_is_kept():
    signs = random_signs(150, 8, 2)
    odd = signs[:, 0] * signs[:, 1] * signs[:, 2] + signs[:, 3]
    even = signs[:, 4] * signs[:, 5] + 0.1 * signs[:, :4].prod(-1)
    prior = fit_priors(signs, even[None], odd[None])
    seen = []

    def growing(prior):
        seen.append(prior)
        return float(len(seen))

    found = with_terms(prior, signs, even, odd, growing, 1.5, 0.0)
    assert found is seen[0]
    assert len(seen) > 1
    assert with_terms(prior, signs, even, odd, growing, 0.5, 0.0) is prior


@pytest.mark.parametrize("has_terms", [True, False])
def test_a_trial_on_few_pairs_comes_first(has_terms, monkeypatch):
    """Few pairs that solve a game, or show no terms of it, are the whole trial."""
    n, seen = 25, []
    sparse, _ = planted(n, 7, 4)
    inner = _kernel_trial.with_terms

    def smooth(masks):
        return (masks.double() @ torch.linspace(0.1, 1, n).double() / 5).tanh()

    def counted(prior, signs, *rest):
        seen.append(len(signs))
        return inner(prior, signs, *rest)

    monkeypatch.setattr(_kernel_trial, "_FIRST_PAIRS", 150)
    monkeypatch.setattr(_kernel_trial, "_WELL_PREDICTED", 1.0)
    monkeypatch.setattr(_kernel_trial, "with_terms", counted)
    game = sparse if has_terms else smooth
    generator = torch.Generator().manual_seed(0)
    found = evaluate(kernel_plan(n, 700, generator=generator), game)
    assert seen == [150]
    assert bool(len(found.prior.terms)) == has_terms
    if has_terms:
        masks = torch.rand(200, n, generator=generator) < 0.5
        assert (found.predict(masks).value - game(masks)).abs().max() < 1e-3
