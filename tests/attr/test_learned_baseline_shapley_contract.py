"""LearnedBaselineShapley keeps the contract of all attribution classes."""

from __future__ import annotations

import torch

from captum_interactions import LearnedBaselineShapley
from captum_interactions.baselines._fitting import FittedBaselines
from captum_interactions.baselines.order_profile import OrderProfile
from tests.contracts.attribution import AttributionContract


def fitted_to_zero(forward_func):
    """As after a fit that has learned Captum's default, for any inputs.

    The contract's answers are those of that baseline.
    """
    method = LearnedBaselineShapley(forward_func)
    profile = OrderProfile((0,), torch.zeros(1), torch.zeros(1))
    method._fitted = FittedBaselines(None, (0.0,), profile, torch.zeros(1).bool(), None)
    return method


class TestLearnedBaselineShapley(AttributionContract):
    method = staticmethod(fitted_to_zero)
