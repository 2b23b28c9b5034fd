"""Values of the blocks of a coalition: exact, or estimated within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions.estimators.coalition import BlockEstimates, plan_coalition
from captum_interactions.estimators.driver import Plan
from captum_interactions.functional import shapley_values
from captum_interactions.functional.multivariate import coalition_values
from captum_interactions.functional.partitions import run_codes

__all__ = ["BlockValues", "block_plan", "exact_blocks"]


@dataclass(frozen=True, eq=False)
class BlockValues:
    """What the blocks of a coalition A are worth.

    Attributes:
        codes: Codes of the blocks over the positions of A's members, ``(blocks,)``.
        values: φ_A of each, ``(*lead, blocks)``.
        shares: Owen value of each member, ``(*lead, m)``.
        v_empty: v(∅), ``(*lead,)``.
        v_full: v(N), ``(*lead,)``.
        estimates: What each block earned in each context; None where exact.
        share_errors: Standard errors of ``shares``, ``(*lead, m)``; None where exact.
    """

    codes: Tensor
    values: Tensor
    shares: Tensor
    v_empty: Tensor
    v_full: Tensor
    estimates: BlockEstimates | None = None
    share_errors: Tensor | None = None

    def block_errors(self, at: Tensor) -> Tensor | None:
        """Standard errors of φ_A of the blocks at some positions, of their shape."""
        if self.estimates is None or self.estimates.enumerated:
            return None
        marginals = self.estimates.marginals
        each = marginals.std(-2) / marginals.shape[-2] ** 0.5
        return each.unsqueeze(-2).expand(*at.shape[:-1], -1).gather(-1, at)

    def errors(self, *coefficients: Tensor) -> Tensor | None:
        """Standard errors of sums of block values, ``(*lead, sums)``.

        Args:
            coefficients: One weight per block for each sum, ``(*lead, blocks)``.

        Returns:
            None where they are exact.
        """
        if self.estimates is None or self.estimates.enumerated:
            return None
        errors = [self.estimates.std_error(c) for c in coefficients]
        return torch.stack(errors, dim=-1)


def exact_blocks(
    table: Tensor,  # (*lead, 2**n)
    members: Sequence[int],
    every_block: bool,
) -> BlockValues:
    """Read the values of blocks from v of all coalitions.

    Args:
        table: v(S) of all coalitions, ``(*lead, 2**n)``.
        members: The players of A, ascending.
        every_block: All 2^m − 1 blocks instead of the m(m+1)/2 runs.
    """
    values = coalition_values(table, members)
    m = len(members)
    if every_block:
        codes = torch.arange(1, 1 << m, device=table.device)
    else:
        runs = run_codes(m, table.device)
        codes = runs[torch.ones_like(runs, dtype=torch.bool).triu()]
    return BlockValues(
        codes=codes,
        values=values[..., codes],
        shares=shapley_values(values),
        v_empty=table[..., 0],
        v_full=table[..., -1],
    )


def block_plan(
    n_players: int,
    members: Sequence[int],
    budget: int,
    every_block: bool = False,
    generator: torch.Generator | None = None,
) -> Plan[BlockValues]:
    """Estimate the values of blocks within a budget; a plan of one round.

    Arguments and errors are those of
    :func:`~captum_interactions.estimators.coalition.plan_coalition`.
    """
    plan = plan_coalition(n_players, members, budget, every_block, generator)
    values = yield plan.masks
    estimates = plan.read(values)
    shares, errors = estimates.shares, estimates.share_errors
    if every_block:  # the game φ_A is estimated as a whole, so it can be shared out
        nothing = torch.zeros_like(estimates.marginals[..., :1])
        each = shapley_values(torch.cat([nothing, estimates.marginals], dim=-1))
        shares = torch.einsum("...km,k->...m", each, estimates.weights)
        errors = each.std(-2) / each.shape[-2] ** 0.5
    exact = estimates.enumerated and (every_block or len(members) == 1)
    return BlockValues(
        codes=plan.block_codes.to(values.device),
        values=estimates.values,
        shares=shares,
        v_empty=values[..., 1],
        v_full=values[..., 0],
        estimates=estimates,
        share_errors=None if exact else errors,
    )
