"""Shapley values with baselines that are learned from the model."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any, Concatenate, ParamSpec

from torch import Tensor

from captum_interactions.attr.and_interaction import AndInteraction
from captum_interactions.attr.base import (
    AbstractInteractionAttribution,
    attribution_of,
)
from captum_interactions.baselines import (
    LearnedBaselines,
    OrderProfile,
    learn_baselines,
)
from captum_interactions.games import Game
from captum_interactions.results import AndInteractionResult

__all__ = ["LearnedBaselineShapley"]

P = ParamSpec("P")


def _fit_of(
    learn: Callable[Concatenate[Callable[..., Any], P], LearnedBaselines],
) -> Callable[Concatenate[LearnedBaselineShapley, P], LearnedBaselineShapley]:
    """Derive ``fit`` from a function that learns baselines: the same arguments."""

    def fit(
        self: LearnedBaselineShapley, *args: P.args, **kwargs: P.kwargs
    ) -> LearnedBaselineShapley:
        """Learn the baselines.

        Arguments and errors are those of
        :func:`~captum_interactions.baselines.learn_baselines` after its first.

        Returns:
            This object.
        """
        self._learned = learn(self.forward_func, *args, **kwargs)
        return self

    _, *rest = signature(learn).parameters.values()
    own = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    fit.__signature__ = signature(learn).replace(  # type: ignore[attr-defined]
        parameters=[own, *rest], return_annotation="LearnedBaselineShapley"
    )
    fit.__qualname__ = "LearnedBaselineShapley.fit"
    return fit


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
        >>> import torch
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
        self._learned: LearnedBaselines | None = None

    fit = _fit_of(learn_baselines)

    @property
    def baselines_(self) -> Tensor | tuple[Tensor, ...]:
        """The learned baselines; a tuple if the inputs were one.

        Each is ``(1, *features)``, or ``(batch, *features)`` if learned per example.
        """
        return self._require_fit().baselines

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
        return self._require_fit().order_profile

    @property
    def converged_(self) -> bool:
        """Whether the loss had stopped falling, and no baseline reached its example.

        The mean over the last fifth of the steps must not lie below the mean over the
        fifth before it by more than 2 %, or by more than two standard errors.
        """
        return self._require_fit().converged

    @property
    def at_example_(self) -> Tensor:
        """Which baselines have become their example, ``(1,)`` or ``(batch,)`` bool.

        There every loss is zero and every attribution too: nothing has been learned.
        """
        return self._require_fit().at_example

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
            baselines = self._require_fit().values
        if feature_mask is None and self._learned is not None:
            feature_mask = self._learned.feature_mask
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
        found = AndInteraction.read(game)
        assert isinstance(found, AndInteractionResult)  # all coalitions, so a table
        return found

    def _require_fit(self) -> LearnedBaselines:
        if self._learned is None:
            raise ValueError(
                "`LearnedBaselineShapley` must be fitted first, got no baselines; call "
                "fit(data), or pass baselines="
            )
        return self._learned
