"""Value functions against plain arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions import AndInteraction
from captum_interactions.games import log_odds, log_prob, logit, margin, prob
from tests.contracts.attribution import Mlp, double

LOGITS = torch.tensor([[1.0, 2.0, -0.5], [0.3, 0.3, 4.0]]).double()


def test_values_are_the_definitions():
    odds, logs = log_odds(nn.Identity())(LOGITS), log_prob(nn.Identity())(LOGITS)
    probs, margins = prob(nn.Identity())(LOGITS), margin(nn.Identity())(LOGITS)
    for i, row in enumerate(LOGITS.tolist()):
        total = sum(math.exp(z) for z in row)
        for k, z in enumerate(row):
            p = math.exp(z) / total
            assert probs[i, k].item() == pytest.approx(p, abs=1e-12)
            assert logs[i, k].item() == pytest.approx(math.log(p), abs=1e-12)
            assert odds[i, k].item() == pytest.approx(math.log(p / (1 - p)), abs=1e-12)
            others = max(row[:k] + row[k + 1 :])
            assert margins[i, k].item() == pytest.approx(z - others, abs=1e-12)
    assert torch.equal(logit(nn.Identity())(LOGITS), LOGITS)


def test_log_odds_do_not_saturate():
    logits = torch.tensor([[300.0, 0.0, 0.0]])
    got = log_odds(nn.Identity())(logits)
    assert got[0, 0].item() == pytest.approx(300 - math.log(2))
    assert got[0, 1].item() == pytest.approx(-300)


def test_gradients():
    x = LOGITS.clone().requires_grad_()
    for wrapped in (log_odds, log_prob, prob, margin):
        assert torch.autograd.gradcheck(wrapped(nn.Identity()), (x,))


def test_wrapping_keeps_the_model_a_module():
    model = Mlp()
    wrapped = log_odds(model)
    assert not wrapped.training
    assert list(wrapped.parameters())
    assert "log_odds" in repr(wrapped)
    assert log_odds(lambda x: x)(LOGITS).shape == LOGITS.shape
    x = double(2, 4)
    got = AndInteraction(wrapped).attribute(x, target=1)
    z, z0 = model(x).detach(), model(x * 0).detach()
    expected = (z[:, 1] - z[:, 0]) - (z0[:, 1] - z0[:, 0])
    assert_close(got.sum(1), expected)


@pytest.mark.parametrize("wrapped", [log_odds, margin])
def test_a_single_logit_has_no_others(wrapped):
    with pytest.raises(ValueError, match="at least 2 logits, got 1"):
        wrapped(nn.Identity())(torch.zeros(3, 1))
