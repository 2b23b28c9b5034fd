"""Interactions inside a coalition A of several players: B([A]) and T([A]).

Let O = N∖A, o = |O|. A block C ⊆ A plays as one player against O alone, the rest of A
stays absent:

    φ_A(C) = Σ_{S⊆O} |S|!(o−|S|)!/(o+1)! · [v(S∪C) − v(S)].

So φ_A is itself a game, with the members of A as players. Its AND interactions are the
elementary components w_A(L); what a block earns beyond its members is the interaction
inside the block, and

    B([A]) = φ_A(A) − Σ_{i∈A} φ_A({i})             = Σ_{L⊆A, |L|≥2} w_A(L)
    B(Ω)   = Σ_{C∈Ω} φ_A(C) − Σ_{i∈A} φ_A({i})     for a partition Ω of A
    T([A]) = max_Ω B(Ω) − min_Ω B(Ω).

Tables over A index a block by Σ 2**k over the positions k of its players in sorted A.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import (
    accumulation_dtype,
    coalition_sizes,
    n_players,
    relabel_players,
    shapley_weights,
)
from captum_interactions.functional.moebius import moebius, zeta

__all__ = [
    "coalition_values",
    "elementary_components",
    "block_interactions",
    "multivariate_interaction",
    "partition_interaction",
]


def check_coalition(coalition: Sequence[int], n: int) -> tuple[int, ...]:
    """Return the members of ``coalition`` in ascending order."""
    members = list(coalition)
    for player in members:
        if isinstance(player, bool) or not isinstance(player, int):
            bad_type("coalition", "a sequence of player indices", player, "list ints")
    remedy = "name each of its players once, by an index below the number of players"
    if not members:
        bad_value("coalition", "one player or more", members, remedy)
    if not all(0 <= player < n for player in members):
        bad_value("coalition", f"made of players 0..{n - 1}", members, remedy)
    if len(set(members)) < len(members):
        bad_value("coalition", "free of repetitions", members, remedy)
    return tuple(sorted(members))


def coalition_values(
    table: Tensor,  # (*batch, 2**n)
    coalition: Sequence[int],
) -> Tensor:
    """The game φ_A that a coalition's members play among themselves.

    φ_A(C) is the Shapley value of block C as one player when the rest of A is absent.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        coalition: The m different players of A.

    Returns:
        φ_A(C) of every C ⊆ A, ``(*batch, 2**m)``, in the units of the value function;
        φ_A(∅) = 0. With A = N it is v(C) − v(∅).

    Raises:
        ValueError: If A is empty, repeats players or names absent ones, or the last
            axis is not a power of two long.

    References:
        Zhang et al., "Interpreting multivariate Shapley interactions in DNNs" (AAAI
        2021), as in the authors' code.

    Example:
        >>> v = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 2])
        >>> coalition_values(v, [0, 1]).tolist()
        [0.0, 0.0, 0.0, 1.5]
    """
    n = n_players(table)
    members = check_coalition(coalition, n)
    others = [i for i in range(n) if i not in members]
    o = len(others)
    v = table.to(accumulation_dtype(table.device))
    v = relabel_players(v, [*members, *others]).unflatten(-1, (1 << o, -1))
    weights = shapley_weights(o).to(v)[coalition_sizes(o, v.device)]
    values = weights @ (v - v[..., :1])
    return values.to(table.dtype) if table.is_floating_point() else values


@checked
def elementary_components(
    table: Tensor,  # (*batch, 2**n)
    coalition: Sequence[int],
) -> Tensor:
    """Elementary interaction components w_A(L): the dividends of φ_A.

    w_A(L) = Σ_{T: T∩A = L} I(T) / (|T∖A| + 1). For L = A it is the Shapley interaction
    index of order |A|, and for any L that index in the subgame on (N∖A) ∪ L.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        coalition: The m different players of A.

    Returns:
        w_A(L) of every L ⊆ A, ``(*batch, 2**m)``, in the units of the value function;
        w_A(∅) = 0 and w_A({i}) = φ_A({i}).

    Raises:
        ValueError: If A is empty, repeats players or names absent ones, or the last
            axis is not a power of two long.

    Example:
        >>> v = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 2])
        >>> elementary_components(v, [0, 2]).tolist()
        [0.0, 0.5, 0.0, 0.5]
    """
    return moebius(coalition_values(table, coalition))


def block_interactions(
    values: Tensor,  # (*batch, 2**m)
) -> Tensor:
    """What every block earns beyond its members: φ_A(C) − Σ_{i∈C} φ_A({i}).

    Args:
        values: φ_A(C) of every block, ``(*batch, 2**m)``, from
            :func:`coalition_values`.

    Returns:
        One value per block, ``(*batch, 2**m)``, in the units of the value function; 0
        for single players, B([A]) for the last.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> block_interactions(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [0.0, 0.0, 0.0, 2.0]
    """
    return values - _additive_part(values)


def _additive_part(values: Tensor) -> Tensor:
    """Σ_{i∈C} φ_A({i}) of every block."""
    single = coalition_sizes(n_players(values), values.device) == 1
    return zeta(torch.where(single, values, 0))


@checked
def multivariate_interaction(
    table: Tensor,  # (*batch, 2**n)
    coalition: Sequence[int],
) -> Tensor:
    """Multivariate interaction B([A]) = φ_A(A) − Σ_{i∈A} φ_A({i}).

    Positive when the players of A mainly cooperate, negative when they mainly work
    against each other. For two players it is their Shapley interaction index.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        coalition: The different players of A.

    Returns:
        B([A]), ``(*batch,)``, in the units of the value function.

    Raises:
        ValueError: If A is empty, repeats players or names absent ones, or the last
            axis is not a power of two long.

    References:
        Zhang et al. (AAAI 2021).

    Example:
        >>> v = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 2])
        >>> multivariate_interaction(v, [0, 1, 2]).item()
        2.0
    """
    return block_interactions(coalition_values(table, coalition))[..., -1]


@checked
def partition_interaction(
    table: Tensor,  # (*batch, 2**n)
    partition: Sequence[Sequence[int]],
) -> Tensor:
    """Interaction B(Ω) = Σ_{C∈Ω} φ_A(C) − Σ_{i∈A} φ_A({i}) of a partition of A.

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.
        partition: Disjoint blocks of players; A is their union.

    Returns:
        B(Ω), ``(*batch,)``, in the units of the value function.

    Raises:
        ValueError: If there is no block, a block is empty, a player repeats or is
            absent from the game, or the last axis is not a power of two long.

    Example:
        >>> v = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 2])
        >>> partition_interaction(v, [[0, 1], [2]]).item()
        1.0
    """
    if not all(partition):
        bad_value("partition", "made of blocks with players", list(partition), "drop ∅")
    members = check_coalition(
        [player for block in partition for player in block], n_players(table)
    )
    codes = [sum(1 << members.index(i) for i in block) for block in partition]
    return block_interactions(coalition_values(table, members))[..., codes].sum(-1)
