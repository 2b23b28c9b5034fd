"""Why a method can't run on these inputs, in words that say what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter
from textwrap import shorten
from typing import Any

from captum.attr import (
    GradientAttribution,
    LayerActivation,
    LayerAttribution,
    LayerGradientXActivation,
    LayerIntegratedGradients,
    NoiseTunnel,
)
from torch import Tensor

__all__ = [
    "CannotRunError",
    "check_call",
    "listed",
    "missing_arguments",
    "one_line",
    "reason",
    "wrapped",
]


# The methods of Captum that take a list of layers.
_TAKE_LISTS = (LayerActivation, LayerGradientXActivation, LayerIntegratedGradients)


class CannotRunError(Exception):
    """A method can't run here; the message says why and what would help."""


def check_call(
    method: Any,
    tensors: tuple[Tensor, ...],
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
) -> None:
    """Refuse what can be seen to fail before it is tried.

    Args:
        method: A Captum attribution.
        tensors: The inputs.
        parameters: What its ``attribute`` takes.
        given: What it will be given besides the inputs.

    Raises:
        CannotRunError: If arguments are missing or unknown, or gradients are asked of
            whole numbers.
    """
    name = type(method).__name__
    named = _named(parameters)
    missing = missing_arguments(parameters, given)
    if missing:
        example = ", ".join(f'"{key}": …' for key in missing)
        raise CannotRunError(
            f"needs {listed(missing)}: put it beside the method, "
            f"({name}(model), {{{example}}})"
        )
    unknown = [key for key in given if key not in named]
    if unknown and len(named) == len(parameters):
        raise CannotRunError(
            f"takes no {listed(unknown)}; {name}.attribute has {', '.join(named)}"
        )
    inner = wrapped(method)
    whole = [x.dtype for x in tensors if not x.is_floating_point()]
    if whole and isinstance(inner, GradientAttribution) and _reads_inputs(method):
        raise CannotRunError(
            "needs gradients or noise of its inputs, which are whole numbers "
            f"({str(whole[0]).removeprefix('torch.')}): use a layer method on the "
            "embedding, such as LayerIntegratedGradients(model, model.embedding)"
        )


def missing_arguments(
    parameters: Mapping[str, Parameter], given: Mapping[str, Any]
) -> list[str]:
    """Arguments besides the inputs that a method must have, and was not given."""
    return [
        key
        for key, parameter in list(_named(parameters).items())[1:]
        if parameter.default is Parameter.empty and key not in given
    ]


def _named(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    kinds = (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
    return {key: p for key, p in parameters.items() if p.kind not in kinds}


def _reads_inputs(method: Any) -> bool:
    """Whether the inputs themselves are moved or differentiated, not only a layer."""
    inner = wrapped(method)
    noisy = isinstance(method, NoiseTunnel) or "GradientShap" in type(inner).__name__
    return noisy or not isinstance(inner, LayerAttribution)


def wrapped(method: Any) -> Any:
    """The method inside NoiseTunnels."""
    while isinstance(method, NoiseTunnel):
        method = method.attribution_method
    return method


def reason(error: Exception, method: Any = None) -> str:
    """Return on one line what went wrong, and where unless it says so itself."""
    if isinstance(error, CannotRunError):
        return one_line(str(error))
    inner = wrapped(method)
    layers = getattr(inner, "layer", None)
    if isinstance(layers, list | tuple) and not isinstance(inner, _TAKE_LISTS):
        return (
            f"{type(inner).__name__} explains one layer at a time: write an "
            "entry for each layer, or take LayerIntegratedGradients, which adds them up"
        )
    said = one_line(f"{type(error).__name__}: {error}").removesuffix(":")
    if layers is not None and "size of tensor" in said:
        return one_line(
            "explains a layer whose output has no axis for examples, such as an "
            f"embedding of positions, or another order of axes ({said})"
        )
    if method is None or isinstance(error, ValueError):
        return said
    return one_line(f"the call of {type(method).__name__}.attribute raised {said}")


def one_line(text: str) -> str:
    """A text without line breaks, and not too long for a table."""
    return shorten(text, 280, placeholder=" …")


def listed(names: list[str]) -> str:
    """Names of arguments in a sentence."""
    return " and ".join(f"`{name}`" for name in names)
