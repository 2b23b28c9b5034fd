"""The function that learns baselines, and the class that is fitted with it."""

from __future__ import annotations

from inspect import signature

import pytest
import torch
from torch import nn

from captum_interactions import LearnedBaselineShapley
from captum_interactions.baselines import learn_baselines
from captum_interactions.games import ModelGame


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def examples(rows=40, n=4):
    return torch.randn(rows, n, generator=seeded(1))


def test_fit_is_learn_baselines():
    options = {"steps": 10, "n_contexts": 3}

    def f(x):
        return (x[:, 0] * x[:, 1]).tanh() + x[:, 2] * x[:, 3]

    learned = learn_baselines(f, examples(), generator=seeded(), **options)
    fitted = LearnedBaselineShapley(f)
    assert fitted.fit(examples(), generator=seeded(), **options) is fitted
    assert torch.equal(fitted.baselines_, learned.baselines)
    assert fitted.loss_history_ == learned.losses
    assert fitted.converged_ == learned.converged
    assert torch.equal(fitted.order_profile_.after, learned.order_profile.after)
    _, *arguments = signature(learn_baselines).parameters.values()
    _, *own = signature(LearnedBaselineShapley.fit).parameters.values()
    assert own == arguments


def test_a_tuple_of_one_stays_a_tuple():
    learned = learn_baselines(lambda x: x.prod(1), (examples(),), steps=1)
    assert isinstance(learned.baselines, tuple)
    assert learned.baselines[0].shape == (1, 4)


@pytest.mark.parametrize("per_example", [False, True])
def test_a_fit_builds_one_game(per_example, monkeypatch):
    built = []
    initialize = ModelGame.__init__

    def counted(self, *args, **kwargs):
        built.append(1)
        initialize(self, *args, **kwargs)

    monkeypatch.setattr(ModelGame, "__init__", counted)
    options = {"init": 0.5, "bounds": ("abs", 0.0, 1.0), "batch_size": 8, "steps": 3}
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))
    labels = torch.arange(40) % 2
    learn_baselines(model, examples(), labels, per_example=per_example, **options)
    assert built == [1]


@pytest.mark.parametrize(
    ("losses", "settled"),
    [
        ([1.0] * 9, False),  # too few to tell
        ([1.0] * 20, True),
        ([1.0] * 16 + [0.9] * 4, False),
        ([1.0] * 16 + [0.99] * 4, True),
        ([1.0] * 16 + [2.0] * 4, True),
        ([float(20 - i) for i in range(20)], False),
    ],
)
def test_when_a_loss_has_settled(losses, settled):
    learned = learn_baselines(lambda x: x.prod(1), examples(), steps=1)
    object.__setattr__(learned, "losses", tuple(losses))
    assert learned.settled == settled
