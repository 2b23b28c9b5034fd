"""Shared fixtures: float64 everywhere, seeds from the parameter ids."""

from __future__ import annotations

import pytest
import torch


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
def _global_rng_is_left_alone():
    """No call of ours may move the global random state, unless a test does it itself."""
    torch.manual_seed(1234)
