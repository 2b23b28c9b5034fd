"""Accumulators over a data set: update, compute, reset, merge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.results import InteractionResult

__all__ = ["AbstractMetric", "AbstractOrderMetric"]

M = TypeVar("M", bound="AbstractMetric")
R = TypeVar("R", bound=InteractionResult)


@checked_methods
class AbstractMetric(ABC):
    """Figures summed over a data set: update, compute, reset, merge.

    Only sums are kept, so the result does not depend on how the data set was cut into
    updates and merges, beyond float64 rounding. A concrete metric says which sums it
    needs, and what it makes of them.

    Attributes:
        n_players: The number of players, once updated.
        orders: The context sizes of the curve, once updated; none where there are none.
        count: How many cases were summed.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.orders: tuple[int, ...] = ()
        self.n_players = 0
        self.count = 0
        self._sums: dict[str, Tensor] = {}

    @abstractmethod
    def compute(self) -> Tensor:
        """Return the figures, float64.

        Raises:
            ValueError: If nothing was added yet.
        """

    @property
    def _settings(self) -> tuple[object, ...]:
        """What two metrics must share to be merged."""
        return (type(self).__name__,)

    def merge(self: M, other: M) -> M:
        """Add what another metric has summed, such as that of another process.

        Args:
            other: A metric of the same kind and settings; it stays as it is.

        Returns:
            This metric.

        Raises:
            TypeError: If the other is not a metric of this kind.
            ValueError: If its settings, players or orders differ.
        """
        if type(other) is not type(self):
            bad_type("other", f"a {type(self).__name__}", other, "merge like with like")
        if other._settings != self._settings:
            bad_value(
                "other",
                f"a metric with the settings {self._settings}",
                other._settings,
                "construct both alike",
            )
        if other.count:
            sums = {name: total.clone() for name, total in other._sums.items()}
            self._add(other.n_players, other.count, sums, other.orders)
        return self

    def __repr__(self) -> str:
        orders = f"{len(self.orders)} orders, " if self.orders else ""
        return f"{type(self).__name__}({orders}{self.count} summed)"

    def _check_updated(self) -> None:
        if not self.count:
            raise ValueError(
                f"`{type(self).__name__}.compute` must be called after update, got no "
                "data; call update with a result first"
            )

    def _add(
        self,
        n: int,
        count: int,
        sums: dict[str, Tensor],
        orders: tuple[int, ...] = (),
    ) -> None:
        if not self.count:
            self.n_players, self.orders = n, orders
        elif (n, orders) != (self.n_players, self.orders):
            of_orders = f" and orders {self.orders}" if self.orders else ""
            bad_value(
                "result",
                f"of {self.n_players} players{of_orders}",
                f"{n} players" + (f" and orders {orders}" if orders else ""),
                "use one metric per number of players and choice of orders",
            )
        self.count += count
        for name, total in sums.items():
            self._sums[name] = self._sums[name] + total if name in self._sums else total


@checked_methods
class AbstractOrderMetric(AbstractMetric):
    """A curve over orders (context sizes), summed over a data set.

    Examples, outputs and pairs all count alike. A concrete metric says which ratio it
    takes of its sums.
    """

    @abstractmethod
    def _ratio(self, sums: dict[str, Tensor]) -> Tensor:
        """Return the curve, ``(orders,)``, from the sums."""

    def compute(self) -> Tensor:
        """Return the curve, ``(orders,)`` float64.

        Raises:
            ValueError: If nothing was added yet.
        """
        self._check_updated()
        return self._ratio(self._sums)


def check_result(argument: str, result: object, kind: type[R]) -> R:
    """Return ``result`` if it is of one kind."""
    if not isinstance(result, kind):
        name = kind.__name__
        bad_type(
            argument,
            f"a {name}",
            result,
            f"pass what {name.removesuffix('Result')}.interactions returns",
        )
    return result


def summed(values: Tensor) -> Tensor:
    """Sum over examples, outputs and pairs, ``(orders,)`` float64 on the CPU."""
    flat = values.detach().to("cpu", torch.float64)
    return flat.movedim(-2, 0).flatten(1).sum(-1)
