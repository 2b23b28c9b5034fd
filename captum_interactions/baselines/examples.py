"""Examples of a data set in batches, from tensors or from a DataLoader.

A method that is fitted needs any number of batches, statistics of every input element
and a fixed part of the data to report on; where they come from is settled here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from captum_interactions._captum import format_additional_forward_args
from captum_interactions._checks import bad_type, bad_value
from captum_interactions.games.arguments import check_target, format_inputs

__all__ = ["ExampleBatch", "Examples", "InputStatistics", "open_examples"]


@dataclass(frozen=True)
class ExampleBatch:
    """Some examples, as the arguments of a Captum call.

    Attributes:
        inputs: Input tensors, batch axis first.
        target: Which output is explained.
        additional_forward_args: Further arguments of the forward function.
        feature_mask: Which input elements form a player.
    """

    inputs: tuple[Tensor, ...]
    target: Any
    additional_forward_args: Any
    feature_mask: tuple[Tensor, ...] | None

    def __len__(self) -> int:
        return len(self.inputs[0])

    def select(
        self,
        index: Tensor,  # (k,) int64
    ) -> ExampleBatch:
        """Return some of the examples, with everything that belongs to them."""
        size = len(self)
        masks = self.feature_mask
        arguments = self.additional_forward_args
        target = self.target
        if isinstance(target, list) and len(target) == size:
            target = [target[i] for i in index.tolist()]
        return ExampleBatch(
            inputs=tuple(_rows(tensor, index, size) for tensor in self.inputs),
            target=_rows(target, index, size),
            additional_forward_args=None
            if arguments is None
            else tuple(_rows(item, index, size) for item in arguments),
            feature_mask=None
            if masks is None
            else tuple(
                _rows(mask, index, size) if mask.dim() == tensor.dim() else mask
                for mask, tensor in zip(masks, self.inputs, strict=True)
            ),
        )

    def split(self, size: int) -> Iterator[ExampleBatch]:
        """Return the examples in pieces of at most ``size``, in their order."""
        if size >= len(self):
            yield self
            return
        for index in torch.arange(len(self)).split(size):
            yield self.select(index)


def _rows(value: Any, index: Tensor, size: int) -> Any:
    """Pick rows of what has one row per example; leave anything else as it is."""
    if isinstance(value, Tensor) and value.dim() and len(value) == size > 1:
        return value[index.to(value.device)]
    return value


@dataclass(frozen=True)
class InputStatistics:
    """What the examples look like, element by element; tensors ``(1, *features)``.

    Attributes:
        size: Number of examples.
        mean: Mean of each input element.
        std: Standard deviation (of the population, as the examples are all there are).
        low: Smallest value.
        high: Largest value.
    """

    size: int
    mean: tuple[Tensor, ...]
    std: tuple[Tensor, ...]
    low: tuple[Tensor, ...]
    high: tuple[Tensor, ...]


def _statistics(batches: Iterator[ExampleBatch]) -> InputStatistics:
    """Accumulate in float64, batch by batch, by the parallel form of Welford's sums."""
    size = 0
    mean: list[Tensor] = []
    squares: list[Tensor] = []
    low: list[Tensor] = []
    high: list[Tensor] = []
    dtypes: list[torch.dtype] = []
    for batch in batches:
        if not size:
            dtypes = [tensor.dtype for tensor in batch.inputs]
            mean = [tensor.new_zeros(1, *tensor.shape[1:]).double()
                    for tensor in batch.inputs]  # fmt: skip
            squares = [torch.zeros_like(m) for m in mean]
            low = [tensor.amin(0, keepdim=True) for tensor in batch.inputs]
            high = [tensor.amax(0, keepdim=True) for tensor in batch.inputs]
        new = len(batch)
        for position, tensor in enumerate(batch.inputs):
            exact = tensor.detach().double()
            here = exact.mean(0, keepdim=True)
            gap = here - mean[position]
            squares[position] += (exact - here).square().sum(0, keepdim=True)
            squares[position] += gap.square() * (size * new / (size + new))
            mean[position] += gap * (new / (size + new))
            low[position] = low[position].minimum(tensor.amin(0, keepdim=True))
            high[position] = high[position].maximum(tensor.amax(0, keepdim=True))
        size += new

    def returned(values: list[Tensor]) -> tuple[Tensor, ...]:
        return tuple(v.to(d) for v, d in zip(values, dtypes, strict=True))

    return InputStatistics(
        size=size,
        mean=returned(mean),
        std=returned([(s / max(size, 1)).sqrt() for s in squares]),
        low=tuple(low),
        high=tuple(high),
    )


class Examples(Protocol):
    """A data set to fit on."""

    def once(self) -> Iterator[ExampleBatch]:
        """Yield every example once."""

    def forever(
        self, batch_size: int | None, generator: torch.Generator | None
    ) -> Iterator[ExampleBatch]:
        """Yield batches in random order, again and again."""

    def head(self, size: int) -> list[ExampleBatch]:
        """Return batches of the first ``size`` examples."""

    def statistics(self) -> InputStatistics:
        """Return mean, deviation and range of every input element."""


class _TensorExamples:
    """Examples that are all in memory."""

    def __init__(self, batch: ExampleBatch) -> None:
        self._batch = batch

    def once(self) -> Iterator[ExampleBatch]:
        yield self._batch

    def forever(
        self, batch_size: int | None, generator: torch.Generator | None
    ) -> Iterator[ExampleBatch]:
        total = len(self._batch)
        size = min(total, batch_size or total)
        device = generator.device if generator is not None else None
        while size == total:
            yield self._batch
        while True:
            order = torch.randperm(total, generator=generator, device=device)
            for start in range(0, total - size + 1, size):  # batches of one size only
                yield self._batch.select(order[start : start + size])

    def head(self, size: int) -> list[ExampleBatch]:
        return [next(self._batch.split(size))]

    def statistics(self) -> InputStatistics:
        return _statistics(self.once())


class _LoadedExamples:
    """Examples that a DataLoader yields, batch by batch.

    Args:
        loader: Yields inputs, or a sequence of inputs, target and additional forward
            arguments.
        target: Used instead of the loader's, if it is not ``None``.
        additional_forward_args: Used if the loader yields none.
        feature_mask: The same for all examples.
    """

    def __init__(
        self,
        loader: DataLoader[Any],
        target: Any,
        additional_forward_args: Any,
        feature_mask: tuple[Tensor, ...] | None,
    ) -> None:
        self._loader = loader
        self._target = target
        self._args = additional_forward_args
        self._feature_mask = feature_mask
        self._shapes: list[tuple[int, ...]] | None = None

    def once(self) -> Iterator[ExampleBatch]:
        empty = True
        for item in self._loader:
            empty = False
            yield self._parse(item)
        if empty:
            bad_value(
                "inputs",
                "a DataLoader that yields at least one batch",
                "one that yields nothing",
                "check its data set, sampler and drop_last",
            )

    def forever(
        self, batch_size: int | None, generator: torch.Generator | None
    ) -> Iterator[ExampleBatch]:
        while True:
            yield from self.once()

    def head(self, size: int) -> list[ExampleBatch]:
        batches: list[ExampleBatch] = []
        for batch in self.once():
            left = size - sum(map(len, batches))
            if left <= 0:
                break
            batches.append(next(batch.split(left)))
        return batches

    def statistics(self) -> InputStatistics:
        return _statistics(self.once())

    def _parse(self, item: Any) -> ExampleBatch:
        parts = list(item) if isinstance(item, (list, tuple)) else [item]
        if not 1 <= len(parts) <= 3:
            bad_value(
                "inputs",
                "a DataLoader of inputs, (inputs, target) or (inputs, target, "
                "additional_forward_args)",
                f"batches of {len(parts)} parts",
                "put several inputs into one tuple, with a collate_fn or in the "
                "data set",
            )
        inputs, labels, args = (*parts, None, None)[:3]
        args = tuple(args) if isinstance(args, list) else args  # a default collation
        tensors = format_inputs(tuple(inputs) if isinstance(inputs, list) else inputs)
        shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
        self._shapes = self._shapes or shapes
        if shapes != self._shapes:
            bad_value(
                "inputs",
                f"a DataLoader whose inputs keep the shape {self._shapes}",
                f"a batch of {shapes}",
                "pad or crop the examples to one shape",
            )
        is_class = not (isinstance(labels, Tensor) and labels.is_floating_point())
        target = labels if self._target is None and is_class else self._target
        return ExampleBatch(
            tensors,
            check_target(target, len(tensors[0])),
            self._args if args is None else format_additional_forward_args(args),
            self._feature_mask,
        )


def open_examples(
    inputs: Any,
    target: Any = None,
    additional_forward_args: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
) -> Examples:
    """Return the examples behind the arguments of a ``fit``.

    Args:
        inputs: A tensor or tuple of tensors with all examples, or a DataLoader. Its
            batches are inputs, ``(inputs, target)`` or ``(inputs, target,
            additional_forward_args)``; several inputs are a tuple of their own.
            Labels of a floating dtype are no target and are passed over.
        target: Which output is explained. With a DataLoader it replaces its labels,
            and is the same for all examples.
        additional_forward_args: Further arguments of the forward function.
        feature_mask: Which input elements form a player; with a DataLoader the same
            for all examples.

    Raises:
        TypeError: If ``inputs`` is neither.
        ValueError: If a tensor of targets comes beside a DataLoader, or arguments do
            not fit together.

    Example:
        >>> examples = open_examples(torch.tensor([[0.0], [2.0]]))
        >>> examples.statistics().mean
        (tensor([[1.]]),)
    """
    masks = (
        feature_mask
        if feature_mask is None or isinstance(feature_mask, tuple)
        else (feature_mask,)
    )
    args = format_additional_forward_args(additional_forward_args)
    if isinstance(inputs, DataLoader):
        if not (target is None or isinstance(target, (int, tuple))):
            bad_type(
                "target",
                "None or the same output for all examples, beside a DataLoader",
                target,
                "let the loader yield (inputs, target)",
            )
        return _LoadedExamples(inputs, target, args, masks)
    if not isinstance(inputs, (Tensor, tuple)):
        bad_type(
            "inputs", "a tensor, a tuple of tensors or a DataLoader", inputs, "wrap it"
        )
    tensors = format_inputs(inputs)
    batch = ExampleBatch(tensors, check_target(target, len(tensors[0])), args, masks)
    return _TensorExamples(batch)
