"""Exact figures on Captum's own toy models, Captum's published ones among them."""

from __future__ import annotations

import pytest
import torch
from captum.testing.helpers.basic_models import (
    BasicModel_ConvNet_One_Conv,
    BasicModel_MultiLayer,
    BasicModel_MultiLayer_MultiInput,
    BasicModelBoolInput,
)
from torch.testing import assert_close

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.functional import coalition_code, or_interactions
from captum_interactions.games import ModelGame

METHODS = [AndInteraction, ShapleyInteraction]
PER_EVAL = [1, 2, 3, None]
ONE = torch.tensor([[20.0, 50.0, 30.0]])
TWO = torch.tensor([[2.0, 10.0, 3.0], [20.0, 50.0, 30.0]])
FIRST_TWO = torch.tensor([[0, 0, 1]])


def four_outputs(*args):
    output = BasicModel_MultiLayer()(*args)
    return torch.cat([output, torch.ones(len(output), 2)], dim=1)


def multi(*args):
    return BasicModel_MultiLayer_MultiInput()(*args)


MULTI = (
    torch.tensor([[23.0, 100.0, 0.0], [20.0, 50.0, 30.0]]),
    torch.tensor([[20.0, 50.0, 30.0], [0.0, 100.0, 0.0]]),
    torch.tensor([[0.0, 100.0, 10.0], [2.0, 10.0, 3.0]]),
)
MULTI_MASK = (
    torch.tensor([[1, 1, 1], [0, 1, 0]]),
    torch.tensor([[0, 1, 2]]),
    torch.tensor([[0, 1, 2], [0, 0, 0]]),
)
PLAIN = (
    torch.tensor([[23.0, 0.0, 0.0], [20.0, 50.0, 30.0]]),
    torch.tensor([[20.0, 0.0, 50.0], [0.0, 100.0, 0.0]]),
    torch.tensor([[0.0, 100.0, 10.0], [0.0, 10.0, 0.0]]),
)
BOOL = torch.tensor([[True, False, True]])

CASES = {
    "simple": (BasicModel_MultiLayer(), ONE, {}, [[76.66666, 196.66666, 116.66666]]),
    "mask": (
        BasicModel_MultiLayer(),
        ONE,
        {"feature_mask": FIRST_TWO},
        [[275.0, 275.0, 115.0]],
    ),
    "bool": (
        BasicModelBoolInput(),
        BOOL,
        {"feature_mask": FIRST_TWO},
        [[35.0, 35.0, 35.0]],
    ),
    "bool baseline": (
        BasicModelBoolInput(),
        BOOL,
        {"feature_mask": FIRST_TWO, "baselines": True},
        [[-40.0, -40.0, 0.0]],
    ),
    "baseline": (
        BasicModel_MultiLayer(),
        ONE,
        {"feature_mask": FIRST_TWO, "baselines": 4},
        [[248.0, 248.0, 104.0]],
    ),
    "batch": (
        BasicModel_MultiLayer(),
        TWO,
        {},
        [[7.0, 32.5, 10.5], [76.66666, 196.66666, 116.66666]],
    ),
    "mask per example": (
        BasicModel_MultiLayer(),
        TWO,
        {"feature_mask": torch.tensor([[0, 0, 1], [1, 1, 0]])},
        [[39.5, 39.5, 10.5], [275.0, 275.0, 115.0]],
    ),
    "inputs": (
        multi,
        PLAIN,
        {"additional_forward_args": (1,)},
        (
            [[90, 0, 0], [78.0, 198.0, 118.0]],
            [[78, 0, 198], [0.0, 398.0, 0.0]],
            [[0, 398, 38], [0.0, 38.0, 0.0]],
        ),
    ),
    "inputs, masks": (
        multi,
        MULTI,
        {"additional_forward_args": (1,), "feature_mask": MULTI_MASK},
        (
            [[1088.6666, 1088.6666, 1088.6666], [255.0, 595.0, 255.0]],
            [[76.6666, 1088.6666, 156.6666], [255.0, 595.0, 0.0]],
            [[76.6666, 1088.6666, 156.6666], [255.0, 255.0, 255.0]],
        ),
    ),
    "inputs, masks, baselines": (
        multi,
        MULTI,
        {
            "additional_forward_args": (1,),
            "feature_mask": MULTI_MASK,
            "baselines": (2, 3.0, 4),
        },
        (
            [[1040, 1040, 1040], [184, 580.0, 184]],
            [[52, 1040, 132], [184, 580.0, -12.0]],
            [[52, 1040, 132], [184, 184, 184]],
        ),
    ),
    "outputs": (
        four_outputs,
        ONE,
        {"target": None},
        [[[76.66666, 196.66666, 116.66666]] * 2 + [[0, 0, 0]] * 2],
    ),
    "outputs, mask per example": (
        four_outputs,
        ONE.repeat(2, 1),
        {"target": None, "feature_mask": torch.tensor([[1, 1, 0], [0, 1, 1]])},
        [
            [[275.0, 275.0, 115.0]] * 2 + [[0, 0, 0]] * 2,
            [[75.0, 315.0, 315.0]] * 2 + [[0, 0, 0]] * 2,
        ],
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("per_eval", PER_EVAL)
@pytest.mark.parametrize("case", CASES)
def test_captums_shapley_figures(case, per_eval, method):
    model, inputs, call, expected = CASES[case]
    call = {"target": 0} | call
    got = method(model).attribute(inputs, **call, perturbations_per_eval=per_eval)
    if isinstance(inputs, torch.Tensor):
        got, expected = (got,), (expected,)
    for g, e in zip(got, expected, strict=True):
        assert_close(g, torch.tensor(e, dtype=g.dtype), rtol=0, atol=1e-3)


SCALARS = {
    "0d": lambda output: output.sum(),
    "1d": lambda output: output.sum().reshape(1),
    "float": lambda output: output.sum().item(),
    "int": lambda output: int(output.sum().item()),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("per_eval", [1, None])
@pytest.mark.parametrize("form", SCALARS)
def test_captums_scalar_per_batch_figures(form, per_eval, method):
    net, to_scalar = BasicModel_MultiLayer(), SCALARS[form]
    for inputs, expected in [
        (TWO[:1], [[79.0, 79.0, 21.0]]),
        (TWO, [[629.0, 629.0, 251.0]]),
        (TWO.long(), [[629.0, 629.0, 251.0]]),
    ]:
        got = method(lambda x: to_scalar(net(x.float()))).attribute(
            inputs, feature_mask=FIRST_TWO, perturbations_per_eval=per_eval
        )
        assert_close(got.float(), torch.tensor(expected), rtol=0, atol=1e-3)
    third = torch.tensor([[0.0, 100.0, 10.0], [20.0, 10.0, 13.0]])
    got = method(lambda *x: to_scalar(multi(*x))).attribute(
        (*MULTI[:2], third),
        additional_forward_args=(1,),
        feature_mask=(
            torch.tensor([[1, 1, 1]]),
            torch.tensor([[0, 1, 2]]),
            torch.tensor([[0, 1, 2]]),
        ),
        perturbations_per_eval=per_eval,
    )
    expected = [[306.6666, 3850.6666, 410.6666]]
    assert_close(got[0].float(), torch.full((1, 3), 3850.6666), rtol=0, atol=1e-3)
    for g in got[1:]:
        assert_close(g.float(), torch.tensor(expected), rtol=0, atol=1e-3)


def and_values(model, inputs, **call):
    result = AndInteraction(model).interactions(inputs, target=0, **call)
    return lambda *members: result.values[0, coalition_code(members)].item()


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (
            [20.0, 50, 30],
            {(): 2, (0,): 70, (1,): 190, (2,): 110, (0, 1): 10, (0, 1, 2): -10},
        ),
        (
            [2.0, 10, 3],
            {(0,): 6, (1,): 30, (2,): 9, (0, 1): 2, (1, 2): 3, (0, 1, 2): 0},
        ),
        ([3.0, 4, -2], {(0,): 9, (2,): -3, (0, 1): 0, (1, 2): -3, (0, 1, 2): 3}),
        ([0.0, 5, 7], {(1,): 15, (2,): 21, (1, 2): 2, (0,): 0, (0, 1): 0}),
    ],
)
def test_and_interactions_of_a_relu_network(x, expected):
    value = and_values(BasicModel_MultiLayer(), torch.tensor([x]))
    for members, interaction in expected.items():
        assert value(*members) == pytest.approx(interaction, abs=1e-4)


def test_or_interactions_of_a_relu_network():
    table = ModelGame(BasicModel_MultiLayer(), ONE, target=0).table()
    expected = torch.tensor([[2.0, 80, 200, 0, 120, 0, 0, -10]]).double()
    assert_close(or_interactions(table), expected)


def test_and_interactions_of_whole_tensors():
    inputs = (
        torch.tensor([[23.0, 0, 0]]),
        torch.tensor([[20.0, 50, 30]]),
        torch.tensor([[0.0, 100, 10]]),
    )
    masks = tuple(torch.tensor([[i]]) for i in range(3))
    value = and_values(multi, inputs, additional_forward_args=(1,), feature_mask=masks)
    expected = {(): 2, (0,): 82, (1,): 390, (2,): 430, (0, 1): 10, (0, 1, 2): -10}
    for members, interaction in expected.items():
        assert value(*members) == pytest.approx(interaction, abs=1e-3)


def test_and_interactions_of_boolean_groups():
    value = and_values(BasicModelBoolInput(), BOOL, feature_mask=FIRST_TWO)
    assert [value(), value(0), value(1), value(0, 1)] == [2.0, 30.0, 30.0, 10.0]


def test_and_interactions_of_image_quadrants():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    mask = (torch.arange(4) // 2)[:, None] * 2 + torch.arange(4) // 2
    result = AndInteraction(BasicModel_ConvNet_One_Conv()).interactions(
        image, target=0, feature_mask=mask
    )
    expected = {
        (0, 2): 1, (0, 1, 2): 6, (0, 3): 5, (1, 3): 13, (2, 3): 38, (0, 2, 3): 6,
        (1, 2, 3): -4, (0, 1, 2, 3): -11,
    }  # fmt: skip
    table = torch.zeros(1, 16)
    for members, value in expected.items():
        table[0, coalition_code(members)] = value
    assert_close(result.values, table, rtol=0, atol=1e-4)
    shapley = torch.tensor([[4.25, 4.4167, 19.4167, 25.9167]])
    assert_close(result.shapley_values(), shapley, rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_captums_exact_shapley_values_agree(method):
    from captum.attr import ShapleyValues

    model = BasicModel_MultiLayer()
    expected = ShapleyValues(model).attribute(TWO, target=1)
    assert_close(method(model).attribute(TWO, target=1), expected)
