"""From a model to v(S): the only place that knows a model, a batch or a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from captum_interactions._captum import (
    expand_additional_forward_args,
    expand_target,
    format_additional_forward_args,
    progress_bar,
)
from captum_interactions._checks import (
    bad_type,
    bad_value,
    check_enumerable,
    check_positive_int,
)
from captum_interactions.functional.coalitions import (
    accumulation_dtype,
    coalition_members,
)
from captum_interactions.games.arguments import (
    check_target,
    format_inputs,
    select_output,
    warn_if_training,
)
from captum_interactions.games.batching import FixedBatch, ProbedBatch
from captum_interactions.games.masking import MaskedInputs, format_baselines
from captum_interactions.games.rows import CodeRows, MaskRows
from captum_interactions.players.players import Players

__all__ = ["ModelGame"]


class _ScalarPerBatchError(Exception):
    """The forward function turned out to return one scalar for a whole batch."""


class ModelGame:
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
            all outputs.
        additional_forward_args: Passed to ``forward_func`` after the inputs; tensors
            are repeated along their first axis with the batch, anything else as it is.
        feature_mask: Which input elements form a player; see
            :meth:`Players.from_feature_mask`. ``None`` makes every element a player.
        perturbations_per_eval: Coalitions per forward pass; ``None`` finds the fastest
            number by timing, in bounded memory. Give a number where runs must agree to
            the last bit, since float rounding depends on the batch.
        show_progress: Show a bar that counts forward passes.
        gradients: Keep the graph, so that values are differentiable with respect to
            inputs, baselines and parameters. Otherwise nothing is recorded.
        name: What the progress bar says.

    Attributes:
        players: The players.
        n_evaluations: Coalitions evaluated so far, per example.
        n_forwards: Calls of ``forward_func`` so far.
        value_dtype: Floating dtype of the model's output, once evaluated.

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
        self.forward_func = forward_func
        # Captum calls functions without parameters without arguments; asked once here,
        # as inspect takes longer than a small forward pass.
        self._takes_inputs = len(signature(forward_func).parameters) > 0
        self.players = Players.from_feature_mask(feature_mask, tensors)
        self._masked = MaskedInputs(
            tensors, format_baselines(baselines, tensors), self.players
        )
        self._target = check_target(target, self.batch_size)
        self._args = format_additional_forward_args(additional_forward_args)
        self._expanded: tuple[int, Any, Any] | None = None
        self._per_eval = perturbations_per_eval
        self._show_progress = show_progress
        self._gradients = gradients
        self._name = name
        self._scalar_per_batch = False
        self.n_evaluations = 0
        self.n_forwards = 0
        self.value_dtype = torch.get_default_dtype()
        if not gradients:
            warn_if_training(forward_func)

    def __repr__(self) -> str:
        return (
            f"ModelGame({self.n_players} players, {self.batch_size} examples, "
            f"{self.n_evaluations} coalitions evaluated)"
        )

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return len(self.players)

    @property
    def batch_size(self) -> int:
        """The number of examples."""
        return self._masked.batch_size

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
        values = self._evaluate(MaskRows(self._masked, masks))
        _check_finite(
            values, lambda i: tuple(masks[..., i, :].nonzero()[:, -1].unique().tolist())
        )
        return values

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
        values = self._evaluate(CodeRows(self._masked, reuse=not self._gradients))
        _check_finite(values, coalition_members)
        return values

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
        try:
            values = self._run(source)
        except _ScalarPerBatchError:
            if self._per_eval is not None and self._per_eval > 1:
                bad_value(
                    "perturbations_per_eval",
                    "1 or None when `forward_func` returns one scalar per batch",
                    self._per_eval,
                    "coalitions can't share a batch then",
                )
            self._scalar_per_batch = True
            values = self._run(source)
        self.n_evaluations += source.total
        return values

    def _run(self, source: MaskRows | CodeRows) -> Tensor:
        """Evaluate a source of rows block by block."""
        batch: FixedBatch | ProbedBatch
        if self._scalar_per_batch or self._per_eval is not None:
            batch = FixedBatch(1 if self._scalar_per_batch else self._per_eval or 1)
        else:
            masked = self._masked
            batch = ProbedBatch(
                source.total,
                masked.rows_per_coalition,
                masked.bytes_per_coalition,
                on_cpu=masked.inputs[0].device.type == "cpu",
            )
        values = _Collector(source.total, self._gradients)
        position = 0
        with (
            self._quietly(),
            progress_bar(
                self._show_progress, self._name, self._passes(source.total, batch.size)
            ) as bar,
        ):
            while position < source.total:
                step = source.step(position, batch.size)
                start = time.perf_counter()
                before = self.n_forwards
                try:
                    rows = source.rows(position, position + step)
                    block = self._forward(rows, step)
                except torch.cuda.OutOfMemoryError:
                    if not batch.shrink():
                        raise
                    continue
                source.forward_done()
                values.add(block)
                position += step
                if not batch.settled:
                    _wait_for(block.device)
                    batch.record(step, time.perf_counter() - start)
                    bar.total = self.n_forwards + self._passes(
                        source.total - position, batch.size
                    )
                bar.update(self.n_forwards - before)
        return values.result()

    def _passes(self, coalitions: int, size: int) -> int:
        per_coalition = self._masked.n_baselines if self._scalar_per_batch else 1
        return -(-coalitions // size) * per_coalition

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Leave grad mode and, without gradients, the random state as they were."""
        devices = {t.device for t in self._masked.inputs if t.device.type == "cuda"}
        with (
            torch.set_grad_enabled(self._gradients),
            torch.random.fork_rng(list(devices), enabled=not self._gradients),
        ):
            yield

    def _forward(
        self, rows: tuple[Tensor, ...], n_coalitions: int
    ) -> Tensor:  # (batch, *outputs, C)
        n_baselines = self._masked.n_baselines
        if self._scalar_per_batch:
            passes = zip(*(row.chunk(n_baselines) for row in rows), strict=True)
            scalars = [self._call(part, 1).reshape(1, 1) for part in passes]
            return (
                torch.stack(scalars).to(accumulation_dtype(scalars[0].device)).mean(0)
            )
        repeats = n_coalitions * n_baselines
        output = self._call(rows, repeats)
        expected = repeats * self.batch_size
        if output.dim() == 0 or (output.numel() == 1 and expected > 1):
            if expected == 1:
                output = output.reshape(1)
            else:
                raise _ScalarPerBatchError
        if output.shape[0] != expected:
            raise ValueError(
                f"`forward_func` must return one row per input row ({expected} for "
                f"{n_coalitions} coalitions of {self.batch_size} examples), or one "
                f"scalar for the whole batch, got shape {tuple(output.shape)}; wrap "
                "it so that its first dimension is the batch"
            )
        shape = (n_baselines, self.batch_size, *output.shape[1:])
        values = output.reshape(n_coalitions, *shape).movedim(0, -1)
        if n_baselines == 1:
            return values[0]
        return values.to(accumulation_dtype(values.device)).mean(0)

    def _call(self, rows: tuple[Tensor, ...], repeats: int) -> Tensor:
        """One forward pass on the batch tiled ``repeats`` times, target selected."""
        if self._expanded is None or self._expanded[0] != repeats:
            self._expanded = (
                repeats,
                expand_target(self._target, repeats),
                expand_additional_forward_args(self._args, repeats),
            )
        _, target, args = self._expanded
        self.n_forwards += 1
        output = self.forward_func(*(rows if self._takes_inputs else ()), *(args or ()))
        if isinstance(output, (bool, int, float)):
            output = torch.tensor(float(output), dtype=torch.float64)
        if not isinstance(output, Tensor):
            raise TypeError(
                "`forward_func` must return a tensor or a number, got "
                f"{type(output).__name__}; wrap it to return the output to explain"
            )
        output = select_output(output, target)
        if output.is_floating_point():
            self.value_dtype = output.dtype
        return output


class _Collector:
    """Gathers blocks of values along the coalition axis."""

    def __init__(self, total: int, gradients: bool) -> None:
        self._total = total
        self._gradients = gradients
        self._blocks: list[Tensor] = []
        self._out: Tensor | None = None
        self._filled = 0

    def add(self, block: Tensor) -> None:
        """Append values ``(batch, *outputs, C)``."""
        dtype = accumulation_dtype(block.device)
        if self._gradients:
            self._blocks.append(block.to(dtype))
            return
        if self._out is None:
            self._out = block.new_empty(*block.shape[:-1], self._total, dtype=dtype)
        self._out[..., self._filled : self._filled + block.shape[-1]] = block
        self._filled += block.shape[-1]

    def result(self) -> Tensor:
        """Return all values, ``(batch, *outputs, total)``."""
        return torch.cat(self._blocks, dim=-1) if self._out is None else self._out


def _check_finite(values: Tensor, members: Callable[[int], tuple[int, ...]]) -> None:
    finite = torch.isfinite(values.detach()).reshape(-1, values.shape[-1]).all(0)
    if not bool(finite.all()):
        bad = (~finite).nonzero()[:, 0]
        raise ValueError(
            f"`forward_func` must return finite values, got NaN or infinity on "
            f"{len(bad)} of {len(finite)} coalitions, first on the one that keeps "
            f"players {members(int(bad[0]))}; check the baselines, or explain a value "
            "that stays finite (log_odds instead of the logarithm of a probability)"
        )


def _wait_for(device: torch.device) -> None:
    """Let queued kernels finish, so that a timing means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
