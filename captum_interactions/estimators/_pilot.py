"""Reuse or paired contexts? A rule from measured variances.

Reusing every value for all pairs is far better on smooth games and many pairs; paired
sampling wins for few pairs of a rough game. Neither is safe everywhere, so part of the
budget goes into a completed table, and both errors are predicted from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import torch
from torch import Tensor

from captum_interactions.estimators.table import TableEstimate
from captum_interactions.functional.orders import context_variances

__all__ = ["PILOT_SHARE", "promises_less", "reuse_is_better"]

# Share of the budget spent before the choice; what paired sampling loses by it stays
# under a fifth.
PILOT_SHARE = 0.15
_DRAWS = 8
_MARGIN = 2.0


def reuse_is_better(
    pilot: TableEstimate,
    reuse: Tensor,  # (*lead, orders, pairs)
    pairs: Sequence[tuple[int, int]],
    orders: Sequence[int],
    contexts: Sequence[int],
) -> bool:
    """Compare the predicted mean squared errors of both ways to spend the budget.

    Paired sampling: Var_S(Δv)/K, the variance taken over the table's uncertainty too.
    Reuse: the pilot's squared standard errors, shrunk as 1/budget. A pilot that is
    wrong about its errors must not cost much, so reuse has to promise half the error;
    otherwise the pilot's table still serves paired sampling as a control variate, and
    whatever that evaluates goes into a table again.

    Args:
        pilot: The table completed from the pilot's share of the budget.
        reuse: Squared error that reuse promises for the pairs and orders wanted.
        pairs: The pairs.
        orders: The context sizes.
        contexts: Contexts per order that paired sampling could afford.

    Returns:
        Whether to spend the rest on coalitions for all pairs.
    """
    draws = () if pilot.errors is None else pilot.errors[:_DRAWS]
    tables = torch.stack([pilot.table] + [pilot.table + error for error in draws])
    spread = context_variances(tables, pairs)[..., list(orders), :].mean(0)
    counts = torch.tensor(list(contexts)).to(spread).view(-1, 1)
    exact = torch.tensor(list(contexts)) == _available(pilot.table, orders)
    paired = torch.where(exact.to(spread.device).view(-1, 1), 0.0, spread / counts)
    return promises_less(reuse, paired)


def promises_less(reuse: Tensor, paired: Tensor) -> bool:
    """Whether a completed table promises less than half the squared error."""
    return bool(_MARGIN * reuse.mean() <= paired.mean())


def _available(table: Tensor, orders: Sequence[int]) -> Tensor:
    n = table.shape[-1].bit_length() - 1
    return torch.tensor([comb(n - 2, m) for m in orders])
