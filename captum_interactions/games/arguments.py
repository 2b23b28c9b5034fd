"""Captum's call arguments: checked before the first forward pass."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from captum_interactions._captum import select_targets
from captum_interactions._checks import bad_type, bad_value

__all__ = ["check_target", "format_inputs", "select_output", "warn_if_training"]


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
    if target is None or isinstance(target, int):
        return target
    if not isinstance(target, (Tensor, tuple, list)):
        bad_type(
            "target", "an int, tuple, list or tensor", target, "see Captum's forms"
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


def select_output(output: Tensor, target: Any) -> Tensor:
    """Pick the target's column of a forward output, as Captum does.

    Raises:
        ValueError: If the target does not exist in this output.
    """
    if target is None:
        return output
    try:
        return select_targets(output, target)
    except (AssertionError, IndexError, RuntimeError) as error:
        raise ValueError(
            f"`target` must select from an output of shape {tuple(output.shape)}, got "
            f"{target if isinstance(target, (int, tuple)) else type(target).__name__}; "
            f"choose an existing output, or None to explain all ({error})"
        ) from error


def warn_if_training(forward_func: Callable[..., Any]) -> None:
    """Warn of layers in train mode that make v(S) depend on chance or on the batch."""
    if not isinstance(forward_func, nn.Module):
        return
    dropout = norm = False
    for module in forward_func.modules():
        if module.training:
            dropout |= isinstance(module, nn.modules.dropout._DropoutNd)
            norm |= isinstance(module, nn.modules.batchnorm._BatchNorm)
    if dropout or norm:
        effects = ["dropout draws anew for every coalition"] * dropout + [
            "batch norm mixes the coalitions of a batch and updates its running "
            "statistics"
        ] * norm
        warnings.warn(
            "the model is in train mode: " + ", and ".join(effects) + "; interactions "
            "sum many differences of such values, so call model.eval() first",
            UserWarning,
            stacklevel=5,
        )
