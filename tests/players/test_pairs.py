"""Which pairs: random ones, neighbors, and the papers' grid."""

from __future__ import annotations

import pytest
import torch

from captum_interactions.players import grid_pairs, neighbor_pairs, random_pairs


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def as_set(pairs):
    return {tuple(pair) for pair in pairs.tolist()}


def test_random_pairs_are_different_and_ordered():
    pairs = random_pairs(50, 200, seeded(1))
    assert len(as_set(pairs)) == len(pairs) == 200
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert pairs.max() < 50
    assert as_set(random_pairs(50, 200, seeded(1))) == as_set(pairs)
    assert as_set(random_pairs(50, 200, seeded(2))) != as_set(pairs)
    assert len(random_pairs(5, 11)) == 10


@pytest.mark.parametrize("distance", [1, 2])
@pytest.mark.parametrize("diagonal", [True, False])
def test_neighbors_of_a_grid(distance, diagonal):
    join = max if diagonal else lambda a, b: a + b
    expected = {
        (a, b)
        for a in range(12)
        for b in range(a + 1, 12)
        if join(abs(a // 4 - b // 4), abs(a % 4 - b % 4)) <= distance
    }
    pairs = neighbor_pairs(3, 4, distance=distance, diagonal=diagonal)
    assert as_set(pairs) == expected
    assert len(pairs) == len(expected)


def test_some_neighbors():
    wide = neighbor_pairs(16, 16, 200, distance=2, generator=seeded(0))
    assert len(as_set(wide)) == 200
    assert as_set(wide) < as_set(neighbor_pairs(16, 16, distance=2))
    assert len(neighbor_pairs(3, 4, 30)) == 29


def test_grid_pairs_are_neighbors_and_distinct():
    pairs = grid_pairs(16, 16, generator=seeded(3))
    assert len(as_set(pairs)) == len(pairs) == 80
    rows, columns = pairs // 16, pairs % 16
    assert (rows[:, 0] - rows[:, 1]).abs().max() == 2
    assert (columns[:, 0] - columns[:, 1]).abs().max() == 2
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert sorted(set(rows[:, 0].tolist())) == [0, 5, 10, 15]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grid_pairs(4, 4, radius=0), "`radius`"),
        (lambda: grid_pairs(1, 1), "at least two cells"),
        (lambda: neighbor_pairs(1, 1), "at least two cells"),
        (lambda: neighbor_pairs(2, 2, distance=0), "`distance`"),
        (lambda: neighbor_pairs(2, 2, 0), "`n_pairs`"),
        (lambda: random_pairs(1, 1), "at least two players"),
        (lambda: random_pairs(3, 0), "`n_pairs`"),
    ],
)
def test_bad_pairs(call, message):
    with pytest.raises(ValueError, match=message):
        call()
