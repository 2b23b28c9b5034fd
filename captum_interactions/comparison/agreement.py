"""How alike two attributions are, and how well one orders the players."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = [
    "distance",
    "linear_correlation",
    "rank_correlation",
    "ranks",
    "removal_curves",
    "top_overlap",
]


def ranks(
    values: Tensor,  # (*batch, n)
) -> Tensor:
    """Ranks 0..n−1 of values, ties sharing their mean rank.

    Example:
        >>> ranks(torch.tensor([3.0, 1.0, 3.0])).tolist()
        [1.5, 0.0, 1.5]
    """
    below = (values.unsqueeze(-1) > values.unsqueeze(-2)).sum(-1)
    equal = (values.unsqueeze(-1) == values.unsqueeze(-2)).sum(-1)
    return below + (equal - 1) / 2


def linear_correlation(
    a: Tensor,  # (batch, n)
    b: Tensor,  # (batch, n)
) -> float:
    """Pearson correlation over players, mean over examples (NaN if one is constant)."""
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    scale = a.norm(dim=-1) * b.norm(dim=-1)
    return float(((a * b).sum(-1) / scale).mean())


def rank_correlation(
    a: Tensor,  # (batch, n)
    b: Tensor,  # (batch, n)
) -> float:
    """Spearman correlation over players, mean over examples."""
    return linear_correlation(ranks(a).double(), ranks(b).double())


def top_overlap(
    a: Tensor,  # (batch, n)
    b: Tensor,  # (batch, n)
    k: int,
) -> float:
    """Share of the k strongest players (by |value|) that two methods have in common."""
    tops = [x.abs().topk(min(k, x.shape[-1]), dim=-1).indices for x in (a, b)]
    shared = (tops[0].unsqueeze(-1) == tops[1].unsqueeze(-2)).any(-1)
    return float(shared.double().mean())


def distance(
    values: Tensor,  # (batch, n)
    reference: Tensor,  # (batch, n)
) -> float:
    """Σ|values − reference| / Σ|reference|, both summed over players and examples."""
    return float((values - reference).abs().sum() / reference.abs().sum())


def removal_curves(
    game: Callable[[Tensor], Tensor],
    values: Tensor,  # (batch, n)
) -> tuple[Tensor, Tensor]:
    """Deletion and insertion curves of an attribution.

    Args:
        game: v of coalitions of each example, ``(batch, C, n)`` to ``(batch, C)``.
        values: Attributions; players with the largest value go first.

    Returns:
        Mean v over examples after removing (adding) the first 0..n players from N
        (to ∅), each ``(n + 1,)``.
    """
    n = values.shape[-1]
    place = ranks_of_order(values)  # 0 for the player that goes first
    steps = torch.arange(n + 1, device=values.device).view(1, -1, 1)
    inserted = place.unsqueeze(1) < steps  # (batch, n + 1, n)
    curves = game(torch.cat([~inserted, inserted], dim=1)).mean(0)
    return curves[: n + 1], curves[n + 1 :]


def ranks_of_order(values: Tensor) -> Tensor:
    """Place of each player in the order from the largest value down."""
    order = values.argsort(dim=-1, descending=True, stable=True)
    return order.argsort(dim=-1)
