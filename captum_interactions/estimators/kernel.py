"""An estimate for any number of players from complement pairs of coalitions."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from math import comb
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.estimators._kernel_fit import fit_priors
from captum_interactions.estimators._kernel_points import (
    read_and,
    read_values,
    search_and,
)
from captum_interactions.estimators._kernel_posterior import KernelPosterior, solve
from captum_interactions.estimators._kernel_readings import (
    read_pairs_of,
    read_players,
)
from captum_interactions.estimators._mixtures import (
    density_mixture,
    order_mixture,
    row_sum_mixture,
)
from captum_interactions.estimators.kernel_plan import complement_pairs
from captum_interactions.functional.coalitions import accumulation_dtype

__all__ = ["KernelEstimate", "Reading", "kernel_plan"]

PairIndex = Literal["SII", "k-SII", "STII", "BII", "FSII", "FBII"]
_DENSITIES = {
    "SII": "uniform",
    "k-SII": "uniform",
    "STII": "taylor",
    "BII": "half",
    "FSII": "faith",
    "FBII": "half",
}
# Factors of all examples are kept while they fit, else solved again when they are read.
_MOST_KEPT_BYTES = 1 << 29
# Values that differ by less than this share of their size are one value.
_CONSTANT = 1e-12

_RowReading = Callable[[KernelPosterior], tuple[Tensor, Tensor | None]]


class Reading(NamedTuple):
    """A value and its standard error.

    Attributes:
        value: What was read.
        std_error: Its standard error, of the same shape; None where it is exact.
    """

    value: Tensor
    std_error: Tensor | None


class KernelEstimate:
    """Posterior of games under a product kernel, given complement pairs of values.

    Args:
        masks: One coalition of each pair, ``(h, n)`` bool, none the other's complement.
        values: v of these coalitions, then of their complements in the same order,
            ``(*lead, 2h)``.
        generator: Source of randomness for the rows that fits look at.

    Attributes:
        r2: Share of the variance of v that is predicted from all other pairs, over the
            sizes that were not enumerated, ``(*lead,)``.
    """

    def __init__(
        self,
        masks: Tensor,
        values: Tensor,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        rows = values.to(accumulation_dtype(values.device))
        rows = rows.reshape(-1, values.shape[-1])
        self._lead = values.shape[:-1]
        self._masks = masks.to(rows.device)
        self._signs = 2 * self._masks.to(rows) - 1
        self._center = rows.mean(-1)
        away = rows - self._center[:, None]
        scale = away.square().mean(-1).sqrt()
        varies = scale > _CONSTANT * rows.abs().amax(-1)
        self._scale = torch.where(varies, scale, 0.0)
        # Values of a constant game are standardised to 0.
        standard = away / torch.where(varies, scale, torch.inf)[:, None]
        here, there = standard.unflatten(-1, (2, -1)).unbind(-2)
        self._even, self._odd = (here + there) / 2, (here - there) / 2
        self._prior = fit_priors(
            self._signs, self._even, self._odd, generator=generator
        )
        self._measured = _shuffled(_open_pairs(self._masks), generator)
        self._kept: dict[int, KernelPosterior] = {}
        self._keeps = 16 * len(masks) ** 2 * len(rows) <= _MOST_KEPT_BYTES
        r2 = [self._posterior(row).left_out for row in range(len(rows))]
        self.r2 = torch.stack(r2).view(self._lead)

    @property
    def n_players(self) -> int:
        """Number of players."""
        return self._masks.shape[-1]

    def _posterior(self, row: int) -> KernelPosterior:
        if row in self._kept:
            return self._kept[row]
        if not self._keeps:
            self._kept.clear()
        self._kept[row] = solve(
            self._prior.row(row),
            self._signs,
            self._even[row],
            self._odd[row],
            self._measured,
        )
        return self._kept[row]

    def _read(self, reading: _RowReading) -> Reading:
        """Read every row, in the units of the value function."""
        values, errors = [], []
        for row, scale in enumerate(self._scale):
            value, error = reading(self._posterior(row))
            values.append(scale * value)
            errors.append(None if error is None else scale * error)
        found = torch.stack(values)
        known = [error for error in errors if error is not None]
        shape = (*self._lead, *found.shape[1:])
        return Reading(
            found.view(shape), torch.stack(known).view(shape) if known else None
        )

    def shapley_values(self) -> Reading:
        """Shapley values, ``(*lead, n)``, in the units of the value function."""
        mixture = density_mixture(self.n_players - 1, "uniform", self._signs)
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
        if index not in get_args(PairIndex):
            bad_value("index", f"one of {get_args(PairIndex)}", repr(index), "pick one")
        return self._read(lambda posterior: _pairs(posterior, index))

    def multi_order(self, orders: Sequence[int]) -> Reading:
        """I^(m)(i,j) of contexts of m players, ``(*lead, orders, n, n)``.

        Single orders of many players are shrunk towards 0, each order differently: a
        strength needs the errors too.
        """
        others = self.n_players - 2
        mixtures = [order_mixture(others, m, self._signs) for m in orders]

        def reading(posterior: KernelPosterior) -> tuple[Tensor, Tensor | None]:
            found = [read_pairs_of(posterior, mixture) for mixture in mixtures]
            errors = [error for _, error in found if error is not None]
            value = torch.stack([value for value, _ in found])
            return value, torch.stack(errors) if errors else None

        return self._read(reading)

    def and_interactions(self, coalitions: Tensor) -> Reading:
        """AND interactions of coalitions ``(K, n)`` bool, ``(*lead, K)``."""
        players = coalitions.to(self._signs.device)
        found = self._read(lambda posterior: read_and(posterior, players))
        empty = ~players.any(-1)
        if not bool(empty.any()):
            return found
        # I(∅) is v(∅), which is known.
        v_empty = self.predict(torch.zeros_like(players[:1]))
        value = torch.where(empty, v_empty.value, found.value)
        error = None
        if found.std_error is not None:
            error = torch.where(empty, 0.0, found.std_error)
        return Reading(value, error)

    def predict(self, masks: Tensor) -> Reading:
        """v(S) of coalitions ``(K, n)`` bool, ``(*lead, K)``; known values are kept."""
        signs = 2 * masks.to(self._signs) - 1
        value, error = self._read(lambda posterior: read_values(posterior, signs))
        return Reading(value + self._center.view(*self._lead, 1), error)

    def strongest_coalitions(
        self, row: int = 0, largest: int = 4, beam: int = 200
    ) -> Tensor:
        """Search for coalitions with large AND interactions, ``(K, n)`` bool.

        Args:
            row: Which example and output, counted over both.
            largest: Players of a coalition at most.
            beam: Coalitions kept of each size.
        """
        return search_and(self._posterior(row), largest, beam)


def _pairs(posterior: KernelPosterior, index: str) -> tuple[Tensor, Tensor | None]:
    n = posterior.signs.shape[-1]
    density = _DENSITIES[index]
    mixture = density_mixture(max(n - 2, 0), density, posterior.signs)
    value, error = read_pairs_of(posterior, mixture)
    if index in ("SII", "BII"):
        return value, error
    if index == "STII":
        singles = torch.eye(n, dtype=torch.bool, device=value.device)
        own, own_error = read_and(posterior, singles)
    else:
        alone = "half" if density == "half" else "uniform"
        players = density_mixture(n - 1, alone, posterior.signs)
        own, own_error = read_players(posterior, players)
        own = own - value.sum(-1) / 2
        if n > 1 and own_error is not None:
            # A player's value is odd and the sum of its pairs even: variances add up.
            rows = row_sum_mixture(n - 2, density, posterior.signs)
            _, row_error = read_players(posterior, rows)
            if row_error is not None:
                own_error = (own_error**2 + row_error**2 / 4).sqrt()
    value = value + torch.diag_embed(own)
    if error is None or own_error is None:
        return value, None
    return value, error + torch.diag_embed(own_error)


def _shuffled(places: Tensor, generator: torch.Generator | None) -> Tensor:
    device = generator.device if generator is not None else None
    order = torch.randperm(len(places), generator=generator, device=device)
    return places[order.to(places.device)]


def _open_pairs(masks: Tensor) -> Tensor:
    """Pairs of sizes that were not enumerated; all but ∅ and N if every size was."""
    n = masks.shape[-1]
    sizes = masks.sum(-1)
    sizes = torch.minimum(sizes, n - sizes)
    held = sizes.bincount(minlength=n // 2 + 1).tolist()
    is_open = [
        held[s] < comb(n, s) // (2 if 2 * s == n else 1) for s in range(n // 2 + 1)
    ]
    chosen = torch.tensor(is_open, device=masks.device)[sizes]
    if not bool(chosen.any()):
        chosen = sizes > 0
    return chosen.nonzero()[:, 0]


def kernel_plan(
    n_players: int,
    budget: int,
    *,
    generator: torch.Generator | None = None,
) -> Generator[Tensor, Tensor, KernelEstimate]:
    """Evaluate complement pairs of coalitions in one round.

    Args:
        n_players: Number of players.
        budget: Coalitions to evaluate.
        generator: Source of randomness.

    Yields:
        Masks ``(C, n)``, C even and at most ``budget``; takes values ``(*lead, C)``.

    Returns:
        The estimate.

    Raises:
        ValueError: If the budget is too small for an estimate.

    Example:
        >>> plan = kernel_plan(25, 120, generator=torch.Generator().manual_seed(0))
        >>> masks = next(plan)
        >>> try:
        ...     plan.send(masks[:, 0].double() * masks[:, 1])
        ... except StopIteration as done:
        ...     estimate = done.value
        >>> round(estimate.pair_index("SII").value[0, 1].item(), 2)
        1.0
    """
    chosen = complement_pairs(n_players, budget, generator)
    values = yield torch.cat([chosen, ~chosen])
    return KernelEstimate(chosen, values, generator=generator)
