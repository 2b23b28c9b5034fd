"""From a model to v(S): the only place that knows a model, a batch or a device."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, NoReturn

import torch
from torch import Tensor

from captum_interactions._captum import is_tuple, progress_bar
from captum_interactions._checks import (
    bad_type,
    bad_value,
    check_enumerable,
    check_positive_int,
)
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.games._forward import Forward
from captum_interactions.games._model_blocks import ModelBlocks
from captum_interactions.games._precision import ROUNDING_UNITS, working_unit
from captum_interactions.games._proof import (
    Proof,
    ScalarPerBatchError,
    UnbatchableError,
)
from captum_interactions.games._random_state import RandomState
from captum_interactions.games._values import ValueBlocks
from captum_interactions.games.arguments import (
    check_target,
    format_inputs,
    label_index,
    warn_if_training,
)
from captum_interactions.games.base import Game
from captum_interactions.games.batching import (
    FixedBatch,
    ProbedBatch,
    is_out_of_memory,
)
from captum_interactions.games.evaluation import current_evaluation
from captum_interactions.games.masking import MaskedInputs, format_baselines
from captum_interactions.games.passes import copies_at_once
from captum_interactions.games.rows import CodeRows, MaskRows
from captum_interactions.players.players import Players

__all__ = ["ModelGame"]

# So few passes are done one by one: there is nothing to gain by a proof.
_FEW_PASSES = 2
# All outputs of all coalitions, if no target was chosen, stay below this: 16 outputs of
# 24 players, the most that are enumerated.
_MOST_TABLE_BYTES = 1 << 31


class ModelGame(Game):
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
            inputs, baselines and parameters. Otherwise nothing is recorded.
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
        self._masked = MaskedInputs(
            tensors, format_baselines(baselines, tensors), self.players
        )
        self._forward = Forward(
            forward_func,
            check_target(label_index(target, forward_func), self.batch_size),
            additional_forward_args,
            self.batch_size,
            len(tensors),
        )
        self._random = RandomState({t.device for t in tensors if t.is_cuda})
        self._proof: Proof | None = None
        self._one_by_one = False
        self._per_eval = perturbations_per_eval
        self._explains_all = target is None
        self.show_progress = show_progress
        self._gradients = gradients
        self.name = name
        self.n_evaluations = self._forwards_before = 0
        self._largest: Tensor | None = None
        # Who is told that values are noisy may go on with them: nothing to be proved.
        self._told = not gradients and warn_if_training(forward_func)

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

    def value_noise(self, largest: Tensor) -> Tensor:
        """Standard deviation of the noise of v, ``(batch, *outputs)``.

        Four units in the last place of the coarsest numbers that the model computes
        with, at the largest |v|; or what the control coalitions were seen to differ by
        from pass to pass, if that is more.

        Args:
            largest: Largest |v| that the caller knows of, ``(batch, *outputs)``.
        """
        if self._largest is not None:
            largest = self._largest.maximum(largest)
        # Whole numbers are exact as far as doubles are.
        like = largest.new_empty(0, dtype=self._forward.dtype or torch.float64)
        noise = ROUNDING_UNITS * working_unit(self.forward_func, (like,)) * largest
        return noise if self._proof is None else noise.maximum(self._proof.gap)

    @property
    def batch_size(self) -> int:
        """The number of examples."""
        return self._masked.batch_size

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
        game = self._with(self._masked.select(index))
        game.players = game._masked.players
        game._forward = self._forward.select(index)
        return game

    def _with(self, masked: MaskedInputs) -> ModelGame:
        game = copy(self)
        game._masked = masked
        game._proof = None  # control rows had other inputs or baselines
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

        Returns:
            v(S), ``(batch, *outputs, 2**n)``, or ``(1, 2**n)`` for a scalar per batch;
            float64 where the device has it.

        Raises:
            ValueError: If there are too many players to enumerate, or values are not
                finite.
        """
        check_enumerable(self.n_players)
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

    def _evaluate(self, source: MaskRows | CodeRows) -> Tensor:
        """Evaluate a source of rows, in the way that the surroundings ask for."""
        settings = current_evaluation()
        try:
            if settings is None or self._gradients:
                values = self._in_passes(source)
            else:
                values = self._in_blocks(settings, source)
        finally:
            self._forward.release()
        self.n_evaluations += source.total
        largest = values.detach().abs().amax(-1)
        known = self._largest
        self._largest = largest if known is None else known.maximum(largest)
        return values

    def _in_blocks(self, settings: Any, source: MaskRows | CodeRows) -> Tensor:
        """Evaluate a source of rows in blocks that are stored or shared."""
        blocks = ModelBlocks(self, source)
        try:
            values: Tensor = settings.run(blocks)
        except UnbatchableError as why:
            self._give_up_batching(why)
            values = settings.run(blocks)
        return values

    def _in_passes(self, source: MaskRows | CodeRows) -> Tensor:
        """Evaluate a source of rows; one coalition at a time where it must be so."""
        with (
            self._quietly(),
            progress_bar(self.show_progress, self.name, source.total) as bar,
        ):
            self._forwards_before = self.n_forwards
            one_by_one = self._begin(source, bar)
            try:
                return self._run(source, bar, one_by_one)
            except UnbatchableError as why:
                self._give_up_batching(why)
                return self._run(source, bar, one_by_one=True)

    def _begin(self, source: MaskRows | CodeRows, bar: Any) -> bool:
        """Prove what is still to be proved; return whether coalitions go one by one."""
        few = source.total * self._masked.n_baselines <= _FEW_PASSES
        unproved = self._proof is None and not (self._gradients or self._told)
        if unproved and not few:
            self._proof = self._prove(source, bar)
        return self._one_by_one or (unproved and few)

    def _run(
        self, source: MaskRows | CodeRows, bar: Any, one_by_one: bool
    ) -> Tensor:  # (batch, *outputs, total)
        """Evaluate a source of rows block by block."""
        batch = self._batch(source, one_by_one)
        values = ValueBlocks(source.total, self._gradients, source.members)
        position = 0
        while position < source.total:
            stop = position + source.step(position, batch.size)
            start, before = time.perf_counter(), self.n_forwards
            try:
                output = self._pass(source, position, stop, one_by_one)
            except Exception as error:
                if is_out_of_memory(error) and batch.shrink():
                    continue
                raise
            values.add(self._values(output, stop - position))
            if not batch.settled:
                _wait_for(output.device)
                batch.record(stop - position, time.perf_counter() - start)
            position = stop
            left = -(-(source.total - position) // batch.size)
            left *= self._masked.n_baselines if one_by_one else 1
            bar.total = self.n_forwards - self._forwards_before + left
            bar.update(self.n_forwards - before)
        return values.result()

    def _prove(self, source: MaskRows | CodeRows, bar: Any) -> Proof:
        """Evaluate control coalitions alone, and look at the size of the output."""
        before = self.n_forwards
        proof = Proof(
            self._outputs,
            self.forward_func,
            self._random,
            source,
            self.batch_size,
            self._masked.n_baselines,
        )
        bar.update(self.n_forwards - before)
        outputs = proof.gap[0].numel()
        size = 8 * outputs * source.total * self.batch_size
        if self._explains_all and outputs > 1 and size > _MOST_TABLE_BYTES:
            bad_value(
                "target",
                f"given for an output of {outputs:,} values",
                f"None, so that v of {source.total:,} coalitions and "
                f"{self.batch_size} examples would take {size / 2**30:.1f} GiB",
                "choose the output to explain",
            )
        return proof

    def _batch(
        self, source: MaskRows | CodeRows, one_by_one: bool
    ) -> FixedBatch | ProbedBatch:
        """How many coalitions to take at a time."""
        if one_by_one or self._per_eval is not None:
            return FixedBatch(1 if one_by_one else self._per_eval or 1)
        masked = self._masked
        rows = masked.rows_per_coalition
        if self._gradients:  # not left to timing, so that a seed fixes every bit
            return FixedBatch(copies_at_once(masked.inputs, rows))
        batch = ProbedBatch(
            source.total,
            rows,
            masked.bytes_per_coalition + rows * self._forward.output_bytes,
            on_cpu=masked.inputs[0].device.type == "cpu",
        )
        if self._proof is not None:
            batch.record(1, self._proof.seconds * masked.n_baselines)
        return batch

    def _give_up_batching(self, why: UnbatchableError) -> None:
        """Go on with one coalition per pass, and say so unless that is the contract."""
        self._one_by_one = True
        if self._proof is not None:
            self._proof.one_by_one = True
        if isinstance(why, ScalarPerBatchError):
            if self._per_eval is not None and self._per_eval > 1:
                bad_value(
                    "perturbations_per_eval",
                    "1 or None when `forward_func` returns one scalar per batch",
                    self._per_eval,
                    "coalitions can't share a batch then",
                )
            return
        examples = (
            f" (the {self.batch_size} examples still share it; explain them one at a "
            "time if they should not)"
        ) * (self.batch_size > 1)
        warnings.warn(
            "`forward_func` does not give several coalitions in one forward pass the "
            f"values it gives each alone: {why}. Every coalition gets its own pass "
            f"instead{examples}, which is slower; `perturbations_per_eval=1` chooses "
            "this without trying",
            UserWarning,
            stacklevel=6,
        )

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Leave grad mode and, without gradients, the random state as they were."""
        if self._gradients:
            with torch.inference_mode(False), torch.enable_grad():
                yield
        else:
            with torch.no_grad(), self._random.kept():
                yield

    def _pass(
        self, source: MaskRows | CodeRows, start: int, stop: int, one_by_one: bool
    ) -> Tensor:
        """Raw output for coalitions start..stop−1, ``(C·K·batch, *outputs)``.

        Raises:
            UnbatchableError: If the forward function can't take that many rows, or
                gives them other values than alone.
        """
        rows = source.rows(start, stop)
        n_baselines = self._masked.n_baselines
        if one_by_one:
            parts = zip(*(row.chunk(n_baselines) for row in rows), strict=True)
            # Copied, as a forward function may return the same memory every time.
            output = torch.cat([self._outputs(part, 1).clone() for part in parts])
        else:
            repeats = (stop - start) * n_baselines
            try:
                output = self._outputs(rows, repeats)
            except UnbatchableError:
                raise
            except Exception as error:
                if self._proof is None or repeats == 1 or is_out_of_memory(error):
                    raise
                self._ask_again(source.rows(start, stop), repeats, error)
        if self._proof is not None:
            self._proof.look(
                source, start, stop, lambda: source.rows(start, stop), output
            )
        return output

    def _ask_again(
        self, rows: tuple[Tensor, ...], repeats: int, error: Exception
    ) -> NoReturn:
        """Tell a batch size that does not fit from an error that came by chance."""
        try:
            self._outputs(rows, repeats)
        except Exception as again:
            if is_out_of_memory(again):
                raise
            said = "".join(str(error).splitlines()[:1])[:200]
            raise UnbatchableError(
                f"it fails on {repeats} of them, {type(error).__name__}: {said}"
            ) from error
        raise error

    def _outputs(self, rows: tuple[Tensor, ...], repeats: int) -> Tensor:
        """One forward pass on the batch tiled ``repeats`` times, ``(rows, *outputs)``.

        A scalar for the batch becomes one row.
        """
        if self._gradients or self._random.drawn is not None:
            output = self._forward(rows, repeats)
        else:
            output = self._random.watched(lambda: self._forward(rows, repeats))
        if not self._gradients:
            self._forward.retire(rows)
        expected = repeats * self.batch_size
        if output.dim() == 0 or (output.shape == (1,) and expected > 1):
            if repeats == 1:
                return output.reshape(1)
            raise ScalarPerBatchError("it returns one scalar for all of them")
        if output.shape[0] != expected:
            raise ValueError(
                f"`forward_func` must return one row per input row ({expected} for "
                f"{repeats} coalitions of {self.batch_size} examples), or one "
                f"scalar for the whole batch, got shape {tuple(output.shape)}; wrap "
                "it so that its first dimension is the batch"
            )
        return output

    def _values(self, output: Tensor, n_coalitions: int) -> Tensor:
        """Raw output as values ``(batch, *outputs, C)``, averaged over baselines."""
        n_baselines = self._masked.n_baselines
        if n_baselines == 1:
            return output.unflatten(0, (n_coalitions, -1)).movedim(0, -1)
        each = len(output) // (n_coalitions * n_baselines)
        shape = (n_coalitions, n_baselines, each, *output.shape[1:])
        values = output.reshape(shape).movedim(0, -1)
        return values.to(accumulation_dtype(values.device)).mean(0)


def _wait_for(device: torch.device) -> None:
    """Let queued kernels finish, so that a timing means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
