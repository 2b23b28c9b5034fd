"""Branches of a model whose gradient is scaled on its way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from captum_interactions._checks import bad_type
from captum_interactions.games.layers import module_name, uncompiled

__all__ = ["find_modules", "scaled_gradients"]


def find_modules(
    forward_func: Callable[..., Any],
    modules: Sequence[str | nn.Module],
    argument: str = "modules",
) -> tuple[nn.Module, ...]:
    """Return submodules given by themselves or by their dotted names.

    Args:
        forward_func: Where to look; names need a module.
        modules: Submodules or names.
        argument: What an error calls them.

    Raises:
        TypeError: If they are no list, or names come with a plain function.
        ValueError: If the model has no such submodule.

    Example:
        >>> find_modules(nn.Sequential(nn.ReLU()), ["0"])
        (ReLU(),)
    """
    if isinstance(modules, (str, nn.Module)):
        bad_type(argument, "a list of names or modules", modules, "write [name]")
    if isinstance(forward_func, nn.Module):
        model = uncompiled(forward_func)
        return tuple(
            model.get_submodule(module_name(model, module, argument))
            for module in modules
        )
    for module in modules:
        if not isinstance(module, nn.Module):
            bad_type(
                argument,
                "a list of modules unless `forward_func` is a module",
                module,
                "names are looked up in `forward_func`",
            )
    return tuple(module for module in modules if isinstance(module, nn.Module))


@contextmanager
def scaled_gradients(modules: Sequence[nn.Module], factor: float) -> Iterator[None]:
    """Scale the gradient of these modules' outputs; no hook stays behind.

    With residual branches as modules, dz_{i+1}/dz_i = 1 + factor · df/dz. Compiled code
    doesn't look for new hooks: run the model as it was before.

    Example:
        >>> import torch
        >>> layer, x = nn.Identity(), torch.ones(2, requires_grad=True)
        >>> with scaled_gradients([layer], 0.5):
        ...     layer(x).sum().backward()
        >>> x.grad
        tensor([0.5000, 0.5000])
    """

    def scale(_module: nn.Module, _args: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(lambda gradient: factor * gradient)

    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(scale).remove)
        yield
