"""Exact AND interactions of small coalitions."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from captum_interactions.functional import (
    coalition_sizes,
    moebius,
    small_coalitions,
    truncated_moebius,
)
from captum_interactions.functional.truncated import n_small_coalitions
from tests import reference


@pytest.mark.parametrize("n", [1, 4, 6])
@pytest.mark.parametrize("max_size", [1, 2, 3, 4])
def test_equals_the_full_transform(random_table, n, max_size):
    if max_size > n:
        pytest.skip("there are no such coalitions")
    table = random_table(n, 2)
    coalitions = small_coalitions(n, max_size)
    codes = [reference.code(row) for rows in coalitions for row in rows.tolist()]
    assert sorted(codes) == (coalition_sizes(n) <= max_size).nonzero()[:, 0].tolist()
    found = truncated_moebius(table[:, codes], n, max_size)
    assert torch.allclose(found, moebius(table)[:, codes], atol=1e-10)


def test_coalitions_are_colexicographic():
    rows = small_coalitions(5, 3)[3].tolist()
    every = [list(members) for members in combinations(range(5), 3)]
    assert rows == sorted(every, key=lambda members: members[::-1])


def test_two_hundred_players():
    n = 200
    coalitions = small_coalitions(n, 2)
    assert n_small_coalitions(n, 2) == sum(map(len, coalitions)) == 20_101
    terms = {frozenset({3}): 1.0, frozenset({5, 199}): -2.0, frozenset({1, 2, 9}): 7.0}
    game = reference.and_or_value(terms, {})
    rows = [frozenset(row) for part in coalitions for row in part.tolist()]
    values = torch.tensor([game(row) for row in rows], dtype=torch.float64)
    found = truncated_moebius(values, n, 2)
    by_row = {row: v for row, v in zip(rows, found.tolist(), strict=True) if v != 0}
    # The caveat: the term of three players is not seen.
    assert by_row == {frozenset({3}): 1.0, frozenset({5, 199}): -2.0}


def test_gradients_flow():
    values = torch.randn(7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: truncated_moebius(v, 3, 2), values)


def test_bad_input():
    with pytest.raises(ValueError, match=r"`max_size` must be in 1\.\.3, got 4"):
        small_coalitions(3, 4)
    with pytest.raises(TypeError, match="`max_size` must be an integer"):
        small_coalitions(3, 1.5)
    with pytest.raises(ValueError, match="all 7 coalitions of at most 2 of 3 players"):
        truncated_moebius(torch.zeros(8), 3, 2)
