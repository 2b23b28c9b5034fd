"""Numbers that a dtype can't hold are refused; those it holds badly come better."""

from __future__ import annotations

import functools
import operator
import warnings

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions import AndInteraction
from captum_interactions.functional import moebius
from captum_interactions.games import BaselineSet, ModelGame, log_odds, margin
from tests.contracts.attribution import double
from tests.games.brute_force import brute_force


def never(*inputs):
    raise AssertionError("a forward pass before the check")


HALF, BYTE = torch.float16, torch.uint8


@pytest.mark.parametrize(
    ("dtype", "baseline"),
    [
        (BYTE, -1),
        (BYTE, 256),
        (torch.int8, 200),
        (torch.int16, 50256),
        (torch.int32, 2**31),
        (torch.int64, 2**70),
        (torch.int64, 0.5),
        (torch.int64, float("nan")),
        (torch.int64, float("inf")),
        (torch.int64, torch.tensor([1e30, 0, 0])),
        (torch.bool, 2),
        (torch.bool, torch.tensor([0, 1, -1])),
        (torch.bool, 0.5),
        (HALF, 1e5),
        (HALF, torch.tensor([1.0, 2.0, 70_000.0])),
        (HALF, torch.tensor([100_000])),
        (HALF, BaselineSet(torch.full((2, 3), 1e6))),
        (torch.float32, 1e39),
        (torch.float32, torch.tensor([1j, 0, 0])),
        (torch.int64, torch.tensor([1 + 1j])),
    ],
)
def test_baselines_that_the_dtype_cannot_hold(dtype, baseline):
    x = torch.ones(1, 3).to(dtype)
    with pytest.raises(ValueError, match=r"`baselines` must be representable .*"):
        AndInteraction(never).attribute(x, baseline)


@pytest.mark.parametrize(
    ("dtype", "baseline", "held"),
    [
        (BYTE, 255, 255),
        (torch.int8, -128, -128),
        (torch.int64, 2**53 + 1, 2**53 + 1),
        (torch.int64, torch.tensor([4.0]), 4),
        (torch.bool, 1, True),
        (torch.float32, float("inf"), float("inf")),
        (HALF, 0.1, torch.tensor(0.1, dtype=HALF).item()),
        (torch.float64, 0.1, 0.1),
        (torch.float32, torch.tensor([2 + 0j]), 2),
    ],
)
def test_baselines_that_it_holds(dtype, baseline, held):
    seen = []

    def f(x):
        seen.append(x.clone())
        return torch.zeros(len(x))

    ModelGame(f, torch.ones(1, 3).to(dtype), baseline).table()
    # The control rows are N and ∅, and the last row of a table is N.
    assert [row[0].tolist() for row in seen[:2]] == [[1] * 3, [held] * 3]


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (
            torch.tensor([0.0, float("inf"), 1.0]),
            ValueError,
            "infinite ids such as inf",
        ),
        (
            torch.tensor([0.0, float("nan"), 1.0]),
            ValueError,
            "infinite ids such as nan",
        ),
        (torch.tensor([0.0, 1e30, 1.0]), ValueError, "whole numbers"),
        (torch.tensor([0.0, 0.5, 1.0]), ValueError, "whole numbers"),
        (torch.tensor([0, 1j, 2]), TypeError, "integer ids"),
    ],
)
def test_ids_that_are_no_numbers(mask, error, message):
    with pytest.raises(error, match=f"`feature_mask` must be .*{message}"):
        AndInteraction(never).attribute(torch.ones(1, 3), feature_mask=mask)


@pytest.mark.parametrize(
    "target",
    [
        True,
        (),
        (None,),
        (True,),
        [True, False],
        [None, None],
        [(), ()],
        torch.tensor([True, False]),
        torch.tensor([0.0, 1.0]),
        torch.tensor(1j),
        1.0,
    ],
)
def test_targets_that_are_no_indices(target):
    with pytest.raises((TypeError, ValueError), match="`target` must be"):
        AndInteraction(never).attribute(torch.ones(2, 3), target=target)


def test_complex_outputs_are_refused():
    with pytest.raises(TypeError, match="`forward_func` must return real numbers"):
        AndInteraction(lambda x: x.sum(1) * 1j).attribute(torch.ones(1, 3))


def test_one_row_for_two_examples_is_refused():
    with pytest.raises(ValueError, match=r"one row per input row .* shape \(1, 1\)"):
        AndInteraction(lambda x: x.sum().view(1, 1)).attribute(torch.ones(2, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_reads_in_float32(dtype):
    x = torch.full((1, 5), 10.0)
    f = lambda z: (z.sum(1) * 600).to(dtype)  # noqa: E731
    result = AndInteraction(f).interactions(x)
    expected = moebius(brute_force(f, x))
    assert result.values.dtype == torch.float32
    assert result.values.isfinite().all()
    assert_close(result.values.double(), expected)
    products = AndInteraction(lambda z: (z.prod(1) / 2).to(dtype)).interactions(x)
    assert products.values[0, -1].item() == pytest.approx(50_000, rel=0.01)


def test_whole_numbers_read_in_float32_whatever_the_default():
    x = torch.ones(1, 3, dtype=torch.int64)
    torch.set_default_dtype(torch.float16)
    try:
        result = AndInteraction(lambda x: x.sum(1) * 50_000).interactions(x)
    finally:
        torch.set_default_dtype(torch.float32)
    assert result.values.dtype == torch.float32
    assert result.shapley_values().tolist() == [[50_000.0] * 3]


def total(x, scale=1.0):
    return x.sum(1) * scale


class OnlyKeywords:
    def __call__(self, **kwargs):
        return kwargs["x"].sum(1)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_callables_of_all_kinds():
    x = double(1, 3)
    for f in (
        functools.partial(total, scale=2.0),
        functools.partial(torch.sum, dim=1),
        functools.partial(torch.Tensor.sum, dim=1),
        operator.methodcaller("sum", 1),
        torch.jit.script(nn.Linear(3, 1).double()),
        lambda *args: args[0].sum(1),
    ):
        assert_close(ModelGame(f, x).table(), brute_force(f, x))
    f = torch.square  # a builtin whose signature can't be read
    assert_close(ModelGame(f, x).table(), brute_force(f, x))
    for f in (OnlyKeywords(), lambda x, y: x, lambda *, x: x):
        with pytest.raises(TypeError, match="`forward_func` must take 1 positional"):
            ModelGame(f, x)


def plain_log_odds(row):
    others = [
        torch.cat([row[:k], row[k + 1 :]]).double().logsumexp(0)
        for k in range(len(row))
    ]
    return row.double() - torch.stack(others)


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
def test_log_odds_and_margin_of_many_classes(scale):
    logits = double(4, 50) * scale
    logits[0, 3] = logits[0, 7] = logits[0].max() + 1  # two are largest
    logits[1, 5] = -torch.inf
    odds, margins = log_odds(nn.Identity())(logits), margin(nn.Identity())(logits)
    for i, row in enumerate(logits):
        assert_close(odds[i], plain_log_odds(row), rtol=1e-12, atol=1e-12)
        for k in range(50):
            others = torch.cat([row[:k], row[k + 1 :]]).max()
            assert margins[i, k] == row[k] - others
    exact = log_odds(nn.Identity())(logits.float())
    assert_close(exact[2:].double(), odds[2:], rtol=1e-5, atol=1e-5)


def test_value_functions_take_memory_of_one_row_per_example():
    # (classes)² would be 4·10^10 numbers.
    logits = torch.zeros(1, 200_000)
    assert log_odds(nn.Identity())(logits)[0, 0].isfinite()
    assert margin(nn.Identity())(logits)[0, 0] == 0


def test_gradients_of_log_odds_at_ties():
    x = torch.tensor([[2.0, 2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(log_odds(nn.Identity()), (x,))
    log_odds(nn.Identity())(torch.tensor([[900.0, -900.0]], requires_grad=True))


@pytest.mark.parametrize("default", [torch.float16, torch.bfloat16, torch.float64])
def test_same_seed_same_result_under_any_default_dtype(default):
    from captum_interactions import (
        InteractionTree,
        MultiOrderInteraction,
        MultivariateInteraction,
        ShapleyInteraction,
    )

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 2)).eval()
    x = torch.randn(1, 9)

    def run(method, **options):
        generator = torch.Generator().manual_seed(5)
        result = method(model).interactions(
            x, target=1, perturbations_per_eval=64, generator=generator, **options
        )
        return result.values, result.shapley_values()

    def results():
        return [
            run(ShapleyInteraction, n_samples=150),
            run(MultiOrderInteraction, n_samples=150),
            run(MultivariateInteraction, n_samples=150, coalition=[0, 1, 2, 3]),
            run(MultivariateInteraction, n_samples=150),
            run(InteractionTree, n_samples=490),
        ]

    before = results()
    torch.set_default_dtype(default)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            after = results()
    finally:
        torch.set_default_dtype(torch.float32)
    for then, now in zip(before, after, strict=True):
        for one, other in zip(then, now, strict=True):
            assert_close(one, other, rtol=0, atol=0, equal_nan=True)


PACKED = [torch.eye(3).to_sparse(), torch.ones(1, 3).to(torch.float8_e5m2)]


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("place", ["inputs", "baselines", "forward_func"])
def test_numbers_that_are_only_stored_are_refused(packed, place):
    """Of sparse tensors and floats of 8 bits torch computes hardly anything."""
    x, calls = torch.ones(1, 3), []

    def f(x):
        calls.append(x)
        return packed

    given = packed if place == "inputs" else x
    absent = packed if place == "baselines" else None
    with pytest.raises((TypeError, ValueError), match=f"`{place}` must .*dense tensor"):
        AndInteraction(f).attribute(given, baselines=absent, target=0)
    assert len(calls) == (place == "forward_func")


def test_chance_is_not_taken_for_a_memory_by_address():
    def f(x):  # gives the same for half of all draws
        return torch.nn.functional.dropout(torch.ones(len(x)), 0.5)

    for seed in range(20):
        torch.manual_seed(seed)
        with pytest.raises(ValueError, match="draws random numbers"):
            AndInteraction(f).attribute(torch.ones(1, 6))
