"""A game that is evaluated in forward passes: how many coalitions, and which alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from captum_interactions._captum import progress_bar
from captum_interactions.games._forward import Forward
from captum_interactions.games._model_blocks import ModelBlocks
from captum_interactions.games._one_by_one import (
    ScalarPerBatchError,
    UnbatchableError,
    ask_again,
    check_scalar_per_batch,
    warn_of_passes,
)
from captum_interactions.games._precision import ROUNDING_UNITS, working_unit
from captum_interactions.games._proof import Proof
from captum_interactions.games._random_state import RandomState
from captum_interactions.games._values import (
    ValueBlocks,
    bad_rows,
    check_table_size,
    coalition_values,
)
from captum_interactions.games.base import Game
from captum_interactions.games.batching import (
    FixedBatch,
    ProbedBatch,
    is_out_of_memory,
    keep_freed_memory,
    seconds_since,
)
from captum_interactions.games.evaluation import current_evaluation
from captum_interactions.games.masking import MaskedInputs
from captum_interactions.games.passes import copies_at_once
from captum_interactions.games.rows import CodeRows, MaskRows

__all__ = ["BatchedGame"]

# So few passes are done one by one: there is nothing to gain by a proof. In a game of
# so few rows two controls can't tell whether they would bear company.
_FEW_PASSES, _FEW_ROWS = 2, 16


class BatchedGame(Game):
    """Evaluates sources of rows, several coalitions in a pass where that is harmless.

    Args:
        masked: Builds rows.
        forward: Calls the forward function on them.
        per_eval: Coalitions per forward pass; None finds the number.
        gradients: Keep the graph.
        explains_all: Whether no target was chosen.
        told: Whether the user knows that values are noisy.
    """

    def __init__(
        self,
        masked: MaskedInputs,
        forward: Forward,
        per_eval: int | None,
        *,
        gradients: bool,
        explains_all: bool,
        told: bool,
    ) -> None:
        keep_freed_memory()
        self._masked, self._forward = masked, forward
        self._per_eval = per_eval
        self._gradients, self._explains_all = gradients, explains_all
        self._told = told
        self._random = RandomState({t.device for t in masked.inputs if t.is_cuda})
        self._proof: Proof | None = None
        self._one_by_one = False
        # Largest |v|, and what passes differ by beside what the proof knows.
        self._largest = self._gap = cast("Tensor | None", None)
        self.n_evaluations = self._forwards_before = 0

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
        noise = ROUNDING_UNITS * working_unit(self._forward.func, (like,)) * largest
        noise = noise if self._gap is None else noise.maximum(self._gap)
        return noise if self._proof is None else noise.maximum(self._proof.gap)

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
        blocks, known = ModelBlocks(self, source), self._proof
        try:
            values: Tensor = settings.run(blocks)
        except UnbatchableError as why:
            self._give_up_batching(why)
            values = settings.run(blocks)
        if self._proof is not known and self._proof is not None:
            self._proof.recognize(values)  # some of them come from a store
        return values

    def _in_passes(self, source: MaskRows | CodeRows) -> Tensor:
        """Evaluate a source of rows; one coalition at a time where it must be so."""
        with (
            self._quietly(),
            progress_bar(self.show_progress, self.name, source.total) as bar,
        ):
            self._forwards_before = self._forward.n_calls
            one_by_one = self._begin(source, bar)
            try:
                return self._run(source, bar, one_by_one)
            except UnbatchableError as why:
                self._give_up_batching(why)
                return self._run(source, bar, one_by_one=True)

    def _begin(self, source: MaskRows | CodeRows, bar: Any) -> bool:
        """Prove what is still to be proved; return whether coalitions go one by one."""
        rows, known = source.total * self._masked.n_baselines, self._proof
        unproved = known is None or (known.one_by_one and not self._one_by_one)
        unproved = unproved and not (self._gradients or self._told)
        # After a list that is not the whole game others are likely to follow.
        whole = known is None and source.total >> self.n_players > 0
        few = rows <= (_FEW_ROWS if whole else _FEW_PASSES)
        one_by_one = self._one_by_one or (unproved and few)
        # A game of one player has nothing else that could tell of chance and state.
        if unproved and (rows > _FEW_PASSES or self.n_players == 1):
            alone = one_by_one or self._per_eval == self._masked.n_baselines == 1
            size = 1 if alone else self._per_eval if self._per_eval != 1 else None
            self._proof = self._prove(source, size, bar)
            self._proof.one_by_one = one_by_one
            if known is not None:
                self._gap = known.gap
        return one_by_one

    def _run(
        self, source: MaskRows | CodeRows, bar: Any, one_by_one: bool
    ) -> Tensor:  # (batch, *outputs, total)
        """Evaluate a source of rows block by block."""
        batch = self._batch(source, one_by_one)
        values = ValueBlocks(source.total, self._gradients, source.members)
        position = 0
        while position < source.total:
            stop = position + source.step(position, batch.size)
            start = time.perf_counter(), time.thread_time()
            before = self._forward.n_calls
            try:
                output = self._pass(source, position, stop, one_by_one)
            except Exception as error:
                if is_out_of_memory(error) and batch.shrink():
                    continue
                raise
            values.add(
                coalition_values(output, stop - position, self._masked.n_baselines)
            )
            if not batch.settled:
                if output.is_cuda:  # queued kernels finish, or a timing means nothing
                    torch.cuda.synchronize(output.device)
                batch.record(stop - position, seconds_since(*start))
            position = stop
            left = -(-(source.total - position) // batch.size)
            left *= self._masked.n_baselines if one_by_one else 1
            bar.total = self._forward.n_calls - self._forwards_before + left
            bar.update(self._forward.n_calls - before)
        return values.result()

    def _prove(self, source: MaskRows | CodeRows, size: int | None, bar: Any) -> Proof:
        """Evaluate control coalitions alone, and look at the size of the output."""
        before, batch = self._forward.n_calls, self._masked.batch_size
        proof = Proof(
            self._outputs,
            self._forward.func,
            self._random,
            source,
            size,
            batch,
            self._masked.n_baselines,
        )
        bar.update(self._forward.n_calls - before)
        if self._explains_all:
            check_table_size(proof.gap[0].numel(), source.total, batch)
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
            return
        warn_of_passes(why, self._masked.batch_size)

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
                ask_again(self._outputs, source.rows(start, stop), repeats, error)
        if self._proof is not None:
            self._proof.look(
                source, start, stop, lambda: source.rows(start, stop), output
            )
        return output

    def _outputs(self, rows: tuple[Tensor, ...], repeats: int) -> Tensor:
        """One pass on the batch tiled ``repeats`` times; a scalar becomes one row."""
        if self._gradients or self._random.drawn is not None:
            output = self._forward(rows, repeats)
        else:
            output = self._random.watched(lambda: self._forward(rows, repeats))
        if not self._gradients:
            self._forward.retire(rows)
        expected = repeats * self._masked.batch_size
        if output.dim() == 0 or (output.shape == (1,) and expected > 1):
            if repeats == 1:
                check_scalar_per_batch(self._per_eval)
                return output.reshape(1)
            raise ScalarPerBatchError("it returns one scalar for all of them")
        if output.shape[0] != expected:
            bad_rows(output, repeats, self._masked.batch_size)
        return output
