"""One Captum attribution, called with the arguments it takes, counted and timed."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

import torch
from captum.attr import LayerAttribution, NoiseTunnel
from torch import Tensor, nn

from captum_interactions.attr import LearnedBaselineShapley
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.comparison.failures import check_call, one_line, wrapped
from captum_interactions.comparison.shared import SharedGame
from captum_interactions.results import InteractionResult

__all__ = ["Counted", "Run", "run", "run_shared", "undisturbed"]

# What Captum says at every call: announcements that it undoes, and that KernelShap and
# Lime fit one model per example (their column of seconds says what it costs).
_ROUTINE = (
    "did not already require gradients",
    "Setting forward, backward hooks",
    "Setting backward hooks",
    "You are providing multiple inputs for Lime / Kernel SHAP",
)


@dataclass(frozen=True)
class Run:
    """What one call of a method gave.

    Attributes:
        attributions: As the method returned them, as a tuple of tensors.
        seconds: Wall-clock time of the call.
        n_forwards: Calls of the forward function.
        n_rows: Rows those calls had in all.
        per_player: Whether the method took the feature mask, so that all elements of a
            player carry the player's own value.
        window: Elements of each input that share the effect of one occlusion, else 1.
        notes: What the method warned of, without Captum's routine messages.
        of_layers: Whether they are of layers, not of the inputs.
        result: The result that they were read from, of methods of ours.
    """

    attributions: tuple[Tensor, ...]
    seconds: float
    n_forwards: int
    n_rows: int
    per_player: bool
    window: tuple[int, ...]
    notes: tuple[str, ...] = ()
    of_layers: bool = False
    result: InteractionResult | None = None


class Counted:
    """Counts the forward passes of a model while a method runs.

    A module is counted by a hook, so that methods that look into it still find it; any
    other callable by a wrapper around it.
    """

    def __init__(self, forward_func: Callable[..., Any]) -> None:
        self.n_forwards = 0
        self.n_rows = 0
        self._forward_func = forward_func

    def __enter__(self) -> Callable[..., Any]:
        self._hook = None
        if not isinstance(self._forward_func, nn.Module):
            return self._counting
        self._hook = self._forward_func.register_forward_pre_hook(
            lambda module, args: self._count(args)
        )
        return self._forward_func

    def __exit__(self, *error: object) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _counting(self, *args: Any) -> Any:
        self._count(args)
        return self._forward_func(*args)

    def _count(self, args: tuple[Any, ...]) -> None:
        self.n_forwards += 1
        # DeepLift passes inputs and baselines as two tuples, to be run as one batch.
        batches = [part[0] for part in args if isinstance(part, tuple)] or args[:1]
        for batch in batches:
            rows = batch.shape[:1] if isinstance(batch, Tensor) else ()
            self.n_rows += rows[0] if rows else 1


def run(
    method: Any,
    inputs: Tensor | tuple[Tensor, ...],
    shared: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Run:
    """Call ``method.attribute`` with those shared arguments that it takes.

    Args:
        method: A Captum attribution.
        inputs: Inputs as Captum takes them.
        shared: Arguments for all methods, by Captum's names; ``None`` is left out.
        options: Further arguments of this method; they win over ``shared``.

    Returns:
        What it returned, how long it took and what it cost.

    Raises:
        CannotRunError: If it can be seen that the method won't run on these.
    """
    parameters = _parameters(method)
    taken = {
        name: value
        for name, value in shared.items()
        if name in parameters and value is not None
    }
    required = parameters.get("baselines")
    if required is not None and required.default is Parameter.empty:
        taken["baselines"] = _full_baselines(taken.get("baselines"), inputs)
    taken |= options
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    check_call(method, tensors, parameters, taken)
    counted = Counted(method.forward_func)
    with counted as forward_func, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        probe = _with_forward(method, forward_func)
        start = time.perf_counter()
        # Of ours the result says more than the attributions that are read from it.
        ours = isinstance(method, AbstractInteractionAttribution)
        result = probe.interactions(inputs, **taken) if ours else None
        found = probe.attribute(inputs, **taken) if result is None else result
        seconds = time.perf_counter() - start
    if result is not None:
        found = result.attributions()
    elif options.get("return_convergence_delta"):
        found = found[0]
    attributions = tuple(_flat(found))
    return Run(
        attributions=attributions,
        seconds=seconds,
        n_forwards=counted.n_forwards,
        n_rows=counted.n_rows,
        per_player=result is not None or "feature_mask" in taken,
        window=_window(options.get("sliding_window_shapes"), len(attributions)),
        notes=_notes(caught),
        of_layers=isinstance(wrapped(method), LayerAttribution),
        result=result,
    )


def run_shared(method: Any, game: SharedGame, options: Mapping[str, Any]) -> Run | None:
    """Read a method of ours from the shared game; None if it plays another one.

    Args:
        method: An attribution.
        game: The game that is evaluated once.
        options: Further arguments of this method.

    Returns:
        What it read; seconds are those of the reading alone.
    """
    if (
        not isinstance(method, AbstractInteractionAttribution)
        or isinstance(method, LearnedBaselineShapley)  # has baselines of its own
        or method.forward_func is not game.model_game.forward_func
        or not set(options) <= set(signature(method.read).parameters)
    ):
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start, before = time.perf_counter(), game.seconds
        result = method.read(game, **options)
        seconds = time.perf_counter() - start - (game.seconds - before)
    attributions = tuple(_flat(result.attributions()))
    return Run(
        attributions=attributions,
        seconds=seconds,
        n_forwards=0,
        n_rows=0,
        per_player=True,
        window=(1,) * len(attributions),
        notes=_notes(caught),
        result=result,
    )


def _flat(found: Any) -> Iterator[Tensor]:
    """Attributions of several inputs, or of several layers, one by one."""
    if isinstance(found, Tensor):
        yield found.detach()
    else:
        for part in found:
            yield from _flat(part)


@contextmanager
def undisturbed(inputs: tuple[Tensor, ...]) -> Iterator[None]:
    """Random numbers start where they are now, and are put back there.

    The only place where the global state is put back whatever happens: Captum's methods
    draw from it and take no generator, and a row must not depend on the rows before it.
    A thread that draws meanwhile may see the same numbers twice.
    """
    devices = sorted({x.get_device() for x in inputs if x.is_cuda})
    with torch.random.fork_rng(devices=devices):
        yield


def _parameters(method: Any) -> dict[str, Parameter]:
    """Arguments of ``attribute``; NoiseTunnel passes on those of what it wraps."""
    own = dict(signature(method.attribute).parameters)
    if isinstance(method, NoiseTunnel):
        return _parameters(method.attribution_method) | own
    return own


def _with_forward(method: Any, forward_func: Callable[..., Any]) -> Any:
    probe = copy.copy(method)
    probe.forward_func = forward_func
    if isinstance(method, NoiseTunnel):
        probe.attribution_method = _with_forward(
            method.attribution_method, forward_func
        )
    return probe


def _full_baselines(baselines: Any, inputs: Tensor | tuple[Tensor, ...]) -> Any:
    """Tensors for the methods that must have some; 0 if there are none."""
    if isinstance(inputs, Tensor):
        if isinstance(baselines, tuple):
            (baselines,) = baselines
        if isinstance(baselines, Tensor) and baselines.dim() == inputs.dim():
            return baselines
        return torch.zeros_like(inputs) + (0 if baselines is None else baselines)
    if baselines is None or isinstance(baselines, Tensor):
        baselines = (baselines,) * len(inputs)
    return tuple(_full_baselines(b, x) for b, x in zip(baselines, inputs, strict=True))


def _notes(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    messages = [
        one_line(str(warning.message))
        for warning in caught
        if not issubclass(warning.category, DeprecationWarning)
    ]
    kept = [m for m in messages if not any(words in m for words in _ROUTINE)]
    return tuple(dict.fromkeys(kept))


def _window(shapes: Any, n_inputs: int) -> tuple[int, ...]:
    """Elements in Occlusion's window over each input."""
    if shapes is None:
        return (1,) * n_inputs
    if not isinstance(shapes[0], tuple):
        shapes = (shapes,)
    return tuple(math.prod(shape) for shape in shapes)
