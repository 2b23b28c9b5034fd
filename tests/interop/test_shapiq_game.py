"""Our games and results in shapiq: its approximators, its exact computer, its plots."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from captum_interactions import (
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    ShapleyInteraction,
)
from captum_interactions.attr import TruncatedAndInteraction
from captum_interactions.functional import (
    all_masks,
    shapley_interaction_index,
    shapley_values,
)
from captum_interactions.games import ModelGame, TableGame
from captum_interactions.interop import to_shapiq_game
from tests import reference
from tests.contracts.attribution import Mlp, double

shapiq = pytest.importorskip("shapiq")
pytestmark = pytest.mark.shapiq
NAMES = ["age", "dose", "weight", "sex", "site"]


@pytest.fixture
def model_game():
    return ModelGame(Mlp(5), double(1, 5), target=1)


def test_the_game_has_the_models_values(model_game):
    table = model_game.table()[0]
    game = to_shapiq_game(model_game, NAMES)
    assert isinstance(game, shapiq.Game)
    assert game.n_players == 5
    assert game.player_names == NAMES
    assert_close(torch.from_numpy(game(all_masks(5).numpy())), table)
    named = game([("dose", "site"), ("age",)])
    assert named == pytest.approx(table[[18, 1]].numpy(), abs=1e-12)
    assert game(game.grand_coalition) == pytest.approx(table[-1].item(), abs=1e-12)
    assert not game.is_normalized


def test_shapiq_may_center_the_game(model_game):
    table = model_game.table()[0]
    game = to_shapiq_game(model_game, normalize=True)
    gain = (table[-1] - table[0]).item()
    assert game.normalization_value == pytest.approx(table[0].item(), abs=1e-12)
    assert game.is_normalized
    assert game(game.grand_coalition) == pytest.approx(gain, abs=1e-12)
    assert game.player_names == ["0", "1", "2", "3", "4"]


def test_a_coalition_is_evaluated_once():
    asked = []

    def model(x):
        asked.extend(map(tuple, x.tolist()))
        return x.cumsum(1).prod(1)

    game = to_shapiq_game(ModelGame(model, torch.ones(1, 5)))
    estimator = shapiq.PermutationSamplingSV(n=5, random_state=0)
    estimator.approximate(500, game)
    assert len(set(asked)) == game.n_evaluations <= 32
    assert len(asked) <= game.n_evaluations + 2  # two of them alone, as controls


def test_any_game_will_do():
    table = torch.randn(16, generator=torch.Generator().manual_seed(0)).double()
    values = shapiq.ExactComputer(to_shapiq_game(TableGame(table)))("SII", 2)
    expected = shapley_interaction_index(table)
    assert values[1, 3] == pytest.approx(expected[1, 3].item(), abs=1e-12)


ESTIMATORS = {
    # Enough budget for all 32 coalitions: these become exact.
    "KernelSHAP": {},
    "KernelSHAPIQ": {"max_order": 2, "index": "SII"},
    "kADDSHAP": {"max_order": 2},
    "SHAPIQ": {"max_order": 2, "index": "SII"},
    "SVARM": {},
    "SVARMIQ": {"max_order": 2, "index": "SII"},
    "UnbiasedKernelSHAP": {},
    # These go on sampling permutations; the error is that of the mean.
    "PermutationSamplingSV": {},
    "PermutationSamplingSII": {"max_order": 2, "index": "SII"},
}


@pytest.mark.filterwarnings("ignore:Not all budget:UserWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_shapiqs_approximators_estimate_our_readings(model_game, name):
    table = model_game.table()[0]
    estimator = getattr(shapiq.approximator, name)(
        n=5, random_state=0, **ESTIMATORS[name]
    )
    values = estimator.approximate(4000, to_shapiq_game(model_game))
    assert values.baseline_value == pytest.approx(table[0].item())
    allowed = 1e-4 if "Permutation" not in name else 0.1 * table.std().item()
    for i, value in enumerate(shapley_values(table).tolist()):
        assert values[i,] == pytest.approx(value, abs=allowed)
    if values.index == "SII":
        for i, j in [(0, 1), (1, 4), (2, 3)]:
            expected = shapley_interaction_index(table)[i, j].item()
            assert values[i, j] == pytest.approx(expected, abs=allowed)


PLOTS = {
    "network": lambda v, names: shapiq.network_plot(v, feature_names=names)[0],
    "SI graph": lambda v, names: shapiq.si_graph_plot(v, feature_names=names)[0],
    "force": lambda v, names: shapiq.force_plot(
        v, feature_names=names, abbreviate=False, contribution_threshold=0
    ),
    "waterfall": lambda v, names: (
        shapiq.waterfall_plot(v, feature_names=names, abbreviate=False).figure
    ),
    "stacked bar": lambda v, names: shapiq.stacked_bar_plot(v, feature_names=names)[0],
    "bar": lambda v, names: (
        shapiq.bar_plot([v], feature_names=names, abbreviate=False).figure
    ),
    "upset": lambda v, names: shapiq.upset_plot(v, feature_names=names),
}


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.filterwarnings("default")  # layout and deprecations inside shapiq
def test_names_reach_shapiqs_plots(model_game, name, monkeypatch):
    monkeypatch.setattr(matplotlib.pyplot, "show", lambda: None)
    game = to_shapiq_game(model_game, NAMES)
    values = shapiq.ExactComputer(game)("k-SII", 2)
    figure = PLOTS[name](values, game.player_names)
    figure.canvas.draw()
    shown = " ".join(
        text.get_text() for text in figure.findobj(matplotlib.text.Text)
    ).replace("\n", "")
    try:
        assert all(player in shown for player in NAMES), shown
    finally:
        matplotlib.pyplot.close("all")


def test_shapiq_draws_a_sentence(model_game):
    game = to_shapiq_game(model_game, NAMES)
    values = shapiq.ExactComputer(game)("SV", 1)
    _, axes = shapiq.sentence_plot(values, game.player_names)  # words as outlines
    outlines = [patch for patch in axes.patches if "Path" in type(patch).__name__]
    assert len(outlines) == len(NAMES)
    matplotlib.pyplot.close("all")


def value_of(values, coalition):
    """V(S) as the sum of shapiq's Möbius interactions inside S."""
    return sum(values[tuple(sorted(part))] for part in reference.subsets(coalition))


@pytest.fixture(scope="module")
def and_or():
    return AndOrInteraction(Mlp()).interactions(double(2, 4), target=1)


def test_and_or_values_reproduce_v(and_or):
    table = ModelGame(Mlp(), double(2, 4), target=1).table()[1]
    parts = {kind: and_or.to_shapiq(1, part=kind) for kind in ("both", "and", "or")}
    both = parts["and"] + parts["or"]
    whole = shapiq.ExactComputer(to_shapiq_game(TableGame(table)))("Moebius", 4)
    assert and_or.or_values.abs().max() > 1e-3
    assert parts["both"].index == "Moebius"
    for code, coalition in enumerate(reference.subsets(range(4))):
        members = tuple(sorted(coalition))
        code = sum(1 << i for i in members)
        assert value_of(parts["both"], members) == pytest.approx(
            table[code].item(), abs=1e-9
        )
        assert parts["both"][members] == pytest.approx(whole[members], abs=1e-9)
        assert both[members] == pytest.approx(parts["both"][members], abs=1e-9)
        hit = [s for s in range(1, 16) if s & code]
        assert value_of(parts["or"], members) == pytest.approx(
            and_or.or_values[1, hit].sum().item(), abs=1e-9
        )


def test_an_unknown_part(and_or):
    with pytest.raises(ValueError, match=r"`part` must be one of \('both', 'and'"):
        and_or.to_shapiq(part="xor")


def test_pairs_of_all_orders_are_the_index():
    x = double(2, 4)
    exact = ShapleyInteraction(Mlp()).interactions(x, target=1).to_shapiq(1)
    orders = MultiOrderInteraction(Mlp()).interactions(x, target=1)
    ours = orders.to_shapiq(1)
    assert (ours.index, ours.max_order, ours.estimated) == ("SII", 2, False)
    assert ours.baseline_value == pytest.approx(exact.baseline_value)
    for members, value in exact.interactions.items():
        assert ours[members] == pytest.approx(value, abs=1e-9)
    some = MultiOrderInteraction(Mlp()).interactions(x, target=1, orders=[0, 2])
    with pytest.raises(ValueError, match=r"`orders` must be all of 0\.\.2"):
        some.to_shapiq()
    few = MultiOrderInteraction(Mlp()).interactions(x, target=1, pairs=[(0, 1)])
    with pytest.raises(ValueError, match="`to_shapiq` must be read from"):
        few.to_shapiq()


def test_sampled_pairs_say_so():
    generator = torch.Generator().manual_seed(0)
    result = ShapleyInteraction(Mlp(5)).interactions(
        double(1, 5), target=0, n_samples=20, generator=generator
    )
    values = result.to_shapiq()
    assert values.estimated
    assert values.estimation_budget == result.n_evaluations <= 20
    assert values[0, 1] == pytest.approx(result.values[0, 0, 1].item())


def test_listed_interactions_reproduce_what_they_explain():
    result = TruncatedAndInteraction(Mlp()).interactions(double(1, 4), target=1)
    values = result.to_shapiq()
    masks = all_masks(4)
    rebuilt = result.reconstruct(masks)[0].tolist()
    for mask, value in zip(masks.tolist(), rebuilt, strict=True):
        members = [i for i, here in enumerate(mask) if here]
        assert value_of(values, members) == pytest.approx(value, abs=1e-9)
    assert (values.max_order, values.estimated) == (2, True)


def test_a_list_without_the_empty_set_adds_nothing():
    result = TruncatedAndInteraction(Mlp()).interactions(double(1, 4), target=1)
    kept = [i for i, members in enumerate(result.coalitions) if members]
    found = result.estimate
    proper = replace(
        result,
        estimate=replace(
            found,
            terms=found.terms[kept],
            coefficients=found.coefficients[:, kept],
        ),
    )
    assert proper.to_shapiq()[()] == 0
    assert proper.to_shapiq()[0, 1] == result.to_shapiq()[0, 1] != 0


def test_leaves_of_a_tree_are_shapley_values():
    x = double(2, 4)
    values = InteractionTree(Mlp()).interactions(x, target=1).to_shapiq(1)
    assert (values.index, values.estimated) == ("SV", False)
    expected = AndInteraction(Mlp()).interactions(x, target=1).shapley_values()[1]
    for i, value in enumerate(expected.tolist()):
        assert values[i,] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: to_shapiq_game(ModelGame(Mlp(), double(2, 4), target=0)),
            ValueError,
            "`game` must be of one example, got a batch of 2; make one game per",
        ),
        (
            lambda: to_shapiq_game(ModelGame(Mlp(), double(1, 4))),
            ValueError,
            r"`game` must be of one example and one output, got values of shape \(1, 2",
        ),
        (
            lambda: to_shapiq_game(TableGame(torch.zeros(3, 16))),
            ValueError,
            r"`game` must be of one example and one output, got values of shape \(3,\)",
        ),
        (
            lambda: to_shapiq_game(Mlp()),
            TypeError,
            r"`game` must be a game, got Mlp; pass ModelGame\(model, inputs",
        ),
        (
            lambda: to_shapiq_game(TableGame(torch.zeros(4)), ["a", "a"]),
            ValueError,
            "`names` must be 2 distinct names",
        ),
        (
            lambda: to_shapiq_game(ModelGame(Mlp(), double(1, 4), target=0), ["a"]),
            ValueError,
            "`names` must be 4 distinct names",
        ),
    ],
)
def test_bad_calls(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_without_shapiq_it_is_named(monkeypatch, and_or):
    monkeypatch.setitem(__import__("sys").modules, "shapiq", None)
    with pytest.raises(ModuleNotFoundError, match="shapiq"):
        and_or.to_shapiq()


def test_coalitions_of_zeros_and_ones(model_game):
    ones = to_shapiq_game(model_game)(np.ones((1, 5), dtype=np.int64))
    assert ones == pytest.approx(model_game.table()[0, -1:].numpy(), abs=1e-12)
