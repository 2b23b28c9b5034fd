"""How a budget of coalitions is spent, from the first value to the estimate."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import Literal

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._random import own_generator
from captum_interactions._signature import checked
from captum_interactions.estimators._completion import complete_table
from captum_interactions.estimators._kernel_estimation import kernel_plan
from captum_interactions.estimators._pilot import (
    PILOT_SHARE,
    promises_less,
    reuse_is_better,
)
from captum_interactions.estimators._stratified import (
    MAX_TABLE_PLAYERS,
    smallest_budget,
    stratified_codes,
)
from captum_interactions.estimators.driver import Plan
from captum_interactions.estimators.kernel import KernelEstimate
from captum_interactions.estimators.paired import (
    PairedEstimate,
    pair_plan,
    paired_contexts,
)
from captum_interactions.estimators.table import TableEstimate
from captum_interactions.functional import (
    codes_to_masks,
    masks_to_codes,
    multi_order_interaction,
)
from captum_interactions.functional.pairs import read_pairs

__all__ = ["Sampling", "order_plan", "table_plan"]

Sampling = Literal["auto", "reuse", "paired"]

# Paired sampling pays for every cell, reuse for every size: from this many cells per
# size on, no game we know of leaves paired sampling a chance, and no pilot is needed.
_CELLS_PER_SIZE = 16


@checked
def table_plan(
    n: int,
    budget: int,
    *,
    unbiased: bool = False,
    ends: bool = False,
    neighbors: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Plan[TableEstimate | KernelEstimate]:
    """Evaluate ``budget`` coalitions and estimate all that hangs on v.

    By default the posterior mean under a Gaussian-process prior over games
    (:func:`~captum_interactions.estimators.kernel_plan`): the smallest error we know
    how to get, at the price of a bias toward smooth games. Its standard errors come
    from the posterior.

    Args:
        n: Number of players.
        budget: Coalitions to evaluate; 2^n of them make the estimate exact.
        unbiased: Correct the completion so that every entry, and every linear index, is
            right on average over the draw of the coalitions, whatever the game.
        ends: See :func:`~captum_interactions.estimators.kernel_plan`.
        neighbors: See :func:`~captum_interactions.estimators.kernel_plan`.
        generator: Source of randomness; None starts one from the global seed.

    Returns:
        A plan of one round.

    Raises:
        ValueError: If there are too many players, or the budget is too small.

    Example:
        >>> from captum_interactions.estimators import evaluate
        >>> sizes = lambda masks: masks.double().sum(-1)
        >>> plan = table_plan(5, 20, generator=torch.Generator().manual_seed(0))
        >>> evaluate(plan, sizes).v_full.item()
        5.0
    """
    check_positive_int("n", n, "a game has players")
    generator = own_generator(generator)
    if n > MAX_TABLE_PLAYERS and unbiased:
        bad_value(
            "unbiased",
            f"False with more than {MAX_TABLE_PLAYERS} players",
            True,
            "pass `sampling='paired'` for chosen pairs: it is right on average",
        )
    # A table holds what was evaluated where that is everything.
    if not unbiased and (n > MAX_TABLE_PLAYERS or budget < 1 << n):
        plan = kernel_plan(
            n, budget, ends=ends, neighbors=neighbors, generator=generator
        )
        return (yield from plan)
    codes = stratified_codes(n, budget, generator)
    values = yield codes_to_masks(codes, n)
    return complete_table(codes, values, n, unbiased=unbiased, generator=generator)


@checked
def order_plan(
    n: int,
    pairs: Sequence[tuple[int, int]],
    orders: Sequence[int],
    budget: int,
    *,
    sampling: Sampling = "auto",
    unbiased: bool = False,
    neighbors: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Plan[TableEstimate | KernelEstimate | PairedEstimate]:
    """Spend a budget on multi-order interactions in the better of two ways.

    Args:
        n: Number of players.
        pairs: The pairs wanted.
        orders: The context sizes wanted.
        budget: Coalitions to evaluate at most.
        sampling: ``"reuse"`` completes the table, ``"paired"`` draws contexts for each
            pair, ``"auto"`` takes what promises the smaller error: reuse for all
            pairs, and by a pilot if only few pairs and orders are wanted; beyond 20
            players ``"reuse"`` reads closed forms, and chosen pairs are sampled.
        unbiased: See :func:`table_plan`; paired sampling always is.
        neighbors: See :func:`~captum_interactions.estimators.kernel_plan`.
        generator: Source of randomness; None starts one from the global seed.

    Returns:
        A plan whose estimate is a completed table, or that of the pairs alone.

    Raises:
        ValueError: If the budget is too small for what is asked.
    """
    generator = own_generator(generator)
    check_positive_int("n", n, "a game has players")
    if not orders or not pairs:
        empty = "pairs" if orders else "orders"
        bad_value(empty, f"at least one of the {empty}", "none", "name one")
    # Attributions need values that all pairs share.
    every_pair = len(pairs) == n * (n - 1) // 2
    if sampling == "auto" and every_pair:
        sampling = "reuse"
    if sampling == "reuse" or (sampling == "auto" and n <= MAX_TABLE_PLAYERS):
        contexts = _affordable(n, len(pairs), orders, budget)
        if sampling == "reuse" or contexts is None or unbiased:
            plan = table_plan(
                n,
                budget,
                unbiased=unbiased,
                ends=True,
                neighbors=neighbors,
                generator=generator,
            )
            return (yield from plan)
        return (yield from _piloted(n, pairs, orders, budget, contexts, generator))
    # v(∅) and v(N) are evaluated besides.
    contexts = paired_contexts(n, len(pairs), orders, budget, reserved=2)
    return (yield from pair_plan(n, pairs, orders, contexts, generator=generator))


def _affordable(
    n: int, n_pairs: int, orders: Sequence[int], budget: int
) -> list[int] | None:
    """Contexts per order if paired sampling is worth a thought, else None."""
    if n_pairs * len(orders) >= _CELLS_PER_SIZE * (n + 1):
        return None
    left = budget - max(smallest_budget(n), round(PILOT_SHARE * budget))
    least = 4 * n_pairs * sum(min(2, comb(n - 2, m)) for m in orders) + 2
    if budget >= 1 << n or left < least:
        return None
    return paired_contexts(n, n_pairs, orders, left, reserved=2)


def _piloted(
    n: int,
    pairs: Sequence[tuple[int, int]],
    orders: Sequence[int],
    budget: int,
    contexts: list[int],
    generator: torch.Generator,
) -> Plan[TableEstimate | PairedEstimate]:
    """Complete a table from a part of the budget, and let it decide about the rest."""
    size = max(smallest_budget(n), round(PILOT_SHARE * budget))
    codes = stratified_codes(n, size, generator)
    values = yield codes_to_masks(codes, n)
    pilot = complete_table(codes, values, n, generator=generator)
    promised, errors = pilot.read(lambda table: _cells(table, pairs, orders))
    assert errors is not None
    reuse = (len(codes) / budget) * errors.square()
    if reuse_is_better(pilot, reuse, pairs, orders, contexts):
        rest = stratified_codes(n, budget, generator)
        rest = rest[~torch.isin(rest, codes)][: budget - len(codes)]
        more = yield codes_to_masks(rest, n)
        every, both = torch.cat([codes, rest]), torch.cat([values, more], dim=-1)
        return complete_table(every, both, n, generator=generator)
    seen = [(codes, values)]
    plan = pair_plan(
        n,
        pairs,
        orders,
        contexts,
        control=(lambda masks: pilot.predict(masks).value, promised),
        generator=generator,
    )
    drawn = yield from _remembering(plan, seen)
    # What was drawn for single pairs completes a table too, often a better one.
    table = _completed_from(seen, n, generator)
    error = table.read(lambda t: _cells(t, pairs, orders)).std_error
    if error is None or promises_less(error.square(), drawn.error.square()):
        return table
    return drawn


def _cells(
    table: Tensor, pairs: Sequence[tuple[int, int]], orders: Sequence[int]
) -> Tensor:
    return read_pairs(multi_order_interaction(table)[..., list(orders), :, :], pairs)


def _remembering(
    plan: Plan[PairedEstimate], seen: list[tuple[Tensor, Tensor]]
) -> Plan[PairedEstimate]:
    """Run a plan inside another, noting what it was told."""
    masks = next(plan)
    while True:
        values = yield masks
        seen.append((masks_to_codes(masks), values))
        try:
            masks = plan.send(values)
        except StopIteration as finished:
            estimate: PairedEstimate = finished.value
            return estimate


def _completed_from(
    seen: list[tuple[Tensor, Tensor]], n: int, generator: torch.Generator
) -> TableEstimate:
    every = torch.cat([codes for codes, _ in seen])
    values = torch.cat([values for _, values in seen], dim=-1)
    codes, index = every.unique(return_inverse=True)
    first = torch.empty_like(codes)
    first[index] = torch.arange(len(every))  # any of the equal values will do
    return complete_table(codes, values[..., first], n, generator=generator)
