"""Whether a value is of the kind that an annotation names, and the words for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import islice
from numbers import Integral, Real
from types import NoneType
from typing import (
    Any,
    Literal,
    Protocol,
    get_args,
    get_origin,
    runtime_checkable,
)

import numpy as np
import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._kind_words import Measured, Stored, alternatives, words_for

__all__ = [
    "Axes",
    "check_fits",
    "check_floating",
    "check_kind",
    "check_masks",
    "check_square",
    "is_dense",
    "state_of",
]

_LARGEST = 2**63 - 1  # sizes, counts and codes are 64-bit integers
_ITEMS = 20_000  # of a sequence that are looked at: 20 ms of time


@runtime_checkable
class Axes(Protocol):
    """What matplotlib's axes have: it is imported only when something is drawn."""

    figure: Any


def check_kind(name: str, kind: Any, value: object) -> None:
    """Refuse a value that is not of an annotation's kind.

    Args:
        name: The argument's.
        kind: An annotation, evaluated. What it says of classes, numbers, words, tensors
            (dense, with data), sequences, tuples and functions is looked at; anything
            else fits.
        value: What came.

    Raises:
        TypeError: If it is something else.
        ValueError: If it is a tensor without data, a number that is none or too large,
            or an unknown word.
    """
    kinds = alternatives(kind)
    if _is_any_of(kinds, value):
        return
    words, remedy = words_for(kinds)
    if hasattr(value, "attributions"):
        remedy = "read it, or a result draws itself: `result.plot_…()`"
    if isinstance(value, Tensor) and Tensor in kinds:
        bad_value(name, "a dense tensor with data", state_of(value), "convert it")
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        bad = bad_value if type(value) in _plain(kinds) else None
        if bad is not None:
            bad(name, words, f"{value!r}"[:80], remedy)
    for one in kinds:  # a sequence, but for one item
        if (
            get_origin(one) in (Sequence, tuple)
            and _is_listed(value)
            and not isinstance(value, str)
        ):
            items: Any = value
            parts = [part for part in get_args(one) if part is not ...]
            wrong = [item for item in items if not _fits(parts[0], item)]
            received = f"{type(value).__name__} with {wrong[0]!r}"[:80] if wrong else ""
            raise TypeError(
                f"`{name}` must be {words}, got a {received or type(value).__name__}; "
                f"{remedy}"
            )
    bad_type(name, words, value, remedy)


def check_masks(masks: object, n: int, name: str = "masks") -> None:
    """Refuse what is no boolean tensor of coalitions of n players."""
    if not isinstance(masks, Tensor) or masks.dtype != torch.bool or masks.is_meta:
        received = masks.dtype if isinstance(masks, Tensor) else masks
        bad_type(name, "a boolean tensor", received, "True marks present players")
    if masks.dim() < 2 or masks.shape[-1] != n:
        bad_value(
            name,
            f"of shape (C, {n})",
            f"shape {tuple(masks.shape)}",
            "give each coalition one entry per player",
        )


def check_fits(
    name: str, tensor: Tensor, other: str, wanted: torch.Size, to: bool = False
) -> None:
    """Refuse a tensor that torch does not broadcast with (or to) a shape."""
    try:
        fits = torch.broadcast_shapes(tensor.shape, wanted) == wanted or not to
    except RuntimeError:
        fits = False
    if not fits:
        expected = f"of a shape that fits `{other}`, {tuple(wanted)}"
        bad_value(name, expected, f"shape {tuple(tensor.shape)}", "see the shapes")


def check_square(name: str, tensor: Tensor, axes: int = 2) -> None:
    """Refuse what has no square matrices on its last axes, or fewer axes than that."""
    if tensor.dim() < axes or tensor.shape[-1] != tensor.shape[-2]:
        expected = f"square matrices on the last two of {axes} axes or more"
        bad_value(name, expected, f"shape {tuple(tensor.shape)}", "see the shapes")


def check_floating(name: str, tensor: Tensor) -> None:
    """Refuse integers, booleans and complex numbers."""
    if not tensor.is_floating_point():
        bad_value(name, "a floating point tensor", tensor.dtype, "see `Tensor.double`")


def _plain(kinds: Sequence[Any]) -> set[type]:
    """The types of plain values that some of the kinds are about."""
    found: set[type] = set()
    for kind in kinds:
        if get_origin(kind) is Literal:
            found |= {type(word) for word in get_args(kind)}
        else:
            found |= _VALUES.get(kind, set())
    return found


def _is_any_of(kinds: Sequence[Any], value: object) -> bool:
    return any(_fits_one(one, value) for one in kinds)


def _fits(kind: Any, value: object) -> bool:
    return _is_any_of(alternatives(kind), value)


def _fits_one(kind: Any, value: Any) -> bool:
    if kind in _SIMPLE:
        return _SIMPLE[kind](value)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return isinstance(value, (str, int)) and value in parts
    if origin is tuple:
        return _fits_tuple(parts, value)
    if origin is Sequence:
        return (
            _is_listed(value)
            and not isinstance(value, (str, bytes))
            and _all_fit(parts[0], tuple(islice(value, _ITEMS)))
        )
    if origin is not None:
        kind = origin
    if kind is Callable:
        return callable(value)
    try:
        return isinstance(value, kind) if isinstance(kind, type) else True
    except TypeError:  # a protocol that can't be asked
        return True


def _fits_tuple(parts: tuple[Any, ...], value: object) -> bool:
    # A list of inputs means something else to Captum.
    inputs = Tensor in parts or Stored in parts
    if not isinstance(value, tuple if inputs else (tuple, list)):
        return False
    if len(parts) == 2 and parts[1] is Ellipsis:
        return _all_fit(parts[0], value)
    return len(parts) == len(value) and all(map(_fits, parts, value))


def _all_fit(kind: Any, items: Sequence[Any]) -> bool:
    """Look at the types first: of the names of 12,000 pixels that takes 0.2 ms."""
    types = set(map(type, items))
    if kind is str and types == {str}:
        return True
    if kind is int and types == {int}:
        return min(items) >= -_LARGEST and max(items) <= _LARGEST
    return all(_fits(kind, item) for item in items)


def _is_listed(value: Any) -> bool:
    """Lists, tuples and ranges; arrays and indices of numpy and pandas."""
    if isinstance(value, Tensor):
        return False
    return isinstance(value, Sequence) or (
        hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0
    )


def state_of(tensor: Tensor) -> str:
    """Return the words for what a tensor without such numbers is."""
    place = "on the meta device" if tensor.is_meta else f"of layout {tensor.layout}"
    return f"one {place}{', nested' * tensor.is_nested}, {tensor.dtype}"


def is_dense(value: object) -> bool:
    """Whether a value is a tensor with numbers to compute with, one for each place."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_meta or value.is_nested or value.is_quantized)
        and (value.element_size() > 1 or not value.is_floating_point())  # float8
    )


def _is_integer(value: object) -> bool:
    return (
        isinstance(value, Integral)
        and not isinstance(value, bool)
        and -_LARGEST <= int(value) <= _LARGEST
    )


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    if isinstance(value, Integral):
        return _is_integer(value)
    return not math.isnan(float(value))


def _is_device(value: object) -> bool:
    if not isinstance(value, (str, torch.device)):
        return False
    try:
        torch.device(value)
    except RuntimeError:
        return False
    return True


_SIMPLE: dict[Any, Callable[[Any], bool]] = {
    Any: lambda value: True,
    object: lambda value: True,
    NoneType: lambda value: value is None,
    Tensor: is_dense,
    Stored: lambda value: isinstance(value, Tensor) and value.layout == torch.strided,
    Measured: lambda value: isinstance(value, Real) and not isinstance(value, bool),
    int: _is_integer,
    float: _is_number,
    bool: lambda value: isinstance(value, (bool, np.bool_)),
    torch.device: _is_device,
}
# Numbers and words that are wrong in value and not in kind.
_VALUES: dict[Any, set[type]] = {
    int: {int},
    float: {int, float},
    torch.device: {str},
}
