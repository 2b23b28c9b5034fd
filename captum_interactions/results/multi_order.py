"""What :class:`MultiOrderInteraction` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import pi
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional import (
    mean_absolute_deltas,
    order_utility,
    read_pairs,
)
from captum_interactions.results._core import Listing
from captum_interactions.results._order_pictures import OrderPictures
from captum_interactions.results._shapiq_values import pair_values
from captum_interactions.results.base import InteractionResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["MultiOrderInteractionResult"]


@dataclass(frozen=True, eq=False, repr=False)
class MultiOrderInteractionResult(OrderPictures, InteractionResult):
    """Multi-order interactions I^(m)(i,j), and what can be read from them.

    Order means context size. Pairs that were not asked for are NaN, the diagonal is 0.

    Attributes:
        info: Players, evaluations and what else all results share.
        orders: The context sizes m, in the order of the axis.
        pairs: The pairs (i, j) asked for.
        interactions: I^(m)(i,j) as accumulated, ``(batch, *outputs, orders, n, n)``.
        contributions: Each player's share, ``(batch, *outputs, n)``: the Shapley value
            if all orders were asked for, else what the chosen orders contribute to it.
            None unless all pairs were asked for and their values shared.
        by_order: φ^(m)(i), ``(batch, *outputs, orders, n)``: m = 0..n−1 if all orders
            were asked for, else the chosen ones. None where ``contributions`` is.
        interaction_errors: Standard errors of ``interactions``; None where exact.
        contribution_errors: Standard errors of ``contributions``; None where exact.
        table: v(S) of all coalitions, ``(batch, *outputs, 2**n)``; None when sampled.
        absolute: Mean of |Δv| over the sampled contexts, shaped as ``interactions``;
            None unless sampled in pairs.
        contexts: Contexts sampled per pair, by order; None unless sampled in pairs.
    """

    orders: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    interactions: Tensor = field(repr=False)
    contributions: Tensor | None = field(repr=False)
    by_order: Tensor | None = field(repr=False)
    interaction_errors: Tensor | None = field(default=None, repr=False)
    contribution_errors: Tensor | None = field(default=None, repr=False)
    table: Tensor | None = field(default=None, repr=False)
    absolute: Tensor | None = field(default=None, repr=False)
    contexts: tuple[int, ...] | None = None

    @property
    def values(self) -> Tensor:
        """I^(m)(i,j), ``(batch, *outputs, orders, n, n)``."""
        return self._returned(self.interactions)

    @property
    def std_error(self) -> Tensor | None:
        """Standard errors of ``values``, or None where they are exact."""
        if self.interaction_errors is None:
            return None
        return self._returned(self.interaction_errors)

    @property
    def noise_floor(self) -> Tensor:
        """Mean |I^(m)| that the sampling error alone would show, by order.

        √(2/π) times the mean standard error over pairs, ``(batch, *outputs, orders)``:
        a strength that is not well above it says nothing. 0 where values are exact.
        """
        if self.interaction_errors is None:
            return torch.zeros_like(self.values[..., 0, 0])
        errors = self.pair_values(self.interaction_errors)
        return self._returned((2 / pi) ** 0.5 * errors.mean(-1))

    @property
    def order_shapley_values(self) -> Tensor:
        """φ^(m)(i), ``(batch, *outputs, orders, n)``, orders 0..n−1 or the chosen ones.

        Raises:
            ValueError: If only some pairs were evaluated.
        """
        if self.by_order is None:
            raise ValueError(self._partial("order_shapley_values"))
        return self._returned(self.by_order)

    def order_utility(self) -> Tensor:
        """J^(m)(i,j) = (n−1−m)/(n(n−1)) · I^(m)(i,j), shaped as ``values``.

        What the interaction adds to v(N) − v(∅), per direction of the pair.
        """
        return self._returned(order_utility(self.interactions, list(self.orders)))

    def absolute_deltas(self) -> Tensor:
        """Mean of |Δv(i,j,S)| over contexts, shaped as ``values``.

        The denominator of the disentanglement D^(m).

        Raises:
            ValueError: If single Δv were not evaluated.
        """
        if self.absolute is not None:
            return self._returned(self.absolute)
        if self.table is None:
            raise ValueError(
                "`absolute_deltas` must be read from an exact result or one sampled in "
                "pairs, got a completed table, which smooths Δv; pass "
                "`sampling='paired'`"
            )
        every = mean_absolute_deltas(self.table)
        return self._returned(every[..., list(self.orders), :, :])

    def pair_values(self, matrices: Tensor | None = None) -> Tensor:
        """The pairs that were asked for, ``(batch, *outputs, orders, pairs)``.

        Args:
            matrices: What to read, shaped as ``values``; None reads the interactions.
        """
        source = self.interactions if matrices is None else matrices
        return read_pairs(source, self.pairs)

    def shapley_values(self) -> Tensor:
        """Each player's share of the chosen orders; the Shapley value if all are.

        Raises:
            ValueError: If only some pairs were evaluated.
        """
        if self.contributions is None:
            raise ValueError(self._partial("attributions"))
        return self._returned(self.contributions)

    def top_k(self, k: int = 10) -> list[Any]:
        """The k pairs with the largest |mean of I^(m)(i,j) over the chosen orders|.

        Args:
            k: How many.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis). With all orders their values are Shapley interaction indices.

        Raises:
            ValueError: If k is not positive.
        """
        return self._ranked(self.pair_values().mean(-2), self.pairs.__getitem__, k)

    def at_order(self, order: int) -> Tensor:
        """I^(m)(i,j) of one order, ``(batch, *outputs, n, n)``.

        Raises:
            ValueError: If the order was not asked for.
        """
        if order not in self.orders:
            bad_value("order", f"one of {self.orders}", order, "ask for it in `orders`")
        return self.values[..., self.orders.index(order), :, :]

    def to_shapiq(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> shapiq.InteractionValues:
        """Return one example as shapiq's ``InteractionValues`` (index SII, order 2).

        The mean of I^(m)(i,j) over all orders m is the Shapley interaction index;
        shapiq knows no single order.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If some orders or pairs are missing, or there is no such example
                or output.
            ModuleNotFoundError: If shapiq is not installed.
        """
        if self.contributions is None:
            raise ValueError(self._partial("to_shapiq"))
        n = len(self.players)
        if sorted(self.orders) != list(range(n - 1)):
            bad_value(
                "orders",
                f"all of 0..{n - 2}, for shapiq has no index of single orders",
                self.orders,
                "pass `orders=None`",
            )
        return pair_values(
            self._pick(self.contributions, example, output),
            self._pick(self.interactions, example, output).mean(0),
            float(self._pick(self.info.v_empty, example, output)),
            None if self.interaction_errors is None else self.n_evaluations,
        )

    def _by_order(
        self, example: int, output: tuple[int, ...]
    ) -> tuple[Sequence[int], Tensor, Tensor | None]:
        errors = self.std_error
        return (
            self.orders,
            self._pick(self.values, example, output),
            None if errors is None else self._pick(errors, example, output),
        )

    def _listing(self) -> Listing:
        """The mean over the orders of every pair that was asked for."""
        values = self._returned(self.pair_values().mean(-2))
        return Listing(values, self.pairs.__getitem__)

    def _partial(self, reading: str) -> str:
        n = len(self.players)
        return (
            f"`{reading}` must be read from a result that shares values between all "
            f"{n * (n - 1) // 2} pairs, got one of {len(self.pairs)} pairs evaluated "
            "one by one; pass `pairs=None`, with `sampling='reuse'` if `n_samples` is "
            "given"
        )
