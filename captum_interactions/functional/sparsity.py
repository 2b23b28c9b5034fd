"""How sparse and how faithful a list of interactions is.

The functions take interactions of coalitions S ≠ ∅ along the last axis and do not ask
what they are: AND interactions alone, or AND and OR interactions one after the other.
The empty set's entry is a constant of the game and belongs in none of the sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._kinds import check_fits, check_floating
from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import coalition_sizes, n_players

__all__ = [
    "explained_ratio",
    "net_explained_ratio",
    "r_squared",
    "terms_for_share",
    "signed_order_strength",
    "noise_floor",
    "salient_interactions",
]


@checked
def explained_ratio(
    interactions: Tensor,  # (*batch, K)
    chosen: Tensor,  # (*batch, K) bool
) -> Tensor:
    """Share of the l1 mass that some interactions hold: Σ_Ω|I| / Σ|I|.

    Args:
        interactions: Interactions of coalitions S ≠ ∅, ``(*batch, K)``.
        chosen: Which of them are in Ω, ``(*batch, K)``.

    Returns:
        A ratio in [0, 1], ``(*batch,)``; 1 if all interactions are 0.

    Example:
        >>> kept = torch.tensor([True, False, False])
        >>> explained_ratio(torch.tensor([6.0, 2.0, -2.0]), kept).item()
        0.6000000238418579
    """
    _check_chosen(chosen, interactions)
    mass = interactions.abs()
    total = mass.sum(-1)
    kept = torch.where(chosen, mass, 0.0).sum(-1)
    return torch.where(total > 0, kept / total, 1.0)


@checked
def net_explained_ratio(
    interactions: Tensor,  # (*batch, K)
    chosen: Tensor,  # (*batch, K) bool
) -> Tensor:
    """Explained ratio as the papers' authors compute it.

    Σ_Ω|I| / (Σ_Ω|I| + |Σ_rest I|). The bars are outside the sum over the rest: large
    interactions of opposite sign cancel there, so the ratio may be near 1 although much
    is left out. Read :func:`explained_ratio` beside it.

    Args:
        interactions: Interactions of coalitions S ≠ ∅, ``(*batch, K)``.
        chosen: Which of them are in Ω, ``(*batch, K)``.

    Returns:
        A ratio in [0, 1], ``(*batch,)``; 1 if all interactions are 0.

    References:
        Ren et al., "Defining and quantifying the emergence of sparse concepts in DNNs"
        (CVPR 2023), as in the authors' code.

    Example:
        >>> kept = torch.tensor([True, False, False])
        >>> net_explained_ratio(torch.tensor([6.0, 2.0, -2.0]), kept).item()
        1.0
    """
    _check_chosen(chosen, interactions)
    kept = torch.where(chosen, interactions.abs(), 0.0).sum(-1)
    rest = torch.where(chosen, 0.0, interactions).sum(-1).abs()
    total = kept + rest
    return torch.where(total > 0, kept / total, 1.0)


@checked
def r_squared(
    values: Tensor,  # (*batch, C)
    fitted: Tensor,  # (*batch, C)
) -> Tensor:
    """R² = 1 − Σ_T (v(T) − v̂(T))² / Σ_T (v(T) − mean v)² over the last axis.

    Args:
        values: v of some coalitions, ``(*batch, C)``.
        fitted: What a sparse form gives for them, ``(*batch, C)``.

    Returns:
        R², ``(*batch,)``, at most 1. For a constant v: 1 if it is met, else −inf.

    Example:
        >>> v = torch.tensor([0.0, 2.0])
        >>> r_squared(v, torch.tensor([0.0, 1.0])).item()
        0.5
    """
    check_floating("values", values)
    check_floating("fitted", fitted)
    check_fits("fitted", fitted, "values", values.shape)
    error = (values - fitted).square().sum(-1)
    spread = (values - values.mean(-1, keepdim=True)).square().sum(-1)
    return 1 - torch.where(error > 0, error / spread, 0.0)


@checked
def terms_for_share(
    interactions: Tensor,  # (*batch, K)
    share: float = 0.9,
) -> Tensor:
    """How many of the strongest interactions hold a share of the l1 mass.

    Args:
        interactions: Interactions of coalitions S ≠ ∅, ``(*batch, K)``.
        share: Part of Σ|I| to reach, inside (0, 1).

    Returns:
        A count, ``(*batch,)`` int64; 0 if all interactions are 0.

    Raises:
        ValueError: If ``share`` is not inside (0, 1).

    Example:
        >>> terms_for_share(torch.tensor([6.0, 2.0, -2.0]), 0.7).item()
        2
    """
    check_fraction("share", share, "try 0.9")
    mass = interactions.abs().sort(dim=-1, descending=True).values.cumsum(-1)
    total = mass[..., -1:]
    # The last partial sum is the total itself, so rounding can't ask for one more.
    short = (mass < share * total).sum(-1)
    return torch.where(total.squeeze(-1) > 0, short + 1, 0)


def signed_order_strength(
    interactions: Tensor,  # (*batch, 2**n)
) -> tuple[Tensor, Tensor]:
    """Sum of the positive and of the negative interactions of each order.

    "Order" is the size |S| of a coalition here.

    Args:
        interactions: I(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        Σ max(I(S), 0) and Σ min(I(S), 0) over |S| = s, for s = 0..n, each
        ``(*batch, n + 1)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> up, down = signed_order_strength(torch.tensor([0.0, 1.0, -2.0, 2.0]))
        >>> up.tolist(), down.tolist()
        ([0.0, 1.0, 2.0], [0.0, -2.0, 0.0])
    """
    n = n_players(interactions)
    sizes = coalition_sizes(n, interactions.device)
    zeros = interactions.new_zeros(*interactions.shape[:-1], n + 1)
    return (
        zeros.index_add(-1, sizes, interactions.clamp_min(0)),
        zeros.index_add(-1, sizes, interactions.clamp_max(0)),
    )


@checked
def noise_floor(
    sigma: Tensor,  # (*batch,)
    n: int,
) -> Tensor:
    """Standard deviation that noise of v leaves in an interaction: σ · 2^(|S|/2).

    I(S) is a signed sum of 2^|S| values of v; independent noise adds up in squares.
    This holds for AND and for OR interactions.

    Args:
        sigma: Standard deviation of the noise of v, ``(*batch,)``, in the units of the
            value function.
        n: Number of players.

    Returns:
        The floor of every coalition, ``(*batch, 2**n)``.

    Example:
        >>> noise_floor(torch.tensor(1.0), 2).square().round().tolist()
        [1.0, 2.0, 2.0, 4.0]
    """
    sizes = coalition_sizes(n, sigma.device).to(sigma.dtype)
    return sigma.unsqueeze(-1) * 2 ** (sizes / 2)


@checked
def salient_interactions(
    interactions: Tensor,  # (*batch, K)
    threshold: float = 0.05,
    floor: Tensor | float = 0.0,  # broadcastable to (*batch, K)
) -> Tensor:
    """Interactions above a part of the largest, and above the noise.

    Args:
        interactions: Interactions of coalitions S ≠ ∅, ``(*batch, K)``.
        threshold: Part of max |I| along the last axis, inside (0, 1); the papers take
            0.05.
        floor: What noise alone would leave, as :func:`noise_floor` tells.

    Returns:
        Boolean tensor, ``(*batch, K)``.

    Raises:
        ValueError: If ``threshold`` is not inside (0, 1).

    Example:
        >>> salient_interactions(torch.tensor([6.0, 0.2, -2.0])).tolist()
        [True, False, True]
    """
    check_fraction("threshold", threshold, "try 0.05")
    check_fits("floor", torch.as_tensor(floor), "interactions", interactions.shape)
    if not interactions.shape[-1]:
        shape = f"shape {tuple(interactions.shape)}"
        bad_value("interactions", "of a coalition or more", shape, "see the shapes")
    strength = interactions.abs()
    largest = strength.amax(-1, keepdim=True)
    return (strength > threshold * largest) & (strength > floor)


def check_fraction(argument: str, value: float, remedy: str) -> None:
    """Refuse a number that is not inside (0, 1)."""
    if not 0 < value < 1:
        bad_value(argument, "inside (0, 1)", value, remedy)


def _check_chosen(chosen: Tensor, interactions: Tensor) -> None:
    if chosen.dtype != torch.bool:
        remedy = "True marks what is in Ω"
        bad_value("chosen", "a boolean tensor", chosen.dtype, remedy)
    check_fits("chosen", chosen, "interactions", interactions.shape)
