"""Curves over orders of one model on one data set: strength, mean, sign, agreement."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.estimators import KernelEstimate
from captum_interactions.functional import (
    disentanglement_ratios,
    null_strength,
    order_strength,
    positive_ratio,
)
from captum_interactions.functional.orders import debiased_strength
from captum_interactions.metrics.base import (
    AbstractOrderMetric,
    check_result,
    summed,
)
from captum_interactions.results import MultiOrderInteractionResult

__all__ = [
    "OrderStrength",
    "AverageInteraction",
    "PositiveRatio",
    "Disentanglement",
]

Reduction = Literal["mean_of_ratios", "ratio_of_means"]


@checked_methods
class _InteractionMetric(AbstractOrderMetric):
    """A metric that reads the interactions of the evaluated pairs."""

    def update(self, result: MultiOrderInteractionResult) -> None:
        """Add the examples of a result.

        Args:
            result: Multi-order interactions of some examples.

        Raises:
            TypeError: If it is something else.
            ValueError: If its players or orders differ from those before.
        """
        checked = check_result("result", result, MultiOrderInteractionResult)
        values = checked.pair_values()
        count = values.numel() // max(1, values.shape[-2])
        n = len(checked.players)
        self._add(n, count, self._terms(checked, values), checked.orders)

    def _terms(
        self, result: MultiOrderInteractionResult, values: Tensor
    ) -> dict[str, Tensor]:
        raise NotImplementedError


@checked_methods
class OrderStrength(_InteractionMetric):
    """F^(m): how strong the interactions of each order are, relative to all orders.

    F^(m) = E|I^(m)(i,j)| / E_m' E|I^(m')(i,j)|, expectations over examples and pairs.
    The bottleneck papers call the same curve J^(m). Two things bend it that have
    nothing to do with the model: a game without structure already gives the U shape of
    :meth:`null_curve`, and sampling noise adds to every |I|, which ``debiased=True``
    takes out (of the root mean square instead of the mean absolute value). A posterior
    mean (``n_samples`` with values that all pairs share) is shrunk toward 0 instead, at
    each order by another factor; there ``debiased=True`` adds the posterior's spread.

    Args:
        debiased: Use √max(0, mean I² − mean squared standard error) for the strength,
            with a plus for a posterior: what I² is expected to be.

    References:
        Deng et al. (ICLR 2022), Eq. 4; Cheng et al. (2021).

    Example:
        >>> from captum_interactions import MultiOrderInteraction
        >>> f, metric = lambda x: x.prod(1), OrderStrength()
        >>> metric.update(MultiOrderInteraction(f).interactions(torch.ones(1, 3)))
        >>> metric.compute().tolist()
        [0.0, 2.0]
    """

    def __init__(self, *, debiased: bool = False) -> None:
        super().__init__()
        self.debiased = debiased

    @property
    def _settings(self) -> tuple[object, ...]:
        return (*super()._settings, self.debiased)

    def _terms(
        self, result: MultiOrderInteractionResult, values: Tensor
    ) -> dict[str, Tensor]:
        errors = result.interaction_errors
        variance = (
            torch.zeros_like(values)
            if errors is None
            else result.pair_values(errors) ** 2
        )
        is_posterior = isinstance(result.estimate, KernelEstimate)
        return {
            "absolute": summed(values.abs()),
            "square": summed(values**2),
            "variance": summed(variance),
            # E I² of a posterior is the square of its mean and its variance.
            "excess": summed(-variance if is_posterior else variance),
        }

    def _ratio(self, sums: dict[str, Tensor]) -> Tensor:
        return order_strength(self._strength(sums))

    def _strength(self, sums: dict[str, Tensor]) -> Tensor:
        if self.debiased:
            return debiased_strength(
                sums["square"] / self.count, sums["excess"] / self.count
            )
        return sums["absolute"] / self.count

    def strength(self) -> Tensor:
        """The strength before the ratio is taken, ``(orders,)``, in the units of v.

        Raises:
            ValueError: If nothing was added yet.
        """
        self._check_updated()
        return self._strength(self._sums)

    def noise(self) -> Tensor:
        """Strength that sampling errors alone would show, ``(orders,)``.

        Raises:
            ValueError: If nothing was added yet.
        """
        self._check_updated()
        deviation = (self._sums["variance"] / self.count).sqrt()
        return deviation if self.debiased else (2 / torch.pi) ** 0.5 * deviation

    def null_curve(self) -> Tensor:
        """F^(m) of a game whose values are independent noise, ``(orders,)``.

        Raises:
            ValueError: If nothing was added yet.
        """
        self._check_updated()
        return null_strength(self.n_players, self.orders)


@checked_methods
class AverageInteraction(_InteractionMetric):
    """E I^(m)(i,j) over examples and pairs, in the units of the value function.

    Signed, so sampling noise averages out.

    References:
        Ren et al. (NeurIPS 2021), Figure 3; Cheng et al. (2021).

    Example:
        >>> from captum_interactions import MultiOrderInteraction
        >>> f, metric = lambda x: x.prod(1), AverageInteraction()
        >>> metric.update(MultiOrderInteraction(f).interactions(torch.ones(1, 3)))
        >>> metric.compute().tolist()
        [0.0, 1.0]
    """

    def _terms(
        self, result: MultiOrderInteractionResult, values: Tensor
    ) -> dict[str, Tensor]:
        return {"signed": summed(values)}

    def _ratio(self, sums: dict[str, Tensor]) -> Tensor:
        return sums["signed"] / self.count


@checked_methods
class PositiveRatio(_InteractionMetric):
    """P^(m) = E max(I, 0) / E|I|: the share of positive interactions, by mass.

    Sampling noise pulls it to ½.

    References:
        Cheng et al. (2021).

    Example:
        >>> from captum_interactions import MultiOrderInteraction
        >>> f, metric = lambda x: x[:, 0] * (x[:, 1] - 3 * x[:, 2]), PositiveRatio()
        >>> metric.update(MultiOrderInteraction(f).interactions(torch.ones(1, 3)))
        >>> metric.compute().tolist()
        [0.25, 0.25]
    """

    def _terms(
        self, result: MultiOrderInteractionResult, values: Tensor
    ) -> dict[str, Tensor]:
        return {
            "positive": summed(values.clamp(min=0)),
            "absolute": summed(values.abs()),
        }

    def _ratio(self, sums: dict[str, Tensor]) -> Tensor:
        return positive_ratio(sums["positive"], sums["absolute"])


@checked_methods
class Disentanglement(_InteractionMetric):
    """D^(m): do the contexts of a pair agree on the sign of its interaction?

    |E_S Δv| / E_S|Δv|, between 0 and 1. The paper takes the mean of these ratios over
    examples and pairs; the authors' code divides the mean numerator by the mean
    denominator. Both are here. It needs single Δv: an exact result, or one sampled with
    ``sampling="paired"``, where Δv of mean zero still give about 1/√K with K contexts
    (:func:`~captum_interactions.functional.orders.disentanglement_floor`).

    Args:
        reduction: ``"mean_of_ratios"`` (paper) or ``"ratio_of_means"`` (code).

    Raises:
        ValueError: If the reduction is unknown.

    References:
        Ren et al. (NeurIPS 2021), Eq. 8, and their code.

    Example:
        >>> from captum_interactions import MultiOrderInteraction
        >>> f, metric = lambda x: x.prod(1), Disentanglement()
        >>> metric.update(MultiOrderInteraction(f).interactions(torch.ones(1, 3)))
        >>> metric.compute().tolist()
        [0.0, 1.0]
    """

    def __init__(self, reduction: Reduction = "mean_of_ratios") -> None:
        if reduction not in get_args(Reduction):
            bad_value(
                "reduction",
                f"one of {get_args(Reduction)}",
                repr(reduction),
                "pick one",
            )
        super().__init__()
        self.reduction = reduction

    @property
    def _settings(self) -> tuple[object, ...]:
        return (*super()._settings, self.reduction)

    def _terms(
        self, result: MultiOrderInteractionResult, values: Tensor
    ) -> dict[str, Tensor]:
        absolute = result.pair_values(result.absolute_deltas()).to(values)
        if self.reduction == "ratio_of_means":
            return {"mean": summed(values.abs()), "absolute": summed(absolute)}
        return {"ratio": summed(disentanglement_ratios(values, absolute))}

    def _ratio(self, sums: dict[str, Tensor]) -> Tensor:
        if self.reduction == "ratio_of_means":
            return disentanglement_ratios(sums["mean"], sums["absolute"])
        return sums["ratio"] / self.count
