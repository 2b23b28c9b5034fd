"""What an annotation is called in the words of an error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import torch
from torch import Tensor

__all__ = ["Measured", "Stored", "alternatives", "words_for"]


class Stored(Tensor):
    """A tensor that is kept and not read, as fields are: it may lack data."""


class Measured(float):
    """A number that is kept: it may be NaN."""


@cache
def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the kinds that an annotation allows."""
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
    if isinstance(kind, TypeVar):
        parts = kind.__constraints__ or (kind.__bound__ or Any,)
    found = [one for part in parts for one in alternatives(part)] or [kind]
    if torch.device in found:  # a text is one by its name
        found = [one for one in found if one is not str]
    return tuple(found)


# Fields are called what arguments are.
_READ: dict[Any, Any] = {Stored: Tensor, Measured: float}
# What each kind is called, and what to do.
_CALLED: dict[Any, tuple[str, str]] = {
    Tensor: ("a tensor", "convert it with torch.as_tensor"),
    int: ("an integer", "pass a whole number of up to 63 bits"),
    float: ("a number", "pass a float that is not NaN"),
    bool: ("True or False", "pass a bool"),
    str: ("a text", "pass a str"),
    torch.device: ("a device", "pass 'cpu' or a torch.device"),
    torch.Generator: ("a torch.Generator", "see torch.Generator().manual_seed"),
    torch.nn.Module: ("an nn.Module", "pass a model or one of its modules"),
    os.PathLike: ("a path", "pass a str or a Path"),
    Callable: ("callable", "pass a function"),
    Iterable: ("an iterable", "pass a list"),
    Mapping: ("a dict", "pass one"),
    dict: ("a dict", "pass one"),
    NoneType: ("None", ""),
}


def words_for(kinds: Sequence[Any]) -> tuple[str, str]:
    called = [_called(kind) for kind in kinds]
    return " or ".join(dict.fromkeys(words for words, _ in called)), called[0][1]


def _called(kind: Any) -> tuple[str, str]:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {parts}", "pick one"
    if origin in (Sequence, tuple):
        what, made = ("tuple", "tuple") if origin is tuple else ("sequence", "list")
        return f"a {what} of {_items(parts)}", f"pass a {made}"
    kind = _READ.get(kind, origin or kind)
    if kind in _CALLED:
        return _CALLED[kind]
    name = getattr(kind, "__name__", str(kind))
    if name == "Game":
        return "a game", "pass ModelGame(model, inputs), or a TableGame"
    if name == "AbstractInteractionAttribution":
        return "a method that reads any game", "such as AndInteraction(model)"
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}", f"pass one {name}"


def _items(parts: Sequence[Any]) -> str:
    """The plural of what a sequence holds."""
    if len(parts) == 2 and parts[0] is parts[1]:
        return f"two {_items(parts[:1])}"
    kinds = [one for part in parts if part is not ... for one in alternatives(part)]
    return " or ".join(dict.fromkeys(map(_plural, kinds)))


def _plural(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple and parts == (int, int):
        return "pairs of integers"
    if origin in (Sequence, tuple):
        return f"{'tuples' if origin is tuple else 'sequences'} of {_items(parts)}"
    kind = _READ.get(kind, origin or kind)
    return _PLURAL.get(kind) or getattr(kind, "__name__", "item") + "s"


_PLURAL = {
    int: "integers",
    float: "numbers",
    str: "texts",
    bool: "True or False",
    Tensor: "tensors",
    NoneType: "None",
    Mapping: "dictionaries",
}
