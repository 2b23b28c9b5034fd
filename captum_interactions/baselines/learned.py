"""Baselines that are learned from a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from captum_interactions._captum import format_output
from captum_interactions._checks import bad_type
from captum_interactions._random import device_of, own_generator
from captum_interactions._signature import checked, checked_methods
from captum_interactions.baselines._box import BoundedBaselines, read_starts
from captum_interactions.baselines._descent import Descent
from captum_interactions.baselines._fit_checks import (
    at_example,
    check_floating,
    check_game,
    check_starts,
    warn,
)
from captum_interactions.baselines._fit_modes import (
    outside_inference,
    parameters_frozen,
)
from captum_interactions.baselines._settings import Objective, Preset, choose_settings
from captum_interactions.baselines.examples import (
    ExampleGames,
    Examples,
    open_examples,
)
from captum_interactions.baselines.order_profile import (
    OrderProfile,
    measure_orders,
    profiled_orders,
)
from captum_interactions.games import ModelGame
from captum_interactions.games.arguments import warn_if_training

__all__ = ["LearnedBaselines", "learn_baselines"]

# Examples an order profile is measured on: standard errors of its means are below a
# tenth of the spread between examples.
_PROFILE_EXAMPLES = 128
# The losses of the last fifth of the steps may be this much lower than those before: a
# fiftieth of the loss is not worth more steps.
_SETTLED = 0.02


@checked_methods
@dataclass(frozen=True, eq=False)
class LearnedBaselines:
    """What :func:`learn_baselines` found.

    Attributes:
        values: One tensor per input, ``(1, *features)``, or ``(batch, *features)`` if
            learned per example.
        losses: The loss of every step, a mean over examples, in units of the value
            function. Contexts are drawn anew in every step, so that it fluctuates.
        order_profile: Mean |φ^(m)(i)| by context size m before and after, on up to 128
            examples.
        at_example: Which baselines have become their example, ``(1,)`` or ``(batch,)``
            bool. There every loss and every attribution is zero: nothing was learned.
        feature_mask: The players of the fit.
        tuple_inputs: Whether the inputs were a tuple.
    """

    values: tuple[Tensor, ...] = field(repr=False)
    losses: tuple[float, ...] = field(repr=False)
    order_profile: OrderProfile = field(repr=False)
    at_example: Tensor
    feature_mask: tuple[Tensor, ...] | None = field(repr=False)
    tuple_inputs: bool = field(repr=False)

    @property
    def baselines(self) -> Tensor | tuple[Tensor, ...]:
        """The values as Captum methods take them; a tuple if the inputs were one."""
        formatted: Tensor | tuple[Tensor, ...] = format_output(
            self.tuple_inputs, self.values
        )
        return formatted

    @property
    def settled(self) -> bool:
        """Whether the loss had stopped falling at the end.

        The mean over the last fifth of the steps must not lie below the mean over the
        fifth before it by more than 2 %, or by more than two standard errors.
        """
        fifth = len(self.losses) // 5
        if fifth < 2:
            return False
        losses = torch.tensor(self.losses, dtype=torch.float64)
        before, after = losses[-2 * fifth : -fifth], losses[-fifth:]
        error = ((before.var() + after.var()) / fifth).sqrt()
        fall = before.mean() - after.mean()
        return bool(fall <= torch.maximum(_SETTLED * before.mean(), 2 * error))

    @property
    def converged(self) -> bool:
        """Whether the loss had stopped falling, and no baseline reached its example."""
        return self.settled and not bool(self.at_example.any())


@checked
def learn_baselines(
    forward_func: Callable[..., Any],
    inputs: Any,
    target: Any = None,
    additional_forward_args: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    objective: Objective = "shapley",
    init: Any = "mean",
    bounds: Any = "preset",
    max_order: float | None = None,
    *,
    preset: Preset = "default",
    per_example: bool = False,
    n_contexts: int | None = None,
    orders_per_step: int | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    perturbations_per_eval: int | None = None,
    generator: torch.Generator | None = None,
    show_progress: bool = False,
) -> LearnedBaselines:
    """Learn baselines that leave little effect to contexts of few players.

    They minimize L_Shapley = Σ_m Σ_i |φ^(m)(i)| over low orders m (context sizes), or
    another objective, within a range that keeps them near the data.

    Args:
        forward_func: Model or callable to explain, differentiable with respect to its
            inputs. The authors explain the log-odds of the label:
            ``log_odds(model)`` of :mod:`captum_interactions.games`.
        inputs: The examples: a floating tensor, a tuple of them, or a DataLoader of
            inputs, ``(inputs, target)`` or ``(inputs, target,
            additional_forward_args)`` (integer labels are then the targets). One epoch
            of it is read for mean and deviation first.
        target: Which output is explained; ``None`` sums the loss over all outputs.
        additional_forward_args: Further arguments of the forward function.
        feature_mask: Which input elements form a player. The baseline keeps one value
            per element all the same.
        objective: ``"shapley"`` Σ_m Σ_i |φ^(m)(i)|; ``"marginal"``
            Σ_m Σ_i E_S |Δv_i(S)|; ``"l1_interaction"`` Σ_{S≠∅} |I(S)|, which evaluates
            all 2**n coalitions in every step and is meant for one example.
        init: Where baselines start: ``"mean"`` of the examples, ``"zero"``, a number, a
            tensor, or a tuple of those. A tensor with axes of size 1 keeps the baseline
            constant along them: ``(1, 1, d)`` learns one embedding for all positions of
            a sentence.
        bounds: How far they may go: ``("sigma", k)`` for mean ± k standard deviations
            of each element, ``("abs", low, high)``, or ``None``. The default is one
            standard deviation, widened to contain the init.
        max_order: Largest context size m to penalize: an integer, or a float for a part
            λ of the players (m = 0..⌊λn⌋−1). 0.5 unless given.
        preset: ``"default"``: Adam in units of the standard deviation, random batches,
            contexts of exactly m players. ``"paper"``: the algorithm of the authors:
            full batch, 100 Bernoulli contexts for every order and player, gradient
            descent at 0.01 for 300 steps (for ``"l1_interaction"``: at 0.001 falling to
            a tenth, for 50), clamped to 0.3 standard deviations after every step, also
            where the init is outside. Arguments that are given replace the preset's.
        per_example: Learn one baseline per example instead of one for all.
        n_contexts: Contexts K per order, player and example. The shapley loss is biased
            upwards, the more the smaller K.
        orders_per_step: Orders drawn for each step; all with the paper's preset.
        steps: Number of steps.
        learning_rate: Step size: in standard deviations with the default preset, in
            units of the inputs with the paper's.
        batch_size: Examples per step. A DataLoader has its own.
        perturbations_per_eval: Coalitions per forward pass; 1 for a function that
            returns one scalar per batch.
        generator: Source of randomness; ``None`` makes one from the global seed.
        show_progress: Show a bar that counts steps.

    Returns:
        The baselines, and how they were found.

    Raises:
        TypeError: If inputs are not floating point, or an argument has the wrong type.
        ValueError: If arguments don't fit each other, the only example is its own
            baseline, the bounds exclude the init, a DataLoader yields nothing or
            changes shape, or the model has no gradient.

    References:
        Ren et al., "Can we faithfully represent absence states to compute Shapley
        values on a DNN?" (ICLR 2023); ``objective="l1_interaction"`` is from Ren et al.
        (CVPR 2023). Losses follow the authors' code where the papers leave them open.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> learned = learn_baselines(
        ...     lambda x: x[:, 0] * x[:, 1] + x[:, 2],
        ...     torch.rand(64, 3, generator=generator) + 0.5,
        ...     bounds=("abs", 0.0, 2.0),
        ...     generator=generator,
        ... )
        >>> learned.baselines.shape, learned.converged
        (torch.Size([1, 3]), True)
    """
    settings = choose_settings(
        objective,
        preset,
        bounds,
        {
            "max_order": max_order,
            "n_contexts": n_contexts,
            "orders_per_step": orders_per_step,
            "steps": steps,
            "learning_rate": learning_rate,
            "batch_size": batch_size,
        },
    )
    if per_example and isinstance(inputs, DataLoader):
        bad_type(
            "inputs",
            "tensors when `per_example` is set",
            inputs,
            "a baseline per example needs examples that keep their place",
        )
    if isinstance(inputs, (Tensor, tuple)):
        inputs = outside_inference(inputs)
    examples = open_examples(
        inputs, target, outside_inference(additional_forward_args), feature_mask
    )
    # A generator of our own: the global one belongs to other threads, too.
    generator = own_generator(generator)
    descent = Descent(settings, per_example, generator, show_progress)
    with torch.inference_mode(False), torch.enable_grad():
        warn_if_training(forward_func)
        games = ExampleGames(examples, forward_func, perturbations_per_eval)
        with parameters_frozen(forward_func):
            return _learn(examples, games, init, descent)


def _learn(
    examples: Examples, games: ExampleGames, init: Any, descent: Descent
) -> LearnedBaselines:
    settings, per_example = descent.settings, descent.per_example
    head = games.head(_PROFILE_EXAMPLES)
    game = next(games.once()) if per_example else head[0]
    statistics = examples.statistics()
    check_floating(statistics)
    rows = game.batch_size if per_example else 1
    starts = read_starts(init, statistics, rows)
    own = game.inputs if per_example else statistics.only_example()
    check_starts(starts, own)
    box = BoundedBaselines.around(starts, settings, statistics)
    check_game(game, box, settings, per_example)
    parts = descent.parts(games, game, box)
    generator = descent.generator
    seed = torch.randint(
        1 << 31, (1,), generator=generator, device=device_of(generator)
    ).item()
    before = _profile(head, starts, int(seed))
    losses = descent.run(parts)
    shapes = [mean.shape[1:] for mean in statistics.mean]
    learned = [box.final(shapes) for box, _ in parts]
    values = tuple(torch.cat(pieces) for pieces in zip(*learned, strict=True))
    after = _profile(head, values, int(seed))
    reached = at_example(values, starts, own)
    warn(reached, max(losses) > 0 and all(box.slope == 0 for box, _ in parts))
    return LearnedBaselines(
        values=values,
        losses=losses,
        order_profile=OrderProfile(profiled_orders(game.n_players), before, after),
        at_example=reached,
        feature_mask=examples.feature_mask,
        tuple_inputs=examples.tuple_inputs or len(values) > 1,
    )


def _profile(
    games: list[ModelGame], baselines: tuple[Tensor, ...], seed: int
) -> Tensor:
    """Measure the strength of every order, with equal weight on every example."""
    total, count = torch.zeros((), dtype=torch.float64), 0
    for game in games:
        own = tuple(b[: game.batch_size] for b in baselines)  # of the first batch
        strength = measure_orders(game.with_baselines(own, gradients=False), seed)
        total = total + strength.double() * game.batch_size
        count += game.batch_size
    return total / count
