"""The forward function as it is called on rows, with its arguments and its target."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from inspect import signature
from sys import getrefcount
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._captum import (
    expand_target,
    format_additional_forward_args,
)
from captum_interactions._checks import bad_value
from captum_interactions._kinds import is_dense, state_of
from captum_interactions.games.arguments import select_output

__all__ = ["Forward"]

# Arguments that are no part of the batch are copied for every pass up to this size
# (0.1 ms); larger ones are lent as they are, and a model that writes into them is found
# by its control rows.
_COPIED_BYTES = 1 << 20
# Two passes that agree in so many numbers are looked at again.
_COMPARED = 64
# A tensor that nobody else keeps: in the tuple of rows, in the loop, in the question.
_OWN_REFERENCES = 3


class Forward:
    """Calls the forward function on some rows, and selects its target.

    Whatever the function does with what it gets, later passes don't see: tensors among
    the arguments are copied for each pass.

    Args:
        forward_func: Model or callable.
        target: Which output is explained, checked.
        additional_forward_args: What is passed after the inputs. Tensors whose first
            axis is the batch are repeated with it, as Captum does; anything else is
            passed as it is.
        batch_size: The number of examples.
        n_inputs: The number of input tensors.

    Attributes:
        target: Which output is explained.
        args: What is passed after the inputs, a tuple.
        n_calls: Calls so far, but for the one that asks about addresses.
        dtype: Floating dtype of the output, once there was one.
        output_bytes: Bytes of output for one row of input, target not yet selected.

    Raises:
        TypeError: If the function can't be called with that many arguments.
    """

    def __init__(
        self,
        forward_func: Callable[..., Any],
        target: Any,
        additional_forward_args: Any,
        batch_size: int,
        n_inputs: int,
    ) -> None:
        self.func = forward_func
        self.target = target
        self.args = format_additional_forward_args(additional_forward_args) or ()
        self._batch_size = batch_size
        self._takes_inputs = _takes_inputs(forward_func, n_inputs + len(self.args))
        self._retired: list[Tensor] = []
        self._seen: dict[tuple[int, ...], Tensor] | None = {}  # answers by address
        self._tiled: tuple[int, Any, tuple[Any, ...]] = (1, target, self.args)
        self.n_calls = 0
        self.dtype: torch.dtype | None = None
        self.output_bytes = 0

    def __call__(self, rows: tuple[Tensor, ...], repeats: int) -> Tensor:
        """One forward pass on the batch tiled ``repeats`` times.

        The first time that rows lie where other ones were, it is seen whether the
        function answers by address, as a memory with ``data_ptr()`` for a key does.

        Raises:
            TypeError: If the function returns neither a tensor nor a number, or complex
                numbers.
            ValueError: If the target does not exist, or the function answers by the
                address of its input.
        """
        seen = self._seen
        if seen is None or torch.is_grad_enabled():
            return self._once(rows, repeats)
        place = _place(rows)
        before = seen.get(place)
        if before is None:
            output = self._once(rows, repeats)
            seen[place] = _some(output)
            return output
        self._seen = None
        # Made before the pass, which may write into its rows, where none were before.
        copies = [rows]
        while _place(copies[-1]) in seen:
            copies.append(tuple(row.clone() for row in rows))
        output = self._once(rows, repeats)
        answer, n_calls = _some(output), self.n_calls
        state = torch.get_rng_state()
        if (
            torch.equal(answer, before)
            and not torch.equal(_some(self._once(copies[-1], repeats)), answer)
            and torch.equal(torch.get_rng_state(), state)  # or it was chance
        ):
            bad_value(
                "forward_func",
                "a function of what its input holds",
                "one that gives new contents of an address the answer to the old ones, "
                "as a memory with `data_ptr()` for a key does",
                "let it compare contents, or remember nothing",
            )
        # Where memory comes again is the allocator's business: counts must not tell.
        self.n_calls = n_calls
        return output

    def _once(self, rows: tuple[Tensor, ...], repeats: int) -> Tensor:
        if self._tiled[0] != repeats:
            args = tuple(self._repeated(argument, repeats) for argument in self.args)
            self._tiled = repeats, expand_target(self.target, repeats), args
        _, target, args = self._tiled
        self.n_calls += 1
        output = self.func(
            *(rows if self._takes_inputs else ()), *map(self._lent, args)
        )
        if isinstance(output, (bool, int, float)):
            output = torch.tensor(float(output), dtype=torch.float64)
        if not isinstance(output, Tensor):
            raise TypeError(
                "`forward_func` must return a tensor or a number, got "
                f"{type(output).__name__}; wrap it to return the output to explain, a "
                "model of Hugging Face with games.hf(model)"
            )
        if not is_dense(output):
            raise TypeError(
                "`forward_func` must return a dense tensor with data, got "
                f"{state_of(output)}; convert it"
            )
        if output.is_complex():
            raise TypeError(
                f"`forward_func` must return real numbers, got {output.dtype}; wrap it "
                "to return the real part, the magnitude or the phase"
            )
        n_rows = repeats * self._batch_size
        self.output_bytes = output.numel() * output.element_size() // n_rows
        output = select_output(output, target)
        if output.is_floating_point():
            self.dtype = output.dtype
        return output

    def select(
        self,
        index: Tensor,  # (k,) int64
    ) -> Forward:
        """Return the same for some of the examples, no call counted yet."""
        chosen, target = copy(self), self.target
        if isinstance(target, list) and len(target) == self._batch_size:
            target = [target[i] for i in index.tolist()]
        chosen.args = tuple(self._rows(argument, index) for argument in self.args)
        chosen.target = self._rows(target, index)
        chosen._batch_size = len(index)
        chosen._tiled = 1, chosen.target, chosen.args
        chosen._seen = {}
        chosen.n_calls = 0
        return chosen

    def _rows(self, argument: Any, index: Tensor) -> Any:
        if not self._is_batched(argument):
            return argument
        return argument.index_select(0, index.to(argument.device))

    def retire(self, rows: tuple[Tensor, ...]) -> None:
        """Keep the objects of rows that are done with, until :meth:`release`.

        A function that remembers answers by ``id`` would take a new tensor for an old
        one, as Python gives the ids of what is gone again. Their memory is let go of,
        unless somebody else keeps them.
        """
        for row in rows:
            if getrefcount(row) <= _OWN_REFERENCES and row.layout == torch.strided:
                row.set_()  # type: ignore[call-overload]
                self._retired.append(row)

    def release(self) -> None:
        """Forget the rows that were retired."""
        self._retired.clear()

    def _is_batched(self, argument: Any) -> bool:
        return (
            isinstance(argument, Tensor)
            and argument.dim() > 0
            and argument.shape[0] == self._batch_size
        )

    def _repeated(self, argument: Any, repeats: int) -> Any:
        if not self._is_batched(argument):
            return argument
        if argument.layout != torch.strided:
            return torch.cat([argument] * repeats)
        return argument.repeat(repeats, *(1,) * (argument.dim() - 1))

    def _lent(self, argument: Any) -> Any:
        if not isinstance(argument, Tensor) or argument.layout != torch.strided:
            return argument
        small = argument.numel() * argument.element_size() <= _COPIED_BYTES
        return argument.clone() if small or self._is_tiled(argument) else argument

    def _is_tiled(self, argument: Tensor) -> bool:
        return all(argument is not own for own in self.args)


def _place(rows: tuple[Tensor, ...]) -> tuple[int, ...]:
    return len(rows[0]), *(row.data_ptr() for row in rows)


def _some(output: Tensor) -> Tensor:
    return output.detach().reshape(-1)[:_COMPARED].clone()


def _takes_inputs(forward_func: Callable[..., Any], n_arguments: int) -> bool:
    """Whether to pass the inputs: Captum calls functions without parameters bare."""
    if isinstance(forward_func, nn.Module):
        return True
    try:
        parameters = signature(forward_func)
    except (TypeError, ValueError):  # builtins have none that can be read
        return True
    if not parameters.parameters:
        return False
    try:
        parameters.bind(*(None,) * n_arguments)
    except TypeError as error:
        raise TypeError(
            f"`forward_func` must take {n_arguments} positional arguments, the inputs "
            "and then `additional_forward_args`, got one with the signature "
            f"{parameters} ({error}); wrap it in a function that does"
        ) from error
    return True
