"""The game on perturbation units, and success on another network."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from captum_interactions.functional import shapley_interaction_index
from captum_interactions.games import TableGame
from captum_interactions.robust import (
    leave_one_out_success,
    mean_interaction,
    perturbation_game,
    perturbation_units,
    success_by_step,
    unit_interactions,
)
from tests import reference
from tests.functional.test_transforms import tables
from tests.losses.models import Function

CLOSE = {"rtol": 0, "atol": 1e-10}


@given(tables(max_players=5).filter(lambda table: len(table) >= 4))
def test_mean_interaction_is_that_of_all_pairs(table):
    n = len(table).bit_length() - 1
    game = reference.as_game(table.tolist())
    expected = reference.mean_pair_interaction(game, n)
    assert_close(mean_interaction(TableGame(table)).item(), expected, **CLOSE)


def test_mean_interaction_is_that_of_shapiq(random_table):
    shapiq = pytest.importorskip("shapiq")
    n, table = 6, random_table(6)
    weights = 2 ** torch.arange(n)
    computer = shapiq.ExactComputer(
        lambda masks: table[(torch.as_tensor(masks).long() * weights).sum(-1)].numpy(),
        n_players=n,
    )
    pairs = computer("SII", order=2)
    mean = sum(pairs[i, j] for i in range(n) for j in range(i)) / (n * (n - 1) / 2)
    assert_close(mean_interaction(TableGame(table)).item(), mean, **CLOSE)


@pytest.mark.parametrize("n", [2, 4, 7])
def test_interactions_of_units_are_row_means(n, random_table):
    table = random_table(n, 3)
    expected = shapley_interaction_index(table).sum(-1) / (n - 1)
    assert_close(unit_interactions(TableGame(table)), expected, **CLOSE)


@given(st.integers(2, 5), st.integers(0, 2**31))
def test_quadratic_games(n, seed):
    # v(S) = g·δ_S + δ_S'Hδ_S/2 gives I(a,b) = δ_a H_ab δ_b.
    generator = torch.Generator().manual_seed(seed)
    g, x, delta = torch.randn(3, n, generator=generator, dtype=torch.float64)
    h = torch.randn(n, n, generator=generator, dtype=torch.float64)
    h = h + h.T

    def forward(z):
        d = z - x
        v = d @ g + ((d @ h) * d).sum(-1) / 2
        return torch.stack([-3 * v, -2 * v, -2 * v - 100], dim=1)

    game = perturbation_game(forward, x[None], (x + delta)[None], 0)
    assert game(torch.zeros(1, n, dtype=torch.bool)).item() == 0
    pairs = delta[:, None] * h * delta
    pairs.fill_diagonal_(0)
    assert_close(shapley_interaction_index(game.table())[0], pairs, rtol=0, atol=1e-9)
    mean = pairs.sum() / (n * (n - 1))
    assert_close(mean_interaction(game)[0], mean, rtol=0, atol=1e-9)


def test_cost_is_two_evaluations_per_unit():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    x = torch.rand(2, 1, 8, 8)
    game = perturbation_game(net, x, x + 0.1, torch.tensor([0, 1]))
    assert game.n_players == 64
    mean_interaction(game)
    assert game.n_evaluations == 2 * 64 + 2


def test_utilities_image_by_image():
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    x, delta = torch.randn(2, 3, 4, dtype=torch.float64)
    labels = torch.tensor([0, 2, 1])
    games = {
        utility: perturbation_game(net, x, x + delta, labels, utility=utility)
        for utility in ("margin", "moving_margin", "cross_entropy")
    }
    tables = {name: game.table() for name, game in games.items()}
    for i, label in enumerate(labels):
        full = net((x + delta)[i])
        rival = max((c for c in range(3) if c != label), key=lambda c: full[c])
        for coalition in reference.subsets(range(4)):
            z = x[i].clone()
            for a in coalition:
                z[a] += delta[i, a]
            logits, code = net(z), reference.code(coalition)
            others = [logits[c] for c in range(3) if c != label]
            expected = {
                "margin": logits[rival] - logits[label],
                "moving_margin": max(others) - logits[label],
                "cross_entropy": cross_entropy(logits, label),
            }
            for name, value in expected.items():
                assert_close(tables[name][i, code], value.detach(), **CLOSE)


def test_the_rival_is_that_of_the_whole_perturbation():
    x, adversarial = torch.tensor([[0.0, 3.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0]])
    values = [
        perturbation_game(nn.Identity(), x, adversarial, 0, utility=utility).table()
        for utility in ("margin", "moving_margin")
    ]
    assert values[0][0, [0, -1]].tolist() == [0, 2]
    assert values[1][0, [0, -1]].tolist() == [3, 2]


def test_arguments_and_several_inputs():
    def forward(x, y, scale):
        total = (x * y).sum(-1) * scale
        return torch.stack([-total, 0 * total], dim=1)

    x, y = torch.zeros(2, 1).double(), torch.zeros(2, 1).double()
    game = perturbation_game(
        forward, (x, y), (x + 2, y + 3), [0, 0], torch.tensor([1.0, 5.0])
    )
    assert_close(mean_interaction(game), torch.tensor([6.0, 30.0]).double())


def test_units_of_images():
    assert int(perturbation_units((torch.zeros(1, 3, 224, 224),), None).max()) == 255
    assert int(perturbation_units((torch.zeros(1, 3, 8, 299),), None).max()) == 127
    assert perturbation_units((torch.zeros(1, 9),), None) is None
    mask = torch.zeros(1)
    assert perturbation_units((torch.zeros(1, 3, 8, 8),), mask) is mask


def test_leave_one_out_success():
    result = leave_one_out_success(torch.tensor([[1, 0], [1, 0], [0, 1]]).bool())
    # Others of image 0 tie at (.5, .5): the first step; of image 2 (1, 0): step 0.
    assert result.steps.tolist() == [0, 0, 0]
    assert result.success.tolist() == [True, True, False]
    assert_close(result.rate, 2 / 3)


def test_leave_one_out_success_is_its_definition(generator):
    success = torch.rand(9, 5, generator=generator) < 0.4
    result = leave_one_out_success(success)
    for i in range(9):
        others = [j for j in range(9) if j != i]
        means = [sum(int(success[j, t]) for j in others) for t in range(5)]
        assert result.steps[i] == means.index(max(means))
        assert result.success[i] == success[i, means.index(max(means))]


def test_success_by_step():
    net = Function(lambda x: x * 3)
    states = torch.randn(4, 5, 3)
    labels = torch.tensor([0, 1, 2, 0, 1])
    untargeted = success_by_step(net, states, labels)
    targeted = success_by_step(net, states, labels, targeted=True)
    for t in range(4):
        for i in range(5):
            hit = int(states[t, i].argmax()) == int(labels[i])
            assert bool(targeted[i, t]) == hit
            assert bool(untargeted[i, t]) != hit


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: game(adversarial=torch.zeros(2, 3)), ValueError, "`adversarial` must"),
        (lambda: game(target=torch.zeros(3).long()), ValueError, "`target` must be"),
        (lambda: game(target=7), ValueError, r"labels in 0\.\.3, got labels in 7"),
        (lambda: game(target=["a", "b"]), ValueError, "a list of integers"),
        (lambda: game(utility="loss"), ValueError, "`utility` must be one of"),
        (lambda: game(net=nn.Softmax(-1)), ValueError, "returns logits"),
        (lambda: mean_interaction(TableGame(torch.zeros(2))), ValueError,
         "at least two units, got 1"),
        (lambda: leave_one_out_success(torch.ones(1, 3).bool()), ValueError,
         "at least two images"),
        (lambda: success_by_step(nn.Softmax(-1), torch.rand(1, 2, 3), 0), ValueError,
         "returns logits"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def game(net=None, adversarial=None, target=0, **options):
    x = torch.rand(2, 4) * 9
    adversarial = x + 1 if adversarial is None else adversarial
    return perturbation_game(net or nn.Identity(), x, adversarial, target, **options)
