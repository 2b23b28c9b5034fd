"""From a budget to a kernel estimate: the plan, the fit, and terms of their own."""

from __future__ import annotations

from collections.abc import Generator
from math import comb

import torch
from torch import Tensor

from captum_interactions._checks import check_positive_int
from captum_interactions._random import own_generator
from captum_interactions._signature import checked
from captum_interactions.estimators._kernel_fit import fit_priors
from captum_interactions.estimators._kernel_posterior import KernelPosterior, solve
from captum_interactions.estimators._kernel_prior import joined_priors
from captum_interactions.estimators._kernel_trial import improved
from captum_interactions.estimators._neighbor_terms import (
    check_neighbors,
    neighbor_terms,
)
from captum_interactions.estimators.kernel import KernelEstimate, most_kept
from captum_interactions.estimators.kernel_plan import complement_pairs
from captum_interactions.functional.coalitions import accumulation_dtype

__all__ = ["fit_kernel", "kernel_plan"]

# Terms of neighbors and sparse ones are tried beyond 20 players. With fewer each costs
# a batch of 200 games twice its time, and networks gained little or nothing.
_LARGE = 20
# Neighbors are measured up to 196 players, where their fit takes 25 s; it would take
# minutes at 1,000.
_MOST_BESIDE = 256
# Values that differ by less than this share of their size are one value.
_CONSTANT = 1e-12


def fit_kernel(
    masks: Tensor,  # (h, n) bool
    values: Tensor,  # (*lead, 2h)
    *,
    neighbors: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> KernelEstimate:
    """Fit the prior of each game, and terms of its own where it asks for them.

    Args:
        masks: One coalition of each pair, ∅ first, none the other's complement.
        values: v of these coalitions, then of their complements in the same order.
        neighbors: Pairs of players that lie side by side, ``(E, 2)``.
        generator: Source of randomness for the rows that fits look at.
    """
    generator = own_generator(generator)
    rows = values.to(accumulation_dtype(values.device))
    rows = rows.reshape(-1, values.shape[-1])
    masks = masks.to(rows.device)
    signs = 2 * masks.to(rows) - 1
    center = rows.mean(-1)
    away = rows - center[:, None]
    scale = away.square().mean(-1).sqrt()
    varies = scale > _CONSTANT * rows.abs().amax(-1)
    # Values of a constant game are standardised to 0.
    standard = away / torch.where(varies, scale, torch.inf)[:, None]
    here, there = standard.unflatten(-1, (2, -1)).unbind(-2)
    even, odd = (here + there) / 2, (here - there) / 2
    measured = _shuffled(_open_pairs(masks), generator)
    n = signs.shape[-1]
    tried = varies & (n > _LARGE)
    terms, shapes, beside = None, None, _LARGE < n <= _MOST_BESIDE
    if beside and neighbors is not None and len(neighbors):
        terms, shapes = neighbor_terms(n, neighbors, even)
    prior = fit_priors(
        signs,
        even,
        odd,
        terms=terms,
        groups=shapes,
        offered=terms is not None,
        generator=generator,
    )
    scores, rows_of_terms = [], []
    solved: dict[int, KernelPosterior] = {}
    for row in range(len(rows)):
        own, better = prior.row(row), None
        game = own, signs, even[row], odd[row], measured
        if bool(tried[row]):
            better = improved(*game, generator)
        if better is not None:
            own, score = better
        else:
            posterior = solve(*game)
            score = posterior.left_out
            if len(solved) < most_kept(len(masks)):
                solved[row] = posterior
        scores.append(score)
        rows_of_terms.append(own)
    lead = values.shape[:-1]
    estimate = KernelEstimate(
        masks,
        even.reshape(*lead, -1),
        odd.reshape(*lead, -1),
        center.view(lead),
        torch.where(varies, scale, 0.0).view(lead),
        joined_priors(rows_of_terms).shaped(lead),
        measured,
        torch.stack(scores).view(lead),
        rows[:, [0, len(masks)]].reshape(*lead, 2),
    )
    estimate.keep(solved)
    return estimate


def _shuffled(places: Tensor, generator: torch.Generator | None) -> Tensor:
    device = generator.device if generator is not None else None
    order = torch.randperm(len(places), generator=generator, device=device)
    return places[order.to(places.device)]


def _open_pairs(masks: Tensor) -> Tensor:
    """Pairs of sizes that were not enumerated; all but ∅ and N if every size was."""
    n = masks.shape[-1]
    sizes = masks.sum(-1)
    sizes = torch.minimum(sizes, n - sizes)
    held = sizes.bincount(minlength=n // 2 + 1).tolist()
    is_open = [
        held[s] < comb(n, s) // (2 if 2 * s == n else 1) for s in range(n // 2 + 1)
    ]
    chosen = torch.tensor(is_open, device=masks.device)[sizes]
    if not bool(chosen.any()):
        chosen = sizes > 0
    return chosen.nonzero()[:, 0]


@checked
def kernel_plan(
    n_players: int,
    budget: int,
    *,
    ends: bool = False,
    neighbors: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Generator[Tensor, Tensor, KernelEstimate]:
    """Evaluate complement pairs of coalitions in one round.

    Args:
        n_players: Number of players.
        budget: Coalitions to evaluate.
        ends: Enumerate pairs of players, and all without a pair, while they take at
            most three fifths of the budget, beyond 20 players too: best for single
            orders, the first and the last of which hang on them alone; Shapley values
            are better without.
        neighbors: Pairs of players that lie side by side, ``(E, 2)``, as patches of a
            picture do: a game of 21 to 256 players that shows it gets variances of its
            own for what neighbors do together.
        generator: Source of randomness.

    Yields:
        Masks ``(C, n)``, C even and at most ``budget``; takes values ``(*lead, C)``.

    Returns:
        The estimate.

    Raises:
        ValueError: If the budget is too small for an estimate, or the neighbors are no
            pairs of players.

    Example:
        >>> from captum_interactions.estimators import evaluate
        >>> plan = kernel_plan(25, 120, generator=torch.Generator().manual_seed(0))
        >>> product = lambda masks: masks[:, 0].double() * masks[:, 1]
        >>> estimate = evaluate(plan, product)
        >>> round(estimate.pair_index("SII").value[0, 1].item(), 2)
        1.0
    """
    check_positive_int("n_players", n_players, "a game has players")
    generator = own_generator(generator)
    if neighbors is not None:
        check_neighbors(neighbors, n_players)
    chosen = complement_pairs(n_players, budget, generator, ends=ends)
    values = yield torch.cat([chosen, ~chosen])
    return fit_kernel(chosen, values, neighbors=neighbors, generator=generator)
