"""A table of all 2^n values as an estimate: exact, or completed with error draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_table_length
from captum_interactions._kinds import check_masks
from captum_interactions._signature import checked_methods
from captum_interactions.estimators.estimate import Estimate, Reading
from captum_interactions.functional import (
    masks_to_codes,
    mean_absolute_deltas,
    moebius,
    multi_order_interaction,
    multi_order_shapley,
    order_utility,
    pair_index_from_and,
    shapley_taylor,
    shapley_values,
)
from captum_interactions.functional.coalitions import n_players
from captum_interactions.functional.shapley import PairIndex

__all__ = ["TableEstimate"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class TableEstimate(Estimate):
    """All 2^n values, known or estimated, and draws of their error.

    Attributes:
        table: v(S), ``(*lead, 2**n)``; the evaluated values themselves, unless the
            estimate is to be unbiased.
        errors: Draws of the error of the table, ``(draws, *lead, 2**n)``; None when
            every coalition was evaluated.
        fit: R² of coalitions that were left out, ``(*lead,)``; None where unknown.

    Example:
        >>> found = TableEstimate(torch.tensor([[0.0, 1.0, 2.0, 5.0]]))
        >>> found.shapley_values().value.tolist(), found.exact
        ([[2.0, 3.0]], True)
    """

    table: Tensor = field(repr=False)
    # Draws come before examples.
    errors: Tensor | None = field(default=None, repr=False, metadata={"examples": 1})
    fit: Tensor | None = field(default=None, repr=False)

    @property
    def r2(self) -> Tensor | None:
        """R² of coalitions that were left out in turn, ``(*lead,)``."""
        return self.fit

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return n_players(self.table)

    @property
    def v_empty(self) -> Tensor:
        """v(∅), ``(*lead,)``."""
        return self.table[..., 0]

    @property
    def v_full(self) -> Tensor:
        """v(N), ``(*lead,)``."""
        return self.table[..., -1]

    @property
    def exact(self) -> bool:
        """Whether every coalition was evaluated."""
        return self.errors is None

    def read(self, reading: Callable[[Tensor], Tensor]) -> Reading:
        """Read anything that is linear in the table, and its standard error.

        Args:
            reading: A linear function of a table, such as
                :func:`~captum_interactions.functional.shapley_values`.

        Example:
            >>> from captum_interactions.functional import banzhaf_values
            >>> found = TableEstimate(torch.tensor([0.0, 1.0, 2.0, 5.0]))
            >>> found.read(banzhaf_values).value.tolist()
            [2.0, 3.0]
        """
        value = reading(self.table)
        if self.errors is None:
            return Reading(value)
        # One draw at a time: a reading of all at once may take many tables of memory.
        square = torch.zeros_like(value)
        for error in self.errors:
            square = square + reading(error) ** 2
        return Reading(value, (square / max(1, len(self.errors))).sqrt())

    def shapley_values(self) -> Reading:
        """Shapley values, ``(*lead, n)``."""
        return self.read(shapley_values)

    def pair_index(self, index: PairIndex = "SII") -> Reading:
        """An index of all pairs, symmetric matrices ``(*lead, n, n)``."""
        return self.read(lambda table: pair_index_from_and(moebius(table), index))

    def multi_order(self, orders: Sequence[int] | None = None) -> Reading:
        """I^(m)(i,j) by context size m, ``(*lead, orders, n, n)``; None for all."""
        return self.read(
            lambda table: _chosen(multi_order_interaction(table), orders, -3)
        )

    def order_shapley_values(self, orders: Sequence[int] | None = None) -> Reading:
        """φ^(m)(i) by context size m, ``(*lead, orders, n)``; None for m = 0..n−1."""
        return self.read(lambda table: _chosen(multi_order_shapley(table), orders, -2))

    def order_contributions(self, orders: Sequence[int]) -> Reading:
        """What some orders contribute to the Shapley values, ``(*lead, n)``."""

        def contributions(table: Tensor) -> Tensor:
            interactions = _chosen(multi_order_interaction(table), orders, -3)
            return order_utility(interactions, list(orders)).sum((-3, -1))

        return self.read(contributions)

    def absolute_deltas(self, orders: Sequence[int] | None = None) -> Tensor:
        """Mean of |Δv(i,j,S)| over contexts, ``(*lead, orders, n, n)``."""
        if not self.exact:
            return super().absolute_deltas(orders)
        return _chosen(mean_absolute_deltas(self.table), orders, -3)

    def and_interactions(
        self,
        coalitions: Tensor,  # (K, n) bool
    ) -> Reading:
        """AND interactions I(S) of named coalitions, ``(*lead, K)``."""
        check_masks(coalitions, check_table_length(self.table.shape[-1]), "coalitions")
        codes = masks_to_codes(coalitions).to(self.table.device)
        return self.read(lambda table: moebius(table)[..., codes])

    def shapley_taylor(
        self,
        coalitions: Tensor,  # (K, n) bool
        max_size: int,
    ) -> Reading:
        """Shapley–Taylor interactions of named coalitions, ``(*lead, K)``."""
        check_masks(coalitions, check_table_length(self.table.shape[-1]), "coalitions")
        codes = masks_to_codes(coalitions).to(self.table.device)
        return self.read(lambda table: shapley_taylor(table, max_size)[..., codes])

    def predict(
        self,
        masks: Tensor,  # (C, n) bool
    ) -> Reading:
        """v(S) of some coalitions, ``(*lead, C)``; evaluated ones as they are."""
        check_masks(masks, check_table_length(self.table.shape[-1]))
        codes = masks_to_codes(masks).to(self.table.device)
        return self.read(lambda table: table[..., codes])


def _chosen(values: Tensor, orders: Sequence[int] | None, axis: int) -> Tensor:
    if orders is None:
        return values
    size = values.shape[axis]
    if not all(0 <= order < size for order in orders):
        bad_value("orders", f"context sizes in 0..{size - 1}", list(orders), "see n")
    index = torch.tensor(list(orders), dtype=torch.int64, device=values.device)
    return values.index_select(axis, index)
