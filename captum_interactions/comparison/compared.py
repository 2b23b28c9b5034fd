"""Attribution methods side by side: data and readings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.comparison.agreement import (
    linear_correlation,
    rank_correlation,
    top_overlap,
)
from captum_interactions.comparison.columns import COLUMNS, Column
from captum_interactions.comparison.row import MethodRow
from captum_interactions.players import Players

__all__ = ["ComparedMethods"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class ComparedMethods:
    """What a comparison holds, and what is read off it.

    Attributes:
        rows: One row per method, in the order given.
        players: The players that attributions were summed over.
        v_empty: v(∅) of every example, ``(batch,)``.
        v_full: v(N) of every example, ``(batch,)``.
        shapley: Shapley values, ``(batch, n)``, or ``None`` for too many players.
        shapley_error: Their standard errors; ``None`` where they are exact.
        noise: Standard deviation of the noise of v, ``(batch,)``.
        n_samples: Coalitions that they were estimated from; ``None`` for all.
        images: The inputs if they are images, for :meth:`plot`.
        text: Whether the inputs are token ids, for :meth:`to_html`.
        labels: Names of the players of every example.
    """

    rows: dict[str, MethodRow]
    players: Players
    v_empty: Tensor = field(repr=False)
    v_full: Tensor = field(repr=False)
    shapley: Tensor | None = field(default=None, repr=False)
    shapley_error: Tensor | None = field(default=None, repr=False)
    noise: Tensor | None = field(default=None, repr=False)
    n_samples: int | None = None
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
    def pairs(self) -> dict[str, Tensor]:
        """Interactions of all pairs by the methods that have them, ``(batch, n, n)``.

        What the figure of a pair is depends on the method: an AND interaction, an
        index, a mean over orders.
        """
        return {
            name: row.pairs for name, row in self.rows.items() if row.pairs is not None
        }

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the table: those in which any method has a figure."""
        rows = [row for row in self.rows.values() if row.error is None]
        return tuple(c for c in COLUMNS if any(c.written(row) for row in rows))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What has to be known of the whole table: how well φ is known."""
        if self.shapley is None or self.shapley_error is None:
            return ()
        share = float(self.shapley_error.sum() / self.shapley.abs().sum())
        return (
            f"φ is estimated from {self.n_samples} coalitions: Σ of its errors "
            f"is {share:.1%} of Σ|φ|, and a method that reads the same has no distance",
        )

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
        check_positive_int("k", k, "ask for one player at least")
        return _agreement(list(self.values.values()), k)

    def pair_agreement(self, k: int = 3) -> dict[str, Tensor]:
        """Agreement about pairs, of each two methods that have them.

        Args:
            k: How many of the strongest pairs ``"overlap"`` looks at.

        Returns:
            As :meth:`agreement`, in the order of :attr:`pairs`; over pairs (i, j)
            instead of players.
        """
        n = len(self.players)
        check_positive_int("k", k, "ask for one pair at least")
        i, j = torch.triu_indices(n, n, offset=1)
        return _agreement([pairs[:, i, j] for pairs in self.pairs.values()], k)


def _agreement(found: list[Tensor], k: int) -> dict[str, Tensor]:
    def matrix(reading: Any) -> Tensor:
        return torch.tensor([[reading(a, b) for b in found] for a in found])

    return {
        "rank": matrix(rank_correlation),
        "linear": matrix(linear_correlation),
        "overlap": matrix(lambda a, b: top_overlap(a, b, k)),
    }
