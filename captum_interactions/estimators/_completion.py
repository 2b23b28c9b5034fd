"""From sampled values to a whole table with error bars.

:func:`complete_table` is the estimator for up to twenty players: the unknown values are
filled in, and whatever is read from a table can be read from the result, with its
standard error. The known values are kept, so that what depends on them alone (orders 0
and n − 2 once the border sizes are enumerated, the sum of the Shapley values always) is
exact, and a budget of 2^n gives the exact answer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.estimators.table import TableEstimate
from captum_interactions.estimators.walsh import Completion, fit_prior
from captum_interactions.functional import coalition_sizes, codes_to_masks
from captum_interactions.functional.coalitions import accumulation_dtype

__all__ = ["affordable_draws", "complete_table"]

_DRAWS = 32
# Error draws hold a table each: beyond a gigabyte of them, fewer have to do.
_MOST_DRAWN_VALUES = 1 << 27
_FEWEST_DRAWS = 8


def complete_table(
    codes: Tensor,  # (C,) int64, distinct
    values: Tensor,  # (*lead, C)
    n: int,
    *,
    unbiased: bool = False,
    draws: int = _DRAWS,
    generator: torch.Generator | None = None,
) -> TableEstimate:
    """Estimate all 2^n values of a game from some of them.

    By default the posterior mean under :class:`~.walsh.WalshPrior`: the smallest error
    we know how to get, at the price of a bias towards smooth games. With
    ``unbiased=True`` the coalitions are split in two halves; a prior and a completion
    fitted on one half are corrected by the other half's residuals, each weighted by the
    inverse of its probability to be drawn, and the two results are averaged. Every
    entry of that table, and every linear index of it, is then right on average over
    the draw of the coalitions, whatever the game.

    Args:
        codes: The evaluated coalitions, drawn by
            :func:`~._stratified.stratified_codes` (any do, unless ``unbiased``).
        values: v of these coalitions, ``(*lead, C)``.
        n: Number of players, at most 20.
        unbiased: Correct the completion so that it is right on average.
        draws: Number of error draws behind the standard errors; fewer, but at least 8,
            where they would take more than a gigabyte.
        generator: Source of randomness.

    Returns:
        The completed table, in float64 where the device has it.

    Raises:
        ValueError: If the codes are not distinct or do not match the values.

    Example:
        >>> from captum_interactions.functional import all_masks
        >>> v = all_masks(6).double() @ torch.arange(6.0).double()  # an additive game
        >>> codes = torch.arange(0, 64, 2)
        >>> done = complete_table(codes, v[codes], 6)
        >>> bool((done.table - v).abs().max() < 6.0)
        True
    """
    if values.shape[-1] != len(codes) or len(codes.unique()) != len(codes):
        bad_value(
            "codes",
            "one distinct coalition per value",
            f"{len(codes)} codes for values of shape {tuple(values.shape)}",
            "evaluate every coalition once",
        )
    codes = codes.to(values.device)
    exact = values.to(accumulation_dtype(values.device))
    rows = exact.reshape(-1, exact.shape[-1])
    lead = values.shape[:-1]
    if len(codes) == 1 << n:
        table = torch.empty_like(rows)
        table[:, codes] = rows
        return TableEstimate(table.view(*lead, 1 << n))
    draws = affordable_draws(len(rows), n, draws)
    fill = _unbiased if unbiased else _posterior
    filled = [fill(codes, row, n, draws, generator) for row in rows]
    return TableEstimate(
        torch.stack([table for table, _ in filled]).view(*lead, 1 << n),
        torch.stack([errors for _, errors in filled], dim=1).view(-1, *lead, 1 << n),
    )


def affordable_draws(rows: int, n: int, draws: int = _DRAWS) -> int:
    """How many draws of the error of so many tables of 2^n values are made."""
    return min(draws, max(_FEWEST_DRAWS, _MOST_DRAWN_VALUES // (rows << n)))


def _standardized(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, scale = values.mean(), values.std()
    # A constant game stays constant; the scale only keeps the division finite.
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (values - mean) / scale, mean, scale


def _fitted(
    codes: Tensor, values: Tensor, n: int, generator: torch.Generator | None
) -> Completion:
    prior = fit_prior(codes_to_masks(codes, n), values, generator)
    return Completion(prior, codes)


def _posterior(
    codes: Tensor,
    values: Tensor,
    n: int,
    draws: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    y, mean, scale = _standardized(values)
    if not y.any():
        flat = values.new_full((1 << n,), values[0].item())
        return flat, flat.new_zeros(draws, 1 << n)
    completion = _fitted(codes, y, n, generator)
    errors = completion.errors(draws, generator) * completion.deviation(y)
    table = completion.table(y) * scale + mean
    table[codes] = values
    return table, errors * scale


def _unbiased(
    codes: Tensor,
    values: Tensor,
    n: int,
    draws: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    sizes = coalition_sizes(n, codes.device)
    half = _split(sizes[codes], generator)
    # Sizes that were enumerated need no correction and are known to both halves.
    counts = torch.bincount(sizes, minlength=n + 1)
    held = torch.bincount(sizes[codes], minlength=n + 1)
    if bool(((held < counts) & (held < 2)).any()):
        bad_value(
            "n_samples",
            "enough for two coalitions of every size when `unbiased`",
            f"{len(codes)} coalitions of {n} players",
            "raise the budget, or leave `unbiased` off",
        )
    complete = (held == counts)[sizes[codes]]
    tables, errors = [], []
    for side in (half, ~half):
        fitted, held = side | complete, ~side & ~complete
        table, error = _corrected(codes, values, fitted, held, n, draws, generator)
        tables.append(table)
        errors.append(error)
    return (tables[0] + tables[1]) / 2, (errors[0] + errors[1]) / 2


def _split(sizes: Tensor, generator: torch.Generator | None) -> Tensor:
    """A random half of the coalitions of each size."""
    device = generator.device if generator is not None else None
    order = torch.randperm(len(sizes), generator=generator, device=device)
    order = order.to(sizes.device)
    order = order[sizes[order].argsort(stable=True)]
    half = torch.zeros(len(sizes), dtype=torch.bool, device=sizes.device)
    half[order[::2]] = True
    return half


def _corrected(
    codes: Tensor,
    values: Tensor,
    fitted: Tensor,
    held: Tensor,
    n: int,
    draws: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    table, _ = _posterior(codes[fitted], values[fitted], n, 0, generator)
    sizes = coalition_sizes(n, codes.device)
    # Given the fitted half, the held one is a uniform draw from the rest of its size.
    unknown = torch.bincount(sizes, minlength=n + 1)
    unknown = unknown - torch.bincount(sizes[codes[fitted]], minlength=n + 1)
    drawn = torch.bincount(sizes[codes[held]], minlength=n + 1)
    chance = (drawn / unknown.clamp(min=1)).to(table)[sizes[codes[held]]]
    residual = (values[held] - table[codes[held]]) / chance
    table[codes[held]] += residual
    # The variance of an inverse-probability sum, with the residuals pooled by size:
    # a cell that happens to hold no residual is not thereby exact.
    squares = table.new_zeros(n + 1)
    squares.index_add_(0, sizes[codes[held]], (residual * chance) ** 2)
    share = drawn / unknown.clamp(min=1)
    deviation = (
        squares / drawn.clamp(min=1) * (1 - share) / share.clamp(min=1e-12)
    ).sqrt()
    spread = deviation[sizes]
    spread[codes[fitted]] = 0.0
    device = generator.device if generator is not None else table.device
    shape = (draws, 1 << n)
    coins = torch.randint(0, 2, shape, generator=generator, device=device).to(table)
    return table, (2 * coins - 1) * spread
