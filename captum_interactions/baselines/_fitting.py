"""Learning baselines: the descent, and the checks around it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._captum import progress_bar
from captum_interactions._checks import bad_value, check_enumerable
from captum_interactions.baselines._box import BoundedBaselines, read_starts
from captum_interactions.baselines._settings import FitSettings, penalized_orders
from captum_interactions.baselines._terms import (
    baseline_game,
    loss_terms,
    rows_at_once,
)
from captum_interactions.baselines.examples import (
    ExampleBatch,
    Examples,
    InputStatistics,
)
from captum_interactions.baselines.order_profile import (
    OrderProfile,
    measure_orders,
    profiled_orders,
)
from captum_interactions.games import ModelGame

__all__ = ["BaselineFit", "FittedBaselines"]

# Examples an order profile is measured on.
_PROFILE_EXAMPLES = 128
# A baseline is at its example once it has gone all the way there but for this part.
_AT_EXAMPLE = 0.01
# The losses of the last fifth of the steps may be this much lower than those before.
_SETTLED = 0.02


@dataclass(frozen=True, eq=False)
class FittedBaselines:
    """What a fit leaves.

    Attributes:
        baselines: One tensor per input.
        losses: Loss of every step.
        profile: Mean |φ^(m)| before and after.
        at_example: Which baselines have become their example, bool.
        feature_mask: The players of the fit.
    """

    baselines: tuple[Tensor, ...] = field(repr=False)
    losses: tuple[float, ...] = field(repr=False)
    profile: OrderProfile = field(repr=False)
    at_example: Tensor
    feature_mask: tuple[Tensor, ...] | None = field(repr=False)

    @property
    def settled(self) -> bool:
        """Whether the last fifth of the losses is not below the fifth before it."""
        fifth = len(self.losses) // 5
        if fifth < 2:
            return False
        losses = torch.tensor(self.losses, dtype=torch.float64)
        before, after = losses[-2 * fifth : -fifth], losses[-fifth:]
        error = ((before.var() + after.var()) / fifth).sqrt()
        fall = before.mean() - after.mean()
        return bool(fall <= torch.maximum(_SETTLED * before.mean(), 2 * error))


@dataclass(frozen=True, eq=False)
class BaselineFit:
    """One fit: what it is given, and how it proceeds.

    Attributes:
        forward_func: Model or callable.
        settings: Which loss, and how it is minimized.
        per_example: Whether each example has its own baseline.
        per_eval: Coalitions per forward pass.
        generator: Source of randomness.
        show_progress: Show a bar that counts steps.
    """

    forward_func: Callable[..., Any]
    settings: FitSettings
    per_example: bool
    per_eval: int | None
    generator: torch.Generator | None
    show_progress: bool

    def run(self, examples: Examples, init: Any) -> FittedBaselines:
        """Learn baselines on examples.

        Raises:
            TypeError: If inputs are not floating point.
            ValueError: If there is nothing to learn from, or no gradient.
        """
        head = examples.head(_PROFILE_EXAMPLES)
        _check_floating(head[0].inputs)
        batch = next(examples.once()) if self.per_example else head[0]
        statistics = examples.statistics()
        starts = read_starts(init, batch.inputs, statistics, self.per_example)
        own = self._own_examples(batch, statistics)
        _check_starts(starts, own)
        box = BoundedBaselines.around(starts, self.settings, statistics)
        with _parameters_frozen(self.forward_func):
            n, per_eval = self._probe(batch, box)
            parts, streams = self._parts(examples, batch, box, n)
            seed = int(torch.randint(1 << 31, (1,), **_on(self.generator)))
            before = self._profile(head, starts, n, per_eval, seed)
            losses = self._descend_all(parts, streams, n, per_eval)
            shapes = [tensor.shape[1:] for tensor in batch.inputs]
            learned = [part.final(shapes) for part in parts]
            baselines = tuple(
                torch.cat(pieces) for pieces in zip(*learned, strict=True)
            )
            after = self._profile(head, baselines, n, per_eval, seed)
        at_example = _near(baselines, own, _largest_gap(starts, own) * _AT_EXAMPLE)
        _warn(at_example, max(losses) > 0 and all(part.slope == 0 for part in parts))
        return FittedBaselines(
            baselines=baselines,
            losses=tuple(losses),
            profile=OrderProfile(profiled_orders(n), before, after),
            at_example=at_example,
            feature_mask=batch.feature_mask,
        )

    def _own_examples(
        self, batch: ExampleBatch, statistics: InputStatistics
    ) -> tuple[Tensor, ...] | None:
        """Return the one example behind each baseline, if there is only one."""
        if self.per_example:
            return batch.inputs
        pairs = zip(statistics.low, statistics.high, strict=True)
        return statistics.low if all(torch.equal(*pair) for pair in pairs) else None

    def _probe(
        self, batch: ExampleBatch, box: BoundedBaselines
    ) -> tuple[int, int | None]:
        """Return the number of players and coalitions per pass; check for a gradient.

        The first forward passes of the fit: everything that can be checked without
        them has been.
        """
        pair = torch.arange(min(2, len(batch)))
        some = batch.select(pair)
        box = box.rows(pair) if self.per_example else box
        values = box.values()
        game = ModelGame(
            self.forward_func,
            some.inputs,
            values,
            some.target,
            some.additional_forward_args,
            some.feature_mask,
            perturbations_per_eval=self.per_eval,
            gradients=True,
        )
        n = game.n_players
        if self.settings.objective == "l1_interaction":
            check_enumerable(n)
        else:
            penalized_orders(self.settings.max_order, n)
        ends = game(torch.tensor([[False], [True], [False]]).expand(3, n))
        gradients: tuple[Tensor | None, ...] = (None,)
        if ends.requires_grad:
            gradients = torch.autograd.grad(ends.sum(), values, allow_unused=True)
        if all(gradient is None for gradient in gradients):
            raise ValueError(
                "`forward_func` must be differentiable with respect to its inputs, got "
                "values without a gradient; return tensors of the graph (no detach, "
                "numpy, argmax or no_grad inside)"
            )
        # The last two coalitions share a pass, unless it returns a scalar for them all.
        scalar_per_batch = self.per_eval is None and game.n_forwards > 2
        if scalar_per_batch and len(batch) > 1:
            bad_value(
                "forward_func",
                "a function with one value per example",
                "one scalar for a whole batch",
                "leave out its mean or sum, or fit on one example",
            )
        return n, 1 if scalar_per_batch else self.per_eval

    def _parts(
        self, examples: Examples, batch: ExampleBatch, box: BoundedBaselines, n: int
    ) -> tuple[list[BoundedBaselines], list[Iterator[ExampleBatch]]]:
        """Return what is optimized together, and the batches for each of it."""
        size = self.settings.batch_size
        if not self.per_example:
            return [box], [examples.forever(size, self.generator)]
        terms = loss_terms(self.settings, n, self.generator)
        fits = max(1, rows_at_once(batch) // max(term.n_coalitions for term in terms))
        rows = torch.arange(len(batch)).split(min(fits, size or fits))
        return [box.rows(index) for index in rows], [
            repeat(batch.select(index)) for index in rows
        ]

    def _descend_all(
        self,
        parts: list[BoundedBaselines],
        streams: list[Iterator[ExampleBatch]],
        n: int,
        per_eval: int | None,
    ) -> list[float]:
        steps = self.settings.steps
        mean = torch.zeros(steps, dtype=torch.float64)
        rows = sum(part.size for part in parts)
        with progress_bar(
            self.show_progress, "LearnedBaselineShapley", steps * len(parts)
        ) as bar:
            for part, stream in zip(parts, streams, strict=True):
                losses = self._descend(part, stream, n, per_eval, bar)
                mean += torch.tensor(losses, dtype=torch.float64) * part.size / rows
        history: list[float] = mean.tolist()
        return history

    def _descend(
        self,
        baselines: BoundedBaselines,
        batches: Iterator[ExampleBatch],
        n: int,
        per_eval: int | None,
        bar: Any,
    ) -> list[float]:
        """Move baselines down the loss, in place; return the loss of every step."""
        settings, parameters = self.settings, baselines.parameters
        optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(parameters, lr=settings.lr)
            if settings.adam
            else torch.optim.SGD(parameters, lr=settings.lr)
        )
        decay = settings.last_lr ** (1 / max(1, settings.steps - 1))
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, decay)
        history: list[float] = []
        for _ in range(settings.steps):
            batch = next(batches)
            optimizer.zero_grad()
            loss = 0.0
            for term in loss_terms(settings, n, self.generator):
                fits = max(1, rows_at_once(batch) // term.n_coalitions)
                for piece in batch.split(len(batch) if self.per_example else fits):
                    values = baselines.values()
                    game = baseline_game(
                        self.forward_func, piece, values, per_eval, gradients=True
                    )
                    # Own baselines have gradients of their own; shared ones a mean.
                    divisor = 1 if self.per_example else len(batch)
                    part = term.losses(game).sum() / divisor
                    _accumulate(part, parameters)
                    loss += part.item() * divisor / len(batch)
            baselines.record_slope()
            optimizer.step()
            schedule.step()
            baselines.project()
            history.append(loss)
            bar.update(1)
        return history

    def _profile(
        self,
        batches: list[ExampleBatch],
        baselines: tuple[Tensor, ...],
        n: int,
        per_eval: int | None,
        seed: int,
    ) -> Tensor:
        """Measure the strength of every order, with equal weight on every example."""
        total, count = torch.zeros((), dtype=torch.float64), 0
        for batch in batches:
            own = tuple(b[: len(batch)] for b in baselines)  # of the first batch
            strength = measure_orders(self.forward_func, batch, own, n, per_eval, seed)
            total = total + strength.double() * len(batch)
            count += len(batch)
        return total / count


@contextmanager
def _parameters_frozen(forward_func: Callable[..., Any]) -> Iterator[None]:
    """Spare the gradients of a model's parameters, and put their flags back."""
    parameters = (
        list(forward_func.parameters()) if isinstance(forward_func, nn.Module) else []
    )
    flags = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, flag in zip(parameters, flags, strict=True):
            parameter.requires_grad_(flag)


def _on(generator: torch.Generator | None) -> dict[str, Any]:
    device = generator.device if generator is not None else None
    return {"generator": generator, "device": device}


def _accumulate(loss: Tensor, parameters: tuple[Tensor, ...]) -> None:
    """Add a gradient to the parameters', and to nothing else's."""
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            parameter.grad = (
                gradient if parameter.grad is None else parameter.grad + gradient
            )


def _check_floating(inputs: tuple[Tensor, ...]) -> None:
    for tensor in inputs:
        if not tensor.is_floating_point():
            raise TypeError(
                f"`inputs` must be floating point, got {tensor.dtype}; learn in "
                "embedding space (captum.attr.configure_interpretable_embedding_layer, "
                "or a forward function that takes embeddings), cast numbers with "
                ".float(), and pass ids that stay as additional_forward_args"
            )


def _check_starts(starts: tuple[Tensor, ...], own: tuple[Tensor, ...] | None) -> None:
    if bool(_near(starts, own, torch.zeros(())).any()):
        bad_value(
            "init",
            "different from the example that a baseline is learned on",
            "the example itself",
            "every loss is zero there; start from another value, such as init='zero' "
            "with bounds=('abs', low, high), or give more examples",
        )


def _gaps(baselines: tuple[Tensor, ...], own: tuple[Tensor, ...]) -> Tensor:
    """Largest distance of each baseline from its example in any element."""
    gaps = [
        (b - x).abs().flatten(1).amax(1).cpu()
        for b, x in zip(baselines, own, strict=True)
    ]
    return torch.stack(gaps).amax(0)


def _largest_gap(starts: tuple[Tensor, ...], own: tuple[Tensor, ...] | None) -> Tensor:
    return torch.zeros(()) if own is None else _gaps(starts, own)


def _near(
    baselines: tuple[Tensor, ...], own: tuple[Tensor, ...] | None, tolerance: Tensor
) -> Tensor:
    """Which baselines are within a tolerance of their example."""
    if own is None:
        return torch.zeros(len(baselines[0]), dtype=torch.bool)
    return _gaps(baselines, own) <= tolerance


def _warn(at_example: Tensor, flat: bool) -> None:
    if bool(at_example.any()):
        warnings.warn(
            f"{int(at_example.sum())} of {len(at_example)} baselines have become the "
            "example itself, where every loss and every attribution is zero; narrow "
            "the bounds, or learn one baseline on more examples",
            UserWarning,
            stacklevel=5,
        )
    elif flat:
        warnings.warn(
            "the baselines have not moved: the gradient was zero in every step; start "
            "elsewhere, or explain a value that is not constant around the data",
            UserWarning,
            stacklevel=5,
        )
