"""Captum's call arguments: checked before the first forward pass."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import select_targets
from captum_interactions._checks import bad_type, bad_value, user_level
from captum_interactions.games._callables import training_effects

__all__ = [
    "check_target",
    "format_inputs",
    "label_index",
    "select_output",
    "warn_if_training",
]


def format_inputs(inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the inputs as a tuple of tensors with a common batch size.

    Raises:
        TypeError: If they are not tensors.
        ValueError: If there are none, one has no batch axis, or batch sizes differ.
    """
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            bad_type("inputs", "a tensor or a tuple of tensors", tensor, "convert it")
        if tensor.is_meta:
            bad_value(
                "inputs", "tensors with data", "one on the meta device", "load it"
            )
    sizes = {tensor.shape[0] if tensor.dim() else None for tensor in tensors}
    if len(sizes) != 1 or sizes & {None, 0}:
        bad_value(
            "inputs",
            "one or more tensors with the same non-empty batch axis first",
            f"shapes {[tuple(tensor.shape) for tensor in tensors]}",
            "add the batch axis with unsqueeze(0)",
        )
    return tensors


def check_target(target: Any, batch_size: int) -> Any:
    """Return ``target`` if it has one of Captum's forms for this batch.

    Raises:
        TypeError: If it has none of the forms.
        ValueError: If its length does not fit the batch.
    """
    if target is None or _is_index(target):
        return target
    if not isinstance(target, (Tensor, tuple, list)):
        bad_type(
            "target",
            "an int, tuple, list or tensor",
            target,
            "see Captum's forms; a class is a whole number",
        )
    if isinstance(target, Tensor):
        if (
            target.is_floating_point()
            or target.is_complex()
            or target.dtype == torch.bool
        ):
            bad_value("target", "a tensor of integers", target.dtype, "pass indices")
    elif isinstance(target, tuple):
        slices = all(_is_index(part) or isinstance(part, slice) for part in target)
        if not (target and slices):
            bad_value("target", "a tuple of integers", _short(target), "pass indices")
    elif not (all(map(_is_index, target)) or all(map(_is_place, target))):
        bad_value(
            "target",
            "a list of integers or of tuples of integers",
            _short(target),
            "pass one index, or tuple of them, for each example",
        )
    if isinstance(target, tuple):
        return target
    fits = (
        target.numel() == 1 or target.shape == (batch_size,)
        if isinstance(target, Tensor)
        else len(target) == batch_size
    )
    if not fits:
        length = list(target.shape) if isinstance(target, Tensor) else len(target)
        bad_value(
            "target",
            f"one output index, or one for each of the {batch_size} examples",
            f"a {type(target).__name__} of length {length}",
            "pass an int to explain the same output everywhere",
        )
    return target


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_place(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(map(_is_index, value))


def _short(value: Any) -> str:
    return f"{value!r}"[:80]


def select_output(output: Tensor, target: Any) -> Tensor:
    """Pick the target's column of a forward output, as Captum does.

    Raises:
        ValueError: If the target does not exist in this output.
    """
    if target is None:
        return output
    if _is_index(target) and output.dim() > 1 and 0 <= target < output.shape[1]:
        return output.select(1, target)  # the usual case, quicker than asking Captum
    try:
        return select_targets(output, target)
    except (AssertionError, IndexError, RuntimeError) as error:
        raise ValueError(
            f"`target` must select from an output of shape {tuple(output.shape)}, got "
            f"{target if isinstance(target, (int, tuple)) else type(target).__name__}; "
            f"choose an existing output, or None to explain all ({error})"
        ) from error


def warn_if_training(forward_func: Callable[..., Any]) -> bool:
    """Warn of layers in train mode that make v(S) depend on chance or on the batch.

    Returns:
        Whether there was something to warn of.
    """
    dropout, norm = training_effects(forward_func)
    if dropout or norm:
        effects = ["dropout draws anew for every coalition"] * dropout + [
            "batch norm mixes the coalitions of a batch and updates its running "
            "statistics"
        ] * norm
        warnings.warn(
            "the model is in train mode: " + ", and ".join(effects) + "; interactions "
            "sum many differences of such values, so call model.eval() first",
            UserWarning,
            stacklevel=user_level(),
        )
    return dropout or norm


def label_index(target: Any, forward_func: Callable[..., Any]) -> Any:
    """Replace the names of labels in a target by their indices.

    Args:
        target: In any of Captum's forms, with labels where it has indices.
        forward_func: A model with a mapping ``labels``, or a chain of modules whose
            ``forward_func`` ends in one, as value functions are.

    Returns:
        The target without names; unchanged if it has none.

    Raises:
        TypeError: If there are names and the model has no labels.
        ValueError: If the model has no such label.
    """
    if isinstance(target, (list, tuple)):
        return type(target)(label_index(part, forward_func) for part in target)
    if not isinstance(target, str):
        return target
    labels = _labels_of(forward_func)
    if labels is None:
        bad_type(
            "target",
            "an int, tuple, list or tensor: the model has no labels",
            target,
            "pass the index, or wrap the model with games.hf(model, labels=[...])",
        )
    if target not in labels:
        near = get_close_matches(target, labels, n=3, cutoff=0.3) or list(labels)[:3]
        bad_value(
            "target",
            f"one of the model's {len(labels)} labels",
            repr(target),
            f"did you mean {' or '.join(map(repr, near))}?",
        )
    return labels[target]


def _labels_of(forward_func: Any) -> Mapping[str, int] | None:
    while forward_func is not None:
        labels = getattr(forward_func, "labels", None)
        if isinstance(labels, Mapping):
            return labels
        forward_func = getattr(forward_func, "forward_func", None)
    return None
