"""Distinct coalitions spread over the sizes, for up to twenty players."""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.functional import coalition_sizes

__all__ = [
    "MAX_TABLE_PLAYERS",
    "stratified_codes",
    "smallest_budget",
]

# A table of 2^20 doubles is 8 MiB: completing it costs less than evaluating a network.
MAX_TABLE_PLAYERS = 20
# The ends of the size range hold few coalitions and decide orders 0 and n − 2 alone, so
# they are enumerated, as long as they do not eat up more of the budget than this.
_BORDER_SHARE = 0.6


@checked
def smallest_budget(n: int) -> int:
    """Coalitions of sizes 0, 1, n−1 and n: the least that fixes both ends.

    Example:
        >>> smallest_budget(4)
        10
    """
    return min(2 + 2 * n, 1 << n)


def _quotas(n: int, budget: int) -> list[int]:
    """How many coalitions of each size: the ends complete, the rest level."""
    counts = [comb(n, s) for s in range(n + 1)]
    border = {s for s in (0, 1, 2, n - 2, n - 1, n) if 0 <= s <= n}
    if sum(counts[s] for s in border) > _BORDER_SHARE * budget:
        border = {s for s in (0, 1, n - 1, n) if 0 <= s <= n}
    quotas = [counts[s] if s in border else 0 for s in range(n + 1)]
    open_sizes = [s for s in range(n + 1) if s not in border]
    left = min(budget, sum(counts)) - sum(quotas)
    # Fill from the smallest size up: what a full size cannot take goes to the others.
    for filled, s in enumerate(sorted(open_sizes, key=lambda s: counts[s])):
        quotas[s] = min(counts[s], left // (len(open_sizes) - filled))
        left -= quotas[s]
    return quotas


def stratified_codes(
    n: int, budget: int, generator: torch.Generator | None = None
) -> Tensor:
    """Choose ``budget`` distinct coalitions, spread evenly over the coalition sizes.

    Sizes 0, 1, 2, n−2, n−1, n are enumerated when they take at most three fifths of the
    budget, otherwise only 0, 1, n−1, n; the rest is drawn without replacement with
    equal numbers per size. Within a size every coalition is equally likely.

    Args:
        n: Number of players, at most 20.
        budget: Number of coalitions.
        generator: Source of randomness.

    Returns:
        Codes, ``(min(budget, 2**n),)``, sorted.

    Raises:
        ValueError: If the budget does not cover sizes 0, 1, n−1 and n.

    Example:
        >>> codes = stratified_codes(4, 12, torch.Generator().manual_seed(0))
        >>> coalition_sizes(4)[codes].bincount().tolist()
        [1, 4, 2, 4, 1]
    """
    if budget < smallest_budget(n):
        bad_value(
            "n_samples",
            f"at least {smallest_budget(n)} with {n} players",
            budget,
            "sizes 0, 1, n-1 and n alone take that many coalitions",
        )
    sizes = coalition_sizes(n)
    chosen = []
    for size, quota in enumerate(_quotas(n, budget)):
        codes = (sizes == size).nonzero()[:, 0]
        if quota < len(codes):
            device = generator.device if generator is not None else None
            order = torch.randperm(len(codes), generator=generator, device=device)
            codes = codes[order[:quota].cpu()]
        chosen.append(codes)
    return torch.cat(chosen).sort().values
