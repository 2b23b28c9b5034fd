"""Sampled contexts for the interactions inside one coalition A.

One set of contexts S ⊆ N∖A serves every block: B, B_max, B_min and the single players
are differences of values on the same contexts, so most of their noise cancels, and the
best partition given the contexts is found exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.estimators.tree_contexts import shapley_subsets
from captum_interactions.functional import all_masks, coalition_sizes, codes_to_masks
from captum_interactions.functional.coalitions import shapley_weights
from captum_interactions.functional.partitions import run_codes

__all__ = ["BlockEstimates", "BlockPlan", "plan_coalition"]


# Random orders of all contexts together: the error of a share is then 1.6 % of how much
# it varies from order to order, and a budget of any size stays quick to plan.
_MOST_ORDERS = 4096


@dataclass(frozen=True)
class BlockEstimates:
    """What each block earned in each context.

    Attributes:
        marginals: v(S∪C) − v(S) for every context and planned block,
            ``(*batch, contexts, blocks)``.
        weights: Weight of each context, ``(contexts,)``; they sum to 1.
        enumerated: Whether the contexts are all there are.
        shares: Estimated Owen value of each member, ``(*batch, m)``.
        share_errors: Standard errors of these, ``(*batch, m)``.
    """

    marginals: Tensor
    weights: Tensor
    enumerated: bool
    shares: Tensor
    share_errors: Tensor

    @property
    def values(self) -> Tensor:
        """Estimates of φ_A of the planned blocks, ``(*batch, blocks)``."""
        return torch.einsum("...kc,k->...c", self.marginals, self.weights)

    def std_error(
        self,
        coefficients: Tensor,  # (*batch, blocks)
    ) -> Tensor:
        """Standard error of Σ coefficients · φ_A over the blocks, ``(*batch,)``.

        0 if the contexts are all there are. Strata of context sizes make the true
        error smaller than this.
        """
        per_context = (self.marginals * coefficients.unsqueeze(-2)).sum(-1)
        if self.enumerated:
            return torch.zeros_like(per_context[..., 0])
        return per_context.std(-1) / per_context.shape[-1] ** 0.5


@dataclass(frozen=True)
class BlockPlan:
    """The coalitions to evaluate for one A, and where each value goes.

    Attributes:
        members: The players of A, ascending.
        block_codes: Codes of the planned blocks over the positions of ``members``,
            ``(blocks,)``.
        masks: Distinct coalitions, ``(C, n)`` bool; first N, then ∅.
        weights: Weight of each context, ``(contexts,)``.
        enumerated: Whether the contexts are all there are.
        contexts: Where v(S) is, ``(contexts,)``.
        blocks: Where v(S∪C) is, ``(contexts, blocks)``.
        chains: Where v of S and the first k members of a random order is,
            ``(contexts, orders, m + 1)``.
        orders: The random orders, ``(contexts, orders, m)``.
    """

    members: tuple[int, ...]
    block_codes: Tensor
    masks: Tensor
    weights: Tensor
    enumerated: bool
    contexts: Tensor
    blocks: Tensor
    chains: Tensor
    orders: Tensor

    def read(
        self,
        values: Tensor,  # (*batch, C)
    ) -> BlockEstimates:
        """Turn the values of ``masks`` into estimates."""
        marginals = values[..., self.blocks] - values[..., self.contexts].unsqueeze(-1)
        steps = values[..., self.chains].diff(dim=-1)
        orders = self.orders.to(values.device).expand(steps.shape)
        joined = torch.zeros_like(steps).scatter(-1, orders, steps)
        weights = self.weights.to(values)
        shares = torch.einsum("...km,k->...m", joined.mean(-2), weights)
        errors = _share_errors(joined, shares, weights, self.enumerated)
        return BlockEstimates(marginals, weights, self.enumerated, shares, errors)


def _share_errors(
    joined: Tensor,  # (*batch, contexts, orders, m)
    shares: Tensor,  # (*batch, m)
    weights: Tensor,  # (contexts,)
    enumerated: bool,
) -> Tensor:
    """Standard errors of shares: from context to context, or from order to order."""
    contexts, orders, m = joined.shape[-3:]
    if m == 1 and enumerated:  # a single member joins in one order only
        return torch.zeros_like(shares)
    if not enumerated:  # orders are drawn anew in each context, and count with it
        return (_pooled(joined.mean(-2).var(-2), contexts) / contexts).sqrt()
    if orders > 1:
        by_order = torch.einsum("...km,k->...m", joined.var(-2), weights**2)
        return (_pooled(by_order, orders) / orders).sqrt()
    # One order in each context: what a member adds varies at most as from member to
    # member and context to context, which is all that can be seen.
    spread = joined[..., 0, :] - shares.mean(-1, keepdim=True).unsqueeze(-2)
    square = torch.einsum("...km,k->...", spread**2, weights) / m
    return (square * (weights**2).sum()).sqrt().unsqueeze(-1).expand_as(shares)


def _pooled(variances: Tensor, draws: int) -> Tensor:
    """Variances of members from few draws, each drawn towards the mean of all.

    Two or three draws often agree by chance; the members' mean counts like four more.
    """
    own = (draws - 1) / (draws + 3)
    return own * variances + (1 - own) * variances.mean(-1, keepdim=True)


def plan_coalition(
    n_players: int,
    members: Sequence[int],
    budget: int,
    every_block: bool = False,
    generator: torch.Generator | None = None,
) -> BlockPlan:
    """Choose contexts for a coalition within a budget.

    All 2^o contexts are taken, with their Shapley weights, if the budget holds them.
    Otherwise context k is a random subset of N∖A whose players join with probability
    t_k, one t from each of K equal strata of [0, 1]: the distribution of the Shapley
    value. In each context the members of A also join one by one in a random order,
    which estimates how they share φ_A(A) (their Owen value).

    Args:
        n_players: The number of players n.
        members: The players of A, ascending.
        budget: Distinct coalitions that may be evaluated.
        every_block: Plan all 2^m − 1 blocks instead of the m(m+1)/2 runs.
        generator: Source of randomness.

    Returns:
        The plan, of at most ``budget`` coalitions.

    Raises:
        ValueError: If the budget is too small for two contexts.

    Example:
        >>> plan = plan_coalition(3, [0, 1], budget=16)
        >>> plan.enumerated, len(plan.masks)
        (True, 8)
    """
    m, o = len(members), n_players - len(members)
    if every_block:
        codes = torch.arange(1, 1 << m)
    else:
        codes = run_codes(m)[torch.triu(torch.ones(m, m, dtype=torch.bool))]
    per_context = len(codes) + 1
    # Nobody, the first to join and all of A are blocks already.
    per_order = 0 if every_block else max(m - 2, 0)
    needed = 2 + (per_context + per_order) * min(2, 1 << min(o, 1))
    if budget < needed:
        bad_value(
            "n_samples",
            f"at least {needed} for a coalition of {m} of {n_players} players",
            budget,
            "raise it, take a smaller coalition, or partitions='contiguous'",
        )
    many = (budget - 2) // (per_context + per_order)
    enumerated = o < 60 and 1 << o <= many
    if enumerated:
        contexts = all_masks(o)
        weights = shapley_weights(o)
        weights = weights[coalition_sizes(o)]
    else:
        contexts = shapley_subsets(many, o, generator)
        weights = torch.full((many,), 1 / many, dtype=torch.float64)
    left = budget - 2 - per_context * len(contexts)
    n_orders = max(1, left // (len(contexts) * per_order)) if per_order else 1
    n_orders = min(n_orders, max(1, _MOST_ORDERS // len(contexts)))
    orders = _random_orders(len(contexts), n_orders, m, generator)
    return _lay_out(n_players, members, codes, contexts, weights, enumerated, orders)


def _random_orders(
    contexts: int, orders: int, m: int, generator: torch.Generator | None
) -> Tensor:
    device = None if generator is None else generator.device
    keys = torch.rand(
        contexts, orders, m, dtype=torch.float32, generator=generator, device=device
    )
    return keys.argsort(-1).cpu()


def _lay_out(
    n_players: int,
    members: Sequence[int],
    codes: Tensor,  # (blocks,)
    contexts: Tensor,  # (K, o)
    weights: Tensor,  # (K,)
    enumerated: bool,
    orders: Tensor,  # (K, R, m)
) -> BlockPlan:
    """List the distinct coalitions and remember where each came from."""
    m, many = len(members), len(contexts)
    others = [i for i in range(n_players) if i not in set(members)]
    outside = torch.zeros(many, n_players, dtype=torch.bool)
    outside[:, others] = contexts
    inside = torch.zeros(len(codes) + 1, n_players, dtype=torch.bool)
    inside[1:, list(members)] = codes_to_masks(codes, m)
    place = orders.argsort(-1).unsqueeze(-2)
    joined = place < torch.arange(m + 1).unsqueeze(-1)  # (K, R, m + 1, m)
    chain = torch.zeros(*joined.shape[:-1], n_players, dtype=torch.bool)
    chain[..., list(members)] = joined
    ends = torch.zeros(2, n_players, dtype=torch.bool)
    ends[1] = True
    parts = [ends, outside.unsqueeze(1) | inside, outside[:, None, None] | chain]
    rows = torch.cat([part.flatten(0, -2) for part in parts])
    # ∅ and N are the smallest and the largest row; a turn puts them side by side.
    masks, index = torch.unique(rows, dim=0, return_inverse=True)
    masks, index = masks.roll(1, 0), (index + 1) % len(masks)
    _, blocks, chains = index.split([2, many * inside.shape[0], chain[..., 0].numel()])
    blocks = blocks.view(many, -1)
    return BlockPlan(
        members=tuple(members),
        block_codes=codes,
        masks=masks,
        weights=weights,
        enumerated=enumerated,
        contexts=blocks[:, 0],
        blocks=blocks[:, 1:],
        chains=chains.view(joined.shape[:-1]),
        orders=orders,
    )
