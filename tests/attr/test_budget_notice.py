"""A budget that costs more than exactness says so, once."""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch

from captum_interactions import ShapleyInteraction
from captum_interactions.attr import _budget_notice as notice
from captum_interactions.games import TableGame


@pytest.fixture
def clock(monkeypatch):
    """Every look at a clock is a second later."""
    for name in ("perf_counter", "process_time"):
        ticks = itertools.count()
        monkeypatch.setattr(notice.time, name, lambda ticks=ticks: float(next(ticks)))
    monkeypatch.setattr(notice, "_told", set())
    monkeypatch.setattr(notice, "_NOTICEABLE", 2.0)


def read(n, budget):
    generator = torch.Generator().manual_seed(0)
    game = TableGame(torch.randn(1, 2**n, generator=generator))
    return ShapleyInteraction.read(game, n_samples=budget, generator=generator)


def test_estimation_that_costs_more_than_all_coalitions(clock):
    # A second of passes for 30 of 32 coalitions, and two of estimation.
    with pytest.warns(UserWarning, match="all 32 coalitions would take about 1.1 s"):
        read(5, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(5, 30)


def test_nothing_is_said_where_a_budget_saves_time_or_is_exact(clock):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(10, 60)
        read(5, 32)
