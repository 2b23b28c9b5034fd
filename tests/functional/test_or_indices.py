"""Closed-form readings of OR interactions against definitions over sets."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from captum_interactions.functional import (
    and_from_or,
    moebius,
    or_interactions,
    or_reconstruction,
    shapley_values_from_and,
    zeta,
)
from captum_interactions.functional.and_or import merge_singletons
from tests import reference

TOLERANCE = {"rtol": 0, "atol": 1e-10}


@st.composite
def tables(draw, largest=5):
    n = draw(st.integers(1, largest))
    values = draw(st.lists(st.floats(-8, 8, width=32), min_size=2**n, max_size=2**n))
    return n, torch.tensor(values, dtype=torch.float64)


@given(tables())
def test_conversions_between_and_and_or(case):
    n, table = case
    game = reference.as_game(table.tolist())
    o = or_interactions(table)
    expected = reference.table(lambda s: reference.or_interaction(game, s, n), n)
    assert torch.allclose(o, torch.tensor(expected, dtype=torch.float64), **TOLERANCE)
    assert torch.allclose(and_from_or(o), moebius(table), **TOLERANCE)
    assert torch.allclose(and_from_or(moebius(table)), o, **TOLERANCE)


@given(tables())
def test_shapley_values(case):
    n, table = case
    game = reference.as_game(table.tolist())
    found = shapley_values_from_and(or_interactions(table))
    expected = torch.tensor(
        [reference.shapley_value(game, i, n) for i in range(n)], dtype=torch.float64
    )
    assert torch.allclose(found, expected, **TOLERANCE)


@given(tables())
def test_merging_singletons_keeps_the_game(case):
    _, table = case
    and_part, or_part = merge_singletons(moebius(table / 3), or_interactions(table))
    rebuilt = zeta(and_part) + or_reconstruction(or_part)
    assert torch.allclose(rebuilt, table * 4 / 3, **TOLERANCE)


def test_two_parts_add_up(random_table):
    first, second = random_table(4), random_table(4)
    game = reference.as_game((first + second).tolist())
    expected = [reference.shapley_value(game, i, 4) for i in range(4)]
    found = shapley_values_from_and(moebius(first)) + shapley_values_from_and(
        or_interactions(second)
    )
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64))


def test_gradients_flow(random_table):
    assert torch.autograd.gradcheck(and_from_or, random_table(3).requires_grad_())
