"""Shapley values with baselines that are learned from the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from captum_interactions._captum import format_output
from captum_interactions._checks import bad_type
from captum_interactions.attr.and_interaction import AndInteraction
from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
)
from captum_interactions.baselines._fitting import BaselineFit, FittedBaselines
from captum_interactions.baselines._settings import (
    Objective,
    Preset,
    choose_settings,
)
from captum_interactions.baselines.examples import open_examples
from captum_interactions.baselines.order_profile import OrderProfile
from captum_interactions.games import Game
from captum_interactions.games.arguments import warn_if_training
from captum_interactions.results import AndInteractionResult

__all__ = ["LearnedBaselineShapley"]


class LearnedBaselineShapley(AbstractInteractionAttribution):
    """Shapley values whose baselines are learned, so that few patterns explain much.

    What stands for "absent" decides what a game says. The baselines are learned to
    leave little effect to contexts of few players, L_Shapley = Σ_m Σ_i |φ^(m)(i)| over
    low orders m (context sizes), within a range that keeps them near the data. The
    Shapley axioms hold, as the baselines are fixed before any player is.

    Call :meth:`fit` on a data set, then :meth:`attribute` or :meth:`interactions` on
    any example; ``baselines_`` goes to ``baselines=`` of any Captum method as well.

    Args:
        forward_func: Model or callable to explain, differentiable with respect to its
            inputs. The authors explain the log-odds of the label:
            ``log_odds(model)`` of :mod:`captum_interactions.games`.

    References:
        Ren et al., "Can we faithfully represent absence states to compute Shapley
        values on a DNN?" (ICLR 2023); ``objective="l1_interaction"`` is from Ren et al.
        (CVPR 2023). Losses follow the authors' code where the papers leave them open.

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
        >>> generator = torch.Generator().manual_seed(0)
        >>> data = torch.rand(64, 3, generator=generator) + 0.5
        >>> method = LearnedBaselineShapley(model).fit(
        ...     data, bounds=("abs", 0.0, 2.0), generator=generator
        ... )
        >>> method.baselines_.shape, method.converged_
        (torch.Size([1, 3]), True)
        >>> method.attribute(torch.ones(1, 3)).shape
        torch.Size([1, 3])
    """

    def __init__(self, forward_func: Any) -> None:
        super().__init__(forward_func)
        self._fitted: FittedBaselines | None = None
        self._tuple_inputs = False

    @property
    def baselines_(self) -> Tensor | tuple[Tensor, ...]:
        """The learned baselines; a tuple if the inputs were one.

        Each is ``(1, *features)``, or ``(batch, *features)`` if learned per example.
        """
        formatted: Tensor | tuple[Tensor, ...] = format_output(
            self._tuple_inputs, self._require_fit().baselines
        )
        return formatted

    @property
    def loss_history_(self) -> tuple[float, ...]:
        """The loss of every step, a mean over examples, in units of the value function.

        Sampled anew in every step, so that it fluctuates. With per-example baselines
        the mean over all examples.
        """
        return self._require_fit().losses

    @property
    def order_profile_(self) -> OrderProfile:
        """Mean |φ^(m)(i)| by context size m before and after, on up to 128 examples."""
        return self._require_fit().profile

    @property
    def converged_(self) -> bool:
        """Whether the loss had stopped falling, and no baseline reached its example.

        The last fifth of the steps must not lie below the fifth before it by more than
        2 % or two standard errors.
        """
        fitted = self._require_fit()
        return fitted.settled and not bool(fitted.at_example.any())

    @property
    def at_example_(self) -> Tensor:
        """Which baselines have become their example, ``(1,)`` or ``(batch,)`` bool.

        There every loss is zero and every attribution too: nothing has been learned.
        """
        return self._require_fit().at_example

    def fit(
        self,
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
        lr: float | None = None,
        batch_size: int | None = None,
        perturbations_per_eval: int | None = None,
        generator: torch.Generator | None = None,
        show_progress: bool = False,
    ) -> LearnedBaselineShapley:
        """Learn the baselines.

        Args:
            inputs: The examples: a floating tensor, a tuple of them, or a DataLoader of
                inputs, ``(inputs, target)`` or ``(inputs, target,
                additional_forward_args)`` (integer labels are then the targets). One
                epoch of it is read for mean and deviation first.
            target: Which output is explained; ``None`` sums the loss over all outputs.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player. The baseline keeps one
                value per element all the same.
            objective: ``"shapley"`` Σ_m Σ_i |φ^(m)(i)|; ``"marginal"``
                Σ_m Σ_i E_S |Δv_i(S)|; ``"l1_interaction"`` Σ_{S≠∅} |I(S)|, which
                evaluates all 2**n coalitions in every step and is meant for one
                example.
            init: Where baselines start: ``"mean"`` of the examples, ``"zero"``, a
                number, a tensor, or a tuple of those. A tensor with axes of size 1
                keeps the baseline constant along them: ``(1, 1, d)`` learns one
                embedding for all positions of a sentence.
            bounds: How far they may go: ``("sigma", k)`` for mean ± k standard
                deviations of each element, ``("abs", low, high)``, or ``None``.
                The default is one standard deviation, widened to contain the init.
            max_order: Largest context size m to penalize: an integer, or a float for a
                part λ of the players (m = 0..⌊λn⌋−1). 0.5 unless given.
            preset: ``"default"``: Adam in units of the standard deviation, random
                batches, contexts of exactly m players. ``"paper"``: the algorithm of
                the authors: full batch, 100 Bernoulli contexts for every order and
                player, gradient descent at 0.01 for 300 steps (for
                ``"l1_interaction"``: at 0.001 falling to a tenth, for 50), clamped to
                0.3 standard deviations after every step, also where the init is
                outside. Arguments that are given replace the preset's.
            per_example: Learn one baseline per example instead of one for all.
            n_contexts: Contexts K per order, player and example. The shapley loss is
                biased upwards, the more the smaller K.
            orders_per_step: Orders drawn for each step; all with the paper's preset.
            steps: Number of steps.
            lr: Step size: in standard deviations with the default preset, in units of
                the inputs with the paper's.
            batch_size: Examples per step. A DataLoader has its own.
            perturbations_per_eval: Coalitions per forward pass; 1 for a function that
                returns one scalar per batch.
            generator: Source of randomness.
            show_progress: Show a bar that counts steps.

        Returns:
            This object.

        Raises:
            TypeError: If inputs are not floating point, or an argument has the wrong
                type.
            ValueError: If arguments don't fit each other, the only example is its own
                baseline, the bounds exclude the init, a DataLoader yields nothing or
                changes shape, or the model has no gradient.
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
                "lr": lr,
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
        examples = open_examples(inputs, target, additional_forward_args, feature_mask)
        fit = BaselineFit(
            self.forward_func,
            settings,
            per_example,
            perturbations_per_eval,
            generator,
            show_progress,
        )
        devices = list(range(torch.cuda.device_count()))
        with torch.random.fork_rng(devices), torch.enable_grad():
            warn_if_training(self.forward_func)
            self._fitted = fit.run(examples, init)
        self._tuple_inputs = (
            isinstance(inputs, tuple) or len(self._fitted.baselines) > 1
        )
        return self

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
    ) -> AndInteractionResult:
        """AND interactions of all coalitions with the learned baselines.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: ``None`` for the learned ones; others to compare them with.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player; ``None`` for the players
                of the fit.
            perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
            show_progress: Show a progress bar.

        Returns:
            The interactions and everything that can be read from them.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: If nothing has been fitted and no baselines are given; else as
                :class:`~captum_interactions.games.ModelGame`; beyond 24 players in
                particular, for which Captum's sampling methods take ``baselines_``.
        """
        if baselines is None:
            baselines = self._require_fit().baselines
        if feature_mask is None and self._fitted is not None:
            feature_mask = self._fitted.feature_mask
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
            show_progress,
        )
        return self.read(game)

    attribute = attribution_of(
        interactions, "Exact Shapley values with the learned baselines."
    )

    @classmethod
    def read(cls, game: Game) -> AndInteractionResult:
        """AND interactions of any game, which has baselines of its own."""
        return AndInteraction.read(game)

    def _require_fit(self) -> FittedBaselines:
        if self._fitted is None:
            raise ValueError(
                "`LearnedBaselineShapley` must be fitted first, got no baselines; call "
                "fit(data), or pass baselines="
            )
        return self._fitted
