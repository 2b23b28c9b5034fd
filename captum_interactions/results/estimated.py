"""What results that hold an estimate have in common: any reading, with its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.estimators import Estimate, Reading
from captum_interactions.functional.pairs import resolve_orders
from captum_interactions.functional.shapley import PairIndex
from captum_interactions.results._order_pictures import OrderPictures
from captum_interactions.results._shapiq_values import pair_values
from captum_interactions.results.base import InteractionResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["EstimatedResult"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class EstimatedResult(OrderPictures, InteractionResult):
    """A result that holds an estimate: one evaluation, many readings.

    Attributes:
        info: Players, evaluations and what else all results share.
        estimate: What the evaluated coalitions imply.
    """

    estimate: Estimate = field(repr=False)

    @property
    def r2(self) -> Tensor | None:
        """R² of predictions of coalitions that were not given; None where exact."""
        return self.estimate.r2

    def shapley_values(self) -> Tensor:
        """Shapley values, ``(batch, *outputs, n)``."""
        return self._returned(self.estimate.shapley_values().value)

    def shapley_error(self) -> Tensor | None:
        """Standard errors of the Shapley values; None where they are exact."""
        return self._error(self.estimate.shapley_values())

    def interaction_index(self, index: PairIndex = "SII") -> Tensor:
        """Pairwise index of all pairs.

        Args:
            index: ``"SII"``, ``"BII"``, ``"STII"``, ``"k-SII"``, ``"FSII"`` or
                ``"FBII"``, as :func:`~captum_interactions.functional.pair_index`
                defines them.

        Returns:
            Symmetric matrices ``(batch, *outputs, n, n)``.

        Raises:
            ValueError: If the index is unknown, or the estimate has no such reading.
        """
        return self._returned(self.estimate.pair_index(index).value)

    def interaction_index_error(self, index: PairIndex = "SII") -> Tensor | None:
        """Standard errors of :meth:`interaction_index`; None where it is exact."""
        return self._error(self.estimate.pair_index(index))

    def multi_order(self, orders: Sequence[int | float] | None = None) -> Tensor:
        """Multi-order interactions I^(m)(i,j); order m is the context size.

        Args:
            orders: Context sizes in 0..n−2, or fractions of n − 2 as floats; ``None``
                means all of them.

        Returns:
            Symmetric matrices ``(batch, *outputs, len(orders), n, n)``.

        Raises:
            ValueError: If an order is out of range, or the estimate has no orders.
        """
        chosen = resolve_orders(orders, len(self.players))
        return self._returned(self.estimate.multi_order(chosen).value)

    def multi_order_error(
        self, orders: Sequence[int | float] | None = None
    ) -> Tensor | None:
        """Standard errors of :meth:`multi_order`; None where it is exact."""
        chosen = resolve_orders(orders, len(self.players))
        return self._error(self.estimate.multi_order(chosen))

    def and_interactions(
        self, coalitions: Sequence[Sequence[int | str]]
    ) -> tuple[Tensor, Tensor | None]:
        """AND interactions I(S) of named coalitions, of any number of players.

        Args:
            coalitions: Coalitions, each a sequence of players, by index or by name.

        Returns:
            I(S) ``(batch, *outputs, K)`` and their standard errors, None where exact.

        Raises:
            ValueError: If a player does not exist, or the estimate has no such reading.

        Example:
            >>> from captum_interactions import ShapleyInteraction
            >>> from captum_interactions.games import TableGame
            >>> found = ShapleyInteraction.read(TableGame(torch.tensor([0.0, 1, 2, 5])))
            >>> found.and_interactions([[0], [0, 1]])[0].tolist()
            [[1.0, 2.0]]
        """
        reading = self.estimate.and_interactions(self._masks(coalitions))
        return self._returned(reading.value), self._error(reading)

    def predict(
        self, coalitions: Sequence[Sequence[int | str]]
    ) -> tuple[Tensor, Tensor | None]:
        """v(S) of coalitions, whether they were evaluated or not.

        Args:
            coalitions: The players that are present in each, by index or by name.

        Returns:
            v(S) ``(batch, *outputs, C)`` and their standard errors, None where exact.

        Raises:
            ValueError: If a player does not exist, or the estimate has no such reading.
        """
        reading = self.estimate.predict(self._masks(coalitions))
        return self._returned(reading.value), self._error(reading)

    def _masks(self, coalitions: Sequence[Sequence[int | str]]) -> Tensor:
        masks = torch.zeros(len(coalitions), len(self.players), dtype=torch.bool)
        for row, members in zip(masks, coalitions, strict=True):
            row[[self.players.index(player) for player in members]] = True
        return masks.to(self.info.v_full.device)

    def _by_order(
        self, example: int, output: tuple[int, ...]
    ) -> tuple[Sequence[int], Tensor, Tensor | None]:
        values, errors = self.multi_order(), self.multi_order_error()
        return (
            range(len(self.players) - 1),
            self._pick(values, example, output),
            None if errors is None else self._pick(errors, example, output),
        )

    def _error(self, reading: Reading) -> Tensor | None:
        return None if reading.std_error is None else self._returned(reading.std_error)

    def _pairs_to_shapiq(
        self, example: int, output: tuple[int, ...]
    ) -> shapiq.InteractionValues:
        """One example's Shapley values and interaction index of all pairs."""
        return pair_values(
            self._pick(self.estimate.shapley_values().value, example, output),
            self._pick(self.estimate.pair_index("SII").value, example, output),
            float(self._pick(self.info.v_empty, example, output)),
            None if self.estimate.exact else self.n_evaluations,
        )
