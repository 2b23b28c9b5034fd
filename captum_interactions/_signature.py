"""Arguments of another kind than a signature says are refused by name.

Everything that isn't what a signature says fails somewhere inside, with a message about
something else. :func:`checked` reads the annotations once and looks at the arguments of
each call; what a number may be is the function's own business.
"""

from __future__ import annotations

import inspect
import sys
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from functools import cache, wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._kind_words import Measured, Stored
from captum_interactions._kinds import Axes, check_kind

__all__ = ["checked", "checked_methods"]

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=type)


def checked(
    function: Callable[P, T], namespace: Mapping[str, Any] | None = None
) -> Callable[P, T]:
    """Refuse arguments whose kind is not the annotated one, before anything runs.

    Annotations are evaluated at the first call, where the function was written; one
    that can't be (of an optional package, imported for type checkers alone) leaves its
    argument unchecked.

    Args:
        function: A function with annotations.
        namespace: Where its annotations are evaluated; where it was written by default.

    Returns:
        The function, with the same signature.

    Example:
        >>> from torch import Tensor
        >>> @checked
        ... def total(values: Tensor) -> Tensor:
        ...     return values.sum()
        >>> total([1.0, 2.0])
        Traceback (most recent call last):
        TypeError: `values` must be a tensor, got list; convert it with torch.as_tensor
    """
    own = signature(function).parameters
    plain = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, parameter in own.items() if parameter.kind in plain]

    @cache
    def kinds() -> dict[str, Any]:
        written = namespace or getattr(inspect.unwrap(function), "__globals__", {})
        return {
            name: kind
            for name, parameter in own.items()
            if (kind := _kind(parameter, written)) is not Any
        }

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        known = kinds()
        for name, value in zip(names, args, strict=False):
            if name in known:
                _check(name, known[name], value)
        for name, value in kwargs.items():
            if name in known:
                _check(name, known[name], value)
        return function(*args, **kwargs)

    return call


def checked_methods(cls: C, names: Iterable[str] | None = None) -> C:
    """Check the constructor and the public methods that a class writes itself.

    Args:
        cls: A class, the decorated one; below this decorator if it is a dataclass.
        names: Which of its methods; None means all.

    Returns:
        The class.
    """
    for name, written in list(vars(cls).items()):
        wanted = name in names if names else name == "__init__" or name[0] != "_"
        if not wanted:
            continue
        if isinstance(written, classmethod):
            setattr(cls, name, classmethod(checked(written.__func__)))
        elif name == "__init__" and is_dataclass(cls):  # fields, wherever written
            homes = [vars(sys.modules[base.__module__]) for base in cls.__mro__]
            kept = {"Tensor": Stored, "float": Measured}
            setattr(cls, name, checked(written, ChainMap(kept, *homes)))
        elif inspect.isfunction(written):
            setattr(cls, name, checked(written))
    return cls


def _kind(parameter: Parameter, written: Mapping[str, Any]) -> Any:
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        return Any
    annotation = parameter.annotation
    if annotation is Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, {"Axes": Axes}, written)
    except (NameError, AttributeError, TypeError):
        return Any


def _check(name: str, kind: Any, value: object) -> None:
    check_kind(name, kind, value)
    if name in _PLAYERS and isinstance(value, int) and value < 0:
        bad_value(name, "a number of players", value, "players are counted from 0")
    if name in _WITH_AXES and getattr(value, "shape", None) == ():
        bad_value(name, "of at least one axis", "a single number", "see the shapes")
    if name in _WITH_AXES and isinstance(value, Tensor) and value.is_complex():
        bad_value(name, "made of real numbers", value.dtype, "explain a part of it")


_PLAYERS = {"n", "n_players"}
# A single number can stand for a noise or a bound, never for these.
_WITH_AXES = {"table", "dividends", "masks", "matrices", "gains", "interactions"}
_WITH_AXES |= {"or_values", "coefficients"}
