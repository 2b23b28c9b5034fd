"""Pairs of the methods that have them, and how well a method orders the pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from captum_interactions.comparison.agreement import some_sizes
from captum_interactions.functional.pairs import matrices_from_pairs
from captum_interactions.results import AndInteractionResult, InteractionResult

__all__ = ["pair_curves", "pairs_of"]

Game = Callable[[Tensor], Tensor]


def pairs_of(
    result: InteractionResult,
) -> tuple[Tensor, Tensor | None] | None:
    """Interactions of all pairs as a result has them, and their standard errors.

    What a pair's figure is depends on the method: AND interactions I({i,j}), with the
    OR part where there is one; the index of the pair; its mean over the chosen orders.

    Args:
        result: What a method of ours returned for one output per example.

    Returns:
        Symmetric matrices ``(batch, n, n)`` with zeros on the diagonal, NaN for pairs
        that were not asked for, and their errors or ``None``; ``None`` without pairs.
    """
    n = len(result.players)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    if not pairs:
        return None
    if isinstance(result, AndInteractionResult):
        members = torch.zeros(len(pairs), n, dtype=torch.bool)
        members.scatter_(1, torch.tensor(pairs), True)

        def matrices(values: Tensor) -> Tensor:
            return matrices_from_pairs(values.double().cpu(), pairs, n)

        found, error = result.estimate.and_interactions(members)
        return matrices(found), None if error is None else matrices(error)
    return _listed(result, n)


def _listed(result: InteractionResult, n: int) -> tuple[Tensor, Tensor | None] | None:
    listing = result._listing()
    count = listing.values.shape[-1]
    places = [p for p in range(count) if len(listing.players(p)) == 2]
    if not places:
        return None
    i, j = torch.tensor([listing.players(p) for p in places]).mT

    def matrix(values: Tensor) -> Tensor:
        rows = values[..., places].double().cpu()
        # AND and OR of the same pair add up.
        upper = rows.new_zeros(len(rows), n * n).index_add_(-1, i * n + j, rows)
        return (upper + upper.view(-1, n, n).mT.flatten(1)).view(-1, n, n)

    errors = listing.errors
    return matrix(listing.values), None if errors is None else matrix(errors)


def pair_curves(
    game: Game,
    pairs: Tensor,  # (batch, n, n)
) -> tuple[Tensor, Tensor]:
    """What players do together while the strongest pairs leave N, or enter ∅.

    Players come in by pairs, the largest interaction first, until all are there.
    Of a coalition S that is added to ∅ the figure is what it brings beyond its players
    one by one, v(S) − v(∅) − Σ_{i∈S} [v(i) − v(∅)]; of one that is removed from N, how
    much less is lost than by removing its players one by one,
    Σ_{i∈S} [v(N) − v(N∖i)] − [v(N) − v(N∖S)]. For two players these are their AND
    interaction and I(i,j) in the context of all others.

    Args:
        game: v of coalitions of each example, ``(batch, C, n)`` to ``(batch, C)``.
        pairs: Interactions of all pairs.

    Returns:
        Both figures after 0..n players, mean over examples, each ``(n + 1,)``: removed
        from N, and added to ∅. Where two players come at once, or players are so many
        that not every step is evaluated, in between lies a straight line.
    """
    batch, n, _ = pairs.shape
    steps = [_steps(matrix) for matrix in pairs]
    longest = max(map(len, steps))
    masks = torch.stack([torch.stack(s + s[-1:] * (longest - len(s))) for s in steps])
    alone = torch.eye(n, dtype=torch.bool).expand(batch, n, n)
    inserted = _beyond(game, torch.cat([masks, alone], 1), n)
    removed = _beyond(game, ~torch.cat([masks, alone], 1), n)
    sizes = masks.sum(-1).numpy()

    def curve(figures: Tensor) -> Tensor:
        rows = [
            np.interp(np.arange(n + 1), x[: len(s)], y[: len(s)])
            for x, y, s in zip(sizes, figures.numpy(), steps, strict=True)
        ]
        return torch.from_numpy(np.mean(rows, 0))

    return curve(removed), curve(inserted)


def _beyond(game: Game, masks: Tensor, n: int) -> Tensor:
    """Values less that of the first, and less what single players change in it."""
    values = game(masks).double()
    first = values[:, :1]
    single = values[:, -n:] - first
    member = (masks != masks[:, :1])[:, :-n].double()
    return values[:, :-n] - first - (member @ single.unsqueeze(-1)).squeeze(-1)


def _steps(
    matrix: Tensor,  # (n, n)
) -> list[Tensor]:
    """Coalitions that the strongest pairs make up, from ∅ to N."""
    n = len(matrix)
    i, j = torch.triu_indices(n, n, offset=1)
    values = matrix[i, j].nan_to_num(-torch.inf)  # pairs that nobody asked for are last
    order = values.argsort(descending=True, stable=True).tolist()
    i, j = i[order].tolist(), j[order].tolist()
    present = torch.zeros(n, dtype=torch.bool)
    steps, left = [present.clone()], n
    for a, b in zip(i, j, strict=True):
        new = int(not present[a]) + int(not present[b])
        if new:
            present[a] = present[b] = True
            steps.append(present.clone())
            left -= new
        if not left:
            break
    return [steps[k] for k in some_sizes(len(steps) - 1)]
