"""Modes that a fit must leave behind, or change and put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["outside_inference", "parameters_frozen"]


def outside_inference(value: Any) -> Any:
    """Return tensors of ``inference_mode`` as copies that a graph can hold."""
    if isinstance(value, tuple):
        return tuple(map(outside_inference, value))
    if isinstance(value, Tensor) and value.is_inference():
        with torch.inference_mode(False):
            return value.clone()
    return value


@contextmanager
def parameters_frozen(forward_func: Callable[..., Any]) -> Iterator[None]:
    """Spare the gradients of a model's parameters, and put their flags back."""
    parameters = (
        list(forward_func.parameters()) if isinstance(forward_func, nn.Module) else []
    )
    flags = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, flag in zip(parameters, flags, strict=True):
            parameter.requires_grad_(flag)
