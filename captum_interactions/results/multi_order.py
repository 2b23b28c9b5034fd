"""What :class:`MultiOrderInteraction` returns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import pi
from typing import TYPE_CHECKING, Any

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.estimators import PairedEstimate, Reading
from captum_interactions.functional import order_utility
from captum_interactions.functional.noise import order_noise_gain
from captum_interactions.functional.pairs import matrices_from_pairs, read_pairs
from captum_interactions.results._core import Listing
from captum_interactions.results.estimated import EstimatedResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["MultiOrderInteractionResult"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class MultiOrderInteractionResult(EstimatedResult):
    """Multi-order interactions I^(m)(i,j), and what can be read from them.

    Order means context size. Pairs that were not asked for are NaN, the diagonal is 0.

    Attributes:
        info: Players, evaluations and what else all results share.
        estimate: What the evaluated coalitions imply.
        orders: The context sizes m, in the order of the axis.
        pairs: The pairs (i, j) asked for.
    """

    orders: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]

    @cached_property
    def _reading(self) -> Reading:
        """I^(m)(i,j) as accumulated, NaN for pairs that were not asked for."""
        value, error = self.estimate.multi_order(self.orders)
        return Reading(
            self._asked(value), None if error is None else self._asked(error)
        )

    def _asked(self, matrices: Tensor) -> Tensor:
        n = len(self.players)
        return matrices_from_pairs(read_pairs(matrices, self.pairs), self.pairs, n)

    @property
    def all_orders(self) -> bool:
        """Whether every context size 0..n−2 was asked for, in this order."""
        return self.orders == tuple(range(len(self.players) - 1))

    @property
    def values(self) -> Tensor:
        """I^(m)(i,j), ``(batch, *outputs, orders, n, n)``."""
        return self._returned(self._reading.value)

    @property
    def interactions(self) -> Tensor:
        """I^(m)(i,j) as accumulated, shaped as ``values``."""
        return self._reading.value

    @property
    def interaction_errors(self) -> Tensor | None:
        """Standard errors of ``interactions``; None where they are exact."""
        return self._reading.std_error

    @property
    def std_error(self) -> Tensor | None:
        """Standard errors of ``values``, or None where they are exact."""
        return self._error(self._reading)

    @property
    def noise_floor(self) -> Tensor:
        """Mean |I^(m)| that noise alone would show, by order, ``(batch, *outputs, …)``.

        √(2/π) times the mean standard error over pairs, where values are sampled, and
        what the rounding of the model leaves, which falls with the number of contexts;
        a strength that is not well above it says nothing.
        """
        gains = order_noise_gain(len(self.players), self.orders)
        rounding = self._sigma.unsqueeze(-1) * self._sigma.new_tensor(gains)
        if self._reading.std_error is None:
            return self._returned(rounding)
        errors = self.pair_values(self._reading.std_error)
        return self._returned((2 / pi) ** 0.5 * errors.mean(-1).hypot(rounding))

    def _noise_gain(self) -> float:
        """That of the mean over the chosen orders."""
        gains = order_noise_gain(len(self.players), self.orders)
        return sum(gain**2 for gain in gains) ** 0.5 / max(len(gains), 1)

    @property
    def order_shapley_values(self) -> Tensor:
        """φ^(m)(i), ``(batch, *outputs, orders, n)``, orders 0..n−1 or the chosen ones.

        Raises:
            ValueError: If only some pairs were evaluated.
        """
        self._check_every_pair("order_shapley_values")
        orders = None if self.all_orders else self.orders
        return self._returned(self.estimate.order_shapley_values(orders).value)

    def order_utility(self) -> Tensor:
        """J^(m)(i,j) = (n−1−m)/(n(n−1)) · I^(m)(i,j), shaped as ``values``.

        What the interaction adds to v(N) − v(∅), per direction of the pair.
        """
        return self._returned(order_utility(self._reading.value, list(self.orders)))

    def absolute_deltas(self) -> Tensor:
        """Mean of |Δv(i,j,S)| over contexts, shaped as ``values``.

        The denominator of the disentanglement D^(m).

        Raises:
            ValueError: If single Δv were not evaluated.
        """
        return self._returned(self._asked(self.estimate.absolute_deltas(self.orders)))

    def pair_values(self, matrices: Tensor | None = None) -> Tensor:
        """The pairs that were asked for, ``(batch, *outputs, orders, pairs)``.

        Args:
            matrices: What to read, shaped as ``values``; None reads the interactions.
        """
        source = self._reading.value if matrices is None else matrices
        n = len(self.players)
        if source.shape[-2:] != (n, n):
            shape = f"shape {tuple(source.shape)}"
            bad_value("matrices", f"of shape (…, {n}, {n})", shape, "see values")
        return read_pairs(source, self.pairs)

    def shapley_values(self) -> Tensor:
        """Each player's share of the chosen orders; the Shapley value if all are.

        Raises:
            ValueError: If only some pairs were evaluated.
        """
        return self._returned(self._contributions.value)

    def shapley_error(self) -> Tensor | None:
        """Standard errors of :meth:`shapley_values`; None where they are exact."""
        return self._error(self._contributions)

    @cached_property
    def _contributions(self) -> Reading:
        self._check_every_pair("attributions")
        if self.all_orders:
            return self.estimate.shapley_values()
        return self.estimate.order_contributions(self.orders)

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
        self._check_every_pair("to_shapiq")
        n = len(self.players)
        if sorted(self.orders) != list(range(n - 1)):
            bad_value(
                "orders",
                f"all of 0..{n - 2}, for shapiq has no index of single orders",
                self.orders,
                "pass `orders=None`",
            )
        return self._pairs_to_shapiq(example, output)

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

    def _tables(self) -> Iterable[tuple[dict[str, int], Listing]]:
        """Every pair that was asked for, order by order."""
        values = self._returned(self.pair_values())
        errors = self.interaction_errors
        shown = None if errors is None else self._returned(self.pair_values(errors))
        for row, order in enumerate(self.orders):
            error = None if shown is None else shown[..., row, :]
            (gain,) = order_noise_gain(len(self.players), [order])
            shown_values = values[..., row, :]
            noise = (self._sigma * gain).unsqueeze(-1).expand_as(shown_values)
            listing = Listing(
                shown_values, self.pairs.__getitem__, errors=error, noise=noise
            )
            yield {"order": order}, listing

    def _check_every_pair(self, reading: str) -> None:
        n = len(self.players)
        shared = not isinstance(self.estimate, PairedEstimate)
        if not (shared and len(self.pairs) == n * (n - 1) // 2):
            raise ValueError(
                f"`{reading}` must be read from a result that shares values between "
                f"all {n * (n - 1) // 2} pairs, got one of {len(self.pairs)} pairs"
                f"{'' if shared else ' evaluated one by one'}; pass `pairs=None`, with "
                "`sampling='reuse'` if `n_samples` is given"
            )
