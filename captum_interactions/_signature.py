"""Arguments of another kind than a signature says are refused by name.

Pure functions take tensors, and everything that isn't one fails somewhere inside, with
a message about something else. :func:`checked` reads the annotations once and looks at
the arguments of each call; what a number may be is the function's own business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value

__all__ = ["checked"]

P = ParamSpec("P")
T = TypeVar("T")

Rule = Callable[[str, object], None]


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Refuse arguments whose kind is not the annotated one, before anything runs.

    Checked are tensors (dense, with data), integers, numbers, flags, words, devices,
    generators, functions and sequences of integers or pairs, each also where it may be
    None.

    Args:
        function: A function with annotations.

    Returns:
        The function, with the same signature.

    Example:
        >>> @checked
        ... def total(values: Tensor) -> Tensor:
        ...     return values.sum()
        >>> total([1.0, 2.0])
        Traceback (most recent call last):
        TypeError: `values` must be a tensor, got list; convert it with torch.as_tensor
    """
    own = signature(function)
    rules = {name: rule for name, rule in map(_rule, own.parameters.values()) if rule}

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        for name, value in zip(own.parameters, args, strict=False):
            if name in rules:
                rules[name](name, value)
        for name, value in kwargs.items():
            if name in rules:
                rules[name](name, value)
        return function(*args, **kwargs)

    return call


def _rule(parameter: Parameter) -> tuple[str, Rule | None]:
    kinds = [kind.strip() for kind in str(parameter.annotation).split("|")]
    optional = "None" in kinds
    wanted = frozenset(kind for kind in kinds if kind != "None")
    if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        return parameter.name, None
    rule = _RULES.get(wanted)
    if parameter.name in ("n", "n_players") and rule is _integer:
        rule = _players
    if rule is None or not optional:
        return parameter.name, rule

    def unless_none(name: str, value: object) -> None:
        if value is not None:
            rule(name, value)

    return parameter.name, unless_none


def _tensor(name: str, value: object) -> None:
    if not isinstance(value, Tensor):
        bad_type(name, "a tensor", value, "convert it with torch.as_tensor")
    if value.layout != torch.strided or value.is_meta:
        kind = "on the meta device" if value.is_meta else f"of layout {value.layout}"
        bad_value(name, "a dense tensor with data", f"one {kind}", "materialize it")
    if value.dim() == 0 and name in _WITH_AXES:
        bad_value(name, "of at least one axis", "a single number", "see the shapes")


def _integer(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        bad_type(name, "an integer", value, "pass a whole number")
    if not -_LARGEST <= value <= _LARGEST:
        bad_value(name, f"at most {_LARGEST} in size", value, "pass a smaller number")


def _players(name: str, value: object) -> None:
    _integer(name, value)
    assert isinstance(value, int)
    if value < 0:
        bad_value(name, "a number of players", value, "players are counted from 0")


def _number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        bad_type(name, "a number", value, "pass a float")
    if abs(value) > _LARGEST and isinstance(value, int):
        bad_value(name, f"at most {_LARGEST} in size", value, "pass a float")


def _generator(name: str, value: object) -> None:
    if not isinstance(value, torch.Generator):
        bad_type(name, "a torch.Generator", value, "see torch.Generator().manual_seed")


def _integers(name: str, value: object) -> None:
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, range)):
        bad_type(name, "a sequence of integers", value, "pass a list")
    for item in value:
        _integer(name, item)


def _flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        bad_type(name, "True or False", value, "pass a bool")


def _word(name: str, value: object) -> None:
    if not isinstance(value, str):
        bad_type(name, "a text", value, "see which ones there are")


def _callable(name: str, value: object) -> None:
    if not callable(value):
        bad_type(name, "callable", value, "pass a function")


def _device(name: str, value: object) -> None:
    if not isinstance(value, (str, torch.device)):
        bad_type(name, "a device", value, "pass 'cpu' or a torch.device")
    try:
        torch.device(value)
    except RuntimeError:
        bad_value(name, "a device", repr(value), "pass 'cpu' or a torch.device")


def _pairs(name: str, value: object) -> None:
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        bad_type(name, "a sequence of pairs of integers", value, "list the pairs")
    for pair in value:
        _integers(name, pair)
        if len(pair) != 2:
            bad_value(name, "made of pairs", pair, "list each pair as (i, j)")


def _tensor_or_number(name: str, value: object) -> None:
    (_tensor if isinstance(value, Tensor) and value.dim() else _loose)(name, value)


def _loose(name: str, value: object) -> None:
    if not isinstance(value, Tensor):
        _number(name, value)


# A single number can stand for a noise or a bound, never for these.
_WITH_AXES = {"table", "dividends", "masks", "matrices", "gains", "interactions"}
# Sizes, counts and codes are 64-bit integers in torch.
_LARGEST = 2**63 - 1
_RULES: dict[frozenset[str], Rule] = {
    frozenset({"Tensor"}): _tensor,
    frozenset({"int"}): _integer,
    frozenset({"float"}): _number,
    frozenset({"int", "float"}): _number,
    frozenset({"Tensor", "float"}): _tensor_or_number,
    frozenset({"torch.Generator"}): _generator,
    frozenset({"Sequence[int]"}): _integers,
    frozenset({"Sequence[tuple[int, int]]"}): _pairs,
    frozenset({"bool"}): _flag,
    frozenset({"torch.device", "str"}): _device,
    frozenset({"Callable[[float], object]"}): _callable,
    frozenset({"PairIndex"}): _word,
    frozenset({"SetIndex"}): _word,
    frozenset({"Solver"}): _word,
}
