"""Examples of a data set in batches, from tensors or from a DataLoader.

A method that is fitted needs any number of batches, statistics of every input element
and a fixed part of the data to report on; where they come from is settled here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from captum_interactions._captum import format_additional_forward_args
from captum_interactions._checks import bad_type, bad_value
from captum_interactions._random import device_of
from captum_interactions.baselines._statistics import InputStatistics, statistics_of
from captum_interactions.games import ModelGame
from captum_interactions.games.arguments import format_inputs

__all__ = ["Call", "ExampleGames", "Examples", "open_examples", "pieces"]


class Call(NamedTuple):
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
    feature_mask: tuple[Tensor, ...] | None = None

    def game(
        self, forward_func: Callable[..., Any], per_eval: int | None = None
    ) -> ModelGame:
        """Return the game of these examples; baselines, with gradients, come later."""
        return ModelGame(
            forward_func,
            self.inputs,
            None,
            self.target,
            self.additional_forward_args,
            self.feature_mask,
            perturbations_per_eval=per_eval,
            gradients=True,
        )


class Examples:
    """A data set to fit on: in memory, or what a DataLoader yields.

    Args:
        source: All examples, or a loader of inputs or of sequences of inputs, target
            and additional forward arguments.
        target: Used instead of the loader's, if it is not ``None``.
        additional_forward_args: Used if the loader yields none.
        feature_mask: Which input elements form a player.
        tuple_inputs: Whether the inputs came as a tuple.
    """

    def __init__(
        self,
        source: Call | DataLoader[Any],
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: tuple[Tensor, ...] | None = None,
        tuple_inputs: bool = False,
    ) -> None:
        self.tuple_inputs = tuple_inputs
        self._source = source
        self._target = target
        self._args = additional_forward_args
        self.feature_mask = feature_mask
        self._shapes: list[tuple[int, ...]] | None = None

    @property
    def in_memory(self) -> bool:
        """Whether all examples are one batch."""
        return isinstance(self._source, Call)

    def once(self) -> Iterator[Call]:
        """Yield every example once.

        Raises:
            ValueError: If there is none, or inputs change their shape.
        """
        if isinstance(self._source, Call):
            yield self._source
            return
        empty = True
        for item in self._source:
            empty = False
            yield self._parse(item)
        if empty:
            bad_value(
                "inputs",
                "a DataLoader that yields at least one batch",
                "one that yields nothing",
                "check its data set, sampler and drop_last",
            )

    def statistics(self) -> InputStatistics:
        """Return mean, deviation and range of every input element."""
        return statistics_of(call.inputs for call in self.once())

    def _parse(self, item: Any) -> Call:
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
        return Call(
            tensors,
            target,
            self._args if args is None else format_additional_forward_args(args),
            self.feature_mask,
        )


class ExampleGames:
    """The games of a data set, without baselines of their own.

    Examples in memory have one game, of which batches are parts; a loader has one for
    every batch.

    Args:
        examples: The data set.
        forward_func: Model or callable.
        per_eval: Coalitions per forward pass; ``None`` chooses.
    """

    def __init__(
        self,
        examples: Examples,
        forward_func: Callable[..., Any],
        per_eval: int | None = None,
    ) -> None:
        self._examples = examples
        self._make = lambda call: call.game(forward_func, per_eval)
        self._whole: ModelGame | None = None
        if examples.in_memory:
            (self._whole,) = map(self._make, examples.once())

    def once(self) -> Iterator[ModelGame]:
        """Yield every example once."""
        if self._whole is not None:
            yield self._whole
        else:
            yield from map(self._make, self._examples.once())

    def head(self, size: int) -> list[ModelGame]:
        """Return games of the first ``size`` examples."""
        games: list[ModelGame] = []
        for game in self.once():
            left = size - sum(game.batch_size for game in games)
            if left <= 0:
                break
            games.append(next(pieces(game, left)))
        return games

    def forever(
        self, batch_size: int | None, generator: torch.Generator | None
    ) -> Iterator[ModelGame]:
        """Yield batches in random order, again and again; a loader has its own."""
        if self._whole is None:
            while True:
                yield from self.once()
        total = self._whole.batch_size
        size = min(total, batch_size or total)
        while size == total:
            yield self._whole
        while True:
            order = torch.randperm(
                total, generator=generator, device=device_of(generator)
            )
            for start in range(0, total - size + 1, size):  # batches of one size only
                yield self._whole.select(order[start : start + size])


def pieces(game: ModelGame, size: int) -> Iterator[ModelGame]:
    """Yield a game in parts of at most ``size`` examples, in their order."""
    if size >= game.batch_size:
        yield game
        return
    for index in torch.arange(game.batch_size).split(size):
        yield game.select(index)


def open_examples(
    inputs: Any,
    target: Any = None,
    additional_forward_args: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    argument: str = "inputs",
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
        argument: What the caller calls ``inputs``.

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
        if not (target is None or isinstance(target, (int, str, tuple))):
            bad_type(
                "target",
                "None or the same output for all examples, beside a DataLoader",
                target,
                "let the loader yield (inputs, target)",
            )
        return Examples(inputs, target, args, masks)
    if not isinstance(inputs, (Tensor, tuple)):
        bad_type(
            argument, "a tensor, a tuple of tensors or a DataLoader", inputs, "wrap it"
        )
    return Examples(
        Call(format_inputs(inputs), target, args, masks),
        feature_mask=masks,
        tuple_inputs=isinstance(inputs, tuple),
    )
