"""Values and interaction indices of a game from its OR interactions, in closed form.

With o(S) the OR interactions of a game, s = |S| and n the number of players:

==========================  ====================================================
AND interaction of S        (−1)^(s+1) Σ_{T⊇S} o(T), and back by the same formula
Shapley value               Σ_{S∋i} o(S) / s
Banzhaf value               Σ_{S∋i} o(S) / 2^(s−1)
leave one out               o({i})
Shapley interaction of S    (−1)^(s+1) Σ_{T⊇S} o(T) / (t − s + 1)
Banzhaf interaction of S    (−1)^(s+1) Σ_{T⊇S} o(T) / 2^(t−s)
==========================  ====================================================

The multi-order readings are in :mod:`~captum_interactions.functional.multi_order`. A
game split as v = v_and + v_or has every one of these as the sum of the AND formula on
its AND part and the OR formula on its OR part. All are linear and differentiable.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional.coalitions import (
    coalition_sizes,
    n_players,
)
from captum_interactions.functional.moebius import superset_zeta
from captum_interactions.functional.set_indices import set_index_from_and
from captum_interactions.functional.shapley import (
    banzhaf_values_from_and,
    shapley_values_from_and,
)

__all__ = [
    "and_from_or",
    "or_from_and",
    "shapley_values_from_or",
    "banzhaf_values_from_or",
    "leave_one_out_from_or",
    "set_index_from_or",
]


def _alternating(interactions: Tensor) -> Tensor:
    """Multiply by (−1)^(s+1)."""
    sizes = coalition_sizes(n_players(interactions), interactions.device)
    return torch.where(sizes % 2 == 1, interactions, -interactions)


def _proper(interactions: Tensor) -> Tensor:
    """The interactions with that of the empty set left out."""
    return torch.cat(
        [torch.zeros_like(interactions[..., :1]), interactions[..., 1:]], dim=-1
    )


def and_from_or(
    or_values: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """AND interactions of the game that has these OR interactions.

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
    proper = _alternating(superset_zeta(_proper(or_values)))
    return torch.cat([or_values[..., :1], proper[..., 1:]], dim=-1)


def or_from_and(
    and_values: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """OR interactions of the game that has these AND interactions.

    Args:
        and_values: I_and(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        I_or(S), ``(*batch, 2**n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> or_from_and(torch.tensor([0.0, 1.0, 2.0, 2.0])).tolist()
        [0.0, 3.0, 4.0, -2.0]
    """
    return and_from_or(and_values)  # an involution: the formula is its own inverse


def shapley_values_from_or(
    or_values: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Shapley values: each OR interaction is shared equally, as each AND one is.

    Args:
        or_values: I_or(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        φ, ``(*batch, n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> shapley_values_from_or(torch.tensor([0.0, 3.0, 4.0, -2.0])).tolist()
        [2.0, 3.0]
    """
    return shapley_values_from_and(or_values)


def banzhaf_values_from_or(
    or_values: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Banzhaf values Σ_{S∋i} I_or(S)/2^(|S|−1).

    Args:
        or_values: I_or(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        One value per player, ``(*batch, n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> banzhaf_values_from_or(torch.tensor([0.0, 3.0, 4.0, -2.0])).tolist()
        [2.0, 3.0]
    """
    return banzhaf_values_from_and(or_values)


def leave_one_out_from_or(
    or_values: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """v(N) − v(N∖{i}) of every player: the OR interaction of the player alone.

    Args:
        or_values: I_or(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        One value per player, ``(*batch, n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> leave_one_out_from_or(torch.tensor([0.0, 3.0, 4.0, -2.0])).tolist()
        [3.0, 4.0]
    """
    return or_values[..., [1 << i for i in range(n_players(or_values))]]


def set_index_from_or(
    or_values: Tensor,  # (*batch, 2**n)
    index: Literal["SII", "BII"] = "SII",
) -> Tensor:
    """Shapley or Banzhaf interaction index of every coalition S ≠ ∅.

    Args:
        or_values: I_or(S) of all coalitions, ``(*batch, 2**n)``.
        index: ``"SII"`` or ``"BII"``.

    Returns:
        One value per coalition, ``(*batch, 2**n)``, in the units of the value function;
        0 for S = ∅, where both are a mean of v rather than an interaction.

    Raises:
        ValueError: If ``index`` is unknown or the last axis not a power of two long.

    Example:
        >>> set_index_from_or(torch.tensor([0.0, 3.0, 4.0, -2.0]), "BII").tolist()
        [0.0, 2.0, 3.0, 2.0]
    """
    # Both weigh a context and its complement alike, so that swapping present and
    # absent players, which turns OR into AND, changes nothing but signs.
    known = ("SII", "BII")
    if index not in known:
        bad_value(
            "index",
            f"one of {known}",
            repr(index),
            "other indices are read from the AND interactions of `and_from_or`",
        )
    return _proper(_alternating(set_index_from_and(or_values, index)))
