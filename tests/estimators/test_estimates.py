"""All kinds of estimates keep one contract."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import functional as F
from captum_interactions.estimators import (
    SparseEstimate,
    TableEstimate,
    completed_table,
    evaluate,
    pair_plan,
    table_plan,
)
from captum_interactions.estimators._explicit_terms import ExplicitTerms
from tests.contracts.estimate import EstimateContract, smooth_games


class TestExactTable(EstimateContract):
    def make(self, table):
        return TableEstimate(table)

    def test_it_is_exact(self, estimate, table):
        assert estimate.exact
        assert_close(self.believed(estimate), table, rtol=0, atol=0)
        assert "exact" in repr(estimate)

    def test_absolute_deltas(self, estimate, table):
        expected = F.mean_absolute_deltas(table)[..., [1], :, :]
        assert_close(estimate.absolute_deltas([1]), expected)


class TestCompletedTable(EstimateContract):
    def make(self, table):
        generator = torch.Generator().manual_seed(0)
        plan = table_plan(self.n, 40, generator=generator)
        found = evaluate(plan, lambda masks: table[..., F.masks_to_codes(masks)], 40)
        return completed_table(found, generator)

    def test_it_is_no_more_than_an_estimate(self, estimate):
        assert not estimate.exact
        with pytest.raises(ValueError, match="which smooths Δv"):
            estimate.absolute_deltas()

    def test_it_is_the_same_posterior_as_the_closed_forms(self, table):
        plan = table_plan(self.n, 40, generator=torch.Generator().manual_seed(0))
        closed = evaluate(plan, lambda masks: table[..., F.masks_to_codes(masks)], 40)
        players = torch.rand(3, self.n, generator=torch.Generator().manual_seed(1))
        kinds = torch.tensor([0, 1, 2])
        variance = torch.full((len(table), 3), 0.1, dtype=torch.float64)
        terms = ExplicitTerms(players < 0.5, kinds, variance)
        closed = replace(closed, prior=replace(closed.prior, terms=terms))
        drawn = completed_table(closed, torch.Generator().manual_seed(2))
        masks = F.all_masks(self.n)
        found = closed.predict(masks)
        assert_close(drawn.table, found.value, rtol=0, atol=1e-8)
        spread = drawn.predict(masks).std_error / found.std_error.clamp(min=1e-9)
        # 32 draws of 24 unknown values: one eighth each, far less together.
        assert spread[found.std_error > 1e-9].square().mean() == pytest.approx(1, 0.2)
        ratio = drawn.pair_index().std_error / closed.pair_index().std_error
        assert ratio[~ratio.isnan()].square().mean() == pytest.approx(1, abs=0.3)


class TestSparse(EstimateContract):
    def make(self, table):
        codes = torch.tensor([0, 1, 2, 3, 12, 21, 33, 56])
        masks = F.all_masks(self.n)
        dividends = F.moebius(table)[..., codes]
        return SparseEstimate.judged(masks[codes], dividends, masks, table)

    def test_its_figure_is_r_squared(self, estimate, table):
        assert_close(estimate.r2, F.r_squared(table, self.believed(estimate)))


def test_pairs_alone_have_nothing_but_their_orders():
    table = smooth_games(5)
    plan = pair_plan(5, [(0, 1), (2, 4)], [1, 2], [3, 3])
    found = evaluate(plan, lambda masks: table[..., F.masks_to_codes(masks)])
    every = F.multi_order_interaction(table)
    value, error = found.multi_order([2])
    assert_close(value[..., 0, 0, 1], every[..., 2, 0, 1])  # all 3 contexts of order 2
    assert bool((error[..., 0, 0, 1] == 0).all())
    assert bool(value[..., 0, 3, 4].isnan().all())
    with pytest.raises(ValueError, match="`orders` must be among those"):
        found.multi_order([0])
    for reading in (
        found.shapley_values,
        found.pair_index,
        lambda: found.predict(F.all_masks(5)),
        lambda: found.and_interactions(F.all_masks(5)),
    ):
        with pytest.raises(ValueError, match="`estimate` must be of a kind that has"):
            reading()
