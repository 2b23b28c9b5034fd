"""Attribution methods side by side, on models whose answers are known."""

from __future__ import annotations

import json
import math

import pytest
import torch
from captum.attr import (
    DeepLift,
    FeatureAblation,
    GradientShap,
    InputXGradient,
    IntegratedGradients,
    KernelShap,
    LayerDeepLift,
    LayerGradientXActivation,
    LayerIntegratedGradients,
    Lime,
    Occlusion,
    Saliency,
    ShapleyValues,
    ShapleyValueSampling,
)
from torch import nn
from torch.testing import assert_close

from captum_interactions import (
    AndInteraction,
    MultiOrderInteraction,
    ShapleyInteraction,
    compare_attributions,
)
from captum_interactions.comparison.agreement import (
    distance,
    linear_correlation,
    rank_correlation,
    removal_curves,
    top_overlap,
)
from captum_interactions.games import TableGame
from tests.contracts.attribution import double


class Net(nn.Module):
    """Small convolutional network without a layer used twice, as DeepLift needs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3)
        )

    def forward(self, x):
        return self.net(x)


def ten_methods(model, window):
    many = {"n_samples": 50, "perturbations_per_eval": 50}
    return {
        "Integrated Gradients": IntegratedGradients(model),
        "Saliency": (Saliency(model), {"abs": False}),
        "Input x Gradient": InputXGradient(model),
        "DeepLift": DeepLift(model),
        "GradientShap": GradientShap(model),
        "Ablation": FeatureAblation(model),
        "Occlusion": (Occlusion(model), {"sliding_window_shapes": window}),
        "Sampling": (
            ShapleyValueSampling(model),
            {"n_samples": 5, "perturbations_per_eval": 5},
        ),
        "KernelShap": (KernelShap(model), many),
        "Lime": (Lime(model), many),
        "AND": AndInteraction(model),
        "Pairs": ShapleyInteraction(model),
        "Orders": MultiOrderInteraction(model),
    }


def test_ten_captum_methods_and_ours_on_images():
    model = Net().eval()
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    mask = ((torch.arange(8) // 4)[:, None] * 2 + torch.arange(8) // 4)[None, None]
    found = compare_attributions(
        ten_methods(model, (1, 4, 4)),
        x,
        target=[0, 1],
        baselines=torch.zeros_like(x),
        feature_mask=mask,
        captum_metrics=True,
    )
    assert [n for n, r in found.rows.items() if r.error] == []
    assert all(v.shape == (2, 4) for v in found.values.values())
    for name in ("AND", "Pairs", "Orders"):
        row = found.rows[name]
        assert row.completeness_gap < 1e-5
        assert row.shapley_distance < 1e-5
        assert row.n_rows == 2 * 16
        assert row.allocation.inside == pytest.approx(1)
        assert row.allocation.leak == pytest.approx(0)
    assert found.rows["Integrated Gradients"].allocation is None
    assert found.rows["Integrated Gradients"].n_rows == 2 * 50
    assert found.rows["DeepLift"].n_rows == 2 * 2  # images and baselines
    assert found.rows["Ablation"].allocation.inside > 1.5
    assert all(not math.isnan(r.infidelity) for r in found.rows.values())
    shown = repr(found).splitlines()
    assert shown[0].split()[:3] == ["method", "gap", "to"]
    assert [line.split("  ")[0] for line in shown[1:14]] == list(found.rows)
    assert [n for n, r in found.rows.items() if r.notes] == ["Occlusion"]
    assert shown[14].startswith("Occlusion: no allocation")
    json.dumps(found.to_dict(), allow_nan=False)
    _, axes = found.plot()
    assert axes.shape == (4, 4)


def test_ten_captum_methods_and_ours_on_a_table():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    x = torch.randn(3, 5)
    found = compare_attributions(
        ten_methods(model, (1,)), x, target=1, baselines=torch.zeros_like(x)
    )
    assert [n for n, r in found.rows.items() if r.error] == []
    # Every feature is a window: occlusion is ablation.
    assert_close(found.values["Occlusion"], found.values["Ablation"])
    agreement = found.agreement()
    assert_close(agreement["rank"].diagonal(), torch.ones(13))
    assert_close(agreement["overlap"], agreement["overlap"].T)


class Text(nn.Module):
    """Reads token ids, or the embeddings that stand for them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(10, 4)
        self.act = nn.Tanh()
        self.conv = nn.Conv1d(4, 6, 3, padding=1)
        self.head = nn.Linear(6, 2)

    def forward(self, tokens):
        given = tokens if tokens.is_floating_point() else self.embed(tokens)
        return self.head(self.act(self.conv(given.transpose(1, 2))).mean(-1))


def test_ten_captum_methods_and_ours_on_text():
    model, tokens = Text().eval(), torch.tensor([[3, 5, 1, 7, 2], [4, 4, 8, 9, 6]])
    words = torch.arange(5).view(1, 5, 1)
    given, absent = model.embed(tokens).detach(), model.embed(0 * tokens).detach()
    methods = ten_methods(model, (1, 4))
    found = compare_attributions(
        methods, given, target=1, baselines=absent, feature_mask=words
    )
    assert [n for n, r in found.rows.items() if r.error] == []
    assert all(v.shape == (2, 5) for v in found.values.values())
    assert_close(found.values["Occlusion"], found.values["Ablation"])
    for name in ("Integrated Gradients", "DeepLift", "Sampling", "AND"):
        assert found.rows[name].completeness_gap < 0.01, name
    # The same from token ids, where gradients come from the embedding layer.
    by_id = {
        "layer": LayerIntegratedGradients(model, model.embed),
        "layer DeepLift": LayerDeepLift(model, model.embed),
        "layer product": LayerGradientXActivation(model, model.embed),
        "AND": AndInteraction(model),
    }
    by_id |= {name: methods[name] for name in ("Ablation", "Sampling", "KernelShap")}
    again = compare_attributions(by_id, tokens, target=1, baselines=0 * tokens)
    assert [n for n, r in again.rows.items() if r.error] == []
    for ours, theirs in (
        ("layer", "Integrated Gradients"),
        ("layer DeepLift", "DeepLift"),
        ("AND", "AND"),
        ("Ablation", "Ablation"),
    ):
        assert_close(again.values[ours], found.values[theirs], rtol=1e-4, atol=1e-5)


def test_methods_that_fail_and_a_layer_method():
    model, tokens = Text().eval(), torch.tensor([[3, 5, 1, 7]])
    found = compare_attributions(
        {
            "layer": LayerIntegratedGradients(model, model.embed),
            "gradient": Saliency(model),
            "sampling": ShapleyValueSampling(model),
            "ours": AndInteraction(model),
        },
        tokens,
        target=0,
        baselines=torch.zeros_like(tokens),
    )
    assert found.rows["gradient"].error is not None
    assert "failed: " in repr(found)
    assert set(found.values) == {"layer", "sampling", "ours"}
    assert found.rows["layer"].completeness_gap < 0.01
    assert found.rows["ours"].shapley_distance < 1e-5


@pytest.mark.parametrize(
    ("f", "n", "expected"),
    [
        (lambda x: x[:, 0], 1, {"InputXGradient": [1.0], "Ablation": [1.0]}),
        (lambda x: x[:, 0] ** 3, 1, {"InputXGradient": [3.0], "IG": [1.0]}),
        (
            lambda x: x[:, 0] * x[:, 1],
            2,
            {
                "InputXGradient": [1.0, 1.0],
                "IG": [0.5, 0.5],
                "Ablation": [1.0, 1.0],
                "Shapley": [0.5, 0.5],
                "ours": [0.5, 0.5],
            },
        ),
        (
            lambda x: x[:, 0] * x[:, 1] * x[:, 2],
            3,
            {
                "InputXGradient": [1.0] * 3,
                "IG": [1 / 3] * 3,
                "Ablation": [1.0] * 3,
                "Shapley": [1 / 3] * 3,
                "ours": [1 / 3] * 3,
            },
        ),
        (
            lambda x: x[:, 0] ** 2 * x[:, 1],
            2,
            {
                "InputXGradient": [2.0, 1.0],
                "IG": [2 / 3, 1 / 3],
                "Ablation": [1.0, 1.0],
                "Shapley": [0.5, 0.5],
                "ours": [0.5, 0.5],
            },
        ),
    ],
)
def test_monomials_are_shared_out_as_theory_says(f, n, expected):
    found = compare_attributions(
        {
            "InputXGradient": InputXGradient(f),
            "IG": (IntegratedGradients(f), {"n_steps": 200}),
            "Ablation": FeatureAblation(f),
            "Shapley": ShapleyValues(f),
            "ours": AndInteraction(f),
        },
        torch.ones(1, n),
    )
    for name, weights in expected.items():
        got = found.values[name][0]
        assert_close(got, torch.tensor(weights).double(), rtol=0, atol=1e-3)


def test_elements_are_summed_or_taken_once():
    def f(x):
        return x[:, 0] * x[:, 1] + x[:, 2] + 2 * x[:, 3]

    x, mask = torch.ones(1, 4), torch.tensor([[0, 0, 5, 5]])
    found = compare_attributions(
        {"gradient": InputXGradient(f), "ours": AndInteraction(f)}, x, feature_mask=mask
    )
    assert found.values["gradient"].tolist() == [[2.0, 3.0]]
    assert found.values["ours"].tolist() == [[1.0, 3.0]]
    assert found.players.ids == (0, 5)
    assert found.rows["gradient"].n_forwards == 1


def test_a_window_is_occluded_once():
    x = torch.ones(1, 4)
    windows = {"sliding_window_shapes": (2,), "strides": (2,)}
    found = compare_attributions(
        {"occlusion": (Occlusion(lambda x: x.sum(1)), windows)},
        x,
        feature_mask=torch.tensor([[0, 0, 1, 1]]),
    )
    assert found.values["occlusion"].tolist() == [[2.0, 2.0]]
    assert found.rows["occlusion"].completeness_gap == pytest.approx(0)


def test_curves_follow_the_order_of_the_attribution():
    table = torch.arange(8.0).view(1, 8).double()
    values = torch.tensor([[0.3, -1.0, 2.0]])

    def game(masks):
        return TableGame(table)(masks[0])

    deletion, insertion = removal_curves(game, values)
    # Player 2 goes first, then 0, then 1; v is the code of the coalition.
    assert deletion.tolist() == [7.0, 3.0, 2.0, 0.0]
    assert insertion.tolist() == [0.0, 4.0, 5.0, 7.0]


def test_agreement_of_known_vectors():
    a = torch.tensor([[1.0, 2.0, 3.0, 4.0]]).double()
    b = torch.tensor([[10.0, 20.0, 30.0, 100.0]]).double()
    assert rank_correlation(a, b) == pytest.approx(1)
    assert rank_correlation(a, -b) == pytest.approx(-1)
    expected = torch.corrcoef(torch.cat([a, b]))[0, 1].item()
    assert linear_correlation(a, b) == pytest.approx(expected)
    assert top_overlap(a, b, 2) == 1.0
    assert top_overlap(a, a.flip(-1), 2) == 0.0
    assert distance(a + 1, a) == pytest.approx(0.4)


def test_nothing_is_left_behind():
    model = nn.Linear(3, 2).double().eval()
    x = double(2, 3).requires_grad_()
    state = torch.get_rng_state()
    compare_attributions(
        {"ig": IntegratedGradients(model), "ours": AndInteraction(model)},
        x,
        target=0,
        captum_metrics=True,
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert not model._forward_pre_hooks
    assert x.grad is None
    assert model.weight.grad is None


@pytest.mark.parametrize(
    ("methods", "call", "error", "message"),
    [
        ({}, {}, ValueError, "`methods` must be a dictionary of at least one name"),
        ([1], {}, TypeError, "`methods` must be a dict, got list"),
        ({"x": 3}, {}, TypeError, r"`methods\['x'\]` must be a Captum attribution"),
        ("model", {}, ValueError, "`target` must be an output that gives one scalar"),
        ("model", {"baselines": torch.zeros(7)}, ValueError, "`baselines` must be"),
    ],
)
def test_bad_input(methods, call, error, message):
    if methods == "model":
        methods = {"ours": AndInteraction(nn.Linear(3, 2))}
    with pytest.raises(error, match=message):
        compare_attributions(methods, torch.ones(2, 3), **call)
