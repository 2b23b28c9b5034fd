"""Gains of readings, against the readings of unit noise of one coalition at a time."""

from __future__ import annotations

import pytest
import torch

from captum_interactions.functional import (
    multi_order_interaction,
    shapley_interaction_index,
)
from captum_interactions.functional.multivariate import (
    block_interactions,
    coalition_values,
)
from captum_interactions.functional.noise import (
    block_noise_gain,
    order_noise_gain,
    pair_noise_gain,
)


def gain(reading, n):
    """Root of the sum of squared coefficients of a linear reading."""
    unit = torch.eye(1 << n, dtype=torch.float64)
    return reading(unit).square().sum(0).sqrt()


@pytest.mark.parametrize("n", [2, 3, 5, 7])
def test_gains_are_norms_of_coefficients(n):
    pairs = gain(lambda v: shapley_interaction_index(v)[..., 0, 1], n)
    assert pair_noise_gain(n) == pytest.approx(pairs.item(), rel=1e-12)
    orders = gain(lambda v: multi_order_interaction(v)[..., 0, 1], n)
    expected = pytest.approx(orders.tolist(), rel=1e-12)
    assert order_noise_gain(n, range(n - 1)) == expected
    for m in range(1, n + 1):
        block = gain(
            lambda v, m=m: block_interactions(coalition_values(v, range(m)))[..., -1], n
        )
        assert block_noise_gain(n, m) == pytest.approx(block.item(), abs=1e-12)


def test_one_player_has_no_pairs():
    assert pair_noise_gain(1) == 0.0
