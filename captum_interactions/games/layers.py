"""A model cut at a layer: its features, and what it makes of other features."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._captum import format_additional_forward_args
from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked, checked_methods
from captum_interactions.games.arguments import format_inputs

__all__ = [
    "SplitForward",
    "split_at_layer",
    "module_name",
    "evaluation_mode",
    "uncompiled",
]

# Rows that the part below the layer sees while the part above it runs on many. Never as
# many as above and never one, or a branch that goes round the layer would be added or
# broadcast silently.
_CARRIER_ROWS = 3


@checked_methods
@dataclass(frozen=True)
class SplitForward:
    """One forward pass, cut at a layer.

    Attributes:
        output: What the model returned.
        features: What the layer returned, ``(batch, *features)``, part of the graph of
            ``output``; the inputs themselves if no layer was given.
        upper: The model above the layer: takes features of any number of rows and
            returns the model's output for them.
    """

    output: Any
    features: tuple[Tensor, ...]
    upper: Callable[..., Any]


@checked
def split_at_layer(
    model: nn.Module,
    layer: str | nn.Module | None,
    inputs: Tensor | tuple[Tensor, ...],
    additional_forward_args: Any = None,
) -> SplitForward:
    """Run a model once, keep a layer's output, and make the rest callable.

    ``upper`` calls the model with the layer's output replaced. Its lower part then sees
    two or three rows of the inputs, whatever the number of rows above, so that its cost
    is negligible; all information therefore has to pass through the layer, and a branch
    that goes round it is an error. A model from ``torch.compile`` is run as it was
    before compilation, because compiled code does not see hooks that come later.

    Args:
        model: The model.
        layer: A submodule or its dotted name; ``None`` cuts at the inputs.
        inputs: A tensor or a tuple of tensors, batch axis first.
        additional_forward_args: Passed to the model after the inputs.

    Returns:
        The output, the features and the upper part. No hook is left behind.

    Raises:
        TypeError: If the layer does not return a single tensor.
        ValueError: If there is no such layer, it does not run exactly once, or its
            output has no batch axis. From ``upper``, if a branch goes round the layer.

    Example:
        >>> model = nn.Sequential(nn.ReLU(), nn.Flatten(0))
        >>> split = split_at_layer(model, "0", torch.tensor([[-1.0], [2.0]]))
        >>> split.features[0].tolist(), split.upper(torch.ones(3, 1)).tolist()
        ([[0.0], [2.0]], [1.0, 1.0, 1.0])
    """
    tensors = format_inputs(inputs)
    args = format_additional_forward_args(additional_forward_args) or ()
    if layer is None:
        batch = len(tensors[0])

        def whole(*rows: Tensor) -> Any:
            return model(*rows, *_repeated(args, batch, len(rows[0]) // batch))

        return SplitForward(model(*tensors, *args), tensors, whole)
    layer = module_name(model, layer)
    model = uncompiled(model)
    module = model.get_submodule(layer)
    caught: list[Any] = []

    def keep(_module: nn.Module, _args: Any, output: Any) -> Any:
        caught.append(output)
        # The model goes on with a copy: an in-place activation would overwrite ours.
        return output.clone() if isinstance(output, Tensor) else output

    with _hooked(module, keep):
        output = model(*tensors, *args)
    features = _check_features(caught, layer, len(tensors[0]))
    upper = _Upper(model, module, layer, (*tensors, *args), len(tensors[0]))
    return SplitForward(output, (features,), upper)


class _Upper:
    """The part of a model above a layer."""

    def __init__(
        self,
        model: nn.Module,
        module: nn.Module,
        layer: str,
        arguments: tuple[Any, ...],
        batch: int,
    ) -> None:
        self._model = model
        self._module = module
        self._layer = layer
        rows = torch.arange(_CARRIER_ROWS) % batch
        self._carrier = tuple(
            argument[rows.to(argument.device)]
            if _is_batched(argument, batch)
            else argument
            for argument in arguments
        )

    def __call__(self, features: Tensor) -> Any:
        """Return the model's output when its layer returns ``features``."""
        rows = _CARRIER_ROWS - (len(features) == _CARRIER_ROWS)
        arguments = [
            argument[:rows] if _is_batched(argument, _CARRIER_ROWS) else argument
            for argument in self._carrier
        ]
        with _hooked(self._module, lambda _module, _args, _output: features):
            try:
                output = self._model(*arguments)
            except RuntimeError as error:
                if "size" not in str(error).lower() and "shape" not in str(error):
                    raise
                raise ValueError(self._bypassed(str(error))) from error
        if isinstance(output, Tensor) and output.shape[:1] == (rows,):
            raise ValueError(self._bypassed(f"the output has {rows} rows"))
        return output

    def _bypassed(self, detail: str) -> str:
        return (
            "`layer` must carry everything that the output depends on, got "
            f"{self._layer!r} whose replaced output did not run through the "
            f"model ({detail}); choose a layer where branches have joined, such as the "
            "end of a residual block"
        )


def module_name(
    model: nn.Module, module: str | nn.Module, argument: str = "layer"
) -> str:
    """Return the dotted name of a submodule given by itself or by that name.

    Args:
        model: Where to look; if it was compiled, names are those before compilation.
        module: A submodule or its name.
        argument: What an error calls it.

    Raises:
        TypeError: If ``model`` is no module, or ``module`` neither name nor module.
        ValueError: If the model has no such submodule.

    Example:
        >>> model = nn.Sequential(nn.ReLU())
        >>> module_name(model, model[0])
        '0'
    """
    if not isinstance(model, nn.Module):
        bad_type("model", "an nn.Module", model, "layers belong to modules")
    owned = {name: own for name, own in uncompiled(model).named_modules() if name}
    if isinstance(module, nn.Module):
        module = uncompiled(module)
        for name, own in owned.items():
            if own is module:
                return name
        bad_value(
            argument,
            "a submodule of the model",
            f"a {type(module).__name__} that is not part of it",
            "take it from model.named_modules()",
        )
    if not isinstance(module, str):
        bad_type(argument, "a submodule or its dotted name", module, "pass its name")
    if module not in owned:
        close = difflib.get_close_matches(module, owned, n=5, cutoff=0.0)
        bad_value(
            argument,
            "the name of a submodule",
            repr(module),
            f"model.named_modules() lists them, among them {close}",
        )
    return module


@checked
@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put every submodule in eval mode, and each one back where it was.

    The flags are set directly: ``model.train()`` would also wake up the layers that
    were frozen in eval mode, and a module may override it.
    """
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _hooked(module: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def uncompiled(module: nn.Module) -> nn.Module:
    """Return what ``torch.compile`` wrapped; it shares parameters with the wrapper."""
    # Importing the compiler takes seconds; where it is not loaded, nothing is compiled.
    if "torch._dynamo" in sys.modules and isinstance(
        module, torch._dynamo.OptimizedModule
    ):
        return module._orig_mod
    return module


def _check_features(caught: list[Any], layer: str, batch: int) -> Tensor:
    if len(caught) != 1:
        bad_value(
            "layer",
            "a layer that runs once in a forward pass",
            f"{layer!r}, which ran {len(caught)} times",
            "choose another layer; if only a part of the model is compiled, compile "
            "the whole of it instead",
        )
    (features,) = caught
    if not isinstance(features, Tensor):
        bad_type(
            "layer",
            "a layer that returns one tensor",
            features,
            f"{layer!r} does not; choose a layer inside or after it",
        )
    if features.dim() < 2 or features.shape[0] != batch:
        bad_value(
            "layer",
            f"a layer whose output has the batch ({batch}) first",
            f"{layer!r} with output of shape {tuple(features.shape)}",
            "choose another layer",
        )
    return features


def _is_batched(argument: Any, batch: int) -> bool:
    return (
        isinstance(argument, Tensor)
        and argument.dim() > 0
        and argument.shape[0] == batch
    )


def _repeated(args: tuple[Any, ...], batch: int, repeats: int) -> tuple[Any, ...]:
    """Tile batched arguments as Captum does."""
    return tuple(
        argument.repeat(repeats, *(1,) * (argument.dim() - 1))
        if _is_batched(argument, batch)
        else argument
        for argument in args
    )
