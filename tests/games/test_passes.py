"""Rows in passes: the same as in one piece."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions.games.branches import find_modules, scaled_gradients
from captum_interactions.games.passes import Passes

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def rows(copies, batch=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(copies * batch, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("per_eval", [None, 1, 2, 5])
def test_passes_are_the_whole(per_eval):
    seen = []

    def model(x, scale, power):
        seen.append(len(x))
        return (x * scale.unsqueeze(1)).tanh() ** power

    x, scale = rows(5), torch.tensor([1.0, 2.0, 3.0]).double()
    passes = Passes(model, 3, (scale, 2), per_eval)
    expected = (x * scale.repeat(5).unsqueeze(1)).tanh() ** 2
    assert_close(passes.outputs((x,)), expected, **CLOSE)
    assert seen == {None: [15], 1: [3] * 5, 2: [6, 6, 3], 5: [15]}[per_eval]
    (gradient,) = passes.gradient((x,), lambda out: (out**3).sum())
    leaf = x.clone().requires_grad_()
    ((leaf * scale.repeat(5).unsqueeze(1)).tanh() ** 6).sum().backward()
    assert_close(gradient, leaf.grad, **CLOSE)
    assert not gradient.requires_grad


def test_outputs_keep_the_graph_where_it_is_recorded():
    x = rows(4).requires_grad_()
    inplace = nn.ReLU(inplace=True)
    out = Passes(lambda x: inplace(x * 1), 3, per_eval=1).outputs((x,))
    out.sum().backward()
    assert_close(x.grad, (x > 0).double())
    with torch.no_grad():
        assert not Passes(torch.tanh, 3).outputs((x,)).requires_grad


def test_passes_under_inference_mode_and_unused_inputs():
    with torch.inference_mode():
        x, y = rows(2), rows(2)
        got = Passes(lambda x, y: x.square(), 3).gradient((x, y), torch.sum)
    assert_close(got[0], 2 * x)
    assert torch.equal(got[1], torch.zeros_like(y))


def test_memory_bounds_a_pass():
    seen = []

    def model(x):
        seen.append(len(x))
        return x.flatten(1).sum(1)

    x = torch.zeros(4000, 2)
    with torch.no_grad():
        Passes(model, 10).outputs((x,))
    assert max(seen) <= 1024
    seen.clear()
    Passes(model, 2).gradient((torch.zeros(100, 3, 224, 224),), torch.sum)
    assert seen == [26, 26, 26, 22]


def test_memory_that_runs_out_halves_a_pass():
    seen = []

    def model(x):
        seen.append(len(x))
        if len(x) > 6:
            raise torch.cuda.OutOfMemoryError
        return x.square()

    x = rows(5)
    (gradient,) = Passes(model, 3).gradient((x,), torch.sum)
    assert_close(gradient, 2 * x)
    assert seen == [15, 6, 6, 3]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        Passes(model, 15).gradient((x,), torch.sum)


def test_models_that_do_not_serve():
    with pytest.raises(TypeError, match="a model that returns a tensor, got list"):
        Passes(lambda x: [x], 3).outputs((rows(1),))
    with pytest.raises(ValueError, match="`forward_func` must be differentiable"):
        Passes(torch.Tensor.detach, 3).gradient((rows(1),), torch.sum)
    with pytest.raises(ValueError, match="`perturbations_per_eval` must be a positive"):
        Passes(torch.tanh, 3, per_eval=0)


def test_scaled_gradients_leave_no_hook():
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh()).double()
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    with scaled_gradients(find_modules(net, ["0"]), 0.25):
        (scaled,) = torch.autograd.grad(net(x).sum(), x)
    (whole,) = torch.autograd.grad(net(x).sum(), x)
    assert_close(scaled, 0.25 * whole)
    with pytest.raises(RuntimeError), scaled_gradients(find_modules(net, [net[0]]), 2):
        raise RuntimeError
    assert not net[0]._forward_hooks
    with pytest.raises(TypeError, match=r"`modules` must be a list .* got str"):
        find_modules(net, "0")
    with pytest.raises(TypeError, match="`modules` must be a list of modules unless"):
        find_modules(torch.tanh, ["0"])
