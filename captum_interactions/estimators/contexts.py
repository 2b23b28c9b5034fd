"""Pair interactions from sampled contexts: the authors' protocol, and chains.

*Paired* sampling draws contexts S of m players for each pair and order and evaluates
the four coalitions of Δv(i,j,S). Its error is Var_S(Δv)/K with K contexts, whatever the
rest of the game does, and it is the only way to |Δv| and so to D^(m).

A *chain* adds the players one by one in random order. The k-th step gives a marginal
contribution of order k, and with the next player swapped in first, one Δv of order k:
2n coalitions for n marginals and n−1 pairs. Pairs come at random, so chains serve
averages over players and pairs, and Shapley values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.estimators.plan import distinct

__all__ = [
    "Evaluate",
    "PairEstimate",
    "ChainEstimate",
    "paired_contexts",
    "paired_evaluations",
    "sample_pairs",
    "sample_chains",
]

Evaluate = Callable[[Tensor], Tensor]
"""Masks ``(C, n)`` to values ``(*lead, C)``."""

# Coalitions per call of ``evaluate``: bounds the memory for masks and values.
_BLOCK = 8192


@dataclass(frozen=True)
class PairEstimate:
    """Means over the sampled contexts.

    Attributes:
        mean: I^(m)(i,j), ``(*lead, orders, pairs)``.
        std_error: Its standard error, 0 where all contexts were visited.
        mean_absolute: Mean of |Δv|, of the same shape.
        contexts: Contexts visited, ``(orders,)``.
        n_evaluations: Coalitions evaluated, duplicates within a block counted once.
    """

    mean: Tensor
    std_error: Tensor
    mean_absolute: Tensor
    contexts: Tensor
    n_evaluations: int


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


def paired_evaluations(n_pairs: int, contexts: Sequence[int]) -> int:
    """Coalitions that paired sampling asks for, duplicates counted."""
    return 4 * n_pairs * sum(contexts)


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


def sample_pairs(
    evaluate: Evaluate,
    n: int,
    pairs: Sequence[tuple[int, int]],
    orders: Sequence[int],
    contexts: Sequence[int],
    *,
    control: tuple[Evaluate, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> PairEstimate:
    """Sample Δv(i,j,S) for each pair and order, in blocks of bounded memory.

    Args:
        evaluate: The game: masks ``(C, n)`` to values ``(*lead, C)``.
        n: Number of players.
        pairs: Pairs (i, j).
        orders: Context sizes m.
        contexts: Contexts per order; an order whose contexts are all visited is exact.
        control: A cheap game close to the real one, and its exact I^(m),
            ``(*lead, orders, pairs)``. Where that lowers the variance, its Δv are
            subtracted from the samples and its I^(m) is added back.
        generator: Source of randomness.

    Returns:
        Means and standard errors over the contexts.

    References:
        Ren et al. (NeurIPS 2021) and Deng et al. (ICLR 2022), code: 100 contexts of
        each order, drawn independently for each pair.

    Example:
        >>> product = lambda masks: masks.all(-1).double()
        >>> found = sample_pairs(product, 3, [(0, 1)], [0, 1], [1, 1])
        >>> found.mean.tolist(), found.n_evaluations
        ([[0.0], [1.0]], 8)
    """
    columns: list[list[Tensor]] = []
    evaluations = 0
    for order, count in zip(orders, contexts, strict=True):
        per_block = max(1, _BLOCK // (4 * count))
        row = []
        for start in range(0, len(pairs), per_block):
            block = pairs[start : start + per_block]
            masks = torch.cat(
                [
                    _delta_masks(p, _context_masks(n, order, count, generator))
                    for p in block
                ]
            )
            plan = distinct(masks)
            evaluations += len(plan.masks)
            delta = _deltas(plan.read(evaluate(plan.masks)), len(block))
            exact = count == comb(n - 2, order)
            moments = _moments(delta, delta, exact)
            if control is not None:
                game, means = control
                rest = delta - _deltas(plan.read(game(plan.masks)), len(block))
                helped = _moments(rest, delta, exact)
                if helped[1].square().sum() < moments[1].square().sum():
                    known = means[..., len(columns), start : start + per_block]
                    moments = helped[0] + known, helped[1], helped[2]
            row.append(moments)
        columns.append([torch.cat(parts, -1) for parts in zip(*row, strict=True)])
    mean, error, absolute = (
        torch.stack(parts, dim=-2) for parts in zip(*columns, strict=True)
    )
    return PairEstimate(mean, error, absolute, torch.tensor(contexts), evaluations)


def _deltas(values: Tensor, n_pairs: int) -> Tensor:
    """Δv, ``(*lead, pairs, contexts)``, from ``(*lead, pairs · contexts, 4)``."""
    both, first, second, neither = values.unbind(-1)
    return (both - first - second + neither).unflatten(-1, (n_pairs, -1))


def _moments(
    samples: Tensor, delta: Tensor, exact: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, its standard error, and the mean of |Δv|, over the last axis."""
    mean, count = samples.mean(-1), samples.shape[-1]
    error = torch.zeros_like(mean) if exact else samples.std(-1) / count**0.5
    return mean, error, delta.abs().mean(-1)


@dataclass(frozen=True)
class ChainEstimate:
    """Averages over permutation chains.

    Attributes:
        marginals: Mean marginal contribution φ^(m)(i), ``(*lead, n, n)``: orders, then
            players; NaN where a chain never put the player at that place.
        shapley: Shapley values, ``(*lead, n)``.
        shapley_error: Their standard errors.
        average_interaction: Mean of Δv over the visited pairs, by order,
            ``(*lead, n − 1)``: estimates mean_{i≠j} I^(m)(i,j).
        average_error: Its standard error.
        n_evaluations: Distinct coalitions evaluated.
    """

    marginals: Tensor
    shapley: Tensor
    shapley_error: Tensor
    average_interaction: Tensor
    average_error: Tensor
    n_evaluations: int


def sample_chains(
    evaluate: Evaluate,
    n: int,
    budget: int,
    generator: torch.Generator | None = None,
) -> ChainEstimate:
    """Walk through random permutations, each forwards and backwards.

    A permutation and its reverse are averaged before anything else (antithetic: what
    the first player of one misses, the last of the other has). Coalitions met twice
    are evaluated once.

    Args:
        evaluate: The game: masks ``(C, n)`` to values ``(*lead, C)``.
        n: Number of players, at least 2.
        budget: Coalitions to evaluate at most.
        generator: Source of randomness.

    Returns:
        Marginal contributions, Shapley values and average interactions.

    Raises:
        ValueError: If the budget does not afford two pairs of chains.

    References:
        Castro et al. (2009) for the chains; Mitchell et al. (2022) for the reversal.

    Example:
        >>> sizes = lambda masks: masks.double().sum(-1)
        >>> walks = sample_chains(sizes, 3, 100, torch.Generator().manual_seed(0))
        >>> walks.shapley.tolist()
        [1.0, 1.0, 1.0]
    """
    per_walk = 2 * (2 * n - 2) + 2
    walks = budget // per_walk
    if walks < 2:
        bad_value(
            "n_samples",
            f"at least {2 * per_walk} with {n} players",
            budget,
            "an error bar takes two permutations, each walked in both directions",
        )
    forward = _uniform(generator, walks, n).argsort(-1)
    orders = torch.stack([forward, forward.flip(-1)], 1)  # (walks, 2, n)
    places = orders.argsort(-1)
    steps = torch.arange(n + 1).view(-1, 1)
    chains = places.unsqueeze(-2) < steps  # (walks, 2, n + 1, n)
    # At step k the player after next goes first: S_k ∪ {π_{k+2}}.
    swapped = chains[..., :-2, :] | (places.unsqueeze(-2) == steps[1:-1])
    plan = distinct(torch.cat([chains, swapped], -2))
    values = plan.read(_in_blocks(evaluate, plan.masks))
    along, aside = values[..., : n + 1], values[..., n + 1 :]
    steps_up = along.diff(dim=-1)  # (*lead, walks, 2, n)
    delta = along[..., 2:] - along[..., 1:-1] - aside + along[..., :-2]
    index = places.expand(*steps_up.shape)
    by_player = steps_up.gather(-1, index)  # by player, not by place
    shapley = by_player.mean(-2)
    averages = delta.mean(-2)
    return ChainEstimate(
        _by_order(by_player, places),
        shapley.mean(-2),
        shapley.std(-2) / walks**0.5,
        averages.mean(-2),
        averages.std(-2) / walks**0.5,
        len(plan.masks),
    )


def _in_blocks(evaluate: Evaluate, masks: Tensor) -> Tensor:
    return torch.cat([evaluate(block) for block in masks.split(_BLOCK)], dim=-1)


def _by_order(by_player: Tensor, places: Tensor) -> Tensor:
    """Mean over walks of the marginals, by place and player, ``(*lead, n, n)``."""
    n = places.shape[-1]
    place = torch.nn.functional.one_hot(places, n).to(by_player)  # walks, 2, player, m
    total = torch.einsum("...wdi,wdim->...mi", by_player, place)
    return total / place.sum((0, 1)).mT
