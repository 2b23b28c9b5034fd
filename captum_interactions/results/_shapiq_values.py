"""One example's interactions as shapiq's ``InteractionValues``, imported when used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions.functional import coalition_members

if TYPE_CHECKING:
    import shapiq

__all__ = ["listed_values", "moebius_values", "pair_values"]


def moebius_values(
    dividends: Tensor,  # (2**n,)
    n_players: int,
) -> shapiq.InteractionValues:
    """AND interactions of all coalitions (index Moebius, all orders)."""
    return listed_values(
        dividends,
        [coalition_members(code) for code in range(1 << n_players)],
        n_players,
        "Moebius",
        baseline=float(dividends[0]),
        budget=None,
    )


def pair_values(
    singles: Tensor,  # (n,)
    pairs: Tensor,  # (n, n)
    baseline: float,
    budget: int | None,
) -> shapiq.InteractionValues:
    """Shapley values and the interaction index of all pairs (index SII, order 2).

    The Shapley interaction index of a single player is its Shapley value.
    """
    n = len(singles)
    i, j = torch.triu_indices(n, n, offset=1).tolist()
    return listed_values(
        torch.cat([singles, pairs[i, j]]),
        [(p,) for p in range(n)] + list(zip(i, j, strict=True)),
        n,
        "SII",
        baseline=baseline,
        budget=budget,
    )


def listed_values(
    values: Tensor,  # (K,)
    coalitions: Sequence[tuple[int, ...]],
    n_players: int,
    index: str,
    *,
    baseline: float,
    budget: int | None,
) -> shapiq.InteractionValues:
    """Values of a list of coalitions.

    Args:
        values: One value per coalition.
        coalitions: The players of each, ascending.
        n_players: How many players the game has.
        index: What shapiq calls the index.
        baseline: What shapiq shall take for v(∅).
        budget: Coalitions evaluated for an estimate; None where values are exact.

    Raises:
        ModuleNotFoundError: If shapiq is not installed.
    """
    import shapiq

    sizes = [len(members) for members in coalitions]
    return shapiq.InteractionValues(
        values=values.detach().double().cpu().numpy(),
        index=index,
        n_players=n_players,
        min_order=min(sizes, default=0),
        max_order=max(sizes, default=0),
        interaction_lookup={m: row for row, m in enumerate(coalitions)},
        estimated=budget is not None,
        estimation_budget=budget,
        baseline_value=baseline,
    )
