"""An estimate for any number of players from complement pairs of coalitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.estimators._kernel_coalitions import (
    read_and,
    read_coalitions,
    search_and,
)
from captum_interactions.estimators._kernel_indices import INDICES, read_index
from captum_interactions.estimators._kernel_points import read_values
from captum_interactions.estimators._kernel_posterior import KernelPosterior, solve
from captum_interactions.estimators._kernel_prior import KernelPrior
from captum_interactions.estimators._kernel_readings import (
    read_pairs_of,
    read_players,
)
from captum_interactions.estimators._mixtures import (
    density_mixture,
    joined_orders,
    order_mixture,
    taylor_mixture,
)
from captum_interactions.estimators.estimate import Estimate, Reading
from captum_interactions.functional.shapley import PairIndex

__all__ = ["KernelEstimate"]

# Factors are solved again when they are read, unless they fit here.
_MOST_KEPT_BYTES = 1 << 29
_RowReading = Callable[[KernelPosterior], tuple[Tensor, Tensor | None]]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class KernelEstimate(Estimate):
    """Posterior of games of any number of players, given complement pairs of values.

    The prior is a Gaussian process: a product kernel over players with a relevance for
    each, a slope, a smooth function of the size, a nugget, and explicit terms where a
    game asks for them. Every index that is linear in v has a posterior mean and a
    standard error in closed form.

    Attributes:
        masks: One coalition of each pair, ``(h, n)`` bool, none the other's complement.
        even: Half sums of the standardised values of each pair, ``(*lead, h)``.
        odd: Half differences, ``(*lead, h)``.
        center: Mean of the values, ``(*lead,)``.
        scale: Their deviation, ``(*lead,)``; 0 where a game is constant.
        prior: Hyper-parameters, leading axes ``(*lead,)``.
        measured: Pairs left out in turn to measure σ and R².
        fit: R² of pairs that were left out, ``(*lead,)``.
        ends: v(∅) and v(N), ``(*lead, 2)``.
    """

    masks: Tensor = field(metadata={"examples": None})
    even: Tensor
    odd: Tensor
    center: Tensor
    scale: Tensor
    prior: KernelPrior
    measured: Tensor = field(metadata={"examples": None})
    fit: Tensor
    ends: Tensor

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return self.masks.shape[-1]

    @property
    def lead(self) -> torch.Size:
        """Leading axes ``(batch, *outputs)``; rows count through all of them."""
        return self.center.shape

    @property
    def n_rows(self) -> int:
        """How many games: examples times outputs."""
        return self.center.numel()

    @property
    def v_empty(self) -> Tensor:
        """v(∅), ``(*lead,)``."""
        return self.ends[..., 0]

    @property
    def v_full(self) -> Tensor:
        """v(N), ``(*lead,)``."""
        return self.ends[..., 1]

    @property
    def r2(self) -> Tensor:
        """R² of pairs predicted from all others, over sizes not enumerated."""
        return self.fit

    def shapley_values(self) -> Reading:
        """Shapley values, ``(*lead, n)``, in the units of the value function."""
        mixture = density_mixture(self.n_players - 1, "uniform", self.even)
        return self._read(lambda posterior: read_players(posterior, mixture))

    def pair_index(self, index: PairIndex = "SII") -> Reading:
        """A pairwise interaction index of all pairs, ``(*lead, n, n)``.

        Args:
            index: ``"SII"`` and ``"BII"`` have a zero diagonal; ``"k-SII"``,
                ``"STII"``, ``"FSII"`` and ``"FBII"`` (of order 2) hold the players' own
                terms there.

        Raises:
            ValueError: If the index is unknown.
        """
        if index not in INDICES:
            bad_value("index", f"one of {tuple(INDICES)}", repr(index), "pick one")
        return self._read(lambda posterior: read_index(posterior, index))

    def multi_order(self, orders: Sequence[int] | None = None) -> Reading:
        """I^(m)(i,j) of contexts of m players, ``(*lead, orders, n, n)``.

        Single orders of many players are shrunk toward 0, each order differently: a
        strength needs the errors too.
        """
        others = self.n_players - 2
        chosen = range(others + 1) if orders is None else orders
        mixtures = [order_mixture(others, m, self.even) for m in chosen]
        return self._read(lambda p: _stacked([read_pairs_of(p, m) for m in mixtures]))

    def order_shapley_values(self, orders: Sequence[int] | None = None) -> Reading:
        """φ^(m)(i) by context size m, ``(*lead, orders, n)``; None for m = 0..n−1."""
        others = self.n_players - 1
        chosen = range(others + 1) if orders is None else orders
        mixtures = [order_mixture(others, m, self.even) for m in chosen]
        return self._read(lambda p: _stacked([read_players(p, m) for m in mixtures]))

    def order_contributions(self, orders: Sequence[int]) -> Reading:
        """Σ over orders m of (n−1−m)/n · mean_j I^(m)(i,j), ``(*lead, n)``.

        mean_j I^(m)(i,j) = φ^(m+1)(i) − φ^(m)(i), so it takes players alone.
        """
        n = self.n_players
        weights = torch.zeros(n + 1, dtype=torch.float64)
        for m in orders:
            share = (n - 1 - m) / n
            weights[m + 1] += share
            weights[m] -= share
        sizes = weights[:n]
        used = [int(m) for m in sizes.nonzero()[:, 0]]
        if not used:
            nothing = self.even.new_zeros(*self.lead, n)
            return Reading(nothing, nothing)
        mixture = joined_orders(n - 1, used, sizes[used].tolist(), self.even)
        return self._read(lambda posterior: read_players(posterior, mixture))

    def and_interactions(
        self,
        coalitions: Tensor,  # (K, n) bool
    ) -> Reading:
        """AND interactions of named coalitions, ``(*lead, K)``.

        Where a game was given terms of its own, its coalitions are as uncertain as what
        these leave unexplained, each value on its own.
        """
        players = coalitions.to(self.even.device)
        found = self._read(lambda posterior: read_and(posterior, players))
        assert found.std_error is not None
        sizes = players.sum(-1).to(self.even)
        left = (1 - self.fit).clamp(min=0) * self.scale**2
        left = torch.where((self.prior.terms.variance > 0).any(-1), left, 0.0)
        error = found.std_error.hypot((left[..., None] * 2**sizes).sqrt())
        # I(∅) is v(∅), which is known.
        empty = sizes == 0
        return Reading(
            torch.where(empty, self.v_empty[..., None], found.value),
            torch.where(empty, 0.0, error),
        )

    def shapley_taylor(
        self,
        coalitions: Tensor,  # (K, n) bool
        max_size: int,
    ) -> Reading:
        """Shapley–Taylor interactions of named coalitions, ``(*lead, K)``."""
        players = coalitions.to(self.even.device)
        found = self.and_interactions(players)
        assert found.std_error is not None
        value, error = found.value, found.std_error
        top = players.sum(-1) == max_size
        if bool(top.any()):
            mixture = taylor_mixture(self.n_players - max_size, max_size, self.even)
            own = self._read(lambda p: read_coalitions(p, players[top], mixture))
            assert own.std_error is not None
            value[..., top], error[..., top] = own.value, own.std_error
        larger = players.sum(-1) > max_size
        return Reading(torch.where(larger, 0.0, value), torch.where(larger, 0.0, error))

    def predict(
        self,
        masks: Tensor,  # (C, n) bool
    ) -> Reading:
        """v(S) of coalitions, ``(*lead, C)``; evaluated ones as they are."""
        signs = 2 * masks.to(self.even) - 1
        value, error = self._read(lambda posterior: read_values(posterior, signs))
        return Reading(value + self.center[..., None], error)

    def strongest_coalitions(
        self, row: int = 0, largest: int = 5, beam: int = 200
    ) -> Tensor:
        """Search for coalitions with large AND interactions, ``(K, n)`` bool.

        Args:
            row: Which example and output, counted over both.
            largest: Players of a coalition at most.
            beam: Coalitions kept of each size.
        """
        return search_and(self.posterior(row), largest, beam)

    @cached_property
    def _rows(self) -> KernelPrior:
        return self.prior.shaped((self.n_rows,))

    def posterior(self, row: int) -> KernelPosterior:
        """Factors of one game; those read last are kept while they are small."""
        kept: dict[int, KernelPosterior] = self.__dict__.setdefault("_kept", {})
        if row not in kept:
            if len(kept) >= most_kept(len(self.masks)):
                kept.clear()
            signs = 2 * self.masks.to(self.even) - 1
            h = len(self.masks)
            even, odd = (part.reshape(-1, h)[row] for part in (self.even, self.odd))
            kept[row] = solve(self._rows.row(row), signs, even, odd, self.measured)
        return kept[row]

    def keep(self, solved: dict[int, KernelPosterior]) -> None:
        """Keep factors that are at hand."""
        self.__dict__["_kept"] = solved

    def _read(self, reading: _RowReading) -> Reading:
        """Read every row, in the units of the value function."""
        values, errors = [], []
        for row, scale in enumerate(self.scale.flatten()):
            value, error = reading(self.posterior(row))
            values.append(scale * value)
            errors.append(None if error is None else scale * error)
        found = torch.stack(values)
        known = [error for error in errors if error is not None]
        shape = (*self.lead, *found.shape[1:])
        return Reading(
            found.view(shape), torch.stack(known).view(shape) if known else None
        )


def most_kept(pairs: int) -> int:
    """How many games' factors are kept for further readings."""
    return max(1, _MOST_KEPT_BYTES // (16 * pairs**2))


def _stacked(
    found: list[tuple[Tensor, Tensor | None]],
) -> tuple[Tensor, Tensor | None]:
    errors = [error for _, error in found if error is not None]
    value = torch.stack([value for value, _ in found])
    return value, torch.stack(errors) if errors else None
