"""OR interactions: the effect of a coalition when any one of its players is enough.

For S ≠ ∅, I_or(S) = −Σ_{L⊆S} (−1)^{|S|−|L|} v(N∖L), and I_or(∅) = v(∅). They explain
the game as v(T) = I_or(∅) + Σ_{S: S∩T≠∅} I_or(S). Swapping present and absent players
turns OR into AND with the opposite sign.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import coalition_sizes, n_players
from captum_interactions.functional.moebius import moebius, superset_zeta, zeta

__all__ = [
    "or_interactions",
    "or_reconstruction",
    "and_from_or",
    "merge_singletons",
]


@checked
def or_interactions(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """OR interactions of a game.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        I_or(S), ``(*batch, 2**n)``, in the units of the value function;
        I_or(∅) = v(∅).

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Li & Zhang, "Does a neural network really encode symbolic concepts?"
        (ICML 2023), as in the authors' code.

    Example:
        >>> or_interactions(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [0.0, 3.0, 4.0, -2.0]
    """
    # The code of N∖S is the bitwise complement: the table read backwards.
    flipped = -moebius(table.flip(-1))
    return torch.cat([table[..., :1].to(flipped.dtype), flipped[..., 1:]], dim=-1)


@checked
def or_reconstruction(
    interactions: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """The inverse of :func:`or_interactions`: v(T) = I(∅) + Σ_{S∩T≠∅} I(S).

    Args:
        interactions: I_or(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        v(T), ``(*batch, 2**n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> or_reconstruction(torch.tensor([0.0, 3.0, 4.0, -2.0])).tolist()
        [0.0, 1.0, 2.0, 5.0]
    """
    # Σ_{S∩T≠∅} I(S) = Σ_{S≠∅} I(S) − Σ_{∅≠S⊆N∖T} I(S).
    proper = torch.cat(
        [torch.zeros_like(interactions[..., :1]), interactions[..., 1:]], dim=-1
    )
    hit = zeta(proper)
    return interactions[..., :1] + hit[..., -1:] - hit.flip(-1)


@checked
def and_from_or(
    or_values: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """AND interactions of the game that has these OR interactions.

    I_and(S) = (−1)^(|S|+1) Σ_{T⊇S} I_or(T) for S ≠ ∅. It is its own inverse: of
    AND interactions it makes OR interactions.

    Args:
        or_values: I_or(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        I_and(S), ``(*batch, 2**n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> and_from_or(torch.tensor([0.0, 3.0, 4.0, -2.0])).tolist()
        [0.0, 1.0, 2.0, 2.0]
    """
    proper = torch.cat([torch.zeros_like(or_values[..., :1]), or_values[..., 1:]], -1)
    sums = superset_zeta(proper)
    sizes = coalition_sizes(n_players(or_values), or_values.device)
    signed = torch.where(sizes % 2 == 1, sums, -sums)
    return torch.cat([or_values[..., :1], signed[..., 1:]], dim=-1)


def merge_singletons(
    and_values: Tensor,  # (*batch, 2**n)
    or_values: Tensor,  # (*batch, 2**n)
) -> tuple[Tensor, Tensor]:
    """Book the OR interactions of at most one player as AND interactions.

    For |S| ≤ 1 both are the same function of the mask (a constant, or "the player is
    present"), so that only their sum is determined by the game.

    Args:
        and_values: I_and(S), ``(*batch, 2**n)``.
        or_values: I_or(S), ``(*batch, 2**n)``.

    Returns:
        Both, with I_or(S) = 0 for |S| ≤ 1; they reconstruct the same game.

    Example:
        >>> a, o = merge_singletons(torch.tensor([0.0, 1, 2, 3]), torch.ones(4))
        >>> a.tolist(), o.tolist()
        ([1.0, 2.0, 3.0, 3.0], [0.0, 0.0, 0.0, 1.0])
    """
    small = coalition_sizes(n_players(and_values), and_values.device) <= 1
    return (
        torch.where(small, and_values + or_values, and_values),
        torch.where(small, 0.0, or_values),
    )
