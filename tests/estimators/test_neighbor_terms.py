"""Terms of neighbors: which there are, and which games take them."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions.attr.base import estimate_of
from captum_interactions.estimators import _kernel_estimation as estimation
from captum_interactions.estimators import evaluate, kernel_plan
from captum_interactions.estimators._neighbor_terms import neighbor_terms
from captum_interactions.games import ModelGame
from captum_interactions.players import grid_mask, neighbor_pairs

GRID = neighbor_pairs(5, 5, diagonal=False)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@st.composite
def graphs(draw):
    n = draw(st.integers(2, 7))
    every = list(combinations(range(n), 2))
    return n, draw(st.lists(st.sampled_from(every), min_size=1, unique=True))


def shapes_of(n, edges):
    """Sets of players of each shape, from the definitions."""
    joined = {frozenset(edge) for edge in edges}

    def walk(*players):
        return all(frozenset(step) in joined for step in pairwise(players))

    pairs = set(combinations(range(n), 2))
    beside = {p for p in pairs if walk(*p)}
    apart = {(i, k) for i, j, k in permutations(range(n), 3) if i < k and walk(i, j, k)}
    triples = {tuple(sorted(p)) for p in permutations(range(n), 3) if walk(*p)}
    tours = permutations(range(n), 4)
    cycles = {tuple(sorted(p)) for p in tours if walk(*p, p[0])}
    return beside, apart - beside, triples, cycles


@given(graphs())
def test_shapes(graph):
    n, edges = graph
    like = torch.ones((), dtype=torch.float64)
    terms, shapes = neighbor_terms(n, torch.tensor(edges), like)
    found = [tuple(row.nonzero()[:, 0].tolist()) for row in terms.players]
    total = 0
    for shape, expected in enumerate(shapes_of(n, edges)):
        total += len(expected)
        own = [p for p, s in zip(found, shapes.tolist(), strict=True) if s == shape]
        if total > 20 * n:
            assert not own
            break
        assert len(own) == len(expected)
        assert set(own) == expected
        if own:
            assert_close(terms.variance[0, shapes == shape].sum(), 0.05 * like)


def local_game(seed=0):
    """Neighbors of a grid of 25 players interact, and nobody else."""
    draw = torch.randn(len(GRID), 3, generator=seeded(seed), dtype=torch.float64)
    i, j = GRID.T

    def game(masks):
        x = masks.double()
        both = torch.stack([x[:, i], x[:, j], x[:, i] * x[:, j]], -1)
        # What no prior of smooth games expects, so that terms are not exact.
        noise = torch.sin(1e4 * (x @ torch.arange(1.0, 26).double()))
        return (both * draw).sum((-1, -2)) + noise

    return game


def fitted(game, neighbors, budget=300):
    plan = kernel_plan(25, budget, neighbors=neighbors, generator=seeded(1))
    return evaluate(plan, game)


def truth(seed=0):
    draw = torch.randn(len(GRID), 3, generator=seeded(seed), dtype=torch.float64)
    pairs = torch.zeros(25, 25, dtype=torch.float64)
    pairs[GRID[:, 0], GRID[:, 1]] = draw[:, 2]
    return pairs + pairs.mT


def test_a_game_of_neighbors_is_better_with_them():
    known, alone = fitted(local_game(), GRID), fitted(local_game(), None)
    assert len(known.prior.terms) > len(alone.prior.terms) == 0
    errors = []
    for found in (known, alone):
        reading = found.pair_index("SII")
        errors.append((reading.value - truth()).square().mean())
        i, j = torch.triu_indices(25, 25, 1)
        z = (reading.value - truth())[i, j] / reading.std_error[i, j]
        assert z.square().mean() < 4
    assert errors[0] < 0.7 * errors[1]
    assert known.r2 > alone.r2


def smooth_game(masks):
    """Every player with every other: no one is beside anyone."""
    weights = torch.randn(25, 8, generator=seeded(5), dtype=torch.float64)
    return torch.tanh(masks.double() @ weights / 2).sum(-1)


def test_a_game_without_neighbors_does_without_them():
    offered, alone = fitted(smooth_game, GRID), fitted(smooth_game, None)
    assert len(offered.prior.terms) == 0
    assert_close(offered.shapley_values(), alone.shapley_values())


def test_examples_decide_for_themselves():
    games = local_game(), smooth_game
    both = fitted(lambda masks: torch.stack([g(masks) for g in games]), GRID)
    held = (both.prior.terms.variance > 0).any(-1)
    assert held.tolist() == [True, False]
    one = fitted(games[0], GRID)
    assert_close(
        both.pair_index("SII").value[0],
        one.pair_index("SII").value,
        atol=1e-3,
        rtol=1e-3,
    )


@pytest.mark.parametrize(
    "neighbors", [torch.zeros(2), [[0, 25]], [[1, 1]], [[-1, 2]], [[0, 1, 2]]]
)
def test_what_is_no_pair_is_refused(neighbors):
    plan = kernel_plan(25, 100, neighbors=torch.as_tensor(neighbors))
    with pytest.raises(ValueError, match="`neighbors` must be pairs"):
        next(plan)


def test_a_feature_mask_tells_who_is_beside_whom():
    game, kept = local_game(), []
    mask = grid_mask(10, 10, 5)

    def model(x):
        return game(x[:, 0, ::2, ::2].flatten(1) > 0.5)

    x = torch.ones(1, 1, 10, 10, dtype=torch.float64)
    for own in (mask, torch.randperm(25, generator=seeded(3))[mask]):
        found, _ = estimate_of(ModelGame(model, x, feature_mask=own), 300)
        kept.append(len(found.prior.terms))
    # Players are numbered otherwise, and lie where they did.
    assert kept[0] == kept[1] > 0


def test_hundreds_of_players_are_left_alone(monkeypatch):
    called = []
    monkeypatch.setattr(estimation, "neighbor_terms", lambda *_: called.append(1))
    along = neighbor_pairs(1, 257)
    plan = kernel_plan(257, 520, neighbors=along, generator=seeded(0))
    found = evaluate(plan, lambda masks: masks.double().sum(-1))
    assert not called
    assert_close(found.shapley_values().value, torch.ones(257, dtype=torch.float64))
