"""Values and interaction indices against their definitions."""

from __future__ import annotations

from functools import partial
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions.functional import (
    and_from_walsh,
    banzhaf_values,
    coalition_code,
    coalition_members,
    conditional_and_interaction,
    leave_one_out,
    mean_absolute_deltas,
    moebius,
    pair_index,
    pair_index_from_and,
    set_index_from_and,
    shapley_interaction_index,
    shapley_taylor,
    shapley_values,
    walsh_coefficients,
)
from captum_interactions.functional.shapley import PairIndex
from captum_interactions.functional.sums import pair_sums, player_sums, weight_by_size
from tests import reference, toy_games
from tests.functional.test_transforms import tables

CLOSE = {"rtol": 0, "atol": 1e-10}
SIZES = [1, 2, 3, 4, 5]
PAIR_READINGS = [partial(pair_index, index=index) for index in get_args(PairIndex)]


def players_of(game, n, value):
    return torch.tensor([value(game, i, n) for i in range(n)], dtype=torch.float64)


def pairs_of(game, n, value, diagonal=None):
    out = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            if i != j:
                out[i, j] = value(game, frozenset({i, j}), n)
            elif diagonal is not None:
                out[i, i] = diagonal(game, i, n)
    return out


@pytest.mark.parametrize("n", SIZES)
def test_values_of_players(n, random_table):
    table = random_table(n)
    game = reference.as_game(table.tolist())
    expected = players_of(game, n, reference.shapley_value)
    assert_close(shapley_values(table), expected, **CLOSE)
    expected = players_of(game, n, reference.banzhaf_value)
    assert_close(banzhaf_values(table), expected, **CLOSE)


@pytest.mark.parametrize("n", SIZES)
def test_indices_of_pairs(n, random_table):
    table = random_table(n)
    game = reference.as_game(table.tolist())

    def taylor_single(game, i, n):
        return reference.shapley_taylor(game, frozenset({i}), n)

    for index, value, diagonal in [
        ("SII", reference.shapley_interaction, None),
        ("BII", reference.banzhaf_interaction, None),
        ("STII", reference.shapley_taylor, taylor_single),
        ("k-SII", reference.shapley_interaction, reference.k_sii_single),
    ]:
        expected = pairs_of(game, n, value, diagonal)
        assert_close(pair_index(table, index), expected, **CLOSE)
    assert torch.equal(shapley_interaction_index(table), pair_index(table))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("index", ["FSII", "FBII"])
def test_faithful_indices_are_regressions(n, index, random_table):
    table = random_table(n)
    game = reference.as_game(table.tolist())
    weight = reference.shapley_kernel if index == "FSII" else lambda size, n: 1.0
    fitted = reference.faithful(game, n, 2, weight)
    found = pair_index(table, index)
    for i in range(n):
        for j in range(n):
            expected = fitted[frozenset({i, j})]
            assert found[i, j].item() == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("n", [0, *SIZES])
@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_shapley_taylor_of_any_order(n, k, random_table):
    table = random_table(n)
    game = reference.as_game(table.tolist())
    found = shapley_taylor(table, k)
    for code in range(1 << n):
        coalition = frozenset(coalition_members(code))
        expected = 0.0
        if 0 < len(coalition) <= k:
            expected = reference.shapley_taylor(game, coalition, n, k)
        elif not coalition:
            expected = game(coalition)
        assert found[code].item() == pytest.approx(expected, abs=1e-10)
    assert found.sum().item() == pytest.approx(table[-1].item(), abs=1e-10)


@pytest.mark.parametrize("n", [0, *SIZES])
def test_indices_of_all_coalitions(n, random_table):
    table = random_table(n)
    game = reference.as_game(table.tolist())
    dividends = moebius(table)
    for index, value in [
        ("SII", reference.shapley_interaction),
        ("BII", reference.banzhaf_interaction),
        ("CHII", reference.chaining_interaction),
    ]:
        got = set_index_from_and(dividends, index)
        for code in range(1, 1 << n):
            expected = value(game, frozenset(coalition_members(code)), n)
            assert got[code].item() == pytest.approx(expected, abs=1e-10)
    if n:
        banzhaf_of_nothing = set_index_from_and(dividends, "BII")[0]
        assert_close(banzhaf_of_nothing, table.mean(), **CLOSE)
        assert set_index_from_and(dividends, "CHII")[0] == 0
    everyone = frozenset(range(n))
    for code in range(1 << n):
        coalition = frozenset(coalition_members(code))
        expected = reference.derivative(game, coalition, everyone - coalition)
        got = set_index_from_and(dividends, "co-moebius")[code].item()
        assert got == pytest.approx(expected, abs=1e-10)


def test_set_indices_stay_exact_for_many_players():
    generator = torch.Generator().manual_seed(5)
    dividends = torch.randn(1 << 14, generator=generator, dtype=torch.float64)
    index = set_index_from_and(dividends, "SII")
    pairs = pair_index_from_and(dividends, "SII")
    for i, j in [(0, 1), (3, 13), (12, 13)]:
        assert_close(index[coalition_code([i, j])], pairs[i, j], rtol=1e-10, atol=0)
    assert_close(index[-1], dividends[-1], rtol=1e-10, atol=0)


@pytest.mark.parametrize("n", [0, *SIZES])
def test_walsh_and_back(n, random_table):
    table = random_table(n)
    game = reference.as_game(table.tolist())
    expected = [
        reference.walsh_coefficient(game, frozenset(coalition_members(c)), n)
        for c in range(1 << n)
    ]
    walsh = walsh_coefficients(table)
    assert_close(walsh, torch.tensor(expected, dtype=torch.float64), **CLOSE)
    assert_close(and_from_walsh(walsh), moebius(table), **CLOSE)


def test_shapley_values_from_odd_walsh_coefficients(random_table):
    table = random_table(5)
    walsh = walsh_coefficients(table)
    expected = torch.zeros(5, dtype=torch.float64)
    for code in range(32):
        members = coalition_members(code)
        if len(members) % 2:
            expected[list(members)] -= 2 * walsh[code] / len(members)
    assert_close(shapley_values(table), expected, **CLOSE)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_conditional_interactions(n, random_table):
    table = random_table(n)
    game = reference.as_game(table.tolist())
    dividends = moebius(table)
    for coalition in reference.subsets(range(n)):
        for environment in reference.subsets(set(range(n)) - coalition):
            got = conditional_and_interaction(
                dividends, reference.code(coalition), reference.code(environment)
            )
            expected = reference.derivative(game, coalition, environment)
            assert got.item() == pytest.approx(expected, abs=1e-10)


def test_leave_one_out(random_table):
    table = random_table(4)
    game = reference.as_game(table.tolist())
    everyone = frozenset(range(4))
    expected = [game(everyone) - game(everyone - {i}) for i in range(4)]
    assert_close(
        leave_one_out(table), torch.tensor(expected, dtype=torch.float64), **CLOSE
    )


@given(tables())
def test_efficiency(table):
    n = table.shape[-1].bit_length() - 1
    total = table[-1] - table[0]
    assert_close(shapley_values(table).sum(), total, **CLOSE)
    for index in ("STII", "k-SII", "FSII"):
        matrix = pair_index(table, index)
        assert_close(matrix.triu().sum(), total if n else total * 0, **CLOSE)


@given(tables(max_players=5), st.randoms(use_true_random=False))
def test_symmetric_players_share_alike(table, random):
    n = table.shape[-1].bit_length() - 1
    if n < 3:
        return
    i, j, k = random.sample(range(n), 3)
    # Average over exchanging i and j: they become interchangeable.
    swapped = table.clone()
    for code in range(1 << n):
        exchange = {i: j, j: i}
        members = [exchange.get(p, p) for p in coalition_members(code)]
        swapped[code] = table[coalition_code(members)]
    table = (table + swapped) / 2
    assert_close(shapley_values(table)[i], shapley_values(table)[j], **CLOSE)
    pairs = shapley_interaction_index(table)
    assert_close(pairs[i, k], pairs[j, k], **CLOSE)
    assert_close(pairs, pairs.T, **CLOSE)


@given(tables(max_players=5), st.integers(0, 5))
def test_dummy_player_gets_its_own_effect_only(table, player):
    n = table.shape[-1].bit_length() - 1
    player = min(player, n)
    wide = table.view(-1, 1, 1 << player).expand(-1, 2, -1).clone()
    wide[:, 1] += 1.5
    wide = wide.reshape(-1)
    assert_close(shapley_values(wide)[player].item(), 1.5, **CLOSE)
    others = shapley_interaction_index(wide)[player]
    assert_close(others, torch.zeros_like(others), **CLOSE)


@given(tables(), st.floats(-3, 3), st.integers(0, 2**31))
def test_indices_are_linear(table, scale, seed):
    other = torch.randn(table.shape, generator=torch.Generator().manual_seed(seed))
    other = other.double()
    for index in (shapley_values, banzhaf_values, *PAIR_READINGS):
        both = index(table + scale * other)
        assert_close(both, index(table) + scale * index(other), **CLOSE)


def test_known_vector():
    vector = toy_games.VECTOR
    table = torch.tensor(vector["v"], dtype=torch.float64)
    i, j = zip(*vector["pairs"], strict=True)
    close = {"rtol": 0, "atol": 2e-5}
    assert_close(
        shapley_values(table), torch.tensor(vector["shapley"]).double(), **close
    )
    for index, matrix in [
        ("SII", pair_index(table)),
        ("STII", pair_index(table, "STII")),
        ("SII", pair_index(table, "k-SII")),
    ]:
        assert_close(matrix[i, j], torch.tensor(vector[index]).double(), **close)
    bii = pair_index(table, "BII")[i, j]
    assert_close(bii, torch.tensor(vector["BII"]).double(), rtol=0, atol=6e-5)
    singles = torch.tensor(vector["k-SII singles"]).double()
    assert_close(pair_index(table, "k-SII").diagonal(), singles, **close)
    singles = torch.tensor(vector["STII singles"]).double()
    assert_close(pair_index(table, "STII").diagonal(), singles, **close)


def test_majority_and_unanimity():
    assert_close(
        shapley_values(toy_games.majority_game(5)), torch.full((5,), 0.2).double()
    )
    unanimity = toy_games.and_game(4, {(0, 1, 3): 6.0})
    assert shapley_values(unanimity).tolist() == [2.0, 2.0, 0.0, 2.0]
    assert shapley_interaction_index(unanimity)[0, 1] == 3.0


@pytest.mark.parametrize("n", [0, 1, 2, 5, 6])
def test_sums_over_containing_coalitions(n, random_table):
    table = random_table(n, 2)
    players, pairs = player_sums(table), pair_sums(table)
    for i in range(n):
        for j in range(n):
            chosen = [c for c in range(1 << n) if c >> i & 1 and c >> j & 1]
            assert_close(pairs[:, i, j], table[:, chosen].sum(-1), **CLOSE)
    assert_close(players, torch.diagonal(pairs, dim1=-2, dim2=-1), **CLOSE)


def test_weights_follow_sizes(random_table):
    table = random_table(3)
    weights = torch.tensor([10.0, 20.0, 30.0, 40.0])
    expected = [table[c].item() * (10 + 10 * bin(c).count("1")) for c in range(8)]
    assert_close(weight_by_size(table, weights), torch.tensor(expected).double())


@pytest.mark.parametrize(
    "reading",
    [
        shapley_values,
        banzhaf_values,
        walsh_coefficients,
        shapley_taylor,
        *PAIR_READINGS,
    ],
)
def test_gradients_and_batches(reading, random_table):
    table = random_table(3, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(reading, (table,))
    rows = torch.stack([reading(row) for row in table.reshape(4, -1)])
    assert_close(reading(table).reshape(rows.shape), rows, **CLOSE)


def test_dtype_is_kept(random_table):
    table = random_table(4).float()
    assert shapley_values(table).dtype == torch.float32
    assert shapley_interaction_index(table).dtype == torch.float32
    assert set_index_from_and(table, "SII").dtype == torch.float32


def test_bad_input_is_named():
    dividends = torch.zeros(8)
    with pytest.raises(ValueError, match=r"`index` must be one of .*'SII'.*got 'SI'"):
        pair_index_from_and(dividends, "SI")
    with pytest.raises(ValueError, match=r"`index` must be one of .*'CHII'.*got 'x'"):
        set_index_from_and(dividends, "x")
    with pytest.raises(ValueError, match="`max_size` must be a positive integer"):
        shapley_taylor(dividends, 0)
    with pytest.raises(
        ValueError, match=r"`coalition` must be a code in 0\.\.7, got 8"
    ):
        conditional_and_interaction(dividends, 8, 0)
    with pytest.raises(ValueError, match="`environment` must be disjoint"):
        conditional_and_interaction(dividends, 3, 1)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.bool])
def test_narrow_integers_do_not_wrap(dtype):
    table = torch.tensor([1, 1, 1, 0], dtype=dtype)
    assert leave_one_out(table).tolist() == [-1, -1]
    assert mean_absolute_deltas(table).tolist() == [[[0, 1], [1, 0]]]


def test_complex_tables_are_refused():
    with pytest.raises(ValueError, match="`table` must be made of real numbers"):
        moebius(torch.tensor([0, 1, 2, 1j]))
