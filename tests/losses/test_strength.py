"""Interaction strength of a network."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions.losses import interaction_strength
from captum_interactions.players import grid_mask, grid_pairs
from tests import reference
from tests.losses.models import Function, conv_net

CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def network(generator, n=5):
    weights = torch.randn(n, n, generator=generator, dtype=torch.float64)
    return Function(lambda x: torch.tanh(x @ weights).cumprod(-1)[:, 1:4] * 10)


def test_exact_values_are_the_index(generator):
    net, x = network(generator), torch.randn(2, 5, dtype=torch.float64)
    labels = torch.tensor([2, 0])
    result = interaction_strength(net, x, labels, n_contexts=None)
    for row, label, values in zip(x, labels, result.interactions, strict=True):

        def game(coalition, row=row, label=label):
            present = torch.tensor([i in coalition for i in range(5)])
            return net(torch.where(present, row, 0.0).unsqueeze(0))[0, label].item()

        for pair, value in zip(result.pairs.tolist(), values, strict=True):
            expected = reference.shapley_interaction(game, frozenset(pair), 5)
            assert_close(value.item(), expected, **CLOSE)
    assert (result.std_error == 0).all()
    assert len(result.pairs) == 10
    assert_close(result.raw, result.interactions.abs().mean().item())
    assert_close(result.debiased, result.interactions.square().mean().sqrt().item())
    logits = net(x)
    scale = sum(
        logits[i, y] - (logits[i].sum() - logits[i, y]) / 2
        for i, y in enumerate(labels)
    )
    assert_close(result.scale, abs(scale.item()) / 2, **CLOSE)
    assert_close(result.normalized, result.raw / result.scale)


def test_sampled_values_lie_within_their_errors(generator):
    net, x = network(generator), torch.randn(3, 5, dtype=torch.float64)
    labels = torch.tensor([2, 0, 1])
    exact = interaction_strength(net, x, labels, n_contexts=None)
    sampled = interaction_strength(
        net, x, labels, pairs=exact.pairs, n_contexts=2000, generator=generator
    )
    scores = (sampled.interactions - exact.interactions) / sampled.std_error
    assert scores.abs().max() < 5
    assert 0.6 < scores.square().mean().sqrt() < 1.5
    assert sampled.noise_floor < sampled.raw


def test_noise_is_taken_out_of_the_debiased_strength():
    n = 12
    table = torch.randn(2**n, dtype=torch.float64)
    codes = 2 ** torch.arange(n)
    net = Function(lambda x: table[(x.long() * codes).sum(-1)])
    x = torch.ones(1, n)
    exact = interaction_strength(net, x, pairs=20, n_contexts=None)
    noisy = interaction_strength(net, x, pairs=20, n_contexts=20)
    true = exact.interactions.square().mean().sqrt().item()
    rms = noisy.interactions.square().mean().sqrt().item()
    assert abs(noisy.debiased - true) < 0.5 * abs(rms - true)
    assert noisy.noise_floor > 0.1
    assert math.isnan(noisy.raw_error)
    assert math.isnan(noisy.scale)


@pytest.mark.parametrize("layer", ["relu", "conv2"])
def test_a_layer_is_the_input_of_the_rest(layer):
    net, x, labels = conv_net(), torch.randn(3, 1, 6, 6), torch.arange(3)
    at = list(dict(net.named_children())).index(layer) + 1
    options = {"pairs": 5, "n_contexts": 20, "perturbations_per_eval": 11}
    got = interaction_strength(net, x, labels, layer, **options)
    expected = interaction_strength(net[at:], net[:at](x), labels, **options)
    assert_close(got.interactions, expected.interactions)
    assert_close(got.std_error, expected.std_error)
    assert_close(got.scale, expected.scale)


def test_pairs_of_grid_cells():
    net, x, labels = conv_net(), torch.randn(2, 1, 6, 6), torch.arange(2)
    pairs = grid_pairs(3, 3, spacing=2, radius=1)
    result = interaction_strength(
        net, x, labels, pairs=pairs, n_contexts=10, feature_mask=grid_mask(6, 6, 3)
    )
    assert result.interactions.shape == (2, len(pairs))
    assert "2 images" in repr(result)


def test_the_network_is_left_alone():
    net, x = conv_net(norm=True).train(), torch.randn(2, 1, 6, 6)
    buffers = [buffer.clone() for buffer in net.buffers()]
    before = torch.get_rng_state()
    first, second = (
        interaction_strength(net, x, torch.arange(2), "relu", pairs=3, n_contexts=5)
        for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert_close(list(net.buffers()), buffers, rtol=0, atol=0)
    assert all(module.training for module in net.modules())
    assert torch.equal(first.pairs, second.pairs)
    assert not first.interactions.requires_grad


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layer": "nowhere"}, ValueError, "`layer` must be the name"),
        ({"target": torch.arange(3)}, ValueError, "`target` must be"),
        ({"target": torch.rand(2)}, TypeError, "`target` must be integer"),
        ({"pairs": torch.tensor([[1, 1]])}, ValueError, "`pairs` must be rows of two"),
        ({"pairs": torch.tensor([[0, 8]])}, ValueError, "players in 0..7"),
        ({"pairs": [(0, 1)]}, TypeError, "`pairs` must be a tensor"),
        ({"pairs": 0}, ValueError, "`pairs` must be a positive"),
        ({"n_contexts": 1}, ValueError, "`n_contexts` must be at least 2"),
        ({"score": "x"}, ValueError, "`score` must be one of"),
        ({"model": nn.Sequential(nn.Linear(8, 3), nn.Softmax(-1))}, ValueError,
         "must be one that returns logits"),
    ],
)  # fmt: skip
def test_bad_input(options, error, message):
    options = {"model": nn.Linear(8, 3), "target": torch.arange(2), **options}
    with pytest.raises(error, match=message):
        interaction_strength(inputs=torch.randn(2, 8), **options)
