"""From a model to v(S): the only place that knows a model, a batch or a device."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import is_tuple
from captum_interactions._checks import (
    bad_type,
    bad_value,
    check_enumerable,
    check_positive_int,
)
from captum_interactions._signature import checked_methods
from captum_interactions.games._batched import BatchedGame
from captum_interactions.games._forward import Forward
from captum_interactions.games._ragged import ragged_table
from captum_interactions.games.arguments import (
    check_target,
    format_inputs,
    label_index,
    warn_if_training,
)
from captum_interactions.games.masking import MaskedInputs, format_baselines
from captum_interactions.games.rows import CodeRows, MaskRows
from captum_interactions.players.players import Players

__all__ = ["ModelGame"]


@checked_methods
class ModelGame(BatchedGame):
    """The game a model plays on an input: v(S) = f(x with absent players at baseline).

    Arguments are Captum's, and mean what they mean there.

    Args:
        forward_func: Model or callable. It returns ``(batch, *outputs)``, or one scalar
            for the whole batch; coalitions are then evaluated one at a time.
        inputs: A tensor or a tuple of tensors, batch axis first.
        baselines: What replaces absent players: ``None`` (0, or False), a number, a
            tensor that broadcasts to its input, a tuple of those, or a
            :class:`BaselineSet` to average v over.
        target: Which output is explained, in any of Captum's forms; ``None`` keeps
            all outputs. A model that knows its labels (:func:`hf`) is also asked by
            label.
        additional_forward_args: Passed to ``forward_func`` after the inputs; tensors
            are repeated along their first axis with the batch, anything else as it is.
        feature_mask: Which input elements form a player; see
            :meth:`Players.from_feature_mask`. ``None`` makes every element a player.
        perturbations_per_eval: Coalitions per forward pass; ``None`` finds the fastest
            number by timing, in bounded memory (with ``gradients``, as many as memory
            for their graph allows). Give a number where runs must agree to
            the last bit, since float rounding depends on the batch.
        show_progress: Show a bar that counts forward passes.
        gradients: Keep the graph, so that values are differentiable with respect to
            inputs, baselines and parameters. Otherwise nothing is recorded. With them
            no control rows are compared: such a game is made anew in every step of a
            descent, for as few as two coalitions, and its model may be in train mode.
        name: What the progress bar says.

    Attributes:
        players: The players.
        n_evaluations: Coalitions evaluated so far, per example.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument does not fit the inputs; always before the first
            forward pass. Later, if the forward function's output does not fit its
            input or is not finite.

    Example:
        >>> game = ModelGame(lambda x: x[:, 0] * x[:, 1] + x[:, 2], torch.ones(1, 3))
        >>> game.table().tolist()
        [[0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0]]
    """

    def __init__(
        self,
        forward_func: Callable[..., Any],
        inputs: Tensor | tuple[Tensor, ...],
        baselines: object = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        *,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
        gradients: bool = False,
        name: str = "Interactions",
    ) -> None:
        if not callable(forward_func):
            bad_type("forward_func", "callable", forward_func, "pass a model")
        if perturbations_per_eval is not None:
            check_positive_int(
                "perturbations_per_eval",
                perturbations_per_eval,
                "or None to let it be chosen",
            )
        tensors = format_inputs(inputs)
        self.tuple_inputs = is_tuple(inputs)
        self.players = Players.from_feature_mask(feature_mask, tensors)
        masked = MaskedInputs(
            tensors, format_baselines(baselines, tensors), self.players
        )
        forward = Forward(
            forward_func,
            check_target(label_index(target, forward_func), masked.batch_size),
            additional_forward_args,
            masked.batch_size,
            len(tensors),
        )
        self.show_progress = show_progress
        self.name = name
        super().__init__(
            masked,
            forward,
            perturbations_per_eval,
            gradients=gradients,
            explains_all=target is None,
            # Who is told that values are noisy may go on: nothing is to be proved.
            told=not gradients and warn_if_training(forward_func),
        )

    def __repr__(self) -> str:
        return (
            f"ModelGame({self.n_players} players, {self.batch_size} examples, "
            f"{self.n_evaluations} coalitions evaluated)"
        )

    @property
    def forward_func(self) -> Callable[..., Any]:
        """The model or callable."""
        return self._forward.func

    @property
    def n_forwards(self) -> int:
        """Calls of ``forward_func`` so far."""
        return self._forward.n_calls

    @property
    def value_dtype(self) -> torch.dtype:
        """Floating dtype of the model's output, once evaluated."""
        return self._forward.dtype or torch.get_default_dtype()

    @property
    def batch_size(self) -> int:
        """The number of examples."""
        return self._masked.batch_size

    @property
    def rows_per_coalition(self) -> int:
        """Rows of a pass that one coalition takes: examples times baselines."""
        return self._masked.rows_per_coalition

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs, one tensor each."""
        return self._masked.inputs

    def with_baselines(
        self, values: object, *, gradients: bool | None = None
    ) -> ModelGame:
        """Return the same game with other baselines.

        Players, inputs, arguments and target are shared: what was checked and numbered
        once is not done again. Coalitions are counted anew.

        Args:
            values: Baselines in any form that the class takes.
            gradients: Whether values are differentiable; ``None`` for as before.

        Raises:
            TypeError: As the class.
            ValueError: As the class.

        Example:
            >>> game = ModelGame(lambda x: x.sum(1), torch.ones(1, 2))
            >>> game.with_baselines(3.0).table().tolist()
            [[6.0, 4.0, 4.0, 2.0]]
        """
        absent = format_baselines(values, self.inputs)
        game = self._with(MaskedInputs(self.inputs, absent, self.players))
        if gradients is not None and gradients != self._gradients:
            game._gradients = gradients
            game._told = not gradients and warn_if_training(self.forward_func)
        return game

    def select(
        self,
        index: Tensor,  # (k,) int64
    ) -> ModelGame:
        """Return the game of some of the examples, with all that belongs to them.

        Example:
            >>> game = ModelGame(lambda x: x.sum(1), torch.tensor([[1.0], [2.0]]))
            >>> game.select(torch.tensor([1])).table().tolist()
            [[0.0, 2.0]]
        """
        if index.dtype != torch.int64:
            bad_type("index", "a tensor of integers", index.dtype, "number examples")
        game = self._with(self._masked.select(index))
        game.players = game._masked.players
        game._forward = self._forward.select(index)
        return game

    def _with(self, masked: MaskedInputs) -> ModelGame:
        game = copy(self)
        game._masked = masked
        # Of other inputs or baselines:
        game._proof = game._largest = game._gap = None
        game.n_evaluations = 0
        return game

    def __call__(
        self,
        masks: Tensor,  # (C, n) bool, or (batch, C, n)
    ) -> Tensor:
        """Evaluate some coalitions.

        Args:
            masks: Coalitions, True = present: ``(C, n)`` for all examples alike, or
                ``(batch, C, n)`` for each example its own.

        Returns:
            v(S), ``(batch, *outputs, C)``, or ``(1, C)`` for a scalar per batch.

        Raises:
            TypeError: If ``masks`` is not boolean.
            ValueError: If its shape does not fit, or values are not finite.
        """
        self._check_masks(masks)
        return self._evaluate(MaskRows(self._masked, masks))

    def table(self) -> Tensor:
        """Evaluate all 2**n coalitions.

        In a batch whose examples have different players each is evaluated over those
        that change its input, not over the players of all.

        Returns:
            v(S), ``(batch, *outputs, 2**n)``, or ``(1, 2**n)`` for a scalar per batch;
            float64 where the device has it.

        Raises:
            ValueError: If there are too many players to enumerate, or values are not
                finite.
        """
        check_enumerable(self.n_players)
        if self.batch_size > 1 and (found := ragged_table(self)) is not None:
            return found
        return self._evaluate(CodeRows(self._masked, reuse=not self._gradients))

    def _check_masks(self, masks: Tensor) -> None:
        if not isinstance(masks, Tensor) or masks.dtype != torch.bool:
            received = masks.dtype if isinstance(masks, Tensor) else masks
            bad_type(
                "masks", "a boolean tensor", received, "True marks present players"
            )
        shapes = (2, self.n_players), (3, self.n_players)
        if (masks.dim(), masks.shape[-1]) not in shapes or (
            masks.dim() == 3 and masks.shape[0] != self.batch_size
        ):
            bad_value(
                "masks",
                f"of shape (C, {self.n_players}) or "
                f"({self.batch_size}, C, {self.n_players})",
                f"shape {tuple(masks.shape)}",
                "give each coalition one entry per player",
            )
