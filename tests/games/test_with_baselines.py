"""A game with other baselines, and the game of some of its examples."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from captum_interactions.games import BaselineSet, ModelGame

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def double(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def f(a, b, weight, power):
    hidden = (a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0]) * weight
    return torch.stack([hidden**power, hidden.tanh(), a.sum(1)], dim=1)


def game(baselines=None, target=None, mask=None, **options):
    inputs = double(3, 2), double(3, 2, seed=1)
    args = double(3, seed=2), 2
    return ModelGame(f, inputs, baselines, target, args, mask, **options)


PER_EXAMPLE = (torch.tensor([[0, 1], [1, 0], [2, 2]]), torch.tensor([[2, 3]]))
BASELINES = [
    (0.5, -1),
    (double(1, 2, seed=4), double(3, 2, seed=5)),
    BaselineSet((double(4, 2, seed=6), double(4, 2, seed=7))),
]


@pytest.mark.parametrize("baselines", BASELINES)
@pytest.mark.parametrize("mask", [None, PER_EXAMPLE])
def test_other_baselines_are_another_game_of_the_same(baselines, mask):
    first = game(target=1, mask=mask)
    before = first.table()
    second = first.with_baselines(baselines)
    assert second.players is first.players
    assert second.n_evaluations == 0
    assert_close(second.table(), game(baselines, 1, mask).table(), **CLOSE)
    assert second.n_evaluations == first.n_evaluations == 16
    assert_close(first.table(), before, rtol=0, atol=0)


@pytest.mark.parametrize("target", [None, 2, [0, 2, 1], torch.tensor([0, 2, 1])])
@pytest.mark.parametrize("mask", [None, PER_EXAMPLE])
@pytest.mark.parametrize("baselines", BASELINES)
def test_some_examples_with_all_that_belongs_to_them(baselines, mask, target):
    whole = game(baselines, target, mask)
    index = torch.tensor([2, 0])
    some = whole.select(index)
    assert (some.batch_size, some.n_players) == (2, whole.n_players)
    assert_close(some.table(), whole.table()[index], **CLOSE)
    assert some.n_evaluations == 1 << whole.n_players  # its own count
    again = some.select(torch.tensor([1])).with_baselines((0.25, 0.25))
    expected = whole.with_baselines((0.25, 0.25)).table()[:1]
    assert_close(again.table(), expected, **CLOSE)


def test_gradients_reach_the_values():
    values = torch.full((1, 2), 0.5, dtype=torch.float64, requires_grad=True)
    first = game(target=1, gradients=True)
    learned = first.with_baselines((values, 0.0)).table()
    assert learned.requires_grad
    (gradient,) = torch.autograd.grad(learned.sum(), values)
    assert gradient.abs().min() > 0
    plain = first.with_baselines((values, 0.0), gradients=False)
    assert not plain.table().requires_grad
    assert_close(plain.table(), learned.detach(), **CLOSE)


def test_passes_with_gradients_don_t_depend_on_timing():
    seen = []

    def counted(x):
        seen.append(len(x))
        return x.sum(1)

    ModelGame(counted, torch.zeros(2, 10), gradients=True).table()
    assert seen == [1024, 1024]


def test_baselines_that_do_not_fit():
    with pytest.raises(ValueError, match="one baseline per input tensor"):
        game().with_baselines(1.0)
