"""Verbs of an attack that take the same arguments and return other states."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any, Concatenate, ParamSpec

import torch
from torch import Tensor

__all__ = ["State", "derived", "last", "stacked"]

P = ParamSpec("P")
State = Tensor | tuple[Tensor, ...]


def derived(
    states: Callable[Concatenate[Any, P], Iterator[State]],
    finish: Callable[[Iterator[State]], State],
    name: str,
    summary: str,
    returns: str,
) -> Callable[Concatenate[Any, P], State]:
    """Derive a verb from :meth:`TransferAttack.states`: same arguments and errors."""

    def verb(self: Any, *args: P.args, **kwargs: P.kwargs) -> State:
        return finish(states(self, *args, **kwargs))

    if states.__doc__:  # python -OO has none
        _, rest = states.__doc__.split("Args:")
        arguments, tail = rest.split("Returns:")
        raises = tail[tail.index("Raises:") :]
        verb.__doc__ = (
            f"{summary}\n\n        Args:{arguments}Returns:\n            {returns}\n\n"
            f"        {raises}"
        )
    verb.__signature__ = signature(states).replace(  # type: ignore[attr-defined]
        return_annotation="Tensor | tuple[Tensor, ...]"
    )
    verb.__name__, verb.__module__ = name, states.__module__
    verb.__qualname__ = states.__qualname__.replace(states.__name__, name)
    return verb


def last(states: Iterator[State]) -> State:
    """Return the last state."""
    return deque(states, maxlen=1)[0]


def stacked(states: Iterator[State]) -> State:
    """Return all states, steps first."""
    found: list[Any] = list(states)
    if isinstance(found[0], Tensor):
        return torch.stack(found)
    return tuple(torch.stack(parts) for parts in zip(*found, strict=True))
