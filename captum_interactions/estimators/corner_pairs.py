"""Which pairs of players interact, from the two extreme contexts alone.

A large AND leaves a pair's Δv at 0 in all contexts but those that hold nearly everyone,
and a large OR in all but those that hold nearly no one. Random contexts of n players
practically never are either, which is why sampled indices miss a 20-way AND. So Δv is
taken in the empty context and in the one of all other players: orders m = 0 and
m = n − 2 of the multi-order interaction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._checks import bad_value

__all__ = ["PairPlan", "plan_corner_pairs"]


@dataclass(frozen=True)
class PairPlan:
    """The coalitions with at most two players, and those that lack at most two.

    Attributes:
        masks: Distinct coalitions, ``(C, n)`` bool.
        index: Where v of S∪{i,j}, S∪{i}, S∪{j} and S is, for the two contexts S,
            ``(2, 4, n, n)``; the diagonal is not used.
    """

    masks: Tensor
    index: Tensor

    def read(
        self,
        values: Tensor,  # (*batch, C)
    ) -> Tensor:
        """Return Δv(i,j,S) for S = ∅ and S = N∖{i,j}, ``(*batch, 2, n, n)``."""
        both, first, second, none = values[..., self.index].unbind(-3)
        delta = both - first - second + none
        return delta - torch.diag_embed(torch.diagonal(delta, dim1=-2, dim2=-1))

    def strength(
        self,
        values: Tensor,  # (*batch, C)
    ) -> Tensor:
        """Mean square of Δv over the two contexts, ``(*batch, n, n)``.

        In the units of the value function squared; symmetric, zero diagonal.
        """
        return self.read(values).square().mean(-3)


def plan_corner_pairs(n_players: int) -> PairPlan:
    """Plan the two extreme contexts of every pair: n² + n + 2 coalitions.

    Args:
        n_players: The number of players n, at least 2.

    Returns:
        The plan; fewer coalitions below 5 players, where the two contexts share some.

    Raises:
        ValueError: If there are fewer than two players.

    References:
        The contexts are those of Tsang, Rambhatla & Liu, "How does this interaction
        affect me?" (NeurIPS 2020), ArchDetect.

    Example:
        >>> plan = plan_corner_pairs(3)
        >>> v = plan.masks.double()
        >>> plan.strength(v[:, 0] * v[:, 1] * v[:, 2])[0].tolist()
        [0.0, 0.5, 0.5]
    """
    if n_players < 2:
        bad_value("n_players", "at least 2", n_players, "pairs need two players")
    eye = torch.eye(n_players, dtype=torch.bool)
    first = eye.unsqueeze(1).expand(n_players, n_players, n_players)
    second = first.transpose(0, 1)
    terms = torch.stack([first | second, first, second, torch.zeros_like(first)])
    # With S = N∖{i,j}, S∪{i} is N∖{j}: complements of the same terms, in reverse.
    rows = torch.stack([terms, ~terms.flip(0)])
    masks, index = torch.unique(rows.flatten(0, -2), dim=0, return_inverse=True)
    return PairPlan(masks=masks, index=index.view(rows.shape[:-1]))
