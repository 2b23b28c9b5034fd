"""Which pairs of coalitions tell something new: players without effect make twins."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["distinct_pairs"]

# Of standardised values: two that a model in float32 gives as near as this are one.
_SAME = 1e-5
# Of random sums of signs: rounding is far below, another coalition far above.
_KEY = 1e-9
# With fewer pairs that differ, nearly all that there are were seen: twins are right.
_FEWEST = 0.5


def distinct_pairs(signs: Tensor, even: Tensor, odd: Tensor) -> Tensor:
    """Which pairs tell something new, ``(rows, h)`` bool.

    Coalitions that differ in players without any effect have equal values. A likelihood
    that sees such twins is sure that v has no rough part, and explains what is rough in
    v otherwise. Players count as without effect when the singles and their complements
    say so and no two values contradict.

    Args:
        signs: One coalition of each pair as ±1, ``(h, n)``.
        even: Half sums of the standardised values of each pair, ``(rows, h)``.
        odd: Half differences, ``(rows, h)``.
    """
    h, rows = len(signs), len(even)
    every = torch.ones(rows, h, dtype=torch.bool, device=signs.device)
    effects = _end_effects(signs, even, odd)
    if effects is None or not bool((effects <= _SAME**2).any()):
        return every
    matters = (effects > _SAME**2).to(signs)
    # A random sum tells coalitions apart; those of S and N∖S differ in their sign.
    code = torch.Generator().manual_seed(0)
    factors = torch.randn(signs.shape[-1], generator=code, dtype=torch.float64)
    sums = (matters * factors.to(signs)) @ signs.mT
    keys = (sums.abs() / _KEY).round()
    turned = torch.where(sums < 0, -odd, odd)
    for row in range(rows):
        kinds, kind = keys[row].unique(return_inverse=True)
        if not _FEWEST * h <= len(kinds) < h or not bool(matters[row].any()):
            continue
        values = torch.stack([even[row], turned[row]])
        kind_of = kind.expand_as(values)
        blank = values.new_zeros(2, len(kinds))
        most = blank.scatter_reduce(1, kind_of, values, "amax", include_self=False)
        least = blank.scatter_reduce(1, kind_of, values, "amin", include_self=False)
        if bool((most - least > _SAME).any()):
            continue
        places = torch.arange(h, device=signs.device)
        first = torch.full((len(kinds),), h, device=signs.device)
        first = first.scatter_reduce(0, kind, places, "amin")
        every[row] = False
        every[row, first] = True
    return every


def _end_effects(signs: Tensor, even: Tensor, odd: Tensor) -> Tensor | None:
    """Sum of squares of a player's effect at both ends, ``(rows, n)``.

    None where singles were not all evaluated.
    """
    n = signs.shape[-1]
    # Either half of a pair may be the one that is listed.
    turn = torch.where(signs.sum(-1) > 0, -1.0, 1.0).to(signs)
    sizes = (turn[:, None] * signs).sum(-1).round()
    single, empty = (sizes == 2 - n).nonzero()[:, 0], (sizes == -n).nonzero()[:, 0]
    if n < 3 or len(single) < n or not len(empty):
        return None
    held = (turn[:, None] * signs)[single].argmax(-1)
    turned = odd * turn
    effects = even.new_zeros(len(even), n)
    for low in (even + turned, even - turned):
        effects[:, held] += (low[:, single] - low[:, empty[:1]]).square()
    return effects
