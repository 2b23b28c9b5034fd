"""LearnedBaselineShapley keeps the contract of all attribution classes, once fitted."""

from __future__ import annotations

import warnings

import pytest
import torch

from captum_interactions import LearnedBaselineShapley
from tests.contracts.attribution import AttributionContract, double


def fitted(forward_func, inputs=None):
    """Fitted to one example of zeros, in a box that leaves one place: 0.5 everywhere.

    Any differentiable function learns that, so that a plain one is learned from: the
    contract's functions may have no gradient, or count their calls. With Captum's
    default in place of what was learned, all answers would be others.
    """
    method = LearnedBaselineShapley(
        lambda *rows: sum(row.flatten(1).sum(1) for row in rows)
    )
    inputs = double(1, 4) if inputs is None else inputs
    zeros = (
        tuple(torch.zeros_like(tensor[:1]) for tensor in inputs)
        if isinstance(inputs, tuple)
        else torch.zeros_like(inputs[:1])
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the baselines have not moved")
        method.fit(zeros, init=0.5, bounds=("abs", 0.5, 0.5), steps=1)
    method.forward_func = forward_func
    return method


class TestLearnedBaselineShapley(AttributionContract):
    method = staticmethod(fitted)
    absent = 0.5

    def of(self, f, inputs, args, kwargs):
        given = args or "baselines" in kwargs
        return LearnedBaselineShapley(f) if given else fitted(f, inputs)

    def attribute(self, f, inputs, *args, **kwargs):
        return self.of(f, inputs, args, kwargs).attribute(inputs, *args, **kwargs)

    def interactions(self, f, inputs, *args, **kwargs):
        return self.of(f, inputs, args, kwargs).interactions(inputs, *args, **kwargs)

    def test_boolean_inputs(self):
        flags = torch.tensor([[True, False, True]])

        def f(flags):
            return flags.double().sum(1) ** 2

        with pytest.raises(TypeError, match="`inputs` must be floating point"):
            fitted(f, flags)
        got = LearnedBaselineShapley(f).attribute(flags, baselines=False)
        assert torch.equal(got, torch.tensor([[2.0, 0.0, 2.0]]).double())


def test_the_contract_would_notice_baselines_that_were_not_learned():
    x = double(2, 4)
    learned = fitted(lambda x: x.prod(1))
    assert learned.baselines_.unique().tolist() == [0.5]
    zero = learned.attribute(x, baselines=0.0)
    assert not torch.allclose(learned.attribute(x), zero)
