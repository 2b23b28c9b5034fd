"""The losses that baselines are learned with, against their definitions."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions.functional import (
    all_masks,
    coalition_sizes,
    l1_interaction_loss,
    marginal_loss,
    marginal_strength,
    moebius,
    shapley_loss,
    shapley_strength,
    shapley_values,
    zeta,
)
from captum_interactions.functional.baseline_losses import (
    sampled_marginal_strength,
    sampled_shapley_strength,
)
from captum_interactions.functional.coalitions import relabel_players
from tests import reference
from tests.functional.test_transforms import tables

CLOSE = {"rtol": 0, "atol": 1e-10}


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


# The four functions of the authors' slides in plain Python, their labels there, and
# Σ_m Σ_i mean_x |φ^(m)(i)| over m = 0..⌊n/2⌋−1 and all x in {0, 1}^n, by enumeration,
# with baselines at the label, at 0, at 0.5 and at 1.
SLIDES = {
    "S1": (
        lambda x: -0.185 * x[0] * (x[1] + x[2]) ** 2.432 - x[3] * x[4] * x[5] * x[6],
        "0000000",
        (0.10821, 0.10821, 1.76931, 7.98947),
    ),
    "S2": (
        lambda x: (
            -sigmoid(-4 * x[0] - 4 * x[1] - 4 * x[2] + 2)
            - 0.011 * x[3] * (x[4] + x[5] + x[6] + x[7] + x[8]) ** 2.341
        ),
        "111000000",
        (0.21071, 3.91165, 1.61457, 2.52239),
    ),
    "S3": (
        lambda x: (
            -x[0] * x[1] * x[2]
            + sigmoid(-5 * x[3] * x[4] * x[5] * x[6] + 2.5)
            - x[7] * x[8]
        ),
        "000111100",
        (5.48419, 0.43236, 4.04249, 13.60919),
    ),
    "S4": (
        lambda x: (
            -sigmoid(4 * x[0] - 4 * x[1] + 4 * x[2] - 6)
            - x[3] * x[4] * x[5] * x[6]
            - x[7] * x[8] * x[9]
        ),
        "0100000000",
        (0.38302, 1.04860, 4.38850, 15.41167),
    ),
}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_strengths_of_all_orders(n, random_table):
    table = random_table(n)
    game = reference.as_game(table.tolist())
    shapley, marginal = shapley_strength(table), marginal_strength(table)
    for m in range(n):
        expected = sum(
            abs(reference.multi_order_shapley(game, i, m, n)) for i in range(n)
        )
        assert shapley[m].item() == pytest.approx(expected, abs=1e-10)
        expected = reference.marginal_order_strength(game, m, n)
        assert marginal[m].item() == pytest.approx(expected, abs=1e-10)
    assert_close(shapley_loss(table, range(n)), shapley.sum())
    assert_close(marginal_loss(table, [n - 1]), marginal[-1])


def test_l1_norm_of_all_interactions(random_table):
    table = random_table(4)
    game = reference.as_game(table.tolist())
    proper = [s for s in reference.subsets(range(4)) if s]
    expected = sum(abs(reference.and_interaction(game, s)) for s in proper)
    assert l1_interaction_loss(table).item() == pytest.approx(expected, abs=1e-10)
    with_empty = l1_interaction_loss(table, include_empty=True).item()
    assert with_empty == pytest.approx(expected + abs(table[0].item()), abs=1e-10)


def test_batches_and_dtypes(random_table):
    batch = random_table(3, 2, 4)
    for strength in (shapley_strength, marginal_strength):
        rows = [[strength(row) for row in rows] for rows in batch]
        assert_close(strength(batch), torch.stack([torch.stack(r) for r in rows]))
        assert strength(batch.float()).dtype == torch.float32


@settings(deadline=None)  # up to twelve transforms per example
@given(tables())
def test_low_orders_hold_only_interactions_of_few_players(table):
    n = table.shape[-1].bit_length() - 1
    assume(n > 0)
    sizes = coalition_sizes(n)
    for m in range(n):
        kept = zeta(torch.where(sizes <= m + 1, moebius(table), 0.0))
        full, cut = shapley_strength(table), shapley_strength(kept)
        assert_close(full[: m + 1], cut[: m + 1], rtol=1e-9, atol=1e-9)


@given(tables())
def test_the_absolute_value_inside_is_never_smaller(table):
    assume(len(table) > 1)
    scale = table.abs().max().item() + 1
    assert bool(
        (marginal_strength(table) >= shapley_strength(table) - 1e-12 * scale).all()
    )


def test_monotone_games_make_both_losses_one(random_table):
    increasing = random_table(4).abs()
    monotone = zeta(increasing)  # positive dividends: nobody ever harms
    assert_close(shapley_strength(monotone), marginal_strength(monotone), **CLOSE)
    total = shapley_strength(monotone).mean()
    assert_close(total, shapley_values(monotone).sum(), **CLOSE)


def test_a_changing_sign_separates_the_losses():
    # f = x1 (x2 − x3) at x = (1, 1, 1), baseline 0: player 1 in contexts {2} and {3}.
    table = torch.tensor([0.0, 0, 0, 1, 0, -1, 0, 0], dtype=torch.float64)
    game = reference.as_game(table.tolist())
    assert reference.multi_order_shapley(game, 0, 1, 3) == 0
    # Players 2 and 3 see ±1 once and 0 once.
    assert shapley_strength(table)[1].item() == 1.0
    assert marginal_strength(table)[1].item() == 2.0


def all_corners(f, n, baseline):
    """Tables of all x in {0, 1}^n; f is called once per distinct masked input."""
    digits = [(0.0, 1.0, b) for b in baseline]
    grid = torch.tensor(
        [f(row[::-1]) for row in product(*digits[::-1])], dtype=torch.float64
    )
    masks = all_masks(n)
    place = 3 ** torch.arange(n)
    # Digit i is x_i where i is present, and 2, the baseline, where it is not.
    rows = torch.where(masks, masks.long().unsqueeze(1), 2) @ place
    return grid[rows]


@pytest.mark.parametrize("name", SLIDES)
def test_exact_losses_of_the_slides(name):
    f, label, expected = SLIDES[name]
    n = len(label)
    best = [float(bit) for bit in label]
    starts = (best, [0.0] * n, [0.5] * n, [1.0] * n)
    for baseline, value in zip(starts, expected, strict=True):
        table = all_corners(f, n, baseline)
        for loss in (shapley_loss, marginal_loss):
            got = loss(table, range(n // 2)).mean().item()
            assert got == pytest.approx(value, abs=1e-4)


def test_sampled_strengths():
    marginals = torch.tensor([[1.0, 2.0], [-3.0, 2.0]])
    assert sampled_shapley_strength(marginals).tolist() == [1.0, 2.0]
    assert sampled_marginal_strength(marginals).tolist() == [2.0, 2.0]
    one = marginals[:1]
    assert_close(sampled_shapley_strength(one), sampled_marginal_strength(one))


def test_gradients(random_table):
    table = random_table(3, 2).requires_grad_()
    for loss in (
        lambda t: shapley_loss(t, [0, 1]),
        lambda t: marginal_loss(t, [0, 2]),
        l1_interaction_loss,
    ):
        assert torch.autograd.gradcheck(loss, table)


@pytest.mark.parametrize("orders", [[], [-1], [3], [0, 5]])
@pytest.mark.parametrize("loss", [shapley_loss, marginal_loss])
def test_orders_that_do_not_exist(loss, orders):
    with pytest.raises(ValueError, match=r"`orders` must be .* in 0\.\.2, got"):
        loss(torch.zeros(8), orders)


@given(st.integers(0, 2**16))
def test_relabeling_players_changes_no_strength(seed):
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(16, generator=generator, dtype=torch.float64)
    order = torch.randperm(4, generator=generator).tolist()
    for strength in (shapley_strength, marginal_strength):
        renamed = strength(relabel_players(table, order))
        assert_close(renamed, strength(table), rtol=0, atol=1e-12)


@pytest.mark.parametrize("strength", [shapley_strength, marginal_strength])
def test_the_empty_game_has_no_order(strength):
    with pytest.raises(ValueError, match="`table` must be of at least 1 player"):
        strength(torch.zeros(1))
