"""One attack whose parts can be combined: PGD, MI, VR, SGM, TI, DI and IR."""

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
from captum_interactions.games.arguments import format_inputs, warn_if_training
from captum_interactions.games.layers import module_name, uncompiled
from captum_interactions.players.players import Players
from captum_interactions.robust.game import (
    as_labels,
    perturbation_units,
)
from captum_interactions.robust.gradients import (
    ascend,
    l1_normalized,
    project,
    random_start,
    scaled_branches,
    smooth,
)
from captum_interactions.robust.objective import Loss, Objective, Tensors
from captum_interactions.robust.settings import AttackSettings

__all__ = ["TransferAttack"]


class TransferAttack(Perturbation):
    """Iterated gradient attack, with the parts that make it transfer.

    Each step climbs E[loss(x + δ + noise)] − λ·G(δ), where
    G = mean over random sets A of v(Ω) − v(Ω∖A) − v(A) + v(∅) is the interaction
    between A and the other perturbation units, and v is the margin of the game of
    :func:`~captum_interactions.robust.perturbation_game`. The gradient is smoothed
    (TI), normalized and accumulated with momentum (MI), and a step is taken along its
    sign (L∞) or its direction (L2). With the defaults this is plain PGD.

    A drop-in for ``captum.robust.PGD`` in ``AttackComparator`` and
    ``MinParamPerturbation``: what the attack is made of goes to the constructor, all
    numbers are keyword arguments of :meth:`perturb`. Unlike PGD, it takes logits and
    refuses probabilities, makes a step however small the gradient is, and normalizes
    L2 steps.

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
        skip_modules: Residual branches whose gradient is scaled (SGM): submodules of
            ``forward_func`` or their names.
        generator: Source of randomness; ``None`` makes one from the global seed.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If there is no such loss or submodule, or bounds are reversed.

    References:
        Wang et al. (ICLR 2021) for IR and VR; Dong et al. (CVPR 2018) for MI, (CVPR
        2019) for TI; Xie et al. (CVPR 2019) for DI; Wu et al. (ICLR 2020) for SGM. The
        interaction term has the authors' sign and no normalizer; sets are drawn without
        replacement, VR takes the mean over noisy copies, and no rim of the image is
        left out.

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
        self.generator = generator
        self._branches = _find_branches(forward_func, skip_modules)

    @log_usage(part_of_slo=True)
    def perturb(
        self,
        inputs: Tensor | Tensors,
        radius: float,
        step_size: float,
        step_num: int,
        target: Any,
        additional_forward_args: Any = None,
        targeted: bool = False,
        random_start: bool = False,
        norm: str = "Linf",
        mask: Tensor | Tensors | None = None,
        feature_mask: Tensor | Tensors | None = None,
        *,
        momentum: float = 0.0,
        noise_samples: int = 0,
        noise_std: float = 0.0,
        skip_gamma: float = 1.0,
        kernel_size: int = 1,
        diversity_prob: float = 0.0,
        diversity_scale: float = 1.1,
        ir_weight: float = 0.0,
        ir_fraction: float = 0.125,
        ir_sets: int = 32,
        perturbations_per_eval: int | None = None,
    ) -> Tensor | Tensors:
        """Perturb inputs; arguments up to ``mask`` are those of Captum's PGD.

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
            momentum: μ of MI; the papers take 1.
            noise_samples: Noisy copies of VR.
            noise_std: Standard deviation of VR's noise; the paper's 15 of 255 levels.
            skip_gamma: γ of SGM.
            kernel_size: Width of TI's kernel, odd; the paper takes 15.
            diversity_prob: Probability of DI's transformation; usually 0.5.
            diversity_scale: DI's largest size over the images'.
            ir_weight: λ of the interaction term; infinity leaves out the loss.
            ir_fraction: Share of the units in A; the authors draw 32 of 256.
            ir_sets: Sets A per step.
            perturbations_per_eval: Noisy or masked copies per forward pass; ``None``
                takes as many as memory for inputs of 4 MiB allows.

        Returns:
            Perturbed inputs, like the inputs.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If a number is out of range, labels or masks don't fit, nothing
                may change, or ``forward_func`` returns probabilities.
        """
        settings = AttackSettings(
            radius, step_size, step_num, targeted, random_start, norm, momentum,
            noise_samples, noise_std, skip_gamma, kernel_size, diversity_prob,
            diversity_scale, ir_weight, ir_fraction, ir_sets,
        )  # fmt: skip
        for perturbed in self._states(
            settings, inputs, target, additional_forward_args, mask, feature_mask,
            perturbations_per_eval,
        ):  # fmt: skip
            last = perturbed
        return last if is_tuple(inputs) else last[0]

    def trajectory(
        self,
        inputs: Tensor | Tensors,
        radius: float,
        step_size: float,
        step_num: int,
        target: Any,
        additional_forward_args: Any = None,
        targeted: bool = False,
        random_start: bool = False,
        norm: str = "Linf",
        mask: Tensor | Tensors | None = None,
        feature_mask: Tensor | Tensors | None = None,
        *,
        momentum: float = 0.0,
        noise_samples: int = 0,
        noise_std: float = 0.0,
        skip_gamma: float = 1.0,
        kernel_size: int = 1,
        diversity_prob: float = 0.0,
        diversity_scale: float = 1.1,
        ir_weight: float = 0.0,
        ir_fraction: float = 0.125,
        ir_sets: int = 32,
        perturbations_per_eval: int | None = None,
    ) -> Tensor | Tensors:
        """Perturb inputs and keep every state, for a choice among the steps.

        Arguments are those of :meth:`perturb`.

        Returns:
            ``(step_num + 1, *input.shape)``: the start, and the state after each step;
            a tuple if the inputs are one.

        Raises:
            TypeError: As :meth:`perturb`.
            ValueError: As :meth:`perturb`.
        """
        settings = AttackSettings(
            radius, step_size, step_num, targeted, random_start, norm, momentum,
            noise_samples, noise_std, skip_gamma, kernel_size, diversity_prob,
            diversity_scale, ir_weight, ir_fraction, ir_sets,
        )  # fmt: skip
        states = self._states(
            settings, inputs, target, additional_forward_args, mask, feature_mask,
            perturbations_per_eval,
        )  # fmt: skip
        stacked = tuple(torch.stack(parts) for parts in zip(*states, strict=True))
        return stacked if is_tuple(inputs) else stacked[0]

    def _states(
        self,
        settings: AttackSettings,
        inputs: Tensor | Tensors,
        target: Any,
        additional_forward_args: Any,
        mask: Tensor | Tensors | None,
        feature_mask: Tensor | Tensors | None,
        perturbations_per_eval: int | None,
    ) -> Iterator[Tensors]:
        """The start, and the state after each step."""
        clean = tuple(tensor.detach() for tensor in format_inputs(inputs))
        settings.check_images(clean)
        if perturbations_per_eval is not None:
            check_positive_int(
                "perturbations_per_eval", perturbations_per_eval, "or None"
            )
        labels = as_labels(target, len(clean[0]), clean[0].device)
        allowed = _format_mask(mask, clean)
        units = Players.from_feature_mask(
            perturbation_units(clean, feature_mask), clean
        )
        if settings.ir_weight > 0 and len(units) < 2:
            bad_value(
                "feature_mask",
                "one with at least two perturbation units",
                f"{len(units)}",
                "refine it, or set ir_weight=0",
            )
        if settings.skip_gamma != 1 and not self._branches:
            bad_value(
                "skip_gamma",
                "1 without residual branches to scale",
                settings.skip_gamma,
                "name them in the constructor's `skip_modules`",
            )
        self.generator = own_generator(self.generator, clean[0].device)
        warn_if_training(self.forward_func)
        objective = Objective(
            self._eager if settings.skip_gamma != 1 else self.forward_func,
            self.loss_func,
            settings,
            labels,
            format_additional_forward_args(additional_forward_args) or (),
            units,
            self.generator,
            perturbations_per_eval,
        )
        state = clean
        if settings.random_start:
            state = tuple(
                self._bounded(x, _where(may, self._start(x, settings)))
                for x, may in zip(clean, allowed, strict=True)
            )
        yield state
        velocity = [torch.zeros_like(x) for x in clean]
        for _ in range(settings.step_num):
            with scaled_branches(self._branches, settings.skip_gamma):
                gradients = objective.gradient(clean, state)
            moved = []
            for i, (x, may) in enumerate(zip(clean, allowed, strict=True)):
                current = smooth(_where(may, gradients[i]), settings.kernel_size)
                current = l1_normalized(_where(may, current))
                velocity[i] = settings.momentum * velocity[i] + current
                delta = ascend(
                    state[i] - x, velocity[i], settings.step_size, settings.norm
                )
                delta = project(delta, settings.radius, settings.norm)
                moved.append(self._bounded(x, delta))
            state = tuple(moved)
            yield state

    @property
    def _eager(self) -> Callable[..., Tensor]:
        """The model before compilation: compiled code does not look for new hooks."""
        model = self.forward_func
        return uncompiled(model) if isinstance(model, nn.Module) else model

    def _start(self, inputs: Tensor, settings: AttackSettings) -> Tensor:
        generator = own_generator(self.generator, inputs.device)
        return random_start(inputs, settings.radius, settings.norm, generator)

    def _bounded(self, clean: Tensor, delta: Tensor) -> Tensor:
        return (clean + delta).clamp(self.lower_bound, self.upper_bound)


def _find_branches(
    forward_func: Callable[..., Tensor], modules: Sequence[str | nn.Module]
) -> tuple[nn.Module, ...]:
    if isinstance(modules, str):
        bad_type("skip_modules", "a list of names or modules", modules, "[name]")
    if not isinstance(forward_func, nn.Module):
        for module in modules:
            if not isinstance(module, nn.Module):
                bad_type(
                    "skip_modules",
                    "a list of modules unless `forward_func` is a module",
                    module,
                    "names are looked up in `forward_func`",
                )
        return tuple(module for module in modules if isinstance(module, nn.Module))
    model = uncompiled(forward_func)
    return tuple(
        model.get_submodule(module_name(model, module, "skip_modules"))
        for module in modules
    )


def _format_mask(
    mask: Tensor | Tensors | None, inputs: Tensors
) -> tuple[Tensor | None, ...]:
    if mask is None:
        return (None,) * len(inputs)
    masks = mask if isinstance(mask, tuple) else (mask,)
    if len(masks) != len(inputs):
        bad_value("mask", f"one per input ({len(inputs)})", len(masks), "pass a tuple")
    formatted = []
    for part, tensor in zip(masks, inputs, strict=True):
        try:
            formatted.append((part != 0).expand_as(tensor).to(tensor.device))
        except RuntimeError:
            bad_value(
                "mask",
                f"broadcastable to the input's shape {tuple(tensor.shape)}",
                f"shape {tuple(part.shape)}",
                "1 marks what may change",
            )
    free = torch.stack([part.flatten(1).any(-1) for part in formatted]).any(0)
    if not bool(free.all()):
        bad_value(
            "mask",
            "one that leaves every example something to perturb",
            f"an empty set of perturbation units for example "
            f"{int((~free).nonzero()[0])}",
            "1 marks what may change",
        )
    return tuple(formatted)


def _where(allowed: Tensor | None, values: Tensor) -> Tensor:
    if allowed is None:
        return values
    return torch.where(allowed, values, torch.zeros_like(values))
