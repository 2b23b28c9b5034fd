"""Coalitions per forward pass."""

from __future__ import annotations

import random

import pytest

from captum_interactions.games.batching import ProbedBatch


@pytest.mark.parametrize("rows", [1, 3, 64, 65, 100, 128, 1000])
@pytest.mark.parametrize("total", [1, 2, 7, 130, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_any_timings_lead_through_all_coalitions(total, rows, seed):
    # From 65 examples on the probe starts with single coalitions.
    timings = random.Random(seed)
    batch, done = ProbedBatch(total, rows, 1000), 0
    while done < total:
        step = min(batch.size, total - done)
        assert 1 <= batch.size <= 1024
        batch.record(step, timings.random())
        done += step
