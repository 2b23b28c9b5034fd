"""Telling what is shown from what noise of the model's outputs leaves."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor

from captum_interactions._checks import user_level

__all__ = ["above", "decade", "told", "untold", "warn_below"]

# Dust in the last digits misleads nobody; from a thousandth of the strongest on, which
# a table or a picture shows, noise looks like an interaction.
_SHOWN_SHARE = 1e-3

_untold: ContextVar[bool] = ContextVar("untold", default=False)


@contextmanager
def untold() -> Iterator[None]:
    """Say nothing about noise inside."""
    token = _untold.set(True)
    try:
        yield
    finally:
        _untold.reset(token)


def above(terms: list[Any], floor: Tensor) -> list[Any]:
    """Terms above the noise floor, and zeros.

    Args:
        terms: Of one example and output, with ``players`` and ``value``.
        floor: Of that example, one number or one for each size.
    """
    return [t for t in terms if not t.value or abs(t.value) > _of(t, floor)]


def told(nested: list[Any], floor: Tensor) -> list[Any]:
    """Return terms, nested as the axes of ``floor``, and warn of noise among them."""
    if not _untold.get():
        noise, total = _count(nested, floor)
        if noise:
            _warn(f"{noise} of the {total} interactions shown")
    return nested


def warn_below(values: Tensor, floor: Tensor) -> None:
    """Warn if nothing in a picture is above the noise floor."""
    largest = float(values.detach().abs().nan_to_num().amax()) if values.numel() else 0
    if 0 < largest <= float(floor.max()) and not _untold.get():
        _warn("all values of this picture")


def decade(floor: Tensor) -> str:
    """The power of ten above the largest floor: what a reader needs, on any machine."""
    largest = float(floor.max())
    return f"{10.0 ** math.ceil(math.log10(largest)):.0e}" if largest > 0 else "0"


def _warn(what: str) -> None:
    warnings.warn(
        f"{what} are no larger than what the rounding of the model's outputs leaves "
        "(result.noise_floor); they say nothing about the model. Ask for fewer, leave "
        "a constant out of its output, or run it in a finer dtype",
        UserWarning,
        stacklevel=user_level(),
    )


def _of(term: Any, floor: Tensor) -> float:
    return float(floor[len(term.players)] if floor.dim() else floor)


def _count(nested: list[Any], floor: Tensor) -> tuple[int, int]:
    if nested and isinstance(nested[0], list):
        parts = [_count(one, own) for one, own in zip(nested, floor, strict=True)]
        return sum(p[0] for p in parts), sum(p[1] for p in parts)
    strongest = max((abs(term.value) for term in nested), default=0.0)
    shown = [term for term in nested if abs(term.value) > _SHOWN_SHARE * strongest]
    return len(shown) - len(above(shown, floor)), len(nested)
