"""The contract every estimate keeps; a subclass says how one is made of a game.

Readings are compared with those of the predictions that the estimate makes of all
coalitions: whatever it believes about v, it believes consistently.
"""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import functional as F
from captum_interactions.estimators import Estimate, Reading
from tests import reference


def smooth_games(n, lead=(2,), seed=0):
    """Games of small coalitions, and a little of everything else."""
    generator = torch.Generator().manual_seed(seed)
    size = F.coalition_sizes(n).double()
    dividends = torch.randn(*lead, 1 << n, generator=generator, dtype=torch.float64)
    return F.zeta(dividends * 0.3**size)


class EstimateContract:
    """A subclass overrides :meth:`make`; ``indices`` are those the kind has."""

    n = 6
    indices = ("SII", "BII", "STII", "k-SII", "FSII", "FBII")
    orders = True

    def make(self, table) -> Estimate:
        """An estimate of the games ``(*lead, 2**n)``."""
        raise NotImplementedError

    @pytest.fixture
    def table(self):
        return smooth_games(self.n)

    @pytest.fixture
    def estimate(self, table):
        return self.make(table)

    def believed(self, estimate):
        """The table that the estimate predicts."""
        return estimate.predict(F.all_masks(self.n)).value

    def close(self, reading, expected):
        assert isinstance(reading, Reading)
        assert_close(reading.value, expected, rtol=0, atol=1e-8)
        if reading.std_error is not None:
            assert reading.std_error.shape == expected.shape
            assert bool((reading.std_error >= 0).all())

    def test_what_is_said_of_it(self, estimate):
        assert estimate.n_players == self.n
        assert str(self.n) in repr(estimate)
        if estimate.exact:
            assert estimate.shapley_values().std_error is None

    def test_the_ends_are_predictions(self, estimate):
        believed = self.believed(estimate)
        assert_close(estimate.v_empty, believed[..., 0], rtol=0, atol=1e-8)
        assert_close(estimate.v_full, believed[..., -1], rtol=0, atol=1e-8)

    def test_shapley_values(self, estimate):
        believed = self.believed(estimate)
        self.close(estimate.shapley_values(), F.shapley_values(believed))
        row = believed[0].tolist()
        one = estimate.shapley_values().value[0, 2].item()
        slow = reference.shapley_value(lambda s: row[sum(1 << i for i in s)], 2, self.n)
        assert one == pytest.approx(slow, abs=1e-8)

    def test_pair_indices(self, estimate):
        dividends = F.moebius(self.believed(estimate))
        for index in self.indices:
            expected = F.pair_index_from_and(dividends, index)
            self.close(estimate.pair_index(index), expected)

    def test_orders(self, estimate):
        if not self.orders:
            with pytest.raises(ValueError, match="`estimate` must be"):
                estimate.multi_order([0])
            return
        believed = self.believed(estimate)
        every = F.multi_order_interaction(believed)
        self.close(estimate.multi_order(), every)
        self.close(estimate.multi_order([3, 1]), every[..., [3, 1], :, :])
        players = F.multi_order_shapley(believed)
        self.close(estimate.order_shapley_values(), players)
        self.close(estimate.order_shapley_values([2]), players[..., [2], :])

    def test_and_interactions(self, estimate):
        masks = F.all_masks(self.n)[[0, 3, 17, 63]]
        expected = F.moebius(self.believed(estimate))[..., [0, 3, 17, 63]]
        self.close(estimate.and_interactions(masks), expected)

    @pytest.mark.parametrize("max_size", [1, 2, 3])
    def test_shapley_taylor(self, estimate, max_size):
        codes = [1, 3, 17, 21, 63]
        masks = F.all_masks(self.n)[codes]
        expected = F.shapley_taylor(self.believed(estimate), max_size)[..., codes]
        self.close(estimate.shapley_taylor(masks, max_size), expected)

    def test_r2_says_how_good_predictions_are(self, estimate, table):
        if estimate.r2 is None:
            return
        assert bool((estimate.r2 <= 1).all())
        assert estimate.r2.shape == table.shape[:-1]
