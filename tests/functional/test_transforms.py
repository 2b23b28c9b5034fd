"""Möbius, zeta and OR transforms against their definitions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions.functional import (
    coalition_code,
    coalition_members,
    coalition_sizes,
    codes_to_masks,
    masks_to_codes,
    moebius,
    or_interactions,
    or_reconstruction,
    zeta,
)
from captum_interactions.functional.coalitions import relabel_players
from captum_interactions.functional.moebius import superset_moebius, superset_zeta
from tests import reference, toy_games

EXACT = {"rtol": 0, "atol": 0}
CLOSE = {"rtol": 0, "atol": 1e-10}


@st.composite
def tables(draw, max_players=6):
    n = draw(st.integers(0, max_players))
    seed = draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1 << n, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("n", range(6))
def test_moebius_is_the_definition_exactly(n, generator):
    table = toy_games.integer_table(n, generator)
    game = reference.as_game(table.tolist())
    expected = [
        reference.and_interaction(game, frozenset(coalition_members(code)))
        for code in range(1 << n)
    ]
    assert_close(moebius(table), torch.tensor(expected).double(), **EXACT)


@pytest.mark.parametrize("n", range(6))
def test_or_transform_is_the_definition_exactly(n, generator):
    table = toy_games.integer_table(n, generator)
    game = reference.as_game(table.tolist())
    expected = [
        reference.or_interaction(game, frozenset(coalition_members(code)), n)
        for code in range(1 << n)
    ]
    assert_close(or_interactions(table), torch.tensor(expected).double(), **EXACT)


def test_known_vectors():
    v = torch.tensor([0, 1, 2, 5, 0, 1, 4, 10]).double()
    assert moebius(v).tolist() == [0, 1, 2, 2, 0, 0, 2, 3]
    assert or_interactions(v).tolist() == [0, 6, 9, -5, 5, -3, -5, 3]
    vector = torch.tensor(toy_games.VECTOR["v"]).double()
    expected = torch.tensor(toy_games.VECTOR["moebius"]).double()
    assert_close(moebius(vector), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("game", [toy_games.and_game, toy_games.or_game])
def test_planted_terms_are_found_and_nothing_else(game):
    terms = {(0,): 1.0, (1, 3): -2.0, (0, 2, 4): 0.5, (): 3.0}
    if game is toy_games.or_game:
        terms.pop(())
    transform = moebius if game is toy_games.and_game else or_interactions
    expected = torch.zeros(32, dtype=torch.float64)
    for members, weight in terms.items():
        expected[coalition_code(members)] = weight
    assert_close(transform(game(5, terms)), expected, **EXACT)


@given(tables())
def test_zeta_inverts_moebius(table):
    assert_close(zeta(moebius(table)), table, **CLOSE)
    assert_close(moebius(zeta(table)), table, **CLOSE)
    assert_close(superset_zeta(superset_moebius(table)), table, **CLOSE)
    assert_close(or_reconstruction(or_interactions(table)), table, **CLOSE)


@given(tables(), st.floats(-3, 3), st.integers(0, 2**31))
def test_transforms_are_linear(table, scale, seed):
    other = torch.randn(table.shape, generator=torch.Generator().manual_seed(seed))
    other = other.double()
    for transform in (moebius, zeta, superset_moebius, superset_zeta, or_interactions):
        both = transform(table + scale * other)
        assert_close(both, transform(table) + scale * transform(other), **CLOSE)


@given(tables(), st.randoms(use_true_random=False))
def test_relabeling_players_relabels_interactions(table, random):
    n = table.shape[-1].bit_length() - 1
    order = random.sample(range(n), n)
    renamed = relabel_players(table, order)
    for code in range(1 << n):
        old = coalition_code([order[i] for i in coalition_members(code)])
        assert renamed[code] == table[old]
    assert_close(moebius(renamed), relabel_players(moebius(table), order), **CLOSE)


@given(tables(), st.data())
def test_a_dummy_player_has_no_interactions(table, data):
    player = data.draw(st.integers(0, 5))
    n = table.shape[-1].bit_length() - 1
    player = min(player, n)
    # Insert a player that changes nothing.
    wide = table.view(-1, 1, 1 << player).expand(-1, 2, -1).reshape(-1)
    dividends = moebius(wide).view(-1, 2, 1 << player)
    assert_close(dividends[:, 1], torch.zeros_like(dividends[:, 1]), **CLOSE)


def test_leading_axes_are_independent(random_table):
    table = random_table(5, 2, 3)
    for transform in (moebius, zeta, superset_zeta, or_interactions):
        rows = [transform(row) for row in table.reshape(6, -1)]
        assert_close(transform(table), torch.stack(rows).view_as(table), **CLOSE)


def test_input_is_left_alone(random_table):
    table = random_table(4)
    before = table.clone()
    moebius(table)
    zeta(table)
    assert torch.equal(table, before)


@pytest.mark.parametrize("transform", [moebius, superset_zeta, or_interactions])
def test_gradients(transform, random_table):
    table = random_table(4, 2).requires_grad_()
    assert torch.autograd.gradcheck(transform, (table,))
    assert torch.autograd.gradgradcheck(transform, (table,))
    tables = torch.stack([table, 2 * table])
    assert_close(torch.func.vmap(transform)(tables), transform(tables))


def test_float32_tables_are_accumulated_in_float64():
    generator = torch.Generator().manual_seed(0)
    table = (10 + torch.randn(1 << 14, generator=generator)).float()
    expected = moebius(table.double())
    assert moebius(table).dtype == torch.float32
    assert_close(moebius(table), expected.float(), **EXACT)


def test_noncontiguous_tables():
    table = torch.arange(32.0, dtype=torch.float64).view(16, 2).T
    assert_close(moebius(table)[1], moebius(table[1].clone()), **EXACT)


def test_codes_and_masks():
    masks = codes_to_masks(torch.arange(8), 3)
    assert masks.int().tolist()[5] == [1, 0, 1]
    assert masks_to_codes(masks).tolist() == list(range(8))
    assert coalition_sizes(4).tolist() == [bin(c).count("1") for c in range(16)]
    assert coalition_members(0) == ()


@pytest.mark.parametrize("length", [0, 3, 12])
def test_tables_of_a_wrong_length_are_refused(length):
    with pytest.raises(
        ValueError, match=f"`table` must be .* got a last axis of {length}"
    ):
        moebius(torch.zeros(2, length))


def test_relabeling_needs_a_permutation():
    with pytest.raises(ValueError, match=r"`order` must be a permutation of 0\.\.1"):
        relabel_players(torch.zeros(4), [0, 0])
    with pytest.raises(ValueError, match="`masks` must be at most 62 players wide"):
        masks_to_codes(torch.zeros(1, 63, dtype=torch.bool))
