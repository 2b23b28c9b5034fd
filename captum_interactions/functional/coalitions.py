"""Coalitions as rows of a boolean mask and as integer codes.

The code of a coalition S is the sum of 2**i over its players i, so bit i of a table
index is player i. In a mask, True means that the player is present.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_table_length
from captum_interactions._signature import checked

__all__ = [
    "all_masks",
    "codes_to_masks",
    "masks_to_codes",
    "n_players",
    "coalition_sizes",
    "coalition_code",
    "coalition_members",
    "shapley_weights",
    "relabel_players",
    "accumulated",
    "accumulation_dtype",
    "codes_of_sizes",
]


# 2^30 codes of eight bytes are 8 GiB: more is a mistake.
_MOST_LISTED = 30


def accumulation_dtype(device: torch.device) -> torch.dtype:
    """Return float64, or float32 on devices that lack it.

    Alternating sums over 2**n terms lose about 2**(n/2) units in the last place: a
    float32 Möbius transform errs by 1e-5 at n = 10 and by 2e-4 at n = 18.
    """
    return torch.float32 if device.type == "mps" else torch.float64


def accumulated(reading: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Apply ``reading`` in the accumulation dtype and return the dtype that came.

    Example:
        >>> accumulated(lambda v: v.sum(-1, keepdim=True), torch.ones(3)).dtype
        torch.float32
    """
    out = reading(values.to(accumulation_dtype(values.device)))
    return out.to(values.dtype) if values.is_floating_point() else out


def n_players(
    table: Tensor,  # (*batch, 2**n)
) -> int:
    """Return n for a table of 2**n values.

    Example:
        >>> n_players(torch.zeros(3, 8))
        3
    """
    return check_table_length(table.shape[-1])


@checked
def codes_to_masks(
    codes: Tensor,  # (*shape,) int64
    n: int,
) -> Tensor:
    """Expand coalition codes to masks of shape ``(*shape, n)``, True = present.

    Example:
        >>> codes_to_masks(torch.tensor([0, 5]), 3).int().tolist()
        [[0, 0, 0], [1, 0, 1]]
    """
    return (codes.unsqueeze(-1) >> torch.arange(n, device=codes.device)) & 1 == 1


@checked
def masks_to_codes(
    masks: Tensor,  # (*shape, n) bool
) -> Tensor:
    """Pack masks into coalition codes of shape ``(*shape,)``; n is at most 62.

    Example:
        >>> masks_to_codes(torch.tensor([[True, False, True]])).tolist()
        [5]
    """
    n = masks.shape[-1]
    if n > 62:
        bad_value("masks", "at most 62 players wide", n, "keep the masks themselves")
    return (masks.long() << torch.arange(n, device=masks.device)).sum(-1)


@checked
def all_masks(n: int, device: torch.device | str | None = None) -> Tensor:
    """Return all 2**n coalitions as masks ``(2**n, n)`` in the order of their codes.

    Example:
        >>> all_masks(2).int().tolist()
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    _check_listable(n)
    return codes_to_masks(torch.arange(1 << n, device=device), n)


def _check_listable(n: int) -> None:
    """Refuse to list more coalitions than memory holds."""
    if n > _MOST_LISTED:
        bad_value(
            "n",
            f"at most {_MOST_LISTED} to list all coalitions",
            n,
            "evaluate some of them, by `n_samples`",
        )


@checked
def coalition_sizes(n: int, device: torch.device | str | None = None) -> Tensor:
    """Return |S| for every code, ``(2**n,)`` int64.

    Example:
        >>> coalition_sizes(3).tolist()
        [0, 1, 1, 2, 1, 2, 2, 3]
    """
    _check_listable(n)
    high, low = (all_masks(k, device).sum(-1) for k in (n - n // 2, n // 2))
    return (high.unsqueeze(-1) + low).flatten()


def codes_of_sizes(
    n: int,
    min_size: int,
    max_size: int | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the codes of all coalitions of min_size to max_size players.

    Raises:
        ValueError: If there are no such coalitions.

    Example:
        >>> codes_of_sizes(3, 2).tolist()
        [3, 5, 6, 7]
    """
    largest = n if max_size is None else max_size
    if not 0 <= min_size <= largest <= n:
        bad_value(
            "min_size, max_size",
            f"0 ≤ min_size ≤ max_size ≤ {n}",
            (min_size, max_size),
            "orders are coalition sizes |S| here",
        )
    sizes = coalition_sizes(n, device)
    return ((sizes >= min_size) & (sizes <= largest)).nonzero()[:, 0]


@checked
def coalition_code(members: Sequence[int]) -> int:
    """Return the code of a coalition given by its players.

    Example:
        >>> coalition_code([0, 2])
        5
    """
    return sum(1 << player for player in set(members))


@checked
def coalition_members(code: int) -> tuple[int, ...]:
    """Return the sorted players of a coalition given by its code.

    Example:
        >>> coalition_members(5)
        (0, 2)
    """
    return tuple(i for i in range(code.bit_length()) if code >> i & 1)


def shapley_weights(n: int) -> Tensor:
    """The weights s!(n−s)!/(n+1)! of a context of s out of n others, ``(n + 1,)``.

    What a Shapley value gives to each context; over all 2**n contexts they sum to 1.

    Example:
        >>> [round(w, 4) for w in shapley_weights(2).tolist()]
        [0.3333, 0.1667, 0.3333]
    """
    # Through binomials: n! is no double beyond n = 170.
    weights = [1 / ((n + 1) * comb(n, s)) for s in range(n + 1)]
    return torch.tensor(weights, dtype=torch.float64)


def relabel_players(
    table: Tensor,  # (*batch, 2**n)
    order: Sequence[int],
) -> Tensor:
    """Rename the players of a table: player i of the result is player ``order[i]``.

    Args:
        table: Values of all coalitions, ``(*batch, 2**n)``.
        order: A permutation of 0..n-1.

    Returns:
        The same game with its players renamed, ``(*batch, 2**n)``.

    Raises:
        ValueError: If ``order`` is not a permutation of the table's players.

    Example:
        >>> relabel_players(torch.tensor([0, 1, 2, 3]), [1, 0]).tolist()
        [0, 2, 1, 3]
    """
    n = n_players(table)
    if sorted(order) != list(range(n)):
        bad_value(
            "order",
            f"a permutation of 0..{n - 1}",
            list(order),
            "name each player once",
        )
    # Axis k of the cube view is player n-1-k: the highest bit varies slowest.
    lead = table.dim() - 1
    cube = table.reshape((*table.shape[:-1], *[2] * n))
    axes = [lead + n - 1 - order[n - 1 - k] for k in range(n)]
    return cube.permute((*range(lead), *axes)).reshape(table.shape)
