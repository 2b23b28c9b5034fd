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
from textwrap import shorten
from typing import Any

import torch
from captum.attr import NoiseTunnel
from torch import Tensor, nn

from captum_interactions.players import Players

__all__ = ["Counted", "Run", "aggregate", "reason", "run", "undisturbed"]

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
    """

    attributions: tuple[Tensor, ...]
    seconds: float
    n_forwards: int
    n_rows: int
    per_player: bool
    window: tuple[int, ...]
    notes: tuple[str, ...] = ()


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
    counted = Counted(method.forward_func)
    with counted as forward_func, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        probe = _with_forward(method, forward_func)
        start = time.perf_counter()
        found = probe.attribute(inputs, **{**taken, **options})
        seconds = time.perf_counter() - start
    if options.get("return_convergence_delta"):
        found = found[0]
    tensors = found if isinstance(found, tuple) else (found,)
    return Run(
        attributions=tuple(tensor.detach() for tensor in tensors),
        seconds=seconds,
        n_forwards=counted.n_forwards,
        n_rows=counted.n_rows,
        per_player="feature_mask" in {**taken, **options},
        window=_window(options.get("sliding_window_shapes"), len(tensors)),
        notes=_notes(caught),
    )


@contextmanager
def undisturbed(inputs: tuple[Tensor, ...]) -> Iterator[None]:
    """Random numbers start where they are now, and are put back there."""
    devices = sorted({x.get_device() for x in inputs if x.is_cuda})
    with torch.random.fork_rng(devices=devices):
        yield


def reason(error: Exception) -> str:
    """Return what went wrong on one line."""
    return _line(f"{type(error).__name__}: {error}").removesuffix(":")


def _line(text: str) -> str:
    return shorten(text, 280, placeholder=" …")


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
        _line(str(warning.message))
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


def aggregate(found: Run, players: Players, batch_size: int) -> Tensor:
    """Sum attributions over the elements of each player, ``(batch, n)`` float64.

    Methods that took the feature mask repeat a player's value on its elements; the mean
    is taken there. Occlusion repeats a window's effect on all of its elements, which
    share it here. Axes beyond the input's (an embedding's) are summed away; a layer's
    map over an image is summed over channels and spread over the pixels of each cell.

    Raises:
        ValueError: If the attributions have another shape than the inputs, or are not
            finite.
    """
    sums = torch.zeros(batch_size, len(players), dtype=torch.float64)
    counts = torch.zeros_like(sums)
    for values, mask, window in zip(
        found.attributions, players.masks, found.window, strict=True
    ):
        spread = values.double().cpu() / window
        if not spread.isfinite().all():
            raise ValueError("attributions are not finite")
        if spread.dim() == mask.dim() == 4 and all(
            cells <= pixels
            for cells, pixels in zip(spread.shape[2:], mask.shape[2:], strict=True)
        ):
            spread = _over_pixels(spread, *mask.shape[1:])
        spread = spread.reshape(*spread.shape[: mask.dim()], -1).sum(-1)
        if spread.shape[1:] != mask.shape[1:] or len(spread) != batch_size:
            raise ValueError(
                f"attributions of shape {tuple(values.shape)} do not fit inputs of "
                f"shape {(batch_size, *mask.shape[1:])}"
            )
        index = mask.cpu().expand(spread.shape).reshape(batch_size, -1)
        flat = spread.reshape(batch_size, -1)
        sums.scatter_add_(1, index, flat)
        counts.scatter_add_(1, index, torch.ones_like(flat))
    return sums / counts.clamp_min(1) if found.per_player else sums


def _over_pixels(
    values: Tensor,  # (batch, layer channels, h, w)
    channels: int,
    height: int,
    width: int,
) -> Tensor:
    """Spread a layer's map evenly over the pixels that Captum would enlarge it to."""
    if values.shape[1:] == (channels, height, width):
        return values
    rows = torch.arange(height) * values.shape[2] // height
    columns = torch.arange(width) * values.shape[3] // width
    pixels = rows.bincount()[rows].unsqueeze(1) * columns.bincount()[columns]
    enlarged = values.sum(1, keepdim=True)[:, :, rows][..., columns]
    return (enlarged / (channels * pixels)).expand(-1, channels, -1, -1)
