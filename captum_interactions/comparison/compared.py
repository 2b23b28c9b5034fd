"""Attribution methods side by side: data and readings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from captum_interactions.comparison.agreement import (
    linear_correlation,
    rank_correlation,
    top_overlap,
)
from captum_interactions.comparison.columns import COLUMNS, Column
from captum_interactions.comparison.row import MethodRow
from captum_interactions.players import Players

__all__ = ["ComparedMethods"]


@dataclass(frozen=True, eq=False, repr=False)
class ComparedMethods:
    """What a comparison holds, and what is read off it.

    Attributes:
        rows: One row per method, in the order given.
        players: The players that attributions were summed over.
        v_empty: v(∅) of every example, ``(batch,)``.
        v_full: v(N) of every example, ``(batch,)``.
        shapley: Exact Shapley values, ``(batch, n)``, or ``None`` for too many players.
        images: The inputs if they are images, for :meth:`plot`.
        text: Whether the inputs are token ids, for :meth:`to_html`.
        labels: Names of the players of every example.
    """

    rows: dict[str, MethodRow]
    players: Players
    v_empty: Tensor = field(repr=False)
    v_full: Tensor = field(repr=False)
    shapley: Tensor | None = field(default=None, repr=False)
    images: Tensor | None = field(default=None, repr=False)
    text: bool = False
    labels: tuple[tuple[str, ...], ...] | None = None

    @property
    def values(self) -> dict[str, Tensor]:
        """Attribution of every player by the methods that worked, ``(batch, n)``."""
        return {
            name: row.values
            for name, row in self.rows.items()
            if row.values is not None
        }

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the table: those in which any method has a figure."""
        rows = [row for row in self.rows.values() if row.error is None]
        return tuple(c for c in COLUMNS if any(c.written(row) for row in rows))

    def labels_of(self, example: int) -> tuple[str, ...]:
        """Names of the players in one example."""
        return self.players.names if self.labels is None else self.labels[example]

    def agreement(self, k: int = 3) -> dict[str, Tensor]:
        """Agreement of each pair of methods that worked.

        Args:
            k: How many of the strongest players ``"overlap"`` looks at.

        Returns:
            ``"rank"`` (Spearman), ``"linear"`` (Pearson) and ``"overlap"``, each a
            matrix ``(methods, methods)`` in the order of :attr:`values`, averaged over
            examples. NaN where a method gives all players of an example the same.
        """
        found = list(self.values.values())

        def matrix(reading: Any) -> Tensor:
            return torch.tensor([[reading(a, b) for b in found] for a in found])

        return {
            "rank": matrix(rank_correlation),
            "linear": matrix(linear_correlation),
            "overlap": matrix(lambda a, b: top_overlap(a, b, k)),
        }
