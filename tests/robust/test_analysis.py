"""Orders of an attack's utility, Cutout, and leave-one-out statistics."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from captum_interactions.games import ModelGame, TableGame, log_odds
from captum_interactions.robust import (
    cutout_expectation,
    leave_one_out_statistics,
    utility_by_order,
)
from tests import reference

CLOSE = {"rtol": 0, "atol": 1e-9}


@st.composite
def two_tables(draw):
    n = draw(st.integers(2, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return torch.randn(2, 2**n, generator=generator, dtype=torch.float64)


@settings(deadline=None)  # on a busy machine time says nothing
@given(two_tables())
def test_utility_by_order_is_the_definition(tables):
    n = tables.shape[-1].bit_length() - 1
    clean, adversarial = (reference.as_game(table.tolist()) for table in tables)
    parts = utility_by_order(*(cutout_expectation(TableGame(t)) for t in tables))

    def sums(game):
        singles = sum(game(frozenset({i})) - game(frozenset()) for i in range(n))
        orders = [
            sum(
                (n - 1 - m)
                / (n * (n - 1))
                * reference.interaction_of_order(game, i, j, m, n)
                for i in range(n)
                for j in range(n)
                if i != j
            )
            for m in range(n - 1)
        ]
        return torch.tensor([singles, *orders], dtype=torch.float64)

    expected = sums(clean) - sums(adversarial)
    assert_close(torch.cat([parts.singles[None], parts.orders]), expected, **CLOSE)
    assert_close(parts.total, tables[0, -1] - tables[1, -1], **CLOSE)
    assert_close(parts.empty, tables[0, 0] - tables[1, 0], **CLOSE)


@settings(deadline=None)  # on a busy machine time says nothing
@given(two_tables())
def test_cutout_is_its_definition_and_its_expansion(tables):
    n = tables.shape[-1].bit_length() - 1
    curve = cutout_expectation(TableGame(tables))
    assert curve.n_players == n
    assert (curve.std_error == 0).all()
    game = reference.as_game(tables[0].tolist())
    singles = sum(game(frozenset({i})) - game(frozenset()) for i in range(n))
    totals = [
        sum(
            reference.interaction_of_order(game, i, j, m, n)
            for i in range(n)
            for j in range(n)
            if i != j
        )
        for m in range(n - 1)
    ]
    for k in range(n + 1):
        value = curve.values[0, k].item()
        assert_close(value, reference.mean_of_size(game, k, n), **CLOSE)
        # Orders above k − 2 are cut out; the others are weighed down.
        expansion = game(frozenset()) + k / n * singles
        for m in range(max(0, k - 1)):
            expansion += (k - 1 - m) / (n * (n - 1)) * totals[m]
        assert_close(value, expansion, **CLOSE)


def test_sampled_cutout_lies_within_its_errors(generator, random_table):
    table = random_table(9, 4)
    exact = cutout_expectation(TableGame(table))
    sampled = cutout_expectation(TableGame(table), 200, generator)
    ends = [0, 1, 8, 9]
    assert_close(sampled.values[:, ends], exact.values[:, ends], **CLOSE)
    assert (sampled.std_error[:, ends] == 0).all()
    scores = (sampled.values - exact.values)[:, 2:8] / sampled.std_error[:, 2:8]
    assert scores.abs().max() < 5
    assert 0.5 < scores.square().mean().sqrt() < 1.6
    again = cutout_expectation(TableGame(table), 200)
    assert_close(again.values, cutout_expectation(TableGame(table), 200).values)


def test_utility_of_a_network():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).double()
    x = torch.randn(2, 6, dtype=torch.float64)
    games = [ModelGame(log_odds(net), z, target=1) for z in (x, x + 0.1)]
    parts = utility_by_order(*(cutout_expectation(game) for game in games))
    assert parts.orders.shape == (2, 5)
    assert_close(parts.empty, torch.zeros(2).double(), **CLOSE)
    expected = log_odds(net)(x)[:, 1] - log_odds(net)(x + 0.1)[:, 1]
    assert_close(parts.total, expected.detach(), **CLOSE)


def test_leave_one_out_statistics(random_table):
    table = random_table(6, 2)
    result = leave_one_out_statistics(TableGame(table))
    for row, scores, std, iqr, mad in zip(
        table, result.scores, result.std, result.iqr, result.mad, strict=True
    ):
        values = [row[-1].item() - row[63 ^ (1 << i)].item() for i in range(6)]
        assert_close(scores.tolist(), values)
        ordered = sorted(values)
        mean = sum(values) / 6
        assert_close(std.item(), (sum((v - mean) ** 2 for v in values) / 5) ** 0.5)
        # Linear interpolation at 0.25·5 and 0.75·5.
        low = ordered[1] + 0.25 * (ordered[2] - ordered[1])
        high = ordered[3] + 0.75 * (ordered[4] - ordered[3])
        assert_close(iqr.item(), high - low)
        median = (ordered[2] + ordered[3]) / 2
        distances = sorted(abs(v - median) for v in values)
        assert_close(mad.item(), (distances[2] + distances[3]) / 2)


def test_leave_one_out_costs_one_evaluation_per_player():
    game = ModelGame(nn.Linear(5, 2), torch.randn(3, 5), target=0)
    leave_one_out_statistics(game)
    assert game.n_evaluations == 6


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: cutout_expectation(TableGame(t), 1), ValueError, "at least 2"),
        (lambda t: cutout_expectation(TableGame(t), 0), ValueError, "positive int"),
        (lambda t: cutout_expectation(TableGame(t), 2.5), TypeError, "`n_samples`"),
        (lambda t: leave_one_out_statistics(TableGame(t[:2])), ValueError,
         "at least two players, got 1"),
        (lambda t: utility_by_order(cutout_expectation(TableGame(t)),
                                    cutout_expectation(TableGame(t[:4]))),
         ValueError, "`adversarial` must be a curve of the same shape"),
        (lambda t: utility_by_order(*[cutout_expectation(TableGame(t[:2]))] * 2),
         ValueError, "of 2 players or more"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.randn(8))
