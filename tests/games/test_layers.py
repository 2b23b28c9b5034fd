"""A model cut at a layer, and pairs on grids."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions.games import evaluation_mode, module_name, split_at_layer
from tests.losses.models import Function, Residual, conv_net

EXACT = {"rtol": 0, "atol": 0}


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("layer", ["conv", "relu", "conv2", "flat"])
@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_features_and_upper_part_are_those_of_the_halves(layer, batch, inplace):
    net, plain = conv_net(inplace), conv_net()
    at = list(dict(net.named_children())).index(layer) + 1
    x = torch.randn(batch, 1, 6, 6)
    split = split_at_layer(net, layer, x)
    assert_close(split.features[0], plain[:at](x), **EXACT)
    assert_close(split.output, plain(x))
    for rows in (1, 2, 3, 4, 7):
        other = torch.randn(rows, *split.features[0].shape[1:])
        assert_close(split.upper(other.clone()), plain[at:](other))
    assert not net.get_submodule(layer)._forward_hooks


def test_features_belong_to_the_graph_of_the_output():
    net = conv_net()
    split = split_at_layer(net, "relu", torch.randn(2, 1, 6, 6))
    (gradient,) = torch.autograd.grad(split.output.sum(), split.features)
    assert gradient.abs().sum() > 0
    split.upper(split.features[0]).sum().backward()
    assert net.conv.weight.grad.abs().sum() > 0


def test_inputs_and_arguments():
    net = Function(lambda x, y, scale, k: (x + y) * scale.unsqueeze(1) * k)
    x, y, scale = torch.randn(3, 2), torch.randn(3, 2), torch.arange(3.0)
    split = split_at_layer(net, None, (x, y), (scale, 2))
    assert_close(split.output, (x + y) * scale.unsqueeze(1) * 2)
    doubled = split.upper(torch.cat([x, x]), torch.cat([y, y]))
    assert_close(doubled, torch.cat([split.output] * 2))


def test_the_end_of_a_residual_block_is_a_layer():
    net = nn.Sequential(Residual(4), nn.Linear(4, 2))
    split = split_at_layer(net, "0.out", torch.randn(3, 4))
    other = torch.randn(6, 4)
    assert_close(split.upper(other), net[1](other))


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_branch_round_the_layer_is_an_error(rows, batch):
    net = nn.Sequential(Residual(4), nn.Linear(4, 2))
    split = split_at_layer(net, "0.branch", torch.randn(batch, 4))
    with pytest.raises(ValueError, match=r"must carry everything.*residual block"):
        split.upper(torch.randn(rows, 4))


@pytest.mark.parametrize("layer", [None, "relu", "conv2"])
def test_compiled_models_see_the_replaced_features(layer):
    net = conv_net()
    compiled = torch.compile(net, backend="eager")
    x = torch.randn(4, 1, 6, 6)
    compiled(x)  # compiled code does not look for hooks that come later
    expected, split = (split_at_layer(model, layer, x) for model in (net, compiled))
    assert_close(split.features, expected.features)
    other = torch.randn(9, *split.features[0].shape[1:])
    assert_close(split.upper(other), expected.upper(other))
    assert module_name(compiled, "relu") == "relu"


def test_layers_that_do_not_exist():
    with pytest.raises(ValueError, match=r"`layer` must be.*'relu3'.*among them.*relu"):
        module_name(conv_net(), "relu3")
    with pytest.raises(ValueError, match="not part of it"):
        module_name(conv_net(), nn.ReLU())
    with pytest.raises(TypeError, match="`layer` must be a submodule"):
        module_name(conv_net(), 3)
    with pytest.raises(TypeError, match=r"`model` must be an nn.Module"):
        module_name(lambda x: x, "relu")


def test_layers_that_can_not_be_cut_at():
    x = torch.randn(2, 3)
    two = Function(lambda x: (x, x))
    net = nn.Sequential(two, Function(lambda pair: pair[0]))
    with pytest.raises(TypeError, match=r"`layer`.*one tensor, got tuple"):
        split_at_layer(net, "0", x)
    act = nn.ReLU()
    with pytest.raises(ValueError, match="ran 2 times"):
        split_at_layer(nn.Sequential(act, nn.Linear(3, 3), act), "0", x)
    net = nn.Sequential(Function(lambda x: x.sum(0)), nn.Identity())
    with pytest.raises(ValueError, match=r"batch \(2\) first.*shape \(3,\)"):
        split_at_layer(net, "0", x)


def test_modes_are_restored_module_by_module():
    net = conv_net(norm=True).train()
    net.norm.eval()
    inside = []

    def fail():
        with evaluation_mode(net):
            inside.extend(module.training for module in net.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not any(inside)
    assert not net.norm.training
    others = [module for module in net.modules() if module is not net.norm]
    assert all(module.training for module in others)
