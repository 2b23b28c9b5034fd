"""One attack, put together from parts: PGD, MI, VR, SGM, TI, DI, IR and yours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from captum.robust import Perturbation
from torch import Tensor, nn

from captum_interactions._captum import (
    format_additional_forward_args,
    is_tuple,
    log_usage,
)
from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._random import own_generator
from captum_interactions._signature import checked_methods
from captum_interactions.games.arguments import format_inputs, warn_if_training
from captum_interactions.games.branches import find_modules
from captum_interactions.games.layers import uncompiled
from captum_interactions.robust._gradients import ascend, project, random_start
from captum_interactions.robust._verbs import State, derived, last, stacked
from captum_interactions.robust.game import as_labels, perturbation_units
from captum_interactions.robust.part import PLACES, AttackPart
from captum_interactions.robust.run import AttackRun, Climb, Loss, Tensors, format_mask

__all__ = ["TransferAttack"]


@checked_methods
class TransferAttack(Perturbation):
    """An iterated gradient attack, with the parts that make it transfer.

    Each step climbs the loss; what else decides on its direction is a list of
    ``parts``: momentum (MI), gradients averaged over noise (VR), less gradient through
    residual branches (SGM), diverse inputs (DI), smoothed gradients (TI), a term
    against interactions (IR), or a class of your own, see :class:`AttackPart`. The step
    is taken along the sign of the direction (L∞) or along itself (L2). Without parts
    this is plain PGD.

    A drop-in for ``captum.robust.PGD`` in ``AttackComparator`` and
    ``MinParamPerturbation``: what the attack is made of goes to the constructor, the
    numbers of PGD to :meth:`perturb`. Unlike PGD, it takes logits and refuses
    probabilities, makes a step however small the gradient is, and normalizes L2 steps.

    Random draws are shared by the examples of a batch, so an example's result does not
    depend on its neighbors. Parameters' ``grad`` and the global random state are left
    alone, and no hook stays behind.

    Args:
        forward_func: Classifier that returns logits ``(batch, classes)``; an ensemble's
            attack takes a function that averages logits.
        loss_func: ``"cross_entropy"``, ``"margin"`` (the strongest other logit less the
            label's, which does not fade on over-confident networks and keeps its
            balance with the interaction term; recommended with it), or a callable
            (outputs, labels) → ``(batch,)``.
        lower_bound: Least value of a perturbed input.
        upper_bound: Largest value of a perturbed input.
        parts: What the attack is made of, in any order; each part knows its place. See
            :data:`PRESETS` for the papers' combinations.
        skip_modules: Residual branches, submodules of ``forward_func`` or their names,
            for :class:`SkipGradient` where it names none.
        generator: Source of randomness; ``None`` makes one from the global seed.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If there is no such loss or submodule, or bounds are reversed.

    References:
        Madry et al. (ICLR 2018) for PGD; the parts name theirs.

    Example:
        >>> model = nn.Linear(2, 2)
        >>> _ = nn.init.eye_(model.weight), nn.init.zeros_(model.bias)
        >>> attack = TransferAttack(model, loss_func="margin")
        >>> attack.perturb(torch.tensor([[2.0, 0.0]]), 0.5, 0.5, 3, target=0).tolist()
        [[1.5, 0.5]]
    """

    def __init__(
        self,
        forward_func: Callable[..., Tensor],
        loss_func: str | Loss = "cross_entropy",
        lower_bound: float = -math.inf,
        upper_bound: float = math.inf,
        *,
        parts: Sequence[AttackPart] = (),
        skip_modules: Sequence[str | nn.Module] = (),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not callable(forward_func):
            bad_type("forward_func", "callable", forward_func, "pass a model")
        if loss_func not in ("cross_entropy", "margin") and not callable(loss_func):
            bad_value(
                "loss_func",
                "'cross_entropy', 'margin' or a callable",
                repr(loss_func),
                "the default is 'cross_entropy'",
            )
        if not lower_bound < upper_bound:
            bad_value(
                "lower_bound",
                "below `upper_bound`",
                (lower_bound, upper_bound),
                "swap them",
            )
        self.forward_func = forward_func
        self.loss_func = loss_func
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound
        self.parts = _check_parts(parts)
        self.generator = generator
        self._branches = find_modules(forward_func, skip_modules, "skip_modules")

    def __repr__(self) -> str:
        return f"TransferAttack({self.loss_func!r}, parts={list(self.parts)})"

    def states(
        self,
        inputs: State,
        radius: float,
        step_size: float,
        step_num: int,
        target: Any,
        additional_forward_args: Any = None,
        targeted: bool = False,
        random_start: bool = False,
        norm: str = "Linf",
        mask: State | None = None,
        feature_mask: State | None = None,
        *,
        perturbations_per_eval: int | None = None,
    ) -> Iterator[State]:
        """Perturb inputs step by step; arguments up to ``mask`` are those of PGD.

        Args:
            inputs: A tensor or a tuple of tensors, batch axis first.
            radius: ε, in the units of the inputs; with several inputs, of each of them.
            step_size: Length of a step in the same norm.
            step_num: How many steps.
            target: True labels, or the labels to reach if ``targeted``: an int, a list
                or a tensor ``(batch,)``.
            additional_forward_args: Passed to ``forward_func`` after the inputs.
            targeted: Approach the target instead of leaving it.
            random_start: Start at a random point of the ball instead of at the inputs.
            norm: ``"Linf"`` or ``"L2"``.
            mask: 1 where inputs may change and 0 where not, broadcastable to them.
            feature_mask: Units of the interaction term, as in
                :func:`~captum_interactions.robust.perturbation_game`.
            perturbations_per_eval: Noisy or masked copies per forward pass; ``None``
                takes as many as bounded memory allows.

        Returns:
            An iterator over the start and the state after each step, like the inputs.
            Steps are made as they are asked for.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If a number is out of range, labels or masks don't fit, nothing
                may change, a part does not fit the inputs, or ``forward_func`` returns
                probabilities.
        """
        clean = tuple(tensor.detach() for tensor in format_inputs(inputs))
        for tensor in clean:
            if not tensor.is_floating_point():
                bad_type(
                    "inputs", "floating tensors", tensor.dtype, "perturb an embedding"
                )
        if perturbations_per_eval is not None:
            check_positive_int(
                "perturbations_per_eval", perturbations_per_eval, "or None"
            )
        self.generator = own_generator(self.generator, clean[0].device)
        run = AttackRun(
            forward_func=self._runnable,
            loss_func=self.loss_func,
            clean=clean,
            labels=as_labels(target, len(clean[0]), clean[0].device),
            sign=-1 if targeted else 1,
            allowed=format_mask(mask, clean),
            args=format_additional_forward_args(additional_forward_args) or (),
            feature_mask=perturbation_units(clean, feature_mask),
            radius=radius,
            step_size=step_size,
            step_num=step_num,
            norm=norm,
            skip_modules=self._branches,
            per_eval=perturbations_per_eval,
            generator=self.generator,
        )
        climb: Climb = run.climb
        for part in reversed(self.parts):
            climb = part.wrap(climb, run)
        warn_if_training(self.forward_func)
        states = self._steps(run, climb, random_start)
        return states if is_tuple(inputs) else (state for (state,) in states)

    perturb = log_usage(part_of_slo=True)(
        derived(
            states,
            last,
            "perturb",
            "Perturb inputs; arguments up to ``mask`` are those of Captum's PGD.",
            "Perturbed inputs, like the inputs.",
        )
    )
    trajectory = derived(
        states,
        stacked,
        "trajectory",
        "Perturb inputs and keep every state, for a choice among the steps.",
        "The start, and the state after each step, ``(step_num + 1, *input.shape)``; a "
        "tuple if\n            the inputs are one.",
    )

    def _steps(
        self, run: AttackRun, climb: Climb, from_random: bool
    ) -> Iterator[Tensors]:
        """Yield the start, and the state after each step."""
        state = run.clean
        if from_random:
            start = tuple(
                random_start(x, run.radius, run.norm, run.generator) for x in run.clean
            )
            state = self._bounded(run, run.movable(start))
        yield state
        for _ in range(run.step_num):
            deltas = tuple(
                project(
                    ascend(now - x, direction, run.step_size, run.norm),
                    run.radius,
                    run.norm,
                )
                for now, x, direction in zip(
                    state, run.clean, run.movable(climb(state)), strict=True
                )
            )
            state = self._bounded(run, deltas)
            yield state

    @property
    def _runnable(self) -> Callable[..., Tensor]:
        """The model, before compilation if a part changes it.

        Compiled code does not look for new hooks.
        """
        model = self.forward_func
        changed = any(part.place == "network" for part in self.parts)
        return uncompiled(model) if changed and isinstance(model, nn.Module) else model

    def _bounded(self, run: AttackRun, deltas: Tensors) -> Tensors:
        return tuple(
            (x + delta).clamp(self.lower_bound, self.upper_bound)
            for x, delta in zip(run.clean, deltas, strict=True)
        )


def _check_parts(parts: Sequence[AttackPart]) -> tuple[AttackPart, ...]:
    """Return the parts from the outermost to the innermost."""
    if isinstance(parts, AttackPart):
        bad_type("parts", "a list of parts", parts, "write [part]")
    for part in parts:
        if not isinstance(part, AttackPart):
            bad_type("parts", "a list of AttackPart", part, "see robust.PRESETS")
        if part.place not in PLACES:
            bad_value("place", f"one of {PLACES}", repr(part.place), f"of {part}")
    return tuple(sorted(parts, key=lambda part: -PLACES.index(part.place)))
