"""Pictures of results that know pairs by context size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions import visualization as pictures
from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.functional.noise import order_noise_gain
from captum_interactions.results._core import written
from captum_interactions.results._noise import warn_below
from captum_interactions.results._pair_pictures import PairPictures, Pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["OrderPictures"]

Output = tuple[int, ...]


@checked_methods
class OrderPictures(PairPictures):
    """Pictures of results that know pairs by context size."""

    @abstractmethod
    def _by_order(
        self, example: int, output: Output
    ) -> tuple[Sequence[int], Tensor, Tensor | None]:
        """Orders, I^(m)(i,j) ``(orders, n, n)`` and standard errors of one example."""

    def _pairs(self, example: int, output: Output, order: int | None) -> Pairs:
        orders, values, errors = self._by_order(example, output)
        if order is None:
            n = len(self.players)
            every = list(orders) == list(range(n - 1))
            label = "I(i,j)" if every else "I(i,j), mean over context sizes"
            mean = values.mean(0) if len(values) else values.new_zeros(n, n)
            return Pairs(mean, None, label)
        if order not in orders:
            bad_value(
                "order", f"one of {list(orders)}", order, "ask for it in `orders`"
            )
        at = list(orders).index(order)
        error = None if errors is None else errors[at]
        return Pairs(values[at], error, f"I(i,j), context size m = {order}")

    def _shown_by_order(
        self, example: int, output: Output
    ) -> tuple[Sequence[int], Tensor, Tensor | None]:
        """What a picture shows, with a warning if all of it is noise."""
        orders, values, errors = self._by_order(example, output)
        gain = min(order_noise_gain(len(self.players), orders), default=0.0)
        warn_below(values, self._pick(self._sigma, example, output) * gain)
        return orders, values, errors

    def plot_orders(
        self,
        k: int = 4,
        example: int = 0,
        output: Output = (),
        names: Sequence[str] | None = None,
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """The k strongest pairs by context size m, with 95 % intervals if sampled.

        Args:
            k: How many pairs: those with the largest mean of |I^(m)(i,j)|.
            example: Which example.
            output: Which output, if there are several.
            names: What to write for each player; ``None`` for their names.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example or output, or k is not positive.
        """
        check_positive_int("k", k, "ask for at least one pair")
        orders, values, errors = self._shown_by_order(example, output)
        labels = (self.players if names is None else self.players.named(names)).names
        curves, bands = {}, {}
        for a, b in _strongest(values, k):
            name = f"{{{labels[a]}, {labels[b]}}}"
            if name in curves:  # names may repeat
                name = f"{name} {a}, {b}"
            curves[name] = values[:, a, b]
            if errors is not None:
                bands[name] = errors[:, a, b]
        if not curves:
            n = len(self.players)
            bad_value("result", "one of at least two players", n, "add a player")
        return pictures.plot_orders(curves, orders, bands, ylabel="I(i,j)", ax=ax)

    def _pair_orders(
        self, k: int, example: int, output: Output
    ) -> list[tuple[str, list[float], list[float] | None]]:
        """The k strongest pairs by order: name, I^(m)(i,j), its standard errors."""
        _, values, errors = self._by_order(example, output)
        return [
            (
                f"{written(self.players.names[a])}, {written(self.players.names[b])}",
                values[:, a, b].double().tolist(),
                None if errors is None else errors[:, a, b].double().tolist(),
            )
            for a, b in _strongest(values, k)
        ]

    def plot_order_strength(
        self,
        example: int = 0,
        output: Output = (),
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """Mean |I^(m)(i,j)| over pairs, by context size m.

        The dashed curve of a sampled result is what its sampling error alone would
        show.

        Args:
            example: Which example.
            output: Which output, if there are several.
            ax: Axes to draw on; ``None`` makes a figure.

        Returns:
            The figure and its axes.

        Raises:
            ValueError: If there is no such example or output.
        """
        orders, mean, floor = self._order_strength(example, output)
        return pictures.plot_orders(
            {"mean over pairs": torch.tensor(mean)},
            orders,
            ylabel="mean of |I(i,j)|",
            references={}
            if floor is None
            else {"sampling error alone": torch.tensor(floor)},
            ax=ax,
        )

    def _order_strength(
        self, example: int, output: Output
    ) -> tuple[list[int], list[float], list[float] | None]:
        """Orders, mean |I^(m)| over pairs, what sampling errors alone would show."""
        orders, values, errors = self._shown_by_order(example, output)
        n = values.shape[-1]
        i, j = torch.triu_indices(n, n, offset=1, device=values.device)
        mean = values[:, i, j].abs().nanmean(-1).double().tolist()
        if errors is None:
            return list(orders), mean, None
        # E|X| = √(2/π)·σ of a normal X.
        share = (2 / torch.pi) ** 0.5
        floor = (share * errors[:, i, j].nanmean(-1)).double().tolist()
        return list(orders), mean, floor


def _strongest(
    values: Tensor,  # (orders, n, n)
    k: int,
) -> list[tuple[int, int]]:
    """The k pairs with the largest mean of |I^(m)| over orders."""
    n = values.shape[-1]
    i, j = torch.triu_indices(n, n, offset=1, device=values.device)
    asked = values.isfinite().all(0)[i, j]  # the others are NaN
    i, j = i[asked], j[asked]
    strength = values[:, i, j].abs().mean(0)
    best = strength.argsort(descending=True, stable=True)[:k]
    return list(zip(i[best].tolist(), j[best].tolist(), strict=True))
