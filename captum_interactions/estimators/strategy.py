"""How a budget of coalitions is spent, from the first value to the estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import comb
from typing import Literal

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._random import own_generator
from captum_interactions.estimators.completed import CompletedTable, complete_table
from captum_interactions.estimators.contexts import (
    Evaluate,
    PairEstimate,
    paired_contexts,
    sample_pairs,
)
from captum_interactions.estimators.pilot import (
    PILOT_SHARE,
    promises_less,
    reuse_is_better,
)
from captum_interactions.estimators.plan import (
    MAX_TABLE_PLAYERS,
    smallest_budget,
    stratified_codes,
)
from captum_interactions.functional import (
    codes_to_masks,
    masks_to_codes,
    multi_order_interaction,
    read_pairs,
)

__all__ = ["Sampling", "sample_table", "sample_orders"]

Sampling = Literal["auto", "reuse", "paired"]

# Paired sampling pays for every cell, reuse for every size: from this many cells per
# size on, no game we know of leaves paired sampling a chance, and no pilot is needed.
_CELLS_PER_SIZE = 16


def sample_table(
    evaluate: Evaluate,
    n: int,
    budget: int,
    *,
    unbiased: bool = False,
    generator: torch.Generator | None = None,
) -> CompletedTable:
    """Evaluate ``budget`` coalitions and complete the table.

    Args:
        evaluate: The game: masks ``(C, n)`` to values ``(*lead, C)``.
        n: Number of players, at most 20.
        budget: Coalitions to evaluate.
        unbiased: See :func:`~.completed.complete_table`.
        generator: Source of randomness; None starts one from the global seed.

    Returns:
        The completed table.

    Raises:
        ValueError: If there are too many players, or the budget is too small.

    Example:
        >>> sizes = lambda masks: masks.double().sum(-1)
        >>> generator = torch.Generator().manual_seed(0)
        >>> done = sample_table(sizes, 5, 20, generator=generator)
        >>> done.table[-1].item()
        5.0
    """
    _check_table_players(n)
    generator = own_generator(generator)
    codes = stratified_codes(n, budget, generator)
    values = evaluate(codes_to_masks(codes, n))
    return complete_table(codes, values, n, unbiased=unbiased, generator=generator)


def _check_table_players(n: int) -> None:
    if n > MAX_TABLE_PLAYERS:
        bad_value(
            "n_samples",
            f"None, or used with at most {MAX_TABLE_PLAYERS} players here",
            f"{n} players",
            "pass a coarser `feature_mask`; single pairs of more players can be "
            "sampled by `MultiOrderInteraction.interactions(pairs=…)`",
        )


def sample_orders(
    evaluate: Evaluate,
    n: int,
    pairs: Sequence[tuple[int, int]],
    orders: Sequence[int],
    budget: int,
    *,
    sampling: Sampling = "auto",
    unbiased: bool = False,
    generator: torch.Generator | None = None,
) -> CompletedTable | PairEstimate:
    """Spend a budget on multi-order interactions in the better of two ways.

    Args:
        evaluate: The game: masks ``(C, n)`` to values ``(*lead, C)``.
        n: Number of players.
        pairs: The pairs wanted.
        orders: The context sizes wanted.
        budget: Coalitions to evaluate at most.
        sampling: ``"reuse"`` completes the table, ``"paired"`` draws contexts for each
            pair, ``"auto"`` takes what promises the smaller error, by a pilot if only
            few pairs and orders are wanted; beyond 20 players only ``"paired"`` is
            possible.
        unbiased: See :func:`~.completed.complete_table`; paired sampling always is.
        generator: Source of randomness; None starts one from the global seed.

    Returns:
        The completed table, or the paired estimate.

    Raises:
        ValueError: If the budget is too small for what is asked.
    """
    generator = own_generator(generator)
    if sampling == "reuse" or (sampling == "auto" and n <= MAX_TABLE_PLAYERS):
        contexts = _affordable(n, len(pairs), orders, budget)
        if sampling == "reuse" or contexts is None or unbiased:
            return sample_table(
                evaluate, n, budget, unbiased=unbiased, generator=generator
            )
        return _piloted(evaluate, n, pairs, orders, budget, contexts, generator)
    # v(∅) and v(N) are evaluated besides.
    contexts = paired_contexts(n, len(pairs), orders, budget, reserved=2)
    return sample_pairs(evaluate, n, pairs, orders, contexts, generator=generator)


def _affordable(
    n: int, n_pairs: int, orders: Sequence[int], budget: int
) -> list[int] | None:
    """Contexts per order if paired sampling is worth a thought, else None."""
    if n_pairs * len(orders) >= _CELLS_PER_SIZE * (n + 1):
        return None
    left = budget - max(smallest_budget(n), round(PILOT_SHARE * budget))
    least = 4 * n_pairs * sum(min(2, comb(n - 2, m)) for m in orders)
    if budget >= 1 << n or left < least:
        return None
    return paired_contexts(n, n_pairs, orders, left)


def _piloted(
    evaluate: Evaluate,
    n: int,
    pairs: Sequence[tuple[int, int]],
    orders: Sequence[int],
    budget: int,
    contexts: list[int],
    generator: torch.Generator,
) -> CompletedTable | PairEstimate:
    size = max(smallest_budget(n), round(PILOT_SHARE * budget))
    codes = stratified_codes(n, size, generator)
    values = evaluate(codes_to_masks(codes, n))
    pilot = complete_table(codes, values, n, generator=generator)

    def reading(table: Tensor) -> Tensor:
        return read_pairs(
            multi_order_interaction(table)[..., list(orders), :, :], pairs
        )

    surrogate, errors = pilot.read(reading)
    spent = len(codes) / budget
    if reuse_is_better(pilot, spent * errors.square(), pairs, orders, contexts):
        rest = stratified_codes(n, budget, generator)
        rest = rest[~torch.isin(rest, codes)][: budget - len(codes)]
        more = evaluate(codes_to_masks(rest, n))
        return complete_table(
            torch.cat([codes, rest]),
            torch.cat([values, more], dim=-1),
            n,
            generator=generator,
        )

    def control(masks: Tensor) -> Tensor:
        return pilot.table[..., masks_to_codes(masks).to(pilot.table.device)]

    seen: list[tuple[Tensor, Tensor]] = [(codes, values)]

    def remembered(masks: Tensor) -> Tensor:
        fresh = evaluate(masks)
        seen.append((masks_to_codes(masks), fresh))
        return fresh

    drawn = sample_pairs(
        remembered,
        n,
        pairs,
        orders,
        contexts,
        control=(control, surrogate),
        generator=generator,
    )
    # What was drawn for single pairs completes a table too, often a better one.
    table = _completed_from(seen, n, generator)
    promised = table.error(reading).square()
    if promises_less(promised, drawn.std_error.square()):
        return table
    return replace(drawn, n_evaluations=drawn.n_evaluations + len(codes))


def _completed_from(
    seen: list[tuple[Tensor, Tensor]], n: int, generator: torch.Generator
) -> CompletedTable:
    every = torch.cat([codes for codes, _ in seen])
    values = torch.cat([values for _, values in seen], dim=-1)
    codes, index = every.unique(return_inverse=True)
    first = torch.empty_like(codes)
    first[index] = torch.arange(len(every))  # any of the equal values will do
    return complete_table(codes, values[..., first], n, generator=generator)
