"""Curves over orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._style import (
    INK,
    MARKERS,
    MUTED,
    SERIES,
    figure_for,
    legend_below,
    literal,
    open_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_orders"]

Meaning = Literal["context", "coalition"]
Band = Literal["error", "spread"]

_AXIS_LABELS = {
    "context": "order m (size of the context)",
    "coalition": "size |S| of the coalition",
}
# Several references are told apart by their dashes.
_DASHES = ("--", ":", "-.")
# A 95 % interval of a normal variable; the middle 80 % of what is spread.
_INTERVAL = 1.96
_SPREAD = (0.1, 0.9)


class _Curve(NamedTuple):
    """What one curve looks like; ``low`` and ``high`` bound its band."""

    orders: tuple[int, ...]
    middle: Tensor
    low: Tensor | None = None
    high: Tensor | None = None


@checked
def plot_orders(
    curves: Any,
    orders: Sequence[int] | None = None,
    errors: Mapping[str, Tensor] | None = None,
    band: Band = "error",
    meaning: Meaning = "context",
    ylabel: str | None = None,
    references: Mapping[str, Tensor] | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Curves by order, with bands.

    Args:
        curves: Named curves, each a tensor ``(orders,)``, or a tensor ``(samples,
            orders)``, of which the mean is drawn with a band.
        orders: The orders of the last axis; ``None`` counts from 0.
        errors: Standard errors of curves by name, ``(orders,)``: 95 % intervals.
        band: What the band around the mean of samples is: ``"error"``, the 95 %
            interval of the mean, or ``"spread"``, where the middle 80 % of the samples
            are.
        meaning: What an order is: ``"context"``, the size m of the context of a pair,
            or ``"coalition"``, the size |S| of a coalition. The axis says so.
        ylabel: What the values are, with their unit.
        references: Curves ``(orders,)`` to compare with, drawn dashed and gray: a null
            curve, a noise floor.
        ax: Axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes.

    Raises:
        TypeError: If a curve is no tensor.
        ValueError: If there are no curves, their lengths and the orders differ, errors
            belong to no curve, or ``band`` or ``meaning`` is unknown.

    Example:
        >>> curves = {"clean": torch.tensor([0.0, 1.0])}
        >>> _, axes = plot_orders(curves, ylabel="mean of I(i,j)")
        >>> axes.lines[0].get_ydata().tolist(), axes.get_xlabel()
        ([0.0, 1.0], 'order m (size of the context)')
    """
    from matplotlib.ticker import MaxNLocator

    _check_word("band", band, ("error", "spread"))
    _check_word("meaning", meaning, tuple(_AXIS_LABELS))
    read = _named_curves(curves, orders, errors or {}, band)
    figure, axes = figure_for(ax, 5.2, 3.2)
    for position, (name, curve) in enumerate(read.items()):
        _draw(axes, literal(name), curve, position)
    for position, (name, given) in enumerate((references or {}).items()):
        curve = _read_curve(name, given, orders or next(iter(read.values())).orders)
        axes.plot(
            curve.orders,
            curve.middle,
            _DASHES[position % len(_DASHES)],
            color=MUTED,
            lw=1.3,
            label=literal(name),
            zorder=1,
        )
    lowest = min(float(curve.middle.nan_to_num().min()) for curve in read.values())
    if lowest < 0:
        axes.axhline(0, color=INK, lw=0.8, zorder=1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(_AXIS_LABELS[meaning])
    axes.set_ylabel(ylabel or "")
    legend_below(axes)
    open_frame(axes)
    return figure, axes


def _draw(axes: Axes, name: str, curve: _Curve, position: int) -> None:
    color = SERIES[position % len(SERIES)]
    if curve.low is not None and curve.high is not None:
        axes.fill_between(
            curve.orders, curve.low, curve.high, color=color, alpha=0.18, lw=0
        )
    axes.plot(
        curve.orders,
        curve.middle,
        color=color,
        marker=MARKERS[position % len(MARKERS)],
        ms=4.5,
        lw=1.6,
        label=name,
        zorder=2,
    )


def _named_curves(
    curves: Any,
    orders: Sequence[int] | None,
    errors: Mapping[str, Tensor],
    band: Band,
) -> dict[str, _Curve]:
    if not isinstance(curves, Mapping):
        bad_type(
            "curves",
            "a dictionary of named curves",
            curves,
            "name them: {'clean': curve}, or draw a result by `result.plot_orders()`",
        )
    if not curves:
        bad_value("curves", "at least one curve", "none", "name one")
    unknown = set(errors) - set(curves)
    if unknown:
        bad_value("errors", "named as the curves", sorted(unknown), "use their names")
    found = {}
    for name, given in curves.items():
        curve = _read_curve(name, given, orders, band)
        error = errors.get(name)
        if error is not None and error.shape != curve.middle.shape:
            bad_value(
                f"errors[{name!r}]",
                f"of shape {tuple(curve.middle.shape)}",
                f"shape {tuple(error.shape)}",
                "give one standard error per order",
            )
        found[name] = _with_error(curve, error)
    return found


def _read_curve(
    name: str, given: Any, orders: Sequence[int] | None, band: Band = "error"
) -> _Curve:
    if not isinstance(given, Tensor):
        bad_type(
            f"curves[{name!r}]",
            "a tensor",
            given,
            "of a metric, pass `metric.compute()` and `orders=metric.orders`",
        )
    values = given.detach().double().cpu()
    length = values.shape[-1] if values.dim() else 0
    chosen = tuple(range(length)) if orders is None else tuple(orders)
    if values.dim() not in (1, 2) or length != len(chosen) or values.numel() == 0:
        bad_value(
            f"curves[{name!r}]",
            f"of shape (orders,) or (samples, orders) for {len(chosen)} orders",
            f"shape {tuple(values.shape)}",
            "pass the matching `orders`",
        )
    if values.dim() == 1:
        return _Curve(chosen, values)
    middle = values.mean(0)
    if len(values) == 1:
        return _Curve(chosen, middle)
    if band == "error":
        return _with_error(_Curve(chosen, middle), values.std(0) / len(values) ** 0.5)
    low, high = values.quantile(torch.tensor(_SPREAD).double(), dim=0)
    return _Curve(chosen, middle, low, high)


def _with_error(curve: _Curve, error: Tensor | None) -> _Curve:
    if error is None:
        return curve
    reach = _INTERVAL * error.detach().double().cpu()
    return curve._replace(low=curve.middle - reach, high=curve.middle + reach)


def _check_word(argument: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        bad_value(argument, f"one of {known}", repr(word), "pick one")
