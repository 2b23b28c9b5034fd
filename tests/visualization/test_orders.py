"""Curves by order: what they are made of, and what the axis says."""

from __future__ import annotations

import pytest
import torch
from matplotlib.figure import Figure

from captum_interactions import MultiOrderInteraction
from captum_interactions.metrics import OrderStrength
from captum_interactions.visualization import plot_orders
from tests.contracts.attribution import Mlp, double

CURVE = torch.tensor([1.0, -2.0, 4.0])


@pytest.fixture(scope="module")
def result():
    return MultiOrderInteraction(Mlp(5)).interactions(double(2, 5), target=1)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def band(axes, position=0):
    """Lower and upper edge of a band, by order."""
    points = axes.collections[position].get_paths()[0].vertices
    orders = sorted(set(points[:, 0]))
    at = [points[points[:, 0] == order, 1] for order in orders]
    return [min(p) for p in at], [max(p) for p in at]


def test_named_curves_with_errors():
    figure, axes = plot_orders(
        {"clean": CURVE, "attacked": CURVE / 2},
        orders=[0, 3, 5],
        errors={"clean": torch.tensor([0.0, 1.0, 2.0])},
    )
    line = lines(axes)["clean"]
    assert line.get_ydata().tolist() == CURVE.tolist()
    assert list(line.get_xdata()) == [0, 3, 5]
    assert len(axes.collections) == 1
    low, high = band(axes)
    assert low == pytest.approx([1, -2 - 1.96, 4 - 3.92])
    assert high == pytest.approx([1, -2 + 1.96, 4 + 3.92])
    first, second = (lines(axes)[name] for name in ("clean", "attacked"))
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()
    figure.canvas.draw()


def test_samples_show_their_mean_with_its_error_or_their_spread():
    samples = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)).double()
    mean = samples.mean(0)
    _, axes = plot_orders({"all": samples})
    assert axes.lines[0].get_ydata() == pytest.approx(mean.numpy())
    reach = 1.96 * samples.std(0) / 40**0.5
    assert band(axes)[1] == pytest.approx((mean + reach).numpy())
    _, axes = plot_orders({"all": samples}, band="spread")
    assert band(axes)[0] == pytest.approx(samples.quantile(0.1, 0).numpy())
    assert band(axes)[1] == pytest.approx(samples.quantile(0.9, 0).numpy())
    assert not plot_orders({"one": samples[:1]})[1].collections


def test_curves_of_metrics(result):
    metric = OrderStrength()
    metric.update(result)
    _, axes = plot_orders(
        {"F": metric.compute()},
        metric.orders,
        references={"null": metric.null_curve()},
    )
    assert lines(axes)["F"].get_ydata() == pytest.approx(metric.compute().numpy())
    null = lines(axes)["null"]
    assert null.get_linestyle() == "--"
    assert null.get_ydata() == pytest.approx(metric.null_curve().numpy())


def test_a_result_shows_its_strongest_pairs(result):
    _, axes = result.plot_orders(k=2, example=1)
    strength = result.values[1].abs().mean(0).triu()
    i, j = divmod(int(strength.argmax()), 5)
    expected = result.values[1, :, i, j].double()
    assert lines(axes)[f"{{{i}, {j}}}"].get_ydata() == pytest.approx(expected.numpy())
    assert axes.get_ylabel() == "I(i,j)"
    assert not axes.collections  # exact
    sampled = MultiOrderInteraction(Mlp(8)).interactions(
        double(1, 8),
        target=1,
        n_samples=60,
        generator=torch.Generator().manual_seed(0),
    )
    _, axes = sampled.plot_orders(k=1)
    i, j = divmod(int(sampled.values[0].abs().mean(0).triu().argmax()), 8)
    width = 2 * 1.96 * sampled.std_error[0, :, i, j]
    low, high = (torch.tensor(edge) for edge in band(axes))
    assert torch.allclose(high - low, width.double(), atol=1e-6)


def test_pairs_that_were_not_asked_for_are_left_out():
    some = MultiOrderInteraction(Mlp(5)).interactions(
        double(1, 5), target=1, pairs=[(0, 1), (2, 4)]
    )
    assert set(lines(some.plot_orders()[1])) >= {"{0, 1}", "{2, 4}"}
    assert len(some.plot_orders()[1].get_legend().get_texts()) == 2


def test_the_axis_says_what_an_order_is():
    says = [
        plot_orders({"a": CURVE}, meaning=meaning)[1].get_xlabel()
        for meaning in ("context", "coalition")
    ]
    assert says == [
        "order m (size of the context)",
        "size |S| of the coalition",
    ]


def test_zero_is_drawn_where_values_change_sign():
    def horizontal(axes):
        return [line for line in axes.lines if len(set(line.get_ydata())) == 1]

    assert len(horizontal(plot_orders({"a": CURVE})[1])) == 1
    assert not horizontal(plot_orders({"a": CURVE.abs()})[1])


def test_axes_can_be_given():
    figure = Figure()
    axes = figure.subplots()
    assert plot_orders({"a": CURVE}, ax=axes) == (figure, axes)


@pytest.mark.parametrize(
    ("curves", "options", "error", "message"),
    [
        (
            CURVE,
            {},
            TypeError,
            "`curves` must be a dictionary of named curves",
        ),
        ({}, {}, ValueError, "`curves` must be at least one curve"),
        (
            {"a": [1.0]},
            {},
            TypeError,
            r"`curves\['a'\]` must be a tensor, got list; of a metric",
        ),
        (
            {"a": CURVE},
            {"orders": [1, 2]},
            ValueError,
            r"`curves\['a'\]` must be of shape .* for 2 orders, got shape \(3,\)",
        ),
        ({"a": torch.zeros(0)}, {}, ValueError, r"got shape \(0,\)"),
        ({"a": torch.zeros(2, 2, 2)}, {}, ValueError, r"got shape \(2, 2, 2\)"),
        ({"a": CURVE}, {"errors": {"b": CURVE}}, ValueError, r"got \['b'\]"),
        (
            {"a": CURVE},
            {"errors": {"a": CURVE[:2]}},
            ValueError,
            r"`errors\['a'\]` must be of shape \(3,\), got shape \(2,\)",
        ),
        (
            {"a": CURVE},
            {"band": "sd"},
            ValueError,
            "`band` must be one of .*, got 'sd'",
        ),
        ({"a": CURVE}, {"meaning": "n"}, ValueError, "`meaning` must be one of"),
    ],
)
def test_bad_requests(curves, options, error, message):
    with pytest.raises(error, match=message):
        plot_orders(curves, **options)


def test_bad_requests_of_a_result(result):
    with pytest.raises(ValueError, match="`k` must be a positive integer"):
        result.plot_orders(k=0)
    with pytest.raises(ValueError, match=r"an index into \(2,\)"):
        result.plot_orders(example=2)
