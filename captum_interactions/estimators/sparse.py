"""A list of AND interactions as an estimate, for any number of players."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import comb

import torch
from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.estimators.estimate import Estimate, Reading
from captum_interactions.functional import (
    multi_order_interaction_from_terms,
    multi_order_shapley_from_terms,
    r_squared,
)
from captum_interactions.functional.shapley import PairIndex, pair_index_from_terms

__all__ = ["SparseEstimate", "held_out_masks"]

# Entries of the (masks × terms) matrix of what is inside what, at a time: 16 MiB.
_MOST_ENTRIES = 1 << 24


def held_out_masks(
    n: int, n_masks: int, generator: torch.Generator | None = None
) -> Tensor:
    """Random coalitions, each player present with probability ½, ``(n_masks, n)``."""
    if generator is None:  # a judge may be the same every time
        generator = torch.Generator().manual_seed(0)
    return torch.rand(n_masks, n, dtype=torch.float32, generator=generator) < 0.5


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class SparseEstimate(Estimate):
    """v as the sum of a list of AND interactions: what is not listed counts as 0.

    Attributes:
        terms: The players of each coalition T_k, ``(K, n)`` bool.
        coefficients: I(T_k), ``(*lead, K)``.
        score: R² on coalitions that were not used to find them, ``(*lead,)``.

    Example:
        >>> terms = torch.tensor([[True, False, False], [True, True, False]])
        >>> found = SparseEstimate(terms, torch.tensor([1.0, 4.0]), torch.ones(()))
        >>> found.shapley_values().value.tolist()
        [3.0, 2.0, 0.0]
    """

    terms: Tensor = field(repr=False, metadata={"examples": None})
    coefficients: Tensor = field(repr=False)
    score: Tensor = field(repr=False)

    @property
    def n_players(self) -> int:
        """The number of players n."""
        return self.terms.shape[-1]

    @property
    def v_empty(self) -> Tensor:
        """The sum of the terms without players, ``(*lead,)``."""
        return self.coefficients[..., ~self.terms.any(-1)].sum(-1)

    @property
    def v_full(self) -> Tensor:
        """The sum of all terms, ``(*lead,)``."""
        return self.coefficients.sum(-1)

    @property
    def r2(self) -> Tensor:
        """R² on coalitions that were not used to find the terms, ``(*lead,)``."""
        return self.score

    @classmethod
    def judged(
        cls,
        terms: Tensor,
        coefficients: Tensor,
        masks: Tensor,  # (C, n) bool
        values: Tensor,  # (*lead, C)
    ) -> SparseEstimate:
        """Judge a list of terms by coalitions that were not used to find it."""
        open_question = cls(terms, coefficients, coefficients.new_zeros(()))
        found = open_question.predict(masks).value
        return cls(terms, coefficients, r_squared(values.to(found), found))

    def shapley_values(self) -> Reading:
        """Σ_{T_k ∋ i} I(T_k)/|T_k|, ``(*lead, n)``."""
        members = self.terms.to(self.coefficients)
        sizes = members.sum(-1).clamp_min(1)
        return Reading((self.coefficients / sizes) @ members)

    def pair_index(self, index: PairIndex = "SII") -> Reading:
        """An index of all pairs, symmetric matrices ``(*lead, n, n)``."""
        return Reading(pair_index_from_terms(self.terms, self.coefficients, index))

    def multi_order(self, orders: Sequence[int] | None = None) -> Reading:
        """I^(m)(i,j) by context size m, ``(*lead, orders, n, n)``; None for all."""
        every = multi_order_interaction_from_terms(self.terms, self.coefficients)
        return Reading(every if orders is None else every[..., list(orders), :, :])

    def order_shapley_values(self, orders: Sequence[int] | None = None) -> Reading:
        """φ^(m)(i) by context size m, ``(*lead, orders, n)``; None for m = 0..n−1."""
        every = multi_order_shapley_from_terms(self.terms, self.coefficients)
        return Reading(every if orders is None else every[..., list(orders), :])

    def and_interactions(
        self,
        coalitions: Tensor,  # (K, n) bool
    ) -> Reading:
        """AND interactions of named coalitions, 0 where not listed, ``(*lead, K)``."""
        same = self._inside(coalitions) & self._inside(~coalitions, ~self.terms)
        return Reading(self.coefficients @ same.to(self.coefficients).mT)

    def shapley_taylor(
        self,
        coalitions: Tensor,  # (K, n) bool
        max_size: int,
    ) -> Reading:
        """Shapley–Taylor interactions of named coalitions, ``(*lead, K)``."""
        own = self.and_interactions(coalitions).value
        sizes = coalitions.sum(-1).to(own.device)
        # A term of t players is shared by its C(t, k) parts of k players.
        parts = [max(comb(t, max_size), 1) for t in self.terms.sum(-1).tolist()]
        shares = self.coefficients / self.coefficients.new_tensor(parts)
        inside = self._inside(self.terms, coalitions.to(self.terms.device))
        shared = shares @ inside.to(shares)
        return Reading(torch.where(sizes < max_size, own, (sizes == max_size) * shared))

    def predict(
        self,
        masks: Tensor,  # (C, n) bool
    ) -> Reading:
        """The sum of the terms inside each coalition, ``(*lead, C)``."""
        rows = max(1, _MOST_ENTRIES // max(1, len(self.terms)))
        sums = [
            self.coefficients @ self._inside(block).to(self.coefficients).mT
            for block in masks.split(rows)
        ]
        return Reading(torch.cat(sums, dim=-1))

    def _inside(self, masks: Tensor, terms: Tensor | None = None) -> Tensor:
        """Whether each term lies inside each coalition, ``(C, K)``."""
        terms = self.terms if terms is None else terms
        # Members that a coalition lacks, counted by one matrix product.
        lacking = (~masks).to(terms.device, torch.float32) @ terms.float().mT
        return lacking == 0
