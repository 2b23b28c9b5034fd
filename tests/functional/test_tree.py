"""Figures of merges: slow definitions, the two full traces, and their identities."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captum_interactions import functional as F
from captum_interactions.functional.merge_plan import merge_plan, shapley_contexts
from tests import reference

COLUMNS = [
    "b_between",
    "c_left",
    "c_right",
    "b_left",
    "b_right",
    "b",
    "psi_intra",
    "psi_inter",
]


def line(p):
    return [(k, k + 1) for k in range(p - 1)]


def table_of(game, n):
    x = F.all_masks(n).double().unbind(-1)
    return game(*x)


def or_of_ands(a, b, c, d):
    return torch.maximum(a * b, c * d)


def polynomial(a, b, c, d):
    return 2 * a * b + 6 * b * c * d + a - 3 * c * d


THIRD, TWELFTH = 1 / 3, 1 / 12
TRACES = [  # game, constituents, r, s, rows of COLUMNS
    (
        or_of_ands,
        [[0], [1], [2], [3]],
        [0.533333, 0.137931, 0.533333],
        [0.266667, 0.551724, 0.266667],
        [
            (2 * THIRD, 0.125, 0.125, 0, 0, 2 * THIRD, 0, 2 * THIRD),
            (-THIRD, 0.375, 0.375, 0, 0, -THIRD, 0, -THIRD),
            (2 * THIRD, 0.125, 0.125, 0, 0, 2 * THIRD, 0, 2 * THIRD),
        ],
    ),
    (
        or_of_ands,
        [[0, 1], [2], [3]],
        [0.1, 0.6],
        [0.3, 0.2],
        [
            (-0.5 * THIRD, 2 * THIRD, THIRD, 2 * THIRD, 0, 0.5, THIRD, -0.5),
            (0.5, TWELFTH, TWELFTH, 0, 0, 0.5, 0, 0.5),
        ],
    ),
    (
        or_of_ands,
        [[0, 1], [2, 3]],
        [0],
        [0],
        [(0, 0.5, 0.5, 0.5, 0.5, 1, 1, -1)],
    ),
    (
        polynomial,
        [[0], [1], [2], [3]],
        [0.222222, 0.4, 0],
        [0.333333, 0.266667, 0.857143],
        [
            (2, 1.5, 2.5, 0, 0, 2, 0, 2),
            (3, 2, -0.5, 0, 0, 3, 0, 3),
            (0, 0.25, 0.25, 0, 0, 0, 0, 0),
        ],
    ),
    (
        polynomial,
        [[0], [1, 2], [3]],
        [0.363636, 0],
        [0, 0.333333],
        [(2, 1.5, 2, 0, 3, 5, 0, 2), (0, 3.25, 0.75, 3, 0, 3, -3, 3)],
    ),
    (
        polynomial,
        [[0, 1, 2], [3]],
        [0],
        [0],
        [(0, 5.25, 0.75, 5, 0, 5, -3, 3)],
    ),
]


@pytest.mark.parametrize(("game", "groups", "r", "s", "rows"), TRACES)
def test_published_traces(game, groups, r, s, rows):
    codes = [F.coalition_code(group) for group in groups]
    figures = F.merge_figures(table_of(game, 4), codes, line(len(groups)))
    assert figures.r.tolist() == pytest.approx(r, abs=1e-6)
    assert figures.s.tolist() == pytest.approx(s, abs=1e-6)
    got = torch.stack([getattr(figures, name) for name in COLUMNS], dim=-1)
    for row, expected in zip(got.tolist(), rows, strict=True):
        assert row == pytest.approx(expected, abs=1e-10)
        intra, inter = abs(expected[-2]), abs(expected[-1])
        t = figures.t[got.tolist().index(row)].item()
        assert t == pytest.approx(inter / (intra + inter) if intra + inter else 0)


CONSTITUENTS = [
    [[0], [1], [2], [3], [4], [5]],
    [[0, 1], [2], [3, 4, 5]],
    [[0, 3], [1], [2, 4], [5]],
    [[0, 1, 2], [3, 4, 5]],
    [[1, 2], [4]],  # 0, 3 and 5 never take part
]


@pytest.mark.parametrize("groups", CONSTITUENTS)
def test_figures_match_the_definition(random_table, groups):
    v = random_table(6)
    game = reference.as_game(v.tolist())
    codes = [F.coalition_code(group) for group in groups]
    pairs = line(len(groups))
    figures = F.merge_figures(v, codes, pairs)
    for k, (a, b) in enumerate(pairs):
        expected = reference.merge_figures(game, groups, a, b)
        got = {name: getattr(figures, name)[k].item() for name in expected}
        assert got == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("groups", CONSTITUENTS)
def test_figures_match_the_dividends(random_table, groups):
    """B_P(k) and ψ_inter as sums of I(T) over the constituents that T touches."""
    v = random_table(6)
    dividends = F.moebius(v).tolist()
    codes = [F.coalition_code(group) for group in groups]
    playing = sum(codes)
    figures = F.merge_figures(v, codes, [(0, 1)])
    left, right = codes[:2]
    inside = inter = 0.0
    for coalition, dividend in enumerate(dividends):
        if coalition & ~playing:
            continue
        touched = sum(1 for code in codes if coalition & code)
        if (coalition & left).bit_count() >= 2:
            inside += dividend / touched
        if coalition & left and coalition & right:
            inter += dividend / (touched - 1)  # l and r are one constituent now
    assert figures.b_left[0].item() == pytest.approx(inside, abs=1e-10)
    assert figures.psi_inter[0].item() == pytest.approx(inter, abs=1e-10)


def test_inter_is_the_pairwise_index_between_constituents(random_table):
    v = random_table(6)
    groups = [[0, 1], [2], [3, 4, 5]]
    codes = torch.tensor([F.coalition_code(group) for group in groups])
    unions = torch.where(F.all_masks(3), codes, 0).sum(-1)
    index = F.shapley_interaction_index(v[unions])
    figures = F.merge_figures(v, codes.tolist(), [(0, 1), (1, 2), (0, 2)])
    expected = torch.stack([index[0, 1], index[1, 2], index[0, 2]])
    torch.testing.assert_close(figures.psi_inter, expected, atol=1e-10, rtol=0)


def test_a_pair_of_players_is_the_pairwise_index(random_table):
    v = random_table(5)
    figures = F.merge_figures(v, [1, 2, 4, 8, 16], [(1, 3)])
    index = F.shapley_interaction_index(v)[1, 3]
    for figure in (figures.b_between, figures.psi_inter, figures.b):
        torch.testing.assert_close(figure[0], index, atol=1e-10, rtol=0)


def test_plan_gives_the_values_of_constituents(random_table):
    v = random_table(5)
    plan = merge_plan([1, 2, 4, 8, 16], line(5))
    contexts, weights = shapley_contexts(5)
    values = plan.values(v[plan.coalitions(contexts)] @ weights)
    torch.testing.assert_close(values, F.shapley_values(v), atol=1e-10, rtol=0)


def test_figures_are_batched_and_differentiable(random_table):
    v = random_table(4, 2, 3)
    figures = F.merge_figures(v, [1, 6, 8], line(3))
    alone = F.merge_figures(v[1, 2], [1, 6, 8], line(3))
    for name in (*COLUMNS, "r", "s", "t", "dependence", "phi"):
        torch.testing.assert_close(
            getattr(figures, name)[1, 2], getattr(alone, name), atol=1e-12, rtol=0
        )
    assert torch.autograd.gradcheck(
        lambda w: F.merge_figures(w, [1, 6, 8], line(3)).r,
        random_table(4).requires_grad_(),
    )


def test_additive_game_has_no_ratios():
    v = F.all_masks(4).double() @ torch.tensor([0.1, 0.2, 0.3, 0.7]).double() + 5
    figures = F.merge_figures(v, [1, 2, 4, 8], line(4))
    for name in ("b_between", "r", "s", "t", "dependence", "psi_inter"):
        assert getattr(figures, name).tolist() == [0, 0, 0]


games = st.lists(st.integers(-8, 8), min_size=16, max_size=16).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)


@given(games)
def test_ratios_lie_between_zero_and_one(v):
    figures = F.merge_figures(v, [1, 6, 8], line(3))
    for name in ("r", "s", "t", "dependence"):
        ratio = getattr(figures, name)
        assert bool(((ratio >= 0) & (ratio <= 1 + 1e-12)).all())


@given(games)
def test_dependence_does_not_tell_and_from_or(v):
    """Swapping present and absent players turns AND into OR."""
    dual = -v.flip(-1)
    ours = F.merge_figures(v, [1, 2, 4, 8], line(4)).dependence
    theirs = F.merge_figures(dual, [1, 2, 4, 8], line(4)).dependence
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=0)


@pytest.mark.parametrize("game", [torch.minimum, torch.maximum])
def test_dependence_is_one_for_and_and_or(game):
    a, b, c = F.all_masks(3).double().unbind(-1)
    figures = F.merge_figures(game(a, b) + c, [1, 2, 4], line(3))
    assert figures.dependence.tolist() == [1, 0]
