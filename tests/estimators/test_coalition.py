"""Sampled contexts of one coalition against the exact values."""

from __future__ import annotations

import pytest
import torch

from captum_interactions import functional as F
from captum_interactions.estimators.coalition import plan_coalition
from captum_interactions.estimators.tree_contexts import shapley_subsets
from captum_interactions.functional.coalitions import n_players
from captum_interactions.functional.merge_plan import shapley_contexts
from captum_interactions.functional.multivariate import (
    block_interactions,
    coalition_values,
)


def estimate(v, members, **options):
    plan = plan_coalition(n_players(v), members, **options)
    return plan, plan.read(v[..., F.masks_to_codes(plan.masks)])


def owen_values(v, members):
    return F.shapley_values(coalition_values(v, members))


@pytest.mark.parametrize("every_block", [False, True])
@pytest.mark.parametrize("members", [[2], [1, 3], [0, 2, 3], [0, 1, 2, 3, 4]])
def test_enough_budget_is_exact(random_table, members, every_block):
    v = random_table(5, 2)
    plan, estimates = estimate(
        v, members, budget=4000, every_block=every_block, generator=torch.Generator()
    )
    exact = coalition_values(v, members)[..., plan.block_codes]
    torch.testing.assert_close(estimates.values, exact, atol=1e-12, rtol=0)
    ones = torch.ones(2, len(plan.block_codes))
    assert estimates.std_error(ones).tolist() == [0, 0]
    if len(members) == 1:
        torch.testing.assert_close(
            estimates.shares, owen_values(v, members), atol=1e-12, rtol=0
        )
    torch.testing.assert_close(
        estimates.shares.sum(-1),
        estimates.values[..., -1 if every_block else 0] * 0
        + coalition_values(v, members)[..., -1],
        atol=1e-12,
        rtol=0,
    )


@pytest.mark.parametrize("budget", [60, 200, 999])
@pytest.mark.parametrize("every_block", [False, True])
def test_budget_is_kept_and_coalitions_are_distinct(generator, budget, every_block):
    plan = plan_coalition(12, [2, 3, 4], budget, every_block, generator)
    assert len(plan.masks) <= budget
    assert len(plan.masks.unique(dim=0)) == len(plan.masks)
    assert plan.masks[0].all()
    assert not plan.masks[1].any()


def test_estimates_converge_with_honest_errors():
    table_generator = torch.Generator().manual_seed(3)
    v = torch.randn(1 << 10, generator=table_generator, dtype=torch.float64)
    members = [3, 4, 5]
    exact = coalition_values(v, members)
    codes = F.masks_to_codes
    scores, share_errors = [], []
    for seed in range(60):
        plan = plan_coalition(
            10, members, 400, generator=torch.Generator().manual_seed(seed)
        )
        assert not plan.enumerated
        estimates = plan.read(v[codes(plan.masks)])
        b = torch.where(plan.block_codes == 7, 1.0, 0.0).double()
        b = b - torch.where((plan.block_codes & (plan.block_codes - 1)) == 0, 1.0, 0.0)
        error = (estimates.values * b).sum() - block_interactions(exact)[-1]
        scores.append(error / estimates.std_error(b))
        share_errors.append(estimates.shares - owen_values(v, members))
    scores = torch.stack(scores)
    assert scores.mean().abs() < 3 / 60**0.5
    assert 0.6 < scores.square().mean().sqrt() < 1.3
    shares = torch.stack(share_errors)
    assert bool((shares.mean(0).abs() < 3.5 * shares.std(0) / 60**0.5).all())


def test_subsets_follow_the_shapley_distribution():
    subsets = shapley_subsets(60000, 3, torch.Generator().manual_seed(0))
    counts = torch.bincount(F.masks_to_codes(subsets), minlength=8) / 60000
    expected = shapley_contexts(3)[1]
    torch.testing.assert_close(counts.double(), expected, atol=0.006, rtol=0)


def test_the_seed_decides_and_the_global_state_stays(random_table):
    state = torch.get_rng_state()
    first, second = (
        plan_coalition(20, [1, 2], 100, generator=torch.Generator().manual_seed(7))
        for _ in range(2)
    )
    assert torch.equal(first.masks, second.masks)
    assert torch.equal(state, torch.get_rng_state())


def test_a_whole_coalition_needs_no_contexts():
    plan = plan_coalition(30, range(30), budget=600, generator=torch.Generator())
    assert plan.enumerated
    assert len(plan.contexts) == 1
    assert len(plan.block_codes) == 465


@pytest.mark.parametrize(("members", "needed"), [([2, 3, 4], 18), ([0], 6)])
def test_too_small_a_budget(members, needed):
    plan_coalition(9, members, needed)
    message = rf"`n_samples` must be at least {needed} for a coalition of"
    with pytest.raises(ValueError, match=message):
        plan_coalition(9, members, needed - 1)
