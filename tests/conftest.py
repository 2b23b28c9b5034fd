"""Shared fixtures: float64 everywhere, seeds from the parameter ids."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, settings

from captum_interactions.attr import _budget_notice

# Tensors are small here: threads would only wait for each other.
torch.set_num_threads(1)
# On a busy machine an estimate may cost more than all passes: no test is to say so.
_budget_notice._NOTICEABLE = float("inf")
# A slow machine is no bug: deadlines would fail tests by the clock.
settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")


@pytest.fixture(params=[0, 1, 2], ids="seed{}".format)
def generator(request):
    return torch.Generator().manual_seed(request.param)


@pytest.fixture
def random_table(generator):
    """Factory of random float64 tables of shape ``(*batch, 2**n)``."""

    def make(n, *batch):
        return torch.randn(*batch, 1 << n, generator=generator, dtype=torch.float64)

    return make


@pytest.fixture(autouse=True)
def _seeded_global_rng():
    """Seed the global state, so that a test that uses it can be repeated."""
    torch.manual_seed(1234)
