"""The driver: every coalition is bought once, whatever plans ask for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions import functional as F
from captum_interactions.estimators import Evaluations, evaluate


class Counting:
    """Σ of weights of the present players, per example; notes what it was asked."""

    def __init__(self, n, batch=2):
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.randn(batch, n, generator=generator, dtype=torch.float64)
        self.asked = []

    def __call__(self, masks):
        self.asked.append(masks.clone())
        if masks.dim() == 3:
            return torch.einsum("bcn,bn->bc", masks.double(), self.weights)
        return self.weights @ masks.double().mT


@given(st.integers(2, 70), st.integers(0, 1000))
def test_distinct_coalitions_are_evaluated_once_at_any_number_of_players(n, seed):
    generator = torch.Generator().manual_seed(seed)
    pool = torch.rand(6, n, generator=generator) < 0.5
    game = Counting(n)
    known = Evaluations(game)
    seen = set()
    for _ in range(3):
        pick = torch.randint(6, (5,), generator=generator)
        assert_close(known(pool[pick]), game.weights @ pool[pick].double().mT)
        seen |= {tuple(row) for row in pool[pick].tolist()}
        assert known.n_evaluations == len(seen)
    bought = [tuple(row) for masks in game.asked for row in masks.tolist()]
    assert len(bought) == len(set(bought)) == len(seen)


@given(st.integers(0, 1000), st.integers(1, 3))
def test_examples_may_ask_for_different_coalitions(seed, batch):
    generator = torch.Generator().manual_seed(seed)
    game = Counting(5, batch)
    known = Evaluations(game)
    shared = torch.rand(2, 5, generator=generator) < 0.5
    known(shared)
    each = torch.rand(batch, 4, 5, generator=generator) < 0.5
    expected = torch.einsum("bcn,bn->bc", each.double(), game.weights)
    assert_close(known(each), expected)
    assert_close(known(shared), game.weights @ shared.double().mT)
    sets = [{tuple(row) for row in torch.cat([shared, rows]).tolist()} for rows in each]
    assert known.n_evaluations == max(map(len, sets))


@pytest.mark.parametrize("alike", [True, False])
def test_nothing_is_half_known_when_a_pass_fails(alike):
    game = Counting(3)
    broken = [True]

    def fails(masks):
        if broken.pop():
            raise RuntimeError
        return game(masks)

    known, masks = Evaluations(fails), F.all_masks(3)
    asked = masks if alike else masks.expand(2, *masks.shape)
    with pytest.raises(RuntimeError):
        known(asked)
    assert known.n_evaluations == 0
    broken.append(False)
    assert_close(known(asked), game.weights @ masks.double().mT)


def plan_of(*rounds):
    total = 0.0
    for masks in rounds:
        total = total + (yield masks).sum(-1)
    return total


def test_a_plan_of_many_rounds():
    masks = F.all_masks(3)
    game = Counting(3)
    total = evaluate(plan_of(masks[:4], masks[2:6], masks), game, 8)
    expected = sum(
        (game.weights @ part.double().mT).sum(-1)
        for part in (masks[:4], masks[2:6], masks)
    )
    assert_close(total, expected)
    assert [len(asked) for asked in game.asked] == [4, 2, 2]


def test_progress_counts_distinct_coalitions(capsys):
    masks = F.all_masks(3)
    evaluate(plan_of(masks, masks), Counting(3), 20, show_progress=True, name="Mine")
    shown = capsys.readouterr().err
    assert "Mine" in shown
    assert "8/8" in shown


def test_a_plan_that_overspends_is_told():
    with pytest.raises(ValueError, match="`budget` must be at least 8"):
        evaluate(plan_of(F.all_masks(3)), Counting(3), 7)


def test_a_game_that_raises_ends_the_plan():
    closed = []

    def plan():
        try:
            yield F.all_masks(2)
        finally:
            closed.append(True)

    def refuse(masks):
        raise KeyError("model")

    with pytest.raises(KeyError, match="model"):
        evaluate(plan(), refuse)
    assert closed == [True]
