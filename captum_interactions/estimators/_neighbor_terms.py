"""Explicit terms of players that lie next to each other, for grids and sequences.

Patches of a picture and words of a sentence interact most with those beside them. Walsh
terms of connected players, one variance for all of a shape, say so: the prior stays
linear, and whether a game has such a structure is up to its likelihood.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.estimators._explicit_terms import WALSH, ExplicitTerms

__all__ = ["check_neighbors", "neighbor_terms"]

# Of standardised values, where a descent starts: shared by all terms of a shape.
_START_VARIANCE = 0.05
# A grid has 13 terms a player; shapes that would make more of them are left out.
_MOST_PER_PLAYER = 20


def check_neighbors(neighbors: Tensor, n: int) -> None:
    """Refuse what is no ``(E, 2)`` tensor of pairs of different players."""
    whole = neighbors.dtype == torch.long
    if whole and neighbors.dim() == 2 and neighbors.shape[-1] == 2:
        i, j = neighbors.T
        if bool(((neighbors >= 0) & (neighbors < n)).all()) and not bool(
            (i == j).any()
        ):
            return
    bad_value(
        "neighbors",
        f"pairs (E, 2) int64 of different players in 0..{n - 1}",
        f"shape {tuple(neighbors.shape)} {neighbors.dtype}: {neighbors.tolist()!s:.50}",
        "see `players.neighbor_pairs`",
    )


def neighbor_terms(n: int, edges: Tensor, like: Tensor) -> tuple[ExplicitTerms, Tensor]:
    """Terms of neighbors, neighbors' neighbors, connected triples and cycles of four.

    On photographs of 49 patches larger shapes gained nothing more.

    Args:
        n: Number of players.
        edges: Pairs of neighbors, ``(E, 2)``.
        like: Gives dtype and device.

    Returns:
        The terms, variances of one row, and the shape of each ``(T,)``.

    Example:
        >>> edges = torch.tensor([[0, 1], [1, 2]])
        >>> terms, shapes = neighbor_terms(4, edges, torch.ones(1))
        >>> terms.degrees().tolist(), shapes.tolist()
        ([2, 2, 2, 3], [0, 0, 1, 2])
    """
    beside: list[set[int]] = [set() for _ in range(n)]
    for i, j in edges.tolist():
        beside[i].add(j)
        beside[j].add(i)
    pairs = {frozenset((i, j)) for i in range(n) for j in beside[i]}
    triples: set[frozenset[int]] = set()
    over: dict[frozenset[int], list[int]] = {}
    for middle, near in enumerate(beside):
        for i, j in combinations(sorted(near), 2):
            triples.add(frozenset((i, middle, j)))
            over.setdefault(frozenset((i, j)), []).append(middle)
    cycles = {
        ends | set(sides)
        for ends, middles in over.items()
        for sides in combinations(middles, 2)
    }
    found: list[list[int]] = []
    shapes: list[int] = []
    for shape, sets in enumerate((pairs, over.keys() - pairs, triples, cycles)):
        if len(found) + len(sets) > _MOST_PER_PLAYER * n:
            break
        found += sorted(sorted(players) for players in sets)
        shapes += [shape] * len(sets)
    players = torch.zeros(len(found), n, dtype=torch.bool)
    for row, members in enumerate(found):
        players[row, members] = True
    shape_of = torch.tensor(shapes, dtype=torch.long)
    variance = _START_VARIANCE / shape_of.bincount()[shape_of]
    players, shape_of = players.to(like.device), shape_of.to(like.device)
    kind = torch.full_like(shape_of, WALSH)
    return ExplicitTerms(players, kind, variance[None].to(like)), shape_of
