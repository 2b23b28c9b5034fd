"""Which coalitions a kernel estimate looks at: complements, even sizes, any n."""

from __future__ import annotations

from itertools import combinations
from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional import coalition_sizes, codes_to_masks

__all__ = ["complement_pairs", "smallest_pair_budget"]

# The ends of the size range are enumerated up to this share of the budget: they hold
# few coalitions, and each player's mean interaction hangs on sizes 0, 1, n−1 and n.
_BORDER_SHARE = 0.6
# Pairs of players help pairs and take from Shapley values. Of up to 20 players all of
# them up to the same share: at 500 coalitions of 14 to 16 players SII had 1.7 times the
# squared error without. Of more players all of them only where they are cheap.
_PAIRS_SHARE = 0.35
# Of up to 20 players, while pairs of players would take more than a fifth of the budget
# the middle says more than the ends: sizes count as s. Squared error against even
# sizes, games of 12 to 16 players: SII .79 and Shapley values .66 at 150 coalitions,
# .90 and .92 at 500; at 2,000 it would be 1.1 and .84 (tokens: 1.5 and 1.7).
_SCARCE = 0.2
# Up to here the coalitions of a size are listed and drawn without replacement, if they
# can be read off a table of codes or most of them are wanted.
_LISTED = 1 << 18
_TABLED = 20


def smallest_pair_budget(n: int) -> int:
    """The least budget an estimate is worth: as much as sizes 0, 1, n−1 and n hold.

    Example:
        >>> smallest_pair_budget(2), smallest_pair_budget(30)
        (4, 62)
    """
    return min(2 + 2 * n, 1 << n)


def complement_pairs(
    n: int,
    budget: int,
    generator: torch.Generator | None = None,
    *,
    ends: bool = False,
) -> Tensor:
    """Choose coalitions S, each to be evaluated together with N∖S.

    ∅ (with N) comes first. Singles are enumerated while they take at most three fifths
    of the budget, and then pairs of players if all takes at most that (a third beyond
    20 players, unless ``ends``). The rest is spread over the sizes that are left,
    evenly (up to 20 players and at small budgets: more of the middle), distinct, and
    within a size every coalition is equally likely.

    Args:
        n: Number of players.
        budget: Coalitions to evaluate, both of each pair counted.
        generator: Source of randomness.
        ends: Enumerate pairs of many players like singles, up to three fifths of the
            budget: orders 0 and n − 2 hang on them alone.

    Returns:
        One coalition of each pair, ``(min(budget, 2**n) // 2, n)`` bool.

    Raises:
        ValueError: If the budget is below :func:`smallest_pair_budget`.

    Example:
        >>> chosen = complement_pairs(30, 100, torch.Generator().manual_seed(0))
        >>> chosen.shape, int(chosen.sum(-1).max())
        (torch.Size([50, 30]), 15)
    """
    if budget < smallest_pair_budget(n):
        bad_value(
            "n_samples",
            f"at least {smallest_pair_budget(n)} with {n} players",
            budget,
            "fewer coalitions than sizes 0, 1, n-1 and n hold say nothing about pairs",
        )
    quotas = _quotas(n, min(budget, 1 << n) // 2, ends)
    parts = [
        _of_size(n, size, quota, generator)
        for size, quota in enumerate(quotas)
        if quota > 0
    ]
    return torch.cat(parts)


def _available(n: int, size: int) -> int:
    """Pairs {S, N∖S} whose smaller half has this size."""
    return comb(n, size) // (2 if 2 * size == n else 1)


def _quotas(n: int, pairs: int, ends: bool) -> list[int]:
    """Pairs for each size up to n/2."""
    counts = [_available(n, size) for size in range(n // 2 + 1)]
    quotas = [0] * len(counts)
    quotas[0], spent = 1, 1
    of_pairs = _BORDER_SHARE if ends or n <= _TABLED else _PAIRS_SHARE
    for size, share in ((1, _BORDER_SHARE), (2, of_pairs)):
        if size < len(counts) and spent + counts[size] <= share * pairs:
            quotas[size] = counts[size]
            spent += counts[size]
        else:
            break
    open_sizes = [s for s in range(1, len(counts)) if quotas[s] == 0]
    left = pairs - spent
    scarce = n <= _TABLED and sum(counts[:3]) > _SCARCE * pairs
    while left > 0 and open_sizes:
        # The middle size of an even n is half as wide: S and N∖S share it.
        width = {
            s: (s if scarce else 1.0) * (0.5 if 2 * s == n else 1.0) for s in open_sizes
        }
        share = left / sum(width.values())
        full = [s for s in open_sizes if counts[s] - quotas[s] <= share * width[s]]
        if full:
            for size in full:
                left -= counts[size] - quotas[size]
                quotas[size] = counts[size]
            open_sizes = [s for s in open_sizes if s not in full]
            continue
        # Evenly spaced places on the line of sizes: within one of the exact share.
        reached, given = 0.0, 0
        for size in open_sizes:
            reached += share * width[size]
            quotas[size] += round(reached) - given
            given = round(reached)
        left = 0
    return quotas


def _of_size(
    n: int, size: int, quota: int, generator: torch.Generator | None
) -> Tensor:
    """``quota`` distinct coalitions of one size, ``(quota, n)``."""
    device = generator.device if generator is not None else None
    if comb(n, size) <= _LISTED and (n <= _TABLED or comb(n, size) <= 8 * quota):
        # Of S and N∖S of the middle size, the one without the last player comes first.
        every = _all_of_size(n, size)[: _available(n, size)]
        if quota < len(every):
            order = torch.randperm(len(every), generator=generator, device=device)
            every = every[order[:quota].cpu()]
        return every
    found = torch.zeros(0, n, dtype=torch.bool)
    while len(found) < quota:
        drawn = torch.rand(
            quota - len(found),
            n,
            dtype=torch.float32,
            generator=generator,
            device=device,
        ).cpu()
        fresh = torch.zeros(len(drawn), n, dtype=torch.bool)
        fresh.scatter_(-1, drawn.topk(size, dim=-1).indices, True)
        if 2 * size == n:
            fresh = fresh ^ fresh[:, -1:]
        found = _distinct(torch.cat([found, fresh]))
    return found


def _all_of_size(n: int, size: int) -> Tensor:
    """Every coalition of a size, in the order of their codes, ``(C(n, size), n)``."""
    if n <= _TABLED:
        codes = (coalition_sizes(n) == size).nonzero()[:, 0]
        return codes_to_masks(codes, n)
    # Members counted from the last player backwards come in the order of codes.
    members = torch.tensor(list(combinations(range(n), size))).flip(0)
    out = torch.zeros(len(members), n, dtype=torch.bool)
    return out.scatter_(-1, n - 1 - members, True)


def _distinct(masks: Tensor) -> Tensor:
    """Rows without repetition, in the order of their first appearance."""
    unique, index = masks.unique(dim=0, return_inverse=True)
    first = torch.full((len(unique),), len(masks)).scatter_reduce_(
        0, index, torch.arange(len(masks)), "amin"
    )
    return masks[first.sort().values]
