"""Who takes part in a tree, next to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions.functional import coalition_members

__all__ = ["Edges", "Graphs", "check_players", "graphs_of"]

Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Graphs:
    """Who takes part in each example's tree, next to whom.

    Attributes:
        examples: Players and neighboring pairs of each example.
        everyone: Players and neighboring pairs of the whole batch, for a forward
            function that returns one scalar for it.
    """

    examples: tuple[tuple[tuple[int, ...], Edges], ...]
    everyone: tuple[tuple[int, ...], Edges]

    @property
    def n_players(self) -> int:
        """The number of players n of the batch."""
        return len(self.everyone[0])

    def graph(self, row: int, lead: torch.Size) -> tuple[tuple[int, ...], Edges]:
        """Players and neighboring pairs of one row of the flattened lead dimensions."""
        if lead[0] == len(self.examples):
            return self.examples[row // max(lead[1:].numel(), 1)]
        return self.everyone


def graphs_of(
    n_players: int,
    present: Sequence[tuple[int, ...]],
    neighbors: Sequence[Sequence[int]] | Tensor | None,
) -> Graphs:
    """Give each example its graph, and check that it can form a tree.

    Args:
        n_players: Players of the whole batch.
        present: The players of each example.
        neighbors: Pairs of players that are neighbors; None for a sequence.

    Raises:
        TypeError: If the neighbors are no pairs.
        ValueError: If a graph can't form a tree.
    """
    everyone = tuple(range(n_players))
    given = None if neighbors is None else _check_edges(neighbors)

    def graph(players: tuple[int, ...]) -> tuple[tuple[int, ...], Edges]:
        if given is None:
            edges = tuple(pairwise(players))
        elif players == everyone:
            edges = given
        else:
            here = set(players)
            edges = tuple(edge for edge in given if here.issuperset(edge))
        check_players(players, edges)
        return players, edges

    whole = graph(everyone)
    own = tuple(graph(players) for players in present)
    return Graphs(own, whole)


def _check_edges(neighbors: Sequence[Sequence[int]] | Tensor) -> Edges:
    listed = neighbors.tolist() if isinstance(neighbors, Tensor) else neighbors
    try:
        return tuple((int(a), int(b)) for a, b in listed)
    except (TypeError, ValueError):
        bad_type(
            "neighbors",
            "a sequence of pairs of players",
            neighbors,
            "pass None for a sequence of players",
        )


def check_players(
    players: Sequence[int], edges: Sequence[tuple[int, int]]
) -> dict[int, int]:
    """Return the codes of every player's neighbors, if they can form one tree.

    Raises:
        ValueError: If there are fewer than two players, an edge joins a player with
            itself or names an absent one, or some players can't be reached.
    """
    if len(players) < 2:
        bad_value(
            "inputs",
            "of at least two players for a tree",
            f"{len(players)}",
            "pass a finer `feature_mask`",
        )
    reach = dict.fromkeys(players, 0)
    for a, b in edges:
        if a == b or a not in reach or b not in reach:
            bad_value(
                "neighbors",
                f"made of pairs of different players among {list(players)}",
                (a, b),
                "list each edge as a pair of player indices",
            )
        reach[a] |= 1 << b
        reach[b] |= 1 << a
    parts = _components(reach)
    if len(parts) > 1:
        bad_value(
            "neighbors",
            "a connected graph, as one tree must join all players",
            f"{len(parts)} parts {parts}",
            "add edges between the parts, or explain each part as its own players",
        )
    return reach


def _components(reach: dict[int, int]) -> list[tuple[int, ...]]:
    parts, left = [], sum(1 << player for player in reach)
    while left:
        part, edge = 0, left & -left
        while edge:
            part |= edge
            grown = 0
            for player in coalition_members(edge):
                grown |= reach[player]
            edge = grown & ~part
        parts.append(coalition_members(part))
        left &= ~part
    return parts
