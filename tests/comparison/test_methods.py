"""Figures against slow references, and methods of every kind."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from captum.attr import (
    DeepLift,
    DeepLiftShap,
    FeatureAblation,
    GradientShap,
    InputXGradient,
    IntegratedGradients,
    KernelShap,
    LayerGradCam,
    LayerIntegratedGradients,
    Lime,
    NeuronGradient,
    NoiseTunnel,
    Occlusion,
    Saliency,
    ShapleyValues,
    ShapleyValueSampling,
)
from torch import nn
from torch.testing import assert_close

from captum_interactions import AndInteraction, compare_attributions
from captum_interactions.comparison.columns import COLUMNS
from captum_interactions.games import log_odds
from tests import reference


def test_every_figure_follows_its_definition(random_table):
    n, tables = 4, random_table(4, 2)
    powers = 2 ** torch.arange(n)

    def f(x, which):  # plays one random table per example
        codes = (x * powers).sum(1).long()
        return tables[which.long(), codes]

    which = torch.arange(2)
    found = compare_attributions(
        {
            "ablation": FeatureAblation(f),
            "sampling": (ShapleyValueSampling(f), {"n_samples": 2}),
            "ours": AndInteraction(f),
        },
        torch.ones(2, n, dtype=torch.float64),
        additional_forward_args=which,
    )
    games = [reference.as_game(table) for table in tables.tolist()]
    phi = [[reference.shapley_value(g, i, n) for i in range(n)] for g in games]
    assert_close(found.shapley, torch.tensor(phi).double())
    assert_close(found.values["ours"], found.shapley)
    lost = [reference.ablation(g, n) for g in games]
    assert_close(found.values["ablation"], torch.tensor(lost).double())

    everyone = frozenset(range(n))
    for name, row in found.rows.items():
        t = row.values.tolist()
        gaps = [
            abs(sum(x) - (g(everyone) - g(frozenset())))
            for x, g in zip(t, games, strict=True)
        ]
        assert row.completeness_gap == pytest.approx(sum(gaps) / 2, abs=1e-12)
        far = sum(
            abs(x - y)
            for a, b in zip(t, phi, strict=True)
            for x, y in zip(a, b, strict=True)
        )
        size = sum(abs(y) for b in phi for y in b)
        assert row.shapley_distance == pytest.approx(far / size, abs=1e-12)
        curves = [reference.removal(g, x) for g, x in zip(games, t, strict=True)]
        for which_one, curve in enumerate((row.deletion, row.insertion)):
            means = torch.tensor([c[which_one] for c in curves]).mean(0)
            assert_close(
                curve, means.double(), msg=lambda text, name=name: f"{name}: {text}"
            )

    agreement = found.agreement(k=2)
    for i, a in enumerate(found.values.values()):
        for j, b in enumerate(found.values.values()):
            pairs = list(zip(a.tolist(), b.tolist(), strict=True))
            for key, reading in (
                ("rank", reference.spearman),
                ("linear", reference.pearson),
                ("overlap", lambda x, y: reference.strongest_in_common(x, y, 2)),
            ):
                expected = sum(reading(x, y) for x, y in pairs) / 2
                assert agreement[key][i, j].item() == pytest.approx(expected, abs=1e-6)


def test_captums_metrics_of_a_linear_model():
    weights = torch.tensor([1.0, -2.0, 3.0, 4.0]).double()
    found = compare_attributions(
        {
            "gradient": (Saliency(lambda x: x @ weights), {"abs": False}),
            "product": InputXGradient(lambda x: x @ weights),
        },
        torch.full((500, 4), 2.0).double(),
        captum_metrics=True,
    )
    gradient, product = found.rows.values()
    # The gradient tells what noise does, and is the same everywhere.
    assert gradient.infidelity == pytest.approx(0, abs=1e-12)
    assert gradient.sensitivity == 0
    # x·w at x = 2 overrates the effect w·e of noise e by w·e, of variance 0.02² Σw².
    assert product.infidelity == pytest.approx(0.02**2 * 30, rel=0.1)
    # The largest of ten draws of |w·e| / |2w| lies between one and three of its means.
    noise = 0.02 * torch.randn(2000, 4).double() * weights
    mean = float(noise.norm(dim=1).mean() / (2 * weights).norm())
    assert mean < product.sensitivity < 3 * mean


def test_allocation_weighs_interactions_by_their_strength():
    # Ablation gives each of the |S| players of S the whole effect.
    found = compare_attributions(
        {"ablation": FeatureAblation(lambda x: 3 * x[:, 0] * x[:, 1] - x.prod(1))},
        torch.ones(1, 3),
    )
    share = found.rows["ablation"].allocation
    assert share.inside == pytest.approx((3 * 2 + 1 * 3) / 4)
    assert share.leak == 0
    assert share.unevenness == pytest.approx((3 * (1 / 2) + 1 * (2 / 3)) / 4)


# Weights that sampling methods give to single monomials, and their accuracy at these
# numbers of samples: theory, but for Lime, which shrinks what it finds.
@pytest.mark.parametrize(
    ("f", "gradient_shap", "shapley"),
    [
        (lambda x: x[:, 0] * x[:, 1], [1 / 2] * 2, [1 / 2] * 2),
        (lambda x: x[:, :3].prod(1), [1 / 3] * 3, [1 / 3] * 3),
        (lambda x: x[:, 0] ** 2 * x[:, 1], [2 / 3, 1 / 3], [1 / 2] * 2),
    ],
    ids=["x0x1", "x0x1x2", "x0^2x1"],
)
def test_sampled_weights_of_monomials(f, gradient_shap, shapley):
    many = {"n_samples": 2000}
    at_once = many | {"perturbations_per_eval": 2000}
    found = compare_attributions(
        {
            "GradientShap": (GradientShap(f), many),
            "sampling": (
                ShapleyValueSampling(f),
                {"n_samples": 200, "perturbations_per_eval": 4},
            ),
            "KernelShap": (KernelShap(f), at_once),
            "Lime": (Lime(f), at_once),
        },
        torch.ones(1, 4),
        allocation=False,
    )
    fair = torch.zeros(4).double()
    fair[: len(shapley)] = torch.tensor(shapley).double()
    path = torch.zeros(4).double()
    path[: len(gradient_shap)] = torch.tensor(gradient_shap).double()
    for name, expected, accuracy in (
        ("GradientShap", path, 0.05),
        ("sampling", fair, 0.08),
        ("KernelShap", fair, 0.06),
        ("Lime", fair, 0.12),
    ):
        assert_close(found.values[name][0], expected, rtol=0, atol=accuracy)
    assert found.rows["sampling"].completeness_gap < 1e-6
    assert found.rows["KernelShap"].completeness_gap < 1e-3


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.act = nn.ReLU()
        self.head = nn.Linear(5 * 4 * 4, 3)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).flatten(1))


def patches(size):
    cell = torch.arange(8) // size
    return (cell[:, None] * (8 // size) + cell)[None, None]


def test_a_layer_is_spread_over_the_pixels():
    model = Pictures().eval()
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    cam = LayerGradCam(model, model.conv)
    found = compare_attributions(
        {"cam": cam, "layer": LayerIntegratedGradients(model, model.conv)},
        x,
        target=1,
        feature_mask=patches(4),
    )
    assert {row.error for row in found.rows.values()} == {None}
    for values, whole in (
        (found.values["cam"], cam.attribute(x, target=1)),
        (
            found.values["layer"],
            LayerIntegratedGradients(model, model.conv).attribute(x, target=1),
        ),
    ):
        # A quarter of the picture is a quarter of the layer's 4 × 4 cells.
        quarters = whole.sum(1).unfold(1, 2, 2).unfold(2, 2, 2).sum((-1, -2))
        assert_close(values, quarters.flatten(1).double())
    # A layer that does not divide the picture evenly keeps its sum, too.
    odd = compare_attributions(
        {"cam": LayerGradCam(model, model.conv)},
        x[..., :7, :7],
        target=1,
        feature_mask=patches(4)[..., :7, :7],
    )
    total = cam.attribute(x[..., :7, :7], target=1).sum((1, 2, 3))
    assert_close(odd.values["cam"].sum(1), total.double())


def test_noise_neurons_and_deltas():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).eval()
    x = torch.rand(2, 3)

    def function(x):
        return model(x)

    found = compare_attributions(
        {
            "smooth": (
                NoiseTunnel(IntegratedGradients(function)),
                {"nt_samples": 3, "stdevs": 0.0},
            ),
            "plain": IntegratedGradients(function),
            "delta": (IntegratedGradients(model), {"return_convergence_delta": True}),
            "neuron": (NeuronGradient(model, model[0]), {"neuron_selector": 1}),
        },
        x,
        target=1,
    )
    assert {row.error for row in found.rows.values()} == {None}
    # Without noise the tunnel leads to the same attribution, target and all.
    assert_close(found.values["smooth"], found.values["plain"])
    assert_close(found.values["delta"], found.values["plain"])
    assert found.rows["smooth"].n_rows == 3 * found.rows["plain"].n_rows > 0
    assert_close(found.values["neuron"], model[0].weight[1].expand(2, 3).double())
    assert "explains a neuron" in repr(found)


def test_several_inputs_with_shared_players_and_no_target():
    def f(a, b, scale):
        return scale * (a[:, 0] * b[:, 0] + a[:, 1] + b[:, 1])

    found = compare_attributions(
        {
            "IG": IntegratedGradients(f),
            "GS": GradientShap(f),
            "ours": AndInteraction(f),
        },
        (torch.ones(2, 2), torch.ones(2, 2)),
        additional_forward_args=2.0,
        feature_mask=(torch.tensor([[0, 1]]), torch.tensor([[2, 1]])),
        captum_metrics=True,
    )
    expected = torch.tensor([[1.0, 4.0, 1.0]] * 2).double()
    assert_close(found.values["IG"], expected, rtol=0, atol=1e-5)
    assert_close(found.values["ours"], expected)
    assert_close(found.values["GS"].sum(1), expected.sum(1), rtol=0.3, atol=0)
    assert found.v_full.tolist() == [6.0, 6.0]
    assert found.rows["IG"].notes == found.rows["ours"].notes == ()
    assert found.plot()[1].shape == (1, 3)


def test_masks_that_differ_between_examples():
    f = nn.Linear(4, 1).double()
    x = torch.ones(2, 4, dtype=torch.float64)
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 2]])
    found = compare_attributions(
        {
            "gradient": InputXGradient(f),
            "ablation": FeatureAblation(f),
            "ours": AndInteraction(f),
        },
        x,
        target=0,
        feature_mask=mask,
    )
    weights = f.weight[0].tolist()
    expected = [reference.player_sums(weights, row, 3) for row in mask.tolist()]
    for values in found.values.values():
        assert_close(values, torch.tensor(expected).double())


def test_whatever_a_method_raises_stays_in_its_row():
    class Broken(IntegratedGradients):
        def attribute(self, inputs, target=None):
            raise KeyError

    class Infinite(IntegratedGradients):
        def attribute(self, inputs, target=None):
            return inputs / 0

    class Talking(IntegratedGradients):
        def attribute(self, inputs, target=None):
            warnings.warn("taken\n with salt " + 100 * "! ", UserWarning, stacklevel=2)
            return inputs

    model = nn.Linear(3, 2).double().eval()
    found = compare_attributions(
        {
            "broken": Broken(model),
            "infinite": Infinite(model),
            "talking": Talking(model),
            "windows": Occlusion(model),
            "a baseline": DeepLiftShap(model),
            "odds": (AndInteraction(log_odds(nn.Linear(3, 2).double()))),
            "wrong": AndInteraction(nn.Linear(5, 2)),
        },
        torch.ones(1, 3, dtype=torch.float64),
        target=0,
        captum_metrics=True,
    )
    rows = found.rows
    assert rows["broken"].error == "the call of Broken.attribute raised KeyError"
    assert rows["infinite"].error == "its attributions are not finite"
    assert rows["windows"].error == (
        "needs `sliding_window_shapes`: put it beside the method, "
        '(Occlusion(model), {"sliding_window_shapes": …})'
    )
    assert rows["a baseline"].error is not None
    assert rows["talking"].notes[0].startswith("taken with salt")
    assert rows["odds"].notes[0].startswith("explains another scalar")
    assert "AndInteraction.attribute raised RuntimeError" in rows["wrong"].error
    assert "talking: taken with salt" in repr(found)
    json.dumps(found.to_dict(), allow_nan=False)
    # All of them may fail.
    none = compare_attributions(
        {"broken": Broken(model)}, torch.ones(1, 3).double(), target=0
    )
    assert repr(none) == (
        "method\nbroken  failed: the call of Broken.attribute raised KeyError"
    )
    assert "raised KeyError" in none.to_html()
    none.plot()


def test_a_row_does_not_depend_on_the_others():
    def f(x):
        return x.prod(1)

    x = torch.rand(2, 4)
    sampling = {"sampling": (ShapleyValueSampling(f), {"n_samples": 3})}
    state = torch.get_rng_state()
    alone = compare_attributions(sampling, x)
    beside = compare_attributions({"lime": Lime(f)} | sampling, x)
    assert torch.equal(torch.get_rng_state(), state)
    assert_close(alone.values["sampling"], beside.values["sampling"], rtol=0, atol=0)


def test_captums_routine_warnings_are_not_passed_on():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    found = compare_attributions(
        {
            "saliency": Saliency(model),
            "deep": DeepLift(model),
            "shap": KernelShap(model),
        },
        torch.rand(2, 3),
        target=1,
    )
    assert [row.notes for row in found.rows.values()] == [(), (), ()]


def test_names():
    f = ShapleyValues(lambda x: x.sum(1))
    found = compare_attributions({"Shapley": f}, torch.ones(2, 2))
    assert found.named(["age", "dose"]).to_dict()["players"] == ["age", "dose"]
    words = found.named([["very", "good"], ["so", "so"]])
    assert words.labels_of(1) == ("so", "so")
    labels = [t.get_text() for t in words.plot(1)[1][0, 0].get_yticklabels()]
    assert labels == ["so", "so"]
    with pytest.raises(ValueError, match="`names` must be 2 names"):
        found.named(["age"])
    with pytest.raises(ValueError, match="`names` must be a list of 2 words for each"):
        found.named([["very"], ["so", "so"]])


def test_the_documentation_explains_every_column():
    page = Path(__file__).parents[2] / "docs" / "explanation" / "comparison.md"
    rows = [
        line.split("|")[1]
        for line in page.read_text("utf-8").splitlines()
        if "|" in line
    ]
    explained = {name.strip() for row in rows for name in row.split(",")}
    assert {column.heading for column in COLUMNS} <= explained


def test_a_newcomers_script_has_fifteen_lines(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    text = (Path(__file__).parents[2] / "tutorials" / "compare.py").read_text("utf-8")
    lines = text.split('"""')[2].splitlines()
    assert sum(bool(line) and not line.startswith("#") for line in lines) <= 15
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "compare.py", "exec"), {})
    shown = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in shown[1:]] == [
        "IG ",
        "DL ",
        "AND",
    ]
    assert (tmp_path / "comparison.png").stat().st_size > 2_000
    page = (tmp_path / "comparison.html").read_text("utf-8")
    assert "8 images, 16 players" in page
