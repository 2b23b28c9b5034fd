"""Which explicit terms a residual correlates with: pairs, triples, and what grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, log

import torch
from torch import Tensor

from captum_interactions.estimators._explicit_terms import (
    EVEN_AND,
    ODD_AND,
    WALSH,
    ExplicitTerms,
    no_terms,
)

__all__ = ["screen", "first_of_each"]

# Walsh terms of higher degree have ten times the rivals and a smaller share of any AND.
_LARGEST_WALSH, _LARGEST_AND = 5, 6
# Seeds that terms of the next degree grow from.
_SEEDS = 64
# Multiplications spent on screening triples; the most relevant players come first.
_TRIPLE_WORK = 1e10
# How many of the strongest are compared for each that is wanted: the same term grows
# from each of its parts.
_COPIES = 16


@dataclass(frozen=True)
class _Offer:
    """Terms of one kind and parity: where each is among those offered, how strong."""

    kind: int
    even: bool
    places: Tensor
    scores: Tensor
    players: Callable[[Tensor], Tensor]


class _Pool:
    """Terms offered so far, with |f'w| against what chance reaches at their degree.

    Players are looked up for the strongest alone: those of all take gigabytes at 1,000.
    """

    def __init__(self, signs: Tensor, count: int) -> None:
        self.n, self.count = signs.shape[-1], count
        self.offers: list[_Offer] = []
        self.norm = len(signs) ** 0.5

    def offer(
        self,
        degrees: Tensor,
        kind: int,
        score: Tensor,
        players: Callable[[Tensor], Tensor],
    ) -> None:
        """Add terms; ``score`` is f'w over the norm of f, ``players`` says whose."""
        largest = _LARGEST_WALSH if kind == WALSH else _LARGEST_AND
        smallest = 1 if kind == WALSH else 3
        for d in range(smallest, min(largest, self.n) + 1):
            places = (degrees == d).nonzero()[:, 0]
            if len(places) and comb(self.n, d) > 1:
                strength = score[places].abs() / log(comb(self.n, d)) ** 0.5
                best = strength.topk(min(len(places), _COPIES * self.count))
                even = d % 2 == 0 if kind == WALSH else kind == EVEN_AND
                chosen = places[best.indices]
                self.offers.append(_Offer(kind, even, chosen, best.values, players))

    def best(self, even: bool, like: Tensor) -> ExplicitTerms:
        """The strongest of one parity, each once."""
        offers = [offer for offer in self.offers if offer.even == even]
        scores = torch.cat([like.new_zeros(0), *(offer.scores for offer in offers)])
        order = scores.argsort(descending=True)[: _COPIES * self.count]
        order = order[scores[order] > 0]
        terms = no_terms(1, self.n, like)
        players = terms.players.new_zeros(len(order), self.n)
        kind = terms.kind.new_zeros(len(order))
        start = 0
        for offer in offers:
            stop = start + len(offer.places)
            own = (order >= start) & (order < stop)
            players[own] = offer.players(offer.places[order[own] - start])
            kind[own] = offer.kind
            start = stop
        terms = ExplicitTerms(players, kind, like.new_zeros(1, len(kind)))
        return terms.select(first_of_each(players, kind)[: self.count])


def screen(
    signs: Tensor,  # (h, n) of ±1
    weights: tuple[Tensor, Tensor],
    members: ExplicitTerms,
    relevance: Tensor,
    count: int,
) -> tuple[ExplicitTerms, ExplicitTerms]:
    """Even and odd terms that the residual correlates with most.

    Args:
        signs: One coalition of each pair as ±1, ``(h, n)``.
        weights: K⁻¹v of the even and the odd half, ``(h,)`` each.
        members: Terms that are in already; others grow from them.
        relevance: ρ of the players, ``(n,)``: says whose triples are worth a look.
        count: How many of each parity.
    """
    # Ranks take no more than single precision, and that takes half the time.
    signs, double = signs.float(), signs
    weights = weights[0].float(), weights[1].float()
    pool = _Pool(signs, count)
    pairs, triples = _low_degrees(pool, signs, weights, relevance)
    _grow_walsh(pool, signs, weights, torch.cat([members.players, pairs, triples]))
    seeds = torch.cat([members.players, pairs, triples])
    for _ in range(3, _LARGEST_AND + 1):
        if not len(seeds):
            break
        seeds = _grow_and(pool, signs, weights, seeds)
    return pool.best(True, double), pool.best(False, double)


def _low_degrees(
    pool: _Pool, signs: Tensor, weights: tuple[Tensor, Tensor], relevance: Tensor
) -> tuple[Tensor, Tensor]:
    """Offer Walsh terms of degree 1 to 3; the best pairs and triples are seeds."""
    n, norm = signs.shape[-1], pool.norm
    everyone = torch.eye(n, dtype=torch.bool, device=signs.device)
    singles = signs.mT @ weights[1] / norm
    pool.offer(everyone.sum(-1), WALSH, singles, everyone.__getitem__)
    products = (signs.mT @ (signs * weights[0][:, None])).triu(1).flatten()
    best = products.abs().topk(min(8 * _SEEDS, n * (n - 1) // 2)).indices
    pairs = everyone[best // n] | everyone[best % n]
    pool.offer(pairs.sum(-1), WALSH, products[best] / norm, pairs.__getitem__)
    count = min(n, max(8, int((_TRIPLE_WORK / 2 / len(signs)) ** (1 / 3))))
    active = relevance.topk(count).indices
    some = signs[:, active]
    parts, scores = [active.new_zeros(0, 3)], [products[:0]]
    for k in range(count - 2):
        rest = some[:, k + 1 :]
        width = rest.shape[-1]
        pulled = (rest * (some[:, k] * weights[1])[:, None]).mT @ rest
        pulled = pulled.triu(1).flatten()
        top = pulled.abs().topk(min(_SEEDS, width * (width - 1) // 2)).indices
        left = active[k + 1 :]
        first = active[k].expand(len(top))
        parts.append(torch.stack([first, left[top // width], left[top % width]], -1))
        scores.append(pulled[top])
    triples, score = torch.cat(parts), torch.cat(scores)

    def players(chosen: Tensor) -> Tensor:
        none = everyone.new_zeros(len(chosen), n)
        return none.scatter_(-1, triples[chosen], True)

    pool.offer(torch.full_like(triples[:, 0], 3), WALSH, score / norm, players)
    order = score.abs().argsort(descending=True)[:_SEEDS]
    return pairs[:_SEEDS], players(order)


def _grow_walsh(
    pool: _Pool, signs: Tensor, weights: tuple[Tensor, Tensor], seeds: Tensor
) -> None:
    """Offer seeds with one more or one player less (χ_i² = 1)."""
    negative = (signs < 0).to(signs) @ seeds.to(signs).mT
    features = 1 - 2 * (negative % 2)
    held = seeds.to(torch.int8)
    degrees = seeds.sum(-1, keepdim=True) + 1 - 2 * held
    scores = [(features * w[:, None]).mT @ signs / pool.norm for w in weights]
    score = torch.where(degrees % 2 == 1, scores[1], scores[0])

    def players(chosen: Tensor) -> Tensor:
        return _changed(seeds, chosen, leave=True)

    pool.offer(degrees.flatten(), WALSH, score.flatten(), players)


def _grow_and(
    pool: _Pool, signs: Tensor, weights: tuple[Tensor, Tensor], seeds: Tensor
) -> Tensor:
    """Offer halves of the ANDs of seeds and one more player; the best are new seeds."""
    present = (signs > 0).to(signs)
    absent = 1 - present
    held = seeds.to(signs)
    all_present = (absent @ held.mT == 0).to(signs)
    all_absent = (present @ held.mT == 0).to(signs)
    # A seed with one of its own players is the seed.
    degrees = (seeds.sum(-1, keepdim=True) + 1 - seeds.to(torch.int8)).flatten()

    def players(chosen: Tensor) -> Tensor:
        return _changed(seeds, chosen, leave=False)

    count = all_present.mT @ present + all_absent.mT @ absent
    best = signs.new_zeros(seeds.numel())
    for kind, sign, weight in ((EVEN_AND, 1, weights[0]), (ODD_AND, -1, weights[1])):
        ours = (all_present * weight[:, None]).mT @ present
        theirs = (all_absent * weight[:, None]).mT @ absent
        # A feature that fewer than two pairs tell from nothing says nothing.
        score = (ours + sign * theirs) / count.clamp(min=1).sqrt() * (count > 1)
        score = score.flatten()
        pool.offer(degrees, kind, score, players)
        best = torch.maximum(best, score.abs())
    best = best.masked_fill(seeds.flatten(), 0.0)
    order = best.argsort(descending=True)[: 4 * _SEEDS]
    found = players(order)
    return found[first_of_each(found, torch.zeros_like(order))[:_SEEDS]]


def _changed(seeds: Tensor, chosen: Tensor, *, leave: bool) -> Tensor:
    """Seeds that one player joins (or leaves), by place among all seeds × players."""
    n = seeds.shape[-1]
    players = seeds[chosen // n]
    own = torch.arange(len(chosen), device=seeds.device), chosen % n
    players[own] = ~players[own] if leave else True
    return players


def first_of_each(players: Tensor, kind: Tensor) -> Tensor:
    """Indices of terms without repetition, in the order of their first appearance."""
    n, device = players.shape[-1], players.device
    # Sums of random 64-bit numbers tell sets apart, and cost less than comparing them.
    draw = torch.Generator().manual_seed(0)
    code = torch.randint(1 << 62, (n + 3,), generator=draw).to(device)
    row, player = players.nonzero().unbind(-1)
    keys = code[n + kind].index_add_(0, row, code[player])
    _, index = keys.unique(return_inverse=True)
    places = torch.arange(len(keys), device=device)
    first = torch.full_like(places, len(keys))
    first = first.scatter_reduce(0, index, places, "amin")
    return first[first < len(keys)].sort().values
