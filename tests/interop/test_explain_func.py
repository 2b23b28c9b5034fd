"""Attributions as Quantus calls them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, NoiseTunnel
from torch import nn

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.games import log_odds
from captum_interactions.interop import quantus_explain_func
from tests.contracts.attribution import Mlp, double

TARGETS = np.array([1, 0, 1])


@pytest.mark.filterwarnings("ignore:Input Tensor:UserWarning")  # Captum's gradients
@pytest.mark.parametrize(
    "method",
    [
        AndInteraction,
        ShapleyInteraction,
        IntegratedGradients,
        InputXGradient,
        lambda model: AndInteraction(log_odds(model)),
    ],
)
def test_it_is_the_methods_attribution(method):
    model, x = Mlp(), double(3, 4)
    explain = quantus_explain_func(method)
    found = explain(model=model, inputs=x.numpy(), targets=TARGETS)
    expected = method(model).attribute(x, target=torch.as_tensor(TARGETS))
    assert type(found) is np.ndarray
    assert found.shape == (3, 4)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=0, atol=1e-12)


def test_the_model_of_the_call_is_explained():
    x = double(3, 4).numpy()
    explain = quantus_explain_func(AndInteraction)
    one = Mlp()
    two = copy.deepcopy(one)
    with torch.no_grad():
        two.layers[2].weight.mul_(2)
    first, second = (explain(model, x, TARGETS) for model in (one, two))
    np.testing.assert_allclose(2 * first, second)


def test_arguments_and_those_of_the_call():
    model, x, mask = Mlp(), double(3, 4), torch.tensor([[0, 0, 1, 1]])
    explain = quantus_explain_func(
        AndInteraction, {"feature_mask": mask, "baselines": 1.0}
    )
    grouped = explain(model, x.numpy(), TARGETS)
    np.testing.assert_array_equal(grouped[:, 0], grouped[:, 1])
    other = explain(model, x.numpy(), TARGETS, baselines=x, device="cpu")
    assert np.abs(grouped).max() > 0
    np.testing.assert_allclose(other, 0, atol=1e-12)
    with pytest.raises(TypeError, match="xai_lib"):
        explain(model, x.numpy(), TARGETS, xai_lib="captum")


def test_inputs_come_in_the_models_dtype():
    seen = []

    class Watch(nn.Linear):
        def forward(self, x):
            seen.append(x.dtype)
            return super().forward(x)

    explain = quantus_explain_func(AndInteraction)
    found = explain(Watch(4, 2), double(3, 4).numpy(), np.array(1))
    assert set(seen) == {torch.float32}
    assert found.dtype == np.float32


def test_tokens_stay_integers():
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 2))
    ids = np.array([[3, 1, 4], [1, 5, 2]])
    found = quantus_explain_func(AndInteraction)(model, ids, TARGETS[:2])
    assert found.shape == (2, 3)
    assert np.abs(found).max() > 0


def test_a_wrapped_method():
    explain = quantus_explain_func(
        lambda model: NoiseTunnel(AndInteraction(model)), {"nt_samples": 2}
    )
    torch.manual_seed(0)
    assert explain(Mlp(), double(3, 4).numpy(), TARGETS).shape == (3, 4)


class Fewer:
    def __init__(self, model):
        pass

    def attribute(self, inputs, target):
        return inputs[:1]


class Pair(Fewer):
    def attribute(self, inputs, target):
        return (inputs,)


def test_bad_calls():
    x = double(3, 4).numpy()
    with pytest.raises(TypeError, match="`method` must be callable"):
        quantus_explain_func(AndInteraction(Mlp()))
    for method, received in [(Fewer, r"shape \(1, 4\)"), (Pair, "tuple")]:
        explain = quantus_explain_func(method)
        with pytest.raises(ValueError, match=f"of 3 examples, got {received}"):
            explain(Mlp(), x, TARGETS)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("method", [AndInteraction, IntegratedGradients])
def test_a_metric_of_quantus(method):
    quantus = pytest.importorskip("quantus")
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.GELU(), nn.Flatten(), nn.Linear(32, 3)
    ).eval()
    x, y = torch.rand(4, 1, 4, 4).numpy(), np.array([0, 1, 2, 0])
    explain = quantus_explain_func(method)
    sensitivity = quantus.AvgSensitivity(nr_samples=2, disable_warnings=True)(
        model=model, x_batch=x, y_batch=y, explain_func=explain
    )
    randomized = quantus.RandomLogit(num_classes=3, seed=0, disable_warnings=True)(
        model=model, x_batch=x, y_batch=y, explain_func=explain
    )
    assert len(sensitivity) == len(randomized) == 4
    assert all(0 < value < 10 for value in sensitivity)
