"""The random state around forward passes: left as it was, and other threads' alone."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["RandomState"]

T = TypeVar("T")


class RandomState:
    """Torch's generators, which a forward function may draw from.

    They belong to all threads. Putting them back is right only if the forward function
    draws from them, so that is found out at the first pass.

    Args:
        devices: CUDA devices whose generators count.

    Attributes:
        drawn: Whether the forward function draws, from Python's or numpy's generators
            too; ``None`` before the first pass.
    """

    def __init__(self, devices: set[torch.device]) -> None:
        self._devices = sorted(devices, key=str)
        self.drawn: bool | None = None

    def get(self) -> list[torch.Tensor]:
        """Return the states of the CPU's and the devices' generators."""
        return [
            torch.get_rng_state(),
            *(torch.cuda.get_rng_state(device) for device in self._devices),
        ]

    def set(self, states: list[torch.Tensor]) -> None:
        """Put the generators where they were at :meth:`get`."""
        torch.set_rng_state(states[0])
        for device, state in zip(self._devices, states[1:], strict=True):
            torch.cuda.set_rng_state(state, device)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Undo what the forward function draws inside."""
        states = None if self.drawn is False else self.get()
        try:
            yield
        finally:
            if states is not None and self.drawn:
                self.set(states)

    def watched(self, forward: Callable[[], T]) -> T:
        """Run a pass and, if it is the first, find out whether it draws."""
        if self.drawn is not None:
            return forward()
        before, others = self.get(), _other_states()
        output = forward()
        if _other_states() != others:
            self.drawn = True
        elif all(map(torch.equal, before, self.get())):
            self.drawn = False
        else:  # or another thread drew: look at the operators of this one
            with _SeesDraws() as mode:
                try:
                    forward()
                finally:
                    self.drawn = mode.seen
        return output

    @contextmanager
    def replayed(self) -> Iterator[Callable[[], None]]:
        """Give a function that puts all known random states back, Python's too."""
        states, own = self.get(), random.getstate()
        numpy: Any = sys.modules.get("numpy")
        arrays = None if numpy is None else numpy.random.get_state()

        def again() -> None:
            self.set(states)
            random.setstate(own)
            if numpy is not None:
                numpy.random.set_state(arrays)

        yield again


def _other_states() -> list[Any]:
    """Python's and numpy's states, to be compared."""
    states: list[Any] = [random.getstate()]
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        kind, key, *rest = numpy.random.get_state()
        states += [kind, key.tobytes(), rest]
    return states


class _SeesDraws(TorchDispatchMode):
    """Notices operators that draw from a generator."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.seen |= torch.Tag.nondeterministic_seeded in func.tags
        return func(*args, **(kwargs or {}))
