"""A batch tiled many times, run in passes of bounded memory.

For rows that are no coalitions of one input: noisy copies, states of an attack,
features of a layer. Nothing is timed, so that a seed fixes every bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import (
    expand_additional_forward_args,
    format_additional_forward_args,
)
from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions.games.batching import CPU_ROWS

__all__ = ["Passes", "copies_at_once", "rows_kept"]

# Rows whose graph is kept until it is differentiated. A ResNet-50 keeps 143 bytes for
# each byte of a photograph (ResNet-18: 37), so 16 MiB of them, 28 of 224 × 224 pixels,
# take 2.3 GiB.
_KEPT_BYTES = 1 << 24
# Where rows are small, what is kept for one in a network of a few hundred units is
# some KiB: 65,536 rows stay below a GiB.
_KEPT_ROWS = 1 << 16


def rows_kept(inputs: tuple[Tensor, ...]) -> int:
    """How many rows of such inputs are evaluated with their graph kept, at least one.

    Example:
        >>> rows_kept((torch.zeros(1, 3, 224, 224),))
        27
    """
    row_bytes = sum(x[:1].numel() * x.element_size() for x in inputs)
    return max(1, min(_KEPT_ROWS, _KEPT_BYTES // max(1, row_bytes)))


def copies_at_once(inputs: tuple[Tensor, ...], rows_per_copy: int) -> int:
    """How many copies go into a pass whose graph is kept, at least one.

    On a CPU they make 1,024 rows: the interaction term of an attack on a small
    convolutional network took 1.6 times as long in passes of 3,250.

    Args:
        inputs: Of one copy.
        rows_per_copy: Rows that one copy takes.

    Example:
        >>> copies_at_once((torch.zeros(4, 8),), rows_per_copy=4)
        256
    """
    rows = rows_kept(inputs)
    if inputs[0].device.type == "cpu":
        rows = min(rows, CPU_ROWS)
    return max(1, rows // rows_per_copy)


class Passes:
    """Runs a model on a batch that is tiled any number of times.

    Rows come as Captum tiles a batch: copy after copy of all examples. A pass takes
    whole copies: as many as ``per_eval`` says, or as many as make 1,024 rows on a CPU,
    where more are no faster, in bounded memory.

    Args:
        forward_func: Model or callable on rows.
        batch_size: The number of examples in one copy.
        additional_forward_args: Passed after the rows; batched tensors are tiled.
        per_eval: Copies per forward pass; ``None`` chooses.

    Raises:
        TypeError: If ``per_eval`` is no integer.
        ValueError: If it is not positive.

    Example:
        >>> double = Passes(lambda x: 2 * x, batch_size=2)
        >>> rows = (torch.tensor([1.0, 2.0, 3.0, 4.0]),)
        >>> double.outputs(rows).tolist()
        [2.0, 4.0, 6.0, 8.0]
        >>> [part.tolist() for part in double.gradient(rows, torch.sum)]
        [[2.0, 2.0, 2.0, 2.0]]
    """

    def __init__(
        self,
        forward_func: Callable[..., Any],
        batch_size: int,
        additional_forward_args: Any = None,
        per_eval: int | None = None,
    ) -> None:
        if per_eval is not None:
            check_positive_int(
                "perturbations_per_eval", per_eval, "or None to let it be chosen"
            )
        self._forward_func = forward_func
        self._batch_size = batch_size
        self._args = format_additional_forward_args(additional_forward_args) or ()
        self._per_eval = per_eval

    def outputs(self, rows: tuple[Tensor, ...]) -> Tensor:
        """Return the output of all rows, ``(copies·batch, *outputs)``.

        In a surrounding gradient mode the graph of all passes is kept.
        """
        every, step = len(rows[0]), self._rows_per_pass(rows)
        if (
            self._per_eval is None
            and torch.is_grad_enabled()
            and rows[0].device.type != "cpu"
        ):
            step = every  # all of the graph is kept: smaller passes would save nothing
        if step >= every:
            return self._forward(rows)
        # Unlike slices, these parts may be written into by layers that work in place,
        # and give their gradients back in one piece.
        parts = zip(*(row.unsafe_split(step) for row in rows), strict=True)
        return torch.cat([self._forward(part) for part in parts])

    def gradient(
        self, rows: tuple[Tensor, ...], value: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, ...]:
        """Return the gradient of a sum over rows; the graph of one pass at a time.

        Args:
            rows: ``(copies·batch, *features)`` each.
            value: From the output of some copies to the sum of what they add.

        Returns:
            Its gradient with respect to each row, shaped like the rows.

        Raises:
            TypeError: If the model returns no tensor.
            ValueError: If the model has no gradient.
        """
        step = min(len(rows[0]), self._rows_per_pass(rows))
        found, start = [], 0
        while start < len(rows[0]):
            part = tuple(row[start : start + step] for row in rows)
            try:
                found.append(self._gradient_of_pass(part, value))
            except torch.cuda.OutOfMemoryError:
                if step <= self._batch_size:
                    raise
                step = step // self._batch_size // 2 * self._batch_size
                continue
            start += step
        return tuple(torch.cat(parts) for parts in zip(*found, strict=True))

    def _gradient_of_pass(
        self, rows: tuple[Tensor, ...], value: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, ...]:
        with torch.inference_mode(False), torch.enable_grad():
            leaves = tuple(
                (row.clone() if row.is_inference() else row.detach()).requires_grad_()
                for row in rows
            )
            total = value(self._forward(leaves))
            if not total.requires_grad:
                bad_value(
                    "forward_func",
                    "differentiable with respect to its inputs",
                    "an output without a gradient",
                    "return tensors of the graph (no detach, numpy or no_grad inside)",
                )
            parts = torch.autograd.grad(total, leaves, allow_unused=True)
        return tuple(
            torch.zeros_like(leaf) if part is None else part
            for leaf, part in zip(leaves, parts, strict=True)
        )

    def _forward(self, rows: tuple[Tensor, ...]) -> Tensor:
        repeats = len(rows[0]) // self._batch_size
        args = expand_additional_forward_args(self._args, repeats) or ()
        output = self._forward_func(*rows, *args)
        if not isinstance(output, Tensor):
            bad_type("forward_func", "a model that returns a tensor", output, "wrap it")
        return output

    def _rows_per_pass(self, rows: tuple[Tensor, ...]) -> int:
        """Whole copies, at least one."""
        copies = self._per_eval or copies_at_once(rows, self._batch_size)
        return copies * self._batch_size
