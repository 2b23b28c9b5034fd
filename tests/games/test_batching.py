"""Coalitions per forward pass."""

from __future__ import annotations

import random

import pytest

from captum_interactions.games import batching
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


def test_a_pass_is_timed_by_its_own_work_and_by_the_clock_where_it_waits(monkeypatch):
    now = {"wall": 0.0, "own": 0.0}
    monkeypatch.setattr(batching.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(batching.time, "thread_time", lambda: now["own"])
    for threads, wall, own, expected in [
        (1, 5.0, 1.0, 1.0),  # four other programs
        (1, 5.0, 0.01, 5.0),  # a service that answers
        (2, 5.0, 1.0, 5.0),  # the other thread's work is not in it
    ]:
        monkeypatch.setattr(batching.torch, "get_num_threads", lambda t=threads: t)
        now.update(wall=wall, own=own)
        assert batching.seconds_since(0.0, 0.0) == expected
