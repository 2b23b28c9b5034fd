"""Order-steering losses and their weights by order."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from captum_interactions.functional import multi_order_interaction
from captum_interactions.games import ModelGame, log_odds
from captum_interactions.losses import OrderSteeringLoss, steering_weights
from captum_interactions.players import grid_mask
from tests import reference
from tests.losses.models import Function, conv_net

CLOSE = {"rtol": 1e-10, "atol": 1e-10}


@st.composite
def steered(draw):
    n = draw(st.integers(2, 6))
    k1 = draw(st.integers(0, n - 1))
    k2 = draw(st.integers(k1 + 1, n))
    return n, k1, k2, draw(st.integers(0, 2**31))


@given(steered())
def test_weights_are_those_of_the_difference(case):
    n, k1, k2, seed = case
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(2**n, generator=generator, dtype=torch.float64).tolist()
    game = reference.as_game(table)
    weights = steering_weights(n, k1, k2).tolist()
    assert len(weights) == n - 1
    factor = k2 / k1 if k1 else 1
    difference = reference.mean_of_size(game, k2, n) - factor * reference.mean_of_size(
        game, k1, n
    )
    singles = sum(game(frozenset({i})) - game(frozenset()) for i in range(n))
    expected = (1 - factor) * game(frozenset()) + sum(
        weights[m] * reference.interaction_of_order(game, i, j, m, n)
        for m in range(n - 1)
        for i in range(n)
        for j in range(n)
        if i != j
    )
    if k1 == 0:
        expected += k2 / n * singles
    assert_close(difference, expected, **CLOSE)


def test_weights_peak_below_the_smaller_size():
    weights = steering_weights(20, 6, 14)
    assert int(weights.argmax()) == 5
    assert (weights[:6].diff() > 0).all()
    assert (weights[5:14].diff() < 0).all()
    assert (weights[13:] == 0).all()


@pytest.mark.parametrize("steering", ["encourage", "suppress"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 0.5), (0.3, 0.7), (0.7, 1.0)])
def test_loss_is_the_definition(low, high, steering):
    net, x = conv_net().double(), torch.randn(4, 1, 6, 6, dtype=torch.float64)
    labels = torch.tensor([0, 3, 1, 2])
    seen = []
    net.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    loss = OrderSteeringLoss(net, low, high, steering, baselines=9.0)(x, labels)
    (rows,) = seen
    small, large = rows.chunk(2)
    k1, k2 = int(low * 36 + 1e-9), int(high * 36 + 1e-9)
    assert ((small != 9).flatten(1).sum(-1) == k1).all()
    assert ((large != 9).flatten(1).sum(-1) == k2).all()
    assert (large != 9)[small != 9].all()
    chains = small if k1 else large
    assert not torch.equal(chains[0] != 9, chains[1] != 9)
    terms = []
    for i, label in enumerate(labels):
        u1, u2 = net(small[i : i + 1])[0], net(large[i : i + 1])[0]
        p = (u2 - (k2 / k1 if k1 else 1) * u1).exp()
        p = p / p.sum()
        terms.append(-p[label].log() if steering == "encourage" else (p @ p.log()))
    assert_close(loss, sum(terms) / 4, **CLOSE)


def test_statistics_modes_and_random_state_are_left_alone():
    net, x = conv_net(norm=True).train(), torch.randn(4, 1, 6, 6)
    buffers = [buffer.clone() for buffer in net.buffers()]
    before = torch.get_rng_state()
    OrderSteeringLoss(net, 0.3, 0.7)(x, torch.arange(4)).backward()
    assert_close(list(net.buffers()), buffers, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training for module in net.modules())
    assert net.conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("seed", [0, 1])
def test_encouraging_moves_the_peak_to_where_the_weights_have_theirs(seed):
    predicted = int(steering_weights(8, 2, 5).argmax())
    assert predicted == 1
    _, plain_strength = trained_on_digits(seed)
    assert plain_strength.argmax() == 6
    mean, strength = trained_on_digits(seed, (0.3, 0.7, "encourage"))
    assert mean.argmax() == strength.argmax() == predicted


@pytest.mark.parametrize("low", [0.5, 0.75])
def test_intervals_up_to_all_players_raise_the_lowest_orders_instead(low):
    sizes = OrderSteeringLoss(nn.Linear(8, 2), low, 1.0).sizes(8)
    assert int(steering_weights(8, *sizes).argmax()) == sizes[0] - 1 >= 3
    mean, strength = trained_on_digits(0, (low, 1.0, "encourage"))
    assert mean.argmax() == strength.argmax() == 0


def test_suppressing_lowers_what_the_weights_weigh():
    weights = steering_weights(8, 5, 8)
    plain, _ = trained_on_digits(0)
    mean, _ = trained_on_digits(0, (0.7, 1, "suppress"))
    assert (weights @ mean).abs() < 0.25 * (weights @ plain).abs()


@functools.cache
def trained_on_digits(seed, preset=None):
    """Mean and mean strength over pairs of I^(m), m = 0..6, of a small network."""
    data = load_digits()
    x = torch.tensor(data.data).float() / 16
    labels = torch.tensor(data.target)
    blocks = grid_mask(8, 8, 4).flatten()[None] // 2  # eight players
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    generator = torch.Generator().manual_seed(seed)
    criterion = preset and OrderSteeringLoss(
        net, *preset, feature_mask=blocks, generator=generator
    )
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(300):
        rows = torch.randint(1200, (64,), generator=generator)
        optimizer.zero_grad()
        loss = cross_entropy(net(x[rows]), labels[rows])
        if criterion:
            loss = loss + criterion(x[rows], labels[rows])
        loss.backward()
        optimizer.step()
    held_out = slice(1200, 1220)
    game = ModelGame(
        log_odds(net), x[held_out], target=labels[held_out], feature_mask=blocks
    )
    i, j = torch.triu_indices(8, 8, 1)
    pairs = multi_order_interaction(game.table())[..., i, j]
    return pairs.mean((0, -1)), pairs.abs().mean((0, -1))


def test_sizes_are_not_rounded_down_by_float_error():
    net = nn.Linear(4, 2)
    assert OrderSteeringLoss(net, 0.29, 0.57).sizes(100) == (29, 57)
    assert OrderSteeringLoss(net, 0.3, 0.7).sizes(254) == (76, 177)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: steering_weights(4, 2, 2), ValueError, "0 <= k1 < k2 <= n = 4"),
        (lambda: steering_weights(4, 2, 5), ValueError, "0 <= k1 < k2 <= n = 4"),
        (lambda: steering_weights(4.0, 1, 2), TypeError, "`n` must be"),
        (lambda: run(low=0.7, high=0.3), ValueError, "`low` must be fractions"),
        (lambda: run(low=0.1, high=0.2), ValueError, "one of 4 players"),
        (lambda: run(steering="forward"), ValueError, "`steering` must be one of"),
        (lambda: run(labels=None), TypeError, "`target` must be a tensor of class"),
        (lambda: run(labels=torch.zeros(3).long()), ValueError, "`target` must be"),
        (lambda: run(net=nn.Sequential(nn.Linear(4, 2), nn.Softmax(-1))), ValueError,
         "must be one that returns logits"),
        (lambda: run(net=Function(lambda x: x.sum(-1))), ValueError, "shape \\(4,\\)"),
        (lambda: run(net=lambda x: x), TypeError, "`model` must be an nn.Module"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def run(net=None, low=0.3, high=0.8, steering="encourage", labels=(0, 1)):
    labels = torch.tensor(labels) if isinstance(labels, tuple) else labels
    criterion = OrderSteeringLoss(net or nn.Linear(4, 2), low, high, steering)
    return criterion(torch.randn(2, 4), labels)
