"""Pair interactions from contexts sampled for each pair: the authors' protocol.

*Paired* sampling draws contexts S of m players for each pair and order and evaluates
the four coalitions of Δv(i,j,S). Its error is Var_S(Δv)/K with K contexts, whatever the
rest of the game does, and it is the only way to |Δv| and so to D^(m).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_held, check_positive_int
from captum_interactions._signature import checked, checked_methods
from captum_interactions.estimators.driver import Evaluate, Plan
from captum_interactions.estimators.estimate import Estimate, Reading
from captum_interactions.functional.pairs import matrices_from_pairs

__all__ = ["PairedEstimate", "pair_plan", "paired_contexts"]

# Coalitions asked for at a time: bounds the memory for masks and values.
_BLOCK = 8192


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class PairedEstimate(Estimate):
    """Means over the contexts that were sampled for each pair and order.

    Attributes:
        ends: v(∅) and v(N), ``(*lead, 2)``.
        n: Number of players.
        pairs: The pairs (i, j).
        orders: The context sizes.
        mean: I^(m)(i,j), ``(*lead, orders, pairs)``.
        error: Its standard error, 0 where all contexts were visited.
        mean_absolute: Mean of |Δv|, of the same shape.
        contexts: Contexts visited per pair, by order.
    """

    ends: Tensor = field(repr=False)
    n: int
    pairs: tuple[tuple[int, int], ...] = field(repr=False)
    orders: tuple[int, ...]
    mean: Tensor = field(repr=False)
    error: Tensor = field(repr=False)
    mean_absolute: Tensor = field(repr=False)
    contexts: tuple[int, ...]

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return self.n

    @property
    def v_empty(self) -> Tensor:
        """v(∅), ``(*lead,)``."""
        return self.ends[..., 0]

    @property
    def v_full(self) -> Tensor:
        """v(N), ``(*lead,)``."""
        return self.ends[..., 1]

    def multi_order(self, orders: Sequence[int] | None = None) -> Reading:
        """I^(m)(i,j) of the sampled orders, NaN for other pairs."""
        return Reading(
            self._matrices(self.mean, orders), self._matrices(self.error, orders)
        )

    def absolute_deltas(self, orders: Sequence[int] | None = None) -> Tensor:
        """Mean of |Δv(i,j,S)| over the contexts, ``(*lead, orders, n, n)``."""
        return self._matrices(self.mean_absolute, orders)

    def _matrices(self, values: Tensor, orders: Sequence[int] | None) -> Tensor:
        wanted = self.orders if orders is None else tuple(orders)
        missing = set(wanted) - set(self.orders)
        if missing:
            bad_value(
                "orders",
                f"among those that were sampled, {self.orders}",
                sorted(missing),
                "ask for them when sampling",
            )
        rows = [self.orders.index(order) for order in wanted]
        return matrices_from_pairs(values[..., rows, :], self.pairs, self.n)


def paired_contexts(
    n: int, n_pairs: int, orders: Sequence[int], budget: int, reserved: int = 0
) -> list[int]:
    """How many contexts per order a budget of coalitions affords.

    An order with few contexts (orders 0 and n−2 have one) takes no more than it has;
    what it leaves goes to the others.

    Args:
        n: Number of players.
        n_pairs: Number of pairs.
        orders: Context sizes.
        budget: Coalitions to evaluate at most.
        reserved: How many of them are spoken for.

    Returns:
        Contexts per pair, by order.

    Raises:
        ValueError: If the budget does not afford two contexts per pair and order.

    Example:
        >>> paired_contexts(10, 5, [0, 4, 8], 1000)
        [1, 48, 1]
    """
    available = [comb(n - 2, m) for m in orders]
    contexts = [0] * len(orders)
    left = (budget - reserved) // (4 * n_pairs)
    by_size = sorted(range(len(orders)), key=lambda k: available[k])
    for filled, k in enumerate(by_size):
        contexts[k] = min(available[k], left // (len(orders) - filled))
        left -= contexts[k]
    if any(c < min(2, a) for c, a in zip(contexts, available, strict=True)):
        # Level quotas: the orders that have two contexts or more get equal numbers.
        least = reserved + 4 * n_pairs * sum(min(2, a) for a in available)
        bad_value(
            "n_samples",
            f"at least {least} for {n_pairs} pairs and {len(orders)} orders",
            budget,
            "two contexts per pair and order take four coalitions each; ask for fewer "
            "pairs or orders",
        )
    return contexts


def _uniform(generator: torch.Generator | None, *shape: int) -> Tensor:
    device = generator.device if generator is not None else None
    return torch.rand(
        *shape, dtype=torch.float32, generator=generator, device=device
    ).cpu()


def _context_masks(
    n: int, order: int, contexts: int, generator: torch.Generator | None
) -> Tensor:
    """Contexts among n−2 players, ``(contexts, n − 2)``: all of them, or random."""
    if contexts == comb(n - 2, order):
        masks = torch.zeros(contexts, n - 2, dtype=torch.bool)
        for row, members in enumerate(combinations(range(n - 2), order)):
            masks[row, list(members)] = True
        return masks
    ranks = _uniform(generator, contexts, n - 2).argsort(-1).argsort(-1)
    return ranks < order


def _delta_masks(pair: tuple[int, int], contexts: Tensor) -> Tensor:
    """The coalitions S∪{i,j}, S∪{i}, S∪{j}, S, ``(contexts, 4, n)``."""
    n = contexts.shape[-1] + 2
    others = torch.tensor([p for p in range(n) if p not in pair])
    masks = torch.zeros(len(contexts), 4, n, dtype=torch.bool)
    masks[:, :, others] = contexts[:, None]
    masks[:, :2, pair[0]] = True
    masks[:, ::2, pair[1]] = True
    return masks


@checked
def pair_plan(
    n: int,
    pairs: Sequence[tuple[int, int]],
    orders: Sequence[int],
    contexts: Sequence[int],
    *,
    control: tuple[Evaluate, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Plan[PairedEstimate]:
    """Sample Δv(i,j,S) for each pair and order, in blocks of bounded memory.

    Args:
        n: Number of players.
        pairs: Pairs (i, j).
        orders: Context sizes m.
        contexts: Contexts per order; an order whose contexts are all visited is exact.
        control: A cheap game close to the real one, and its exact I^(m),
            ``(*lead, orders, pairs)``. Where that lowers the variance, its Δv are
            subtracted from the samples and its I^(m) is added back.
        generator: Source of randomness.

    Returns:
        A plan of v(∅), v(N) and at most four coalitions per pair and context; its
        estimate has the means and standard errors over the contexts.

    References:
        Ren et al. (NeurIPS 2021) and Deng et al. (ICLR 2022), code: 100 contexts of
        each order, drawn independently for each pair.

    Example:
        >>> from captum_interactions.estimators import evaluate
        >>> plan = pair_plan(3, [(0, 1)], [0, 1], [1, 1])
        >>> evaluate(plan, lambda masks: masks.all(-1).double()).mean.tolist()
        [[0.0], [1.0]]
    """
    check_positive_int("n", n, "a game has players")
    if not all(count > 0 for count in contexts):
        bad_value("contexts", "positive", list(contexts), "one context at least")
    if len(contexts) != len(orders) or not orders or not pairs:
        bad_value("contexts", f"{len(orders)}, one per order", contexts, "see orders")
    count = 4 * n * max(contexts)
    check_held("n, contexts", count, "a pair is one block; lower `n_samples`")
    ends = yield torch.tensor([[False], [True]]).expand(2, n)
    columns: list[list[Tensor]] = []
    for order, count in zip(orders, contexts, strict=True):
        per_block = max(1, _BLOCK // (4 * count))
        exact = count == comb(n - 2, order)
        row = []
        for start in range(0, len(pairs), per_block):
            block = pairs[start : start + per_block]
            masks = torch.cat(
                [
                    _delta_masks(p, _context_masks(n, order, count, generator))
                    for p in block
                ]
            ).flatten(0, 1)
            values = yield masks
            delta = _deltas(values, len(block))
            moments = _moments(delta, delta, exact)
            if control is not None:
                game, means = control
                rest = delta - _deltas(game(masks), len(block))
                known = means[..., len(columns), start : start + per_block]
                moments = _better(moments, _moments(rest, delta, exact), known)
            row.append(moments)
        columns.append([torch.cat(parts, -1) for parts in zip(*row, strict=True)])
    mean, error, absolute = (
        torch.stack(parts, dim=-2) for parts in zip(*columns, strict=True)
    )
    return PairedEstimate(
        ends, n, tuple(pairs), tuple(orders), mean, error, absolute, tuple(contexts)
    )


Moments = tuple[Tensor, Tensor, Tensor]


def _better(plain: Moments, helped: Moments, known: Tensor) -> Moments:
    """Return the moments of the differences to a known game if they vary less."""
    if helped[1].square().sum() < plain[1].square().sum():
        return helped[0] + known, helped[1], helped[2]
    return plain


def _deltas(values: Tensor, n_pairs: int) -> Tensor:
    """Δv, ``(*lead, pairs, contexts)``, from ``(*lead, pairs · contexts · 4)``."""
    both, first, second, neither = values.unflatten(-1, (n_pairs, -1, 4)).unbind(-1)
    return both - first - second + neither


def _moments(samples: Tensor, delta: Tensor, exact: bool) -> Moments:
    """Mean, its standard error, and the mean of |Δv|, over the last axis."""
    mean, count = samples.mean(-1), samples.shape[-1]
    error = torch.zeros_like(mean) if exact else samples.std(-1) / count**0.5
    return mean, error, delta.abs().mean(-1)
