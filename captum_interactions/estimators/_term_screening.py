"""Which explicit terms a residual correlates with: pairs, triples, and what grows."""

from __future__ import annotations

from math import comb, log

import torch
from torch import Tensor

from captum_interactions.estimators._explicit_terms import (
    EVEN_AND,
    ODD_AND,
    WALSH,
    ExplicitTerms,
)

__all__ = ["screen", "first_of_each"]

# Walsh terms of higher degree have ten times the rivals and a smaller share of any AND.
_LARGEST_WALSH, _LARGEST_AND = 5, 6
# Seeds that terms of the next degree grow from.
_SEEDS = 64
# Multiplications spent on screening triples; the most relevant players come first.
_TRIPLE_WORK = 1e10


class _Pool:
    """Terms offered so far, with |f'w| against what chance reaches at their degree."""

    def __init__(self, signs: Tensor) -> None:
        self.n = signs.shape[-1]
        self.players: list[Tensor] = []
        self.kinds: list[Tensor] = []
        self.scores: list[Tensor] = []
        self.norm = len(signs) ** 0.5

    def offer(self, players: Tensor, kind: int, score: Tensor) -> None:
        """Add terms; ``score`` is f'w over the norm of f."""
        degrees = players.sum(-1)
        largest = _LARGEST_WALSH if kind == WALSH else _LARGEST_AND
        smallest = 1 if kind == WALSH else 3
        for d in range(smallest, min(largest, self.n) + 1):
            held = degrees == d
            if bool(held.any()) and comb(self.n, d) > 1:
                self.players.append(players[held])
                self.kinds.append(torch.full_like(degrees[held], kind))
                self.scores.append(score[held].abs() / log(comb(self.n, d)) ** 0.5)

    def best(self, even: bool, count: int) -> ExplicitTerms:
        """The strongest of one parity, each once."""
        players, kind = torch.cat(self.players), torch.cat(self.kinds)
        score = torch.cat(self.scores)
        terms = ExplicitTerms(players, kind, score.new_zeros(1, len(kind)))
        score = torch.where(terms.is_even() == even, score, -1.0)
        order = score.argsort(descending=True)[: 16 * count]
        chosen = terms.select(order[score[order] > 0])
        # The same term grows from each of its parts.
        return chosen.select(first_of_each(chosen)[:count])


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
    pool = _Pool(signs)
    pairs, triples = _low_degrees(pool, signs, weights, relevance)
    _grow_walsh(pool, signs, weights, torch.cat([members.players, pairs, triples]))
    seeds = torch.cat([members.players, pairs, triples])
    for _ in range(3, _LARGEST_AND + 1):
        if not len(seeds):
            break
        seeds = _grow_and(pool, signs, weights, seeds)
    return pool.best(True, count), pool.best(False, count)


def _low_degrees(
    pool: _Pool, signs: Tensor, weights: tuple[Tensor, Tensor], relevance: Tensor
) -> tuple[Tensor, Tensor]:
    """Offer Walsh terms of degree 1 to 3; the best pairs and triples are seeds."""
    n, norm = signs.shape[-1], pool.norm
    everyone = torch.eye(n, dtype=torch.bool, device=signs.device)
    pool.offer(everyone, WALSH, signs.mT @ weights[1] / norm)
    products = (signs.mT @ (signs * weights[0][:, None])).triu(1).flatten()
    best = products.abs().topk(min(8 * _SEEDS, n * (n - 1) // 2)).indices
    pairs = everyone[best // n] | everyone[best % n]
    pool.offer(pairs, WALSH, products[best] / norm)
    count = min(n, max(8, int((_TRIPLE_WORK / 2 / len(signs)) ** (1 / 3))))
    active = relevance.topk(count).indices
    some = signs[:, active]
    players, scores = [everyone[:0]], [products[:0]]
    for k in range(count - 2):
        rest = some[:, k + 1 :]
        width = rest.shape[-1]
        pulled = (rest * (some[:, k] * weights[1])[:, None]).mT @ rest
        pulled = pulled.triu(1).flatten()
        top = pulled.abs().topk(min(_SEEDS, width * (width - 1) // 2)).indices
        left = active[k + 1 :]
        two = everyone[left[top // width]] | everyone[left[top % width]]
        players.append(two | everyone[active[k]])
        scores.append(pulled[top])
    triples, score = torch.cat(players), torch.cat(scores)
    pool.offer(triples, WALSH, score / norm)
    order = score.abs().argsort(descending=True)[:_SEEDS]
    return pairs[:_SEEDS], triples[order]


def _grow_walsh(
    pool: _Pool, signs: Tensor, weights: tuple[Tensor, Tensor], seeds: Tensor
) -> None:
    """Offer seeds with one more or one player less (χ_i² = 1)."""
    negative = (signs < 0).to(signs) @ seeds.to(signs).mT
    features = 1 - 2 * (negative % 2)
    everyone = torch.eye(signs.shape[-1], dtype=torch.bool, device=seeds.device)
    players = seeds[:, None] ^ everyone
    odd = players.sum(-1) % 2 == 1
    scores = [(features * w[:, None]).mT @ signs / pool.norm for w in weights]
    score = torch.where(odd, scores[1], scores[0])
    pool.offer(players.flatten(0, 1), WALSH, score.flatten())


def _grow_and(
    pool: _Pool, signs: Tensor, weights: tuple[Tensor, Tensor], seeds: Tensor
) -> Tensor:
    """Offer halves of the ANDs of seeds and one more player; the best are new seeds."""
    present = (signs > 0).to(signs)
    absent = 1 - present
    held = seeds.to(signs)
    all_present = (absent @ held.mT == 0).to(signs)
    all_absent = (present @ held.mT == 0).to(signs)
    everyone = torch.eye(signs.shape[-1], dtype=torch.bool, device=seeds.device)
    players = (seeds[:, None] | everyone).flatten(0, 1)
    count = all_present.mT @ present + all_absent.mT @ absent
    best = seeds.new_zeros(len(players)).to(signs)
    for kind, sign, weight in ((EVEN_AND, 1, weights[0]), (ODD_AND, -1, weights[1])):
        ours = (all_present * weight[:, None]).mT @ present
        theirs = (all_absent * weight[:, None]).mT @ absent
        # A feature that fewer than two pairs tell from nothing says nothing.
        score = (ours + sign * theirs) / count.clamp(min=1).sqrt() * (count > 1)
        score = score.flatten()
        pool.offer(players, kind, score)
        best = torch.maximum(best, score.abs())
    grew = (players.sum(-1) > seeds.sum(-1).repeat_interleave(signs.shape[-1])).to(best)
    order = (best * grew).argsort(descending=True)[: 4 * _SEEDS]
    return players[order].unique(dim=0)[:_SEEDS] if len(order) else players[:0]


def first_of_each(terms: ExplicitTerms) -> Tensor:
    """Indices of terms without repetition, in the order of their first appearance."""
    rows = terms.labels()
    if not len(rows):
        return terms.kind
    _, index = rows.unique(dim=0, return_inverse=True)
    places = torch.arange(len(rows), device=rows.device)
    first = torch.full_like(places, len(rows))
    first = first.scatter_reduce(0, index, places, "amin")
    return first[first < len(rows)].sort().values
