"""Curves that compare: clean with adversarial, one data set or model with another."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked, checked_methods
from captum_interactions.functional import order_utility
from captum_interactions.metrics.base import (
    AbstractOrderMetric,
    check_result,
    summed,
)
from captum_interactions.results import MultiOrderInteractionResult

__all__ = ["AttackingUtility", "difference"]

M = TypeVar("M", bound=AbstractOrderMetric)


@checked_methods
class AttackingUtility(AbstractOrderMetric):
    """ΔJ^(m): which orders an attack takes the output from.

    The mean over examples and pairs of J^(m)(i,j | x) − J^(m)(i,j | x_adv) with
    J^(m) = (n−1−m)/(n(n−1)) · I^(m). Summed over both directions of all pairs and over
    all orders, with the change of the solo effects, it is the drop of v(N) − v(∅), so
    n(n−1) times the curve reads as the drop by order.

    References:
        Ren et al. (NeurIPS 2021), supplement, Eq. 3.

    Example:
        >>> from captum_interactions import MultiOrderInteraction
        >>> import torch
        >>> method = MultiOrderInteraction(lambda x: x.prod(1))
        >>> clean = method.interactions(torch.ones(1, 3))
        >>> attacked = method.interactions(torch.tensor([[1.0, 1.0, 0.5]]))
        >>> metric = AttackingUtility()
        >>> metric.update(clean, attacked)
        >>> metric.total().tolist()
        [0.0, 0.5]
    """

    def update(
        self,
        clean: MultiOrderInteractionResult,
        adversarial: MultiOrderInteractionResult,
    ) -> None:
        """Add examples, evaluated before and after the attack.

        Args:
            clean: Result on the clean inputs.
            adversarial: Result on the attacked inputs: the same pairs, orders and
                target, and best the same seed for contexts.

        Raises:
            TypeError: If one is not a result of multi-order interactions.
            ValueError: If the two do not match each other, or those before.
        """
        first = check_result("clean", clean, MultiOrderInteractionResult)
        second = check_result("adversarial", adversarial, MultiOrderInteractionResult)
        same = (
            first.pairs == second.pairs
            and first.orders == second.orders
            and first.interactions.shape == second.interactions.shape
        )
        if not same:
            bad_value(
                "adversarial",
                f"of {len(first.pairs)} pairs, orders {first.orders} and shape "
                f"{tuple(first.interactions.shape)} like `clean`",
                f"{len(second.pairs)} pairs, orders {second.orders} and shape "
                f"{tuple(second.interactions.shape)}",
                "call interactions with the same arguments for both",
            )
        change = first.interactions - second.interactions.to(first.interactions)
        values = first.pair_values(order_utility(change, list(first.orders)))
        count = values.numel() // max(1, values.shape[-2])
        n = len(first.players)
        self._add(n, count, {"change": summed(values)}, first.orders)

    def _ratio(self, sums: dict[str, Tensor]) -> Tensor:
        return sums["change"] / self.count

    def total(self) -> Tensor:
        """n(n−1) times the curve: the mean drop of the output by order, ``(orders,)``.

        With a sample of the pairs it is the estimate for all of them.

        Raises:
            ValueError: If nothing was added yet.
        """
        return self.n_players * (self.n_players - 1) * self.compute()


@checked
def difference(first: M, second: M, *, absolute: bool = False) -> Tensor:
    """Curve of one data set or model minus that of another, ``(orders,)``.

    ΔI and ΔP of the taxonomy are signed (outlier minus normal), its ΔF absolute.

    Args:
        first: A metric that was updated.
        second: Another of the same kind, players and orders.
        absolute: Return the absolute difference.

    Raises:
        TypeError: If the metrics are of different kinds.
        ValueError: If their players or orders differ, or one was never updated.

    References:
        Cheng et al. (2021).
    """
    if type(first) is not type(second):
        bad_type(
            "second", f"a {type(first).__name__}", second, "compare like with like"
        )
    one, two = first.compute(), second.compute()
    left = (first.n_players, first.orders)
    right = (second.n_players, second.orders)
    if left != right:
        bad_value(
            "second",
            f"of {left[0]} players and orders {left[1]}",
            f"{right[0]} players and orders {right[1]}",
            "evaluate both with the same players and orders",
        )
    return (one - two).abs() if absolute else one - two
