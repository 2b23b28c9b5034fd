"""All kinds of estimates keep one contract."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import functional as F
from captum_interactions.estimators import (
    SparseEstimate,
    TableEstimate,
    evaluate,
    pair_plan,
    table_plan,
)
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
        return evaluate(plan, lambda masks: table[..., F.masks_to_codes(masks)], 40)

    def test_it_is_no_more_than_an_estimate(self, estimate):
        assert not estimate.exact
        with pytest.raises(ValueError, match="which smooths Δv"):
            estimate.absolute_deltas()


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
