"""What the papers claim of attacks and of the loss, on networks trained on digits."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from captum_interactions.losses import InteractionLoss, interaction_strength
from captum_interactions.robust import (
    PRESETS,
    InteractionReduction,
    NoiseAverage,
    TransferAttack,
    mean_interaction,
    perturbation_game,
    success_by_step,
)

pytestmark = pytest.mark.slow
BOUNDS = {"lower_bound": 0.0, "upper_bound": 1.0}


@pytest.fixture(scope="module")
def digits():
    data = pytest.importorskip("sklearn.datasets").load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images).float().unsqueeze(1)[order] / 16
    return images, torch.tensor(data.target)[order]


def untrained():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


@pytest.fixture(scope="module")
def attacked(digits):
    """A trained network with images that it classifies correctly."""
    net, (x, y) = untrained(), digits
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    batches = torch.Generator().manual_seed(0)
    for _ in range(500):
        rows = torch.randint(1200, (128,), generator=batches)
        optimizer.zero_grad()
        cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    right = net(x[1200:]).argmax(1) == y[1200:]
    return net.eval(), x[1200:][right][:50], y[1200:][right][:50]


def strength(net, x, adversarial, y):
    return mean_interaction(perturbation_game(net, x, adversarial, y))


@pytest.mark.parametrize("radius", [0.1, 0.2, 0.3])
def test_many_steps_interact_more_than_one(attacked, radius):
    net, x, y = attacked
    attack = TransferAttack(net, **BOUNDS)
    many = strength(net, x, attack.perturb(x, radius, radius / 8, 40, y), y)
    single = strength(net, x, attack.perturb(x, radius, radius, 1, y), y)
    assert many.mean() > single.mean()
    assert (many > single).double().mean() >= 0.8


def test_momentum_noise_and_reduction_lower_interactions(attacked):
    net, x, y = attacked
    attacks = {
        "PGD": [],
        "MI": PRESETS["MI"],
        "VR": [NoiseAverage(10, 0.1)],
        "IR": [InteractionReduction(sets=8)],
    }
    found, success = {}, {}
    for name, parts in attacks.items():
        attack = TransferAttack(net, "margin", **BOUNDS, parts=parts)
        states = attack.trajectory(x, 0.25, 0.25 / 8, 20, y)
        found[name] = strength(net, x, states[-1], y).mean()
        success[name] = success_by_step(net, states, y)[:, -1].double().mean()
    for name in ("MI", "VR", "IR"):
        assert found[name] < found["PGD"]
    assert success["IR"] >= success["PGD"] - 0.02


def test_the_loss_lowers_interactions(digits):
    x, y = (part[:200] for part in digits)
    raw = []
    for weight in (0.0, 1.0, 100.0):
        net = untrained()
        criterion = InteractionLoss(net, "1", n_contexts=2, warmup=5)
        optimizer = torch.optim.Adam(net.parameters(), 2e-3)
        order = torch.Generator().manual_seed(0)
        for epoch in range(30):
            criterion.set_epoch(epoch)
            for rows in torch.randperm(200, generator=order).split(50):
                optimizer.zero_grad()
                logits, interaction = criterion(x[rows], y[rows])
                (cross_entropy(logits, y[rows]) + weight * interaction).backward()
                optimizer.step()
        raw.append(
            interaction_strength(net, x[:6], y[:6], "1", pairs=20, n_contexts=60).raw
        )
    assert raw[0] > raw[1] > raw[2]
