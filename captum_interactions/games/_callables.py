"""What a forward function is made of, as far as it can be seen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

from torch import nn

__all__ = ["modules_of", "training_effects", "is_training"]

# A function in a function in an object: users' wrappers are no deeper.
_MOST_DEPTH = 5
# Collections longer than this are data, not ensembles.
_MOST_ITEMS = 100


def modules_of(forward_func: Callable[..., Any]) -> Iterator[nn.Module]:
    """Modules that a callable is, is bound to, or refers to, with all their children.

    Functions show theirs in what they close over, their defaults and the globals they
    name; partials in their arguments; other objects in their attributes.

    Example:
        >>> model = nn.Sequential(nn.Dropout())
        >>> [type(m).__name__ for m in modules_of(lambda x: model(x).sum(1))]
        ['Sequential', 'Dropout']
    """
    seen: set[int] = set()
    waiting: list[tuple[Any, int]] = [(forward_func, 0)]
    while waiting:
        thing, depth = waiting.pop()
        if id(thing) in seen or depth > _MOST_DEPTH:
            continue
        seen.add(id(thing))
        if isinstance(thing, nn.Module):
            for module in thing.modules():
                if module is thing or id(module) not in seen:
                    yield module
                seen.add(id(module))
        waiting += [(part, depth + 1) for part in _parts(thing)]


def _parts(thing: Any) -> Iterable[Any]:
    if isinstance(thing, functools.partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, MethodType):
        own = getattr(thing.__self__, "__dict__", {})
        return [thing.__self__, thing.__func__, *own.values()]
    if isinstance(thing, FunctionType):
        return _parts_of_function(thing)
    if isinstance(thing, (list, tuple, set)):
        return thing if len(thing) <= _MOST_ITEMS else ()
    if isinstance(thing, dict):
        return thing.values() if len(thing) <= _MOST_ITEMS else ()
    if isinstance(thing, nn.Module):  # wrapped functions, such as a ValueFunction's
        return [v for v in vars(thing).values() if isinstance(v, _CALLABLES)]
    own = getattr(thing, "__wrapped__", None)
    if callable(thing) and not isinstance(thing, type):
        return [own, *getattr(thing, "__dict__", {}).values()]
    return ()


_CALLABLES = (functools.partial, MethodType, FunctionType)


def _parts_of_function(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet assigned
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [const for const in code.co_consts if isinstance(const, CodeType)]
        for name in code.co_names:
            found = function.__globals__.get(name)
            if isinstance(found, (nn.Module, list, tuple, dict, *_CALLABLES)):
                yield found


def is_training(forward_func: Callable[..., Any]) -> bool:
    """Whether any module is in train mode."""
    return any(module.training for module in modules_of(forward_func))


def training_effects(forward_func: Callable[..., Any]) -> tuple[bool, bool]:
    """Whether modules in train mode draw random numbers, and mix the batch.

    Recognized by what a module keeps: a rate of dropping (``p`` or ``drop…``), running
    statistics. What a forward function does beyond that, the control rows find.
    """
    draws = mixes = False
    for module in modules_of(forward_func):
        if module.training:
            draws |= _draws(module)
            mixes |= isinstance(module, nn.modules.batchnorm._BatchNorm)
    return draws, mixes


def _draws(module: nn.Module) -> bool:
    kind = type(module).__name__.lower()
    if isinstance(module, (nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)):
        return True
    if isinstance(module, nn.RNNBase):  # drops between its layers only
        return module.dropout > 0 and module.num_layers > 1
    named = "drop" in kind or "stochasticdepth" in kind
    return any(
        isinstance(rate, float) and 0 < rate <= 1
        for name, rate in vars(module).items()
        if "drop" in name.lower() or (named and name == "p")
    )
