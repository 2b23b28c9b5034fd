"""One evaluation for all, pairs of methods, errors, layers, and reasons of failure."""

from __future__ import annotations

import json

import pytest
import torch
from captum.attr import (
    GradientShap,
    IntegratedGradients,
    KernelShap,
    LayerDeepLift,
    LayerGradCam,
    LayerGradientShap,
    LayerGradientXActivation,
    LayerIntegratedGradients,
    NoiseTunnel,
    Saliency,
    ShapleyValueSampling,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from captum_interactions import (
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    ShapleyInteraction,
    compare_attributions,
)
from captum_interactions.attr import ShapleyTaylorInteraction
from captum_interactions.comparison.agreement import removal_curves
from captum_interactions.comparison.columns import area
from captum_interactions.comparison.pairs import pair_curves
from captum_interactions.comparison.shared import SharedGame
from captum_interactions.games import ModelGame, TableGame
from tests import reference


class Asked(nn.Module):
    """A game that notes which coalitions it is asked for."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def forward(self, x):
        self.rows += x.bool().tolist()
        return x[:, 0] * x[:, 1] - 2 * x[:, 1:].prod(1) + x.sum(1)


def test_nothing_is_evaluated_twice():
    model, x = Asked().eval(), torch.ones(1, 6)
    found = compare_attributions(
        {
            "AND": AndInteraction(model),
            "pairs": ShapleyInteraction(model),
            "orders": (MultiOrderInteraction(model), {"orders": [0]}),
            "some": (ShapleyInteraction(model), {"n_samples": 20}),
        },
        x,
    )
    assert {row.error for row in found.rows.values()} == {None}
    # All coalitions, v(∅) and v(N) before, and the control coalitions.
    assert len(model.rows) <= 2**6 + 2 + 4
    assert [row.shared for row in found.rows.values()] == [64, 64, 64, 20]
    assert [row.n_rows for row in found.rows.values()] == [64, 64, 64, 20]
    whole, part = found.rows["pairs"], found.rows["some"]
    assert 0 < part.n_forwards <= whole.n_forwards
    alone = compare_attributions({"pairs": ShapleyInteraction(model)}, x)
    assert_close(alone.values["pairs"], found.values["pairs"], rtol=0, atol=0)


def test_what_plays_another_game_is_evaluated_for_itself():
    f, x = Asked().eval(), torch.ones(1, 4)
    found = compare_attributions(
        {
            "same": AndInteraction(f),
            "baselines": (AndInteraction(f), {"baselines": 0.5}),
            "function": AndInteraction(lambda x: 2 * f(x)),
            "passes": (AndInteraction(f), {"perturbations_per_eval": 3}),
        },
        x,
    )
    assert {row.error for row in found.rows.values()} == {None}
    assert [row.shared for row in found.rows.values()] == [16, 0, 0, 0]
    assert_close(found.values["function"], 2 * found.values["same"])
    assert_close(found.values["passes"], found.values["same"])


def test_a_shared_game_is_the_game():
    table = torch.randn(2, 16).double()
    x = torch.ones(2, 4).double()

    def f(x, which):
        return table[which.long(), (x * 2 ** torch.arange(4)).sum(1).long()]

    which = torch.arange(2)
    for first in ("masks", "table"):
        model = ModelGame(f, x, additional_forward_args=which)
        game, plain = SharedGame(model), TableGame(table)
        if first == "table":
            assert_close(game.table(), table)
        masks = torch.rand(5, 4) > 0.5
        own = torch.rand(2, 3, 4) > 0.5
        assert_close(game(masks), plain(masks))
        assert_close(game(own), plain(own))
        assert_close(game.table(), table)
        assert game.n_known == 16
        _, rows, seconds = game.cost(8)
        assert rows == 8 * 2
        assert seconds == pytest.approx(game.seconds / 2)


def test_many_players_from_a_budget():
    n = 30
    weights = torch.randn(n, generator=torch.Generator().manual_seed(0)).double()

    def f(x):
        return x @ weights + 3 * x[:, 0] * x[:, 1] - 2 * x[:, 2] * x[:, 3]

    def compared(**options):
        return compare_attributions(
            {
                "kernel": (KernelShap(f), {"n_samples": 100}),
                "pairs": ShapleyInteraction(f),
                "more": (ShapleyInteraction(f), {"n_samples": 500}),
            },
            torch.ones(1, n).double(),
            **options,
        )

    found = compared(n_samples=300, draws=2)
    assert {row.error for row in found.rows.values()} == {None}
    phi = weights.clone()
    phi[:4] += torch.tensor([1.5, 1.5, -1.0, -1.0])
    assert_close(found.shapley[0], phi, rtol=0, atol=0.05)
    assert found.shapley_error is not None
    # What reads the reference itself has no distance to it.
    assert found.rows["pairs"].shapley_distance != found.rows["pairs"].shapley_distance
    assert found.rows["kernel"].shapley_distance > 0.01
    assert 0 < found.rows["pairs"].shared <= 300
    assert 300 < found.rows["more"].shared <= 500
    assert_close(found.pairs["pairs"][0, 0, 1].item(), 3.0, rtol=0, atol=0.1)
    assert_close(found.rows["pairs"].std_error, found.shapley_error)
    assert "φ is estimated from 300 coalitions" in repr(found)
    assert "φ is estimated from 300" in found.to_html()
    json.dumps(found.to_dict(), allow_nan=False)
    # Without a budget ours say what to do, and the others have no reference.
    without = compared()
    assert "n_samples" in without.rows["pairs"].error
    assert without.shapley is None
    assert without.rows["more"].error is None


def test_errors_are_those_of_repeated_calls():
    def f(x):
        return x.prod(1) + x[:, 0] * x[:, 1]

    x, draws = torch.ones(2, 4), 5
    methods = {
        "IG": IntegratedGradients(f),
        "sampling": (ShapleyValueSampling(f), {"n_samples": 2}),
    }
    torch.manual_seed(3)
    found = compare_attributions(methods, x, draws=draws, allocation=False)
    torch.manual_seed(3)
    again = [ShapleyValueSampling(f).attribute(x, n_samples=2) for _ in range(draws)]
    expected = torch.stack(again).double().std(0)
    assert_close(found.rows["sampling"].std_error, expected)
    assert found.rows["IG"].std_error.max() == 0
    share = float(expected.sum() / found.values["sampling"].abs().sum())
    column = {c.heading: c for c in found.columns}["std. error"]
    assert column.reading(found.rows["sampling"]) == pytest.approx(share)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10_000))
def test_pairs_are_removed_and_added_as_defined(n, seed):
    generator = torch.Generator().manual_seed(seed)
    tables = torch.randn(2, 2**n, generator=generator).double()
    pairs = torch.randn(2, n, n, generator=generator).double()
    pairs = pairs + pairs.mT
    removed, added = pair_curves(TableGame(tables), pairs)
    expected = [
        reference.pair_removal(
            reference.as_game(table.tolist()),
            {(i, j): float(row[i, j]) for j in range(n) for i in range(j)},
            n,
        )
        for table, row in zip(tables, pairs, strict=True)
    ]
    means = torch.tensor(expected, dtype=torch.float64).mean(0)
    assert_close(removed, means[0])
    assert_close(added, means[1])


def test_long_curves_are_drawn_through_33_steps():
    """Of a game of squares, whose curves are parabolas whatever the order."""
    n, asked = 100, []

    def game(masks):
        asked.append(masks.shape[1])
        return masks.double().sum(-1).square()

    values = torch.randn(1, n).double()
    deletion, insertion = removal_curves(game, values)
    assert asked == [2 * 33]
    assert len(deletion) == len(insertion) == n + 1
    true = torch.arange(n + 1).double().square()
    assert_close(insertion, true, rtol=0, atol=4)
    assert_close(deletion, true.flip(0), rtol=0, atol=4)
    removed, added = pair_curves(game, torch.randn(1, n, n).double())
    both = torch.arange(n + 1).double()
    # Pairs bring one or two players each, and some bring none.
    for curve in (added, removed):
        assert_close(curve, both.square() - both, rtol=0, atol=16)
        assert area(curve) == pytest.approx(area(both.square() - both), rel=1e-2)


def test_each_method_has_its_own_pairs(random_table):
    n = 4
    (values,) = random_table(n, 1)
    game = reference.as_game(values.tolist())

    def f(x):
        return values[(x.long() * 2 ** torch.arange(n)).sum(1)]

    found = compare_attributions(
        {
            "AND": AndInteraction(f),
            "Shapley": ShapleyInteraction(f),
            "Taylor": ShapleyTaylorInteraction(f),
            "alone": (MultiOrderInteraction(f), {"orders": [0]}),
            "AND-OR": AndOrInteraction(f),
            "tree": InteractionTree(f),
            "IG": IntegratedGradients(lambda x: f(x) + 0 * x.sum(1)),
        },
        torch.ones(1, n).double(),
    )
    assert set(found.pairs) == {"AND", "Shapley", "Taylor", "alone", "AND-OR"}
    upper = [(i, j) for i in range(n) for j in range(i + 1, n)]
    value = found.pairs
    for i, j in upper:
        pair = frozenset({i, j})
        dividend = reference.and_interaction(game, pair)
        assert_close(value["AND"][0, i, j].item(), dividend)
        assert_close(value["AND"][0, j, i].item(), dividend)
        index = reference.shapley_interaction(game, pair, n)
        assert_close(value["Shapley"][0, i, j].item(), index)
        assert_close(
            value["Taylor"][0, i, j].item(), reference.shapley_taylor(game, pair, n)
        )
        # In the empty context the difference is the AND interaction.
        assert_close(value["alone"][0, i, j].item(), dividend)
    ranks = found.pair_agreement(k=2)
    names = list(found.pairs)
    one, other = names.index("AND"), names.index("Shapley")
    a, b = (
        [float(found.pairs[m][0, i, j]) for i, j in upper] for m in ("AND", "Shapley")
    )
    assert ranks["rank"][one, other].item() == pytest.approx(reference.spearman(a, b))
    assert ranks["linear"][one, other].item() == pytest.approx(reference.pearson(a, b))
    common = reference.strongest_in_common(a, b, 2)
    assert ranks["overlap"][one, other].item() == pytest.approx(common)
    assert ranks["linear"][one, names.index("alone")].item() == pytest.approx(1)
    row = found.rows["Shapley"]
    pairs = {(i, j): float(row.pairs[0, i, j]) for i, j in upper}
    removed, added = reference.pair_removal(game, pairs, n)
    assert area(row.pair_insertion) == pytest.approx(area(torch.tensor(added).double()))
    assert area(row.pair_deletion) == pytest.approx(
        area(torch.tensor(removed).double())
    )
    assert "Rank correlation of pairs" in found.to_html()


def test_the_pair_that_acts_together_is_found_by_the_curves():
    pairs = torch.zeros(1, 4, 4).double()
    pairs[0, 0, 1] = pairs[0, 1, 0] = 1.0

    def game(masks):
        return (masks[..., 0] & masks[..., 1]).double() + masks.double().sum(-1)

    best = [area(curve) for curve in pair_curves(game, pairs)]
    worst = [area(curve) for curve in pair_curves(game, -pairs)]
    assert best[0] > worst[0]
    assert best[1] > worst[1]


class Words(nn.Module):
    """Token ids and their types, as language models take them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words, self.types = nn.Embedding(9, 4), nn.Embedding(2, 4)
        self.places = nn.Embedding(3, 4)
        self.act, self.head = nn.Tanh(), nn.Linear(4, 2)

    def forward(self, ids, types):
        both = self.words(ids) + self.types(types) + self.places(torch.arange(3))[None]
        return self.head(self.act(both.mean(1)))


@pytest.mark.filterwarnings("ignore:Multiple layers provided")
def test_several_layers_add_up_on_the_inputs_that_they_follow():
    model = Words().eval()
    ids, types = torch.tensor([[1, 5, 3], [2, 2, 8]]), torch.tensor([[0, 1, 1]] * 2)
    both = LayerIntegratedGradients(model, [model.words, model.types])
    call = {"target": 1, "baselines": (0 * ids, 0 * types)}
    found = compare_attributions(
        {"both": both, "ours": AndInteraction(model)}, (ids, types), **call
    )
    assert {row.error for row in found.rows.values()} == {None}
    words, kinds = both.attribute((ids, types), **call)
    assert_close(found.values["both"][:, :3], (words + kinds).sum(-1).double())
    assert found.rows["both"].completeness_gap < 1e-3
    one = {"target": 1, "baselines": 0 * ids, "additional_forward_args": types}
    products = LayerGradientXActivation(model, [model.words, model.types])
    layers = compare_attributions({"both": products}, ids, **one)
    assert layers.rows["both"].error is None
    expected = sum(
        LayerGradientXActivation(model, layer).attribute(
            ids, target=1, additional_forward_args=types
        )
        for layer in (model.words, model.types)
    )
    assert_close(layers.values["both"], expected.sum(-1).double())


@pytest.mark.filterwarnings("ignore:Multiple layers provided")
def test_every_failure_has_a_reason():
    model = Words().eval()
    ids, types = torch.tensor([[1, 5, 3]]), torch.tensor([[0, 1, 1]])
    noisy = LayerGradientShap(model, model.words)
    found = compare_attributions(
        {
            "ours": AndInteraction(model),
            "gradient": Saliency(model),
            "smooth": NoiseTunnel(LayerIntegratedGradients(model, model.words)),
            "paths": GradientShap(model),
            "noisy": noisy,
            "head": LayerIntegratedGradients(model, model.act),
            "places": LayerIntegratedGradients(model, model.places),
            "all": LayerIntegratedGradients(model, [model.words, model.places]),
            "layers": LayerDeepLift(model, [model.words, model.types]),
            "option": (ShapleyValueSampling(model), {"samples": 3}),
            "fine": LayerIntegratedGradients(model, model.words),
        },
        ids,
        target=1,
        baselines=0 * ids,
        additional_forward_args=types,
    )
    errors = {name: row.error for name, row in found.rows.items()}
    assert errors["ours"] is errors["fine"] is None
    for name in ("gradient", "smooth", "paths", "noisy"):
        assert "whole numbers (int64): use a layer method" in errors[name], name
    assert "(1, 4), do not follow the axes of the inputs, (1, 3)" in errors["head"]
    for name in ("places", "all"):
        assert "no axis for examples, such as an embedding of pos" in errors[name]
    assert "one layer at a time" in errors["layers"]
    assert "takes no `samples`; ShapleyValueSampling.attribute has" in errors["option"]
    assert not any("TypeError" in (error or "") for error in errors.values())


def test_a_layer_of_an_image_that_is_no_map():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)).eval()
    cam = LayerGradCam(model, model[2])
    found = compare_attributions({"cam": cam}, torch.rand(1, 1, 4, 4), target=0)
    assert found.rows["cam"].error is not None


def test_a_bar_counts_the_methods(capsys):
    f = lambda x: x.prod(1)  # noqa: E731
    methods = {"a": ShapleyInteraction(f), "b": AndInteraction(f)}
    compare_attributions(methods, torch.ones(1, 3), show_progress=True)
    shown = capsys.readouterr().err
    assert "Methods: 100%" in shown
    assert "Evaluation" in shown
    compare_attributions(methods, torch.ones(1, 3))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "`draws` must be a positive integer"),
        ({"n_samples": 2}, "`n_samples` must be"),
    ],
)
def test_bad_numbers(options, message):
    with pytest.raises(ValueError, match=message):
        compare_attributions(
            {"a": AndInteraction(lambda x: x.sum(1))}, torch.ones(1, 5), **options
        )
