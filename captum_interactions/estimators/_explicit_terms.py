r"""Terms of a game that have a prior variance of their own.

Three kinds, each either even or odd when a coalition becomes its complement: a Walsh
term Π_{i∈A} χ_i, and the even and the odd half of an AND, ½(Π_{i∈A} x_i ± Π_{i∈A} (1 −
x_i)). An OR is a constant plus the same two halves, one of them turned around, so the
halves of one set speak for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from captum_interactions.estimators._mixtures import Mixture

__all__ = ["ExplicitTerms", "WALSH", "EVEN_AND", "ODD_AND", "no_terms"]

WALSH, EVEN_AND, ODD_AND = 0, 1, 2


@dataclass(frozen=True)
class ExplicitTerms:
    """Terms, and their variances in the games at hand.

    Attributes:
        players: A of each term, ``(T, n)`` bool.
        kind: ``WALSH``, ``EVEN_AND`` or ``ODD_AND``, ``(T,)``.
        variance: Prior variances τ in units of σ², ``(rows, T)``.
    """

    players: Tensor = field(metadata={"examples": None})
    kind: Tensor = field(metadata={"examples": None})
    variance: Tensor

    def __len__(self) -> int:
        return len(self.players)

    def degrees(self) -> Tensor:
        """|A|, ``(T,)``."""
        return self.players.sum(-1)

    def labels(self) -> Tensor:
        """Kind and players as one row of numbers, ``(T, 1 + n)``."""
        return torch.cat([self.kind[:, None], self.players.long()], -1)

    def is_even(self) -> Tensor:
        """Which terms do not change when a coalition becomes its complement."""
        walsh = (self.kind == WALSH) & (self.degrees() % 2 == 0)
        return walsh | (self.kind == EVEN_AND)

    def features(self, signs: Tensor) -> Tensor:
        """Values at coalitions ``(C, n)`` of ±1, ``(C, T)``."""
        negative = (signs < 0).to(signs) @ self.players.to(signs).mT
        walsh = 1 - 2 * (negative % 2)
        if not bool((self.kind != WALSH).any()):
            return walsh
        all_present = (negative == 0).to(signs)
        all_absent = (negative == self.degrees()).to(signs)
        half = (all_present + self._turn(signs) * all_absent) / 2
        return torch.where(self.kind == WALSH, walsh, half)

    def _turn(self, like: Tensor) -> Tensor:
        return 1 - 2 * (self.kind == ODD_AND).to(like)

    def index(self, mixture: Mixture, degree: int) -> Tensor:
        """Index of a player (degree 1) or pair (2) of A in the term, ``(T,)``."""
        rows = torch.stack([self.degrees(), self.kind], -1)
        cases, case = rows.unique(dim=0, return_inverse=True)
        found = []
        for size, kind in cases.tolist():
            rest = size - degree
            if rest < 0:
                found.append(0.0)
            elif kind == WALSH:
                found.append(2.0**degree * mixture.mean(mixture.nodes**rest))
            else:
                sign = (-1.0) ** degree * (1 if kind == EVEN_AND else -1)
                present = ((1 + mixture.nodes) / 2) ** rest
                absent = ((1 - mixture.nodes) / 2) ** rest
                found.append(mixture.mean(present + sign * absent) / 2)
        return self.variance.new_tensor(found)[case]

    def select(self, which: Tensor) -> ExplicitTerms:
        """Some of the terms: a boolean mask or indices ``(T',)``."""
        return ExplicitTerms(
            self.players[which], self.kind[which], self.variance[:, which]
        )

    def shaped(self, lead: Sequence[int]) -> ExplicitTerms:
        """The same rows, counted by other leading axes."""
        return replace(self, variance=self.variance.reshape(*lead, len(self)))

    def row(self, index: int) -> ExplicitTerms:
        """Those of one row that have a variance."""
        held = self.variance[index] > 0
        one = replace(self, variance=self.variance[index : index + 1])
        return one.select(held)

    def joined(self, other: ExplicitTerms) -> ExplicitTerms:
        """These and others."""
        return ExplicitTerms(
            torch.cat([self.players, other.players]),
            torch.cat([self.kind, other.kind]),
            torch.cat([self.variance, other.variance], -1),
        )


def no_terms(rows: int, n: int, like: Tensor) -> ExplicitTerms:
    """No explicit terms."""
    players = torch.zeros(0, n, dtype=torch.bool, device=like.device)
    kind = torch.zeros(0, dtype=torch.long, device=like.device)
    return ExplicitTerms(players, kind, like.new_zeros(rows, 0))
