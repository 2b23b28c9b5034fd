"""Which coalitions the figures of a merge need, and how they are read from them.

The figures are defined in :mod:`~captum_interactions.functional.tree`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.functional.coalitions import (
    all_masks,
    coalition_members,
    coalition_sizes,
    shapley_weights,
)

__all__ = [
    "MergeFigures",
    "MergePlan",
    "merge_plan",
    "shapley_contexts",
]


@checked_methods
@dataclass(frozen=True)
class MergeFigures:
    """Figures of every candidate pair (l, r) of constituents.

    All are ``(*batch, pairs)``; in the units of the value function but for the ratios.

    Attributes:
        b_between: Interaction that only the union has.
        b_left: B_P(l), the interaction inside the left constituent.
        b_right: B_P(r).
        b: B(S), the interaction inside the union.
        c_left: Contribution of the left constituent.
        c_right: Contribution of the right constituent.
        psi_inter: Interaction between l and r as wholes.
        psi_intra: b_between − psi_inter.
        phi: Φ(S; O), the Shapley value of the union.
        r: Density |b_between| / (|b_between| + |c_left| + |c_right| + Σ |b_between| of
            the pairs that share a constituent with this one); 0 if all of them are 0.
        s: What the merge loses: the neighbors' share of the same denominator.
        t: |psi_inter| / (|psi_inter| + |psi_intra|), 0 if both are 0.
        dependence: How far what one side does depends on the other: |psi_inter| over
            the mean of |Φ(l; O)| + |Φ(S; O) − Φ(r; O)| (l without and with r) and the
            same for r. 1 if each side acts only with the other (AND) or only without
            it (OR), 0 if they add up.
    """

    b_between: Tensor
    b_left: Tensor
    b_right: Tensor
    b: Tensor
    c_left: Tensor
    c_right: Tensor
    psi_inter: Tensor
    psi_intra: Tensor
    phi: Tensor
    r: Tensor
    s: Tensor
    t: Tensor
    dependence: Tensor


# The figures that are linear in v, in the order of MergePlan's weights.
_LINEAR = (
    "b_left",
    "b_right",
    "b",
    "c_left",
    "c_right",
    "psi_inter",
    "phi",
    "left_alone",
    "right_alone",
)


@dataclass(frozen=True)
class MergePlan:
    """The coalitions that the figures of some pairs need, and how to read them.

    Term k stands for the coalitions (U ∖ removed_k) ∪ added_k over the contexts U.

    Attributes:
        constituents: Codes of the constituents P.
        pairs: Positions (l, r) in P of the candidate pairs.
        removed: Codes ``(terms,)``.
        added: Codes ``(terms,)``.
        weights: Coefficients of the terms in the linear figures,
            ``(figures, pairs, terms)``.
        shares: Coefficients of the terms in Φ(k; P∖k), ``(constituents, terms)``.
    """

    constituents: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    removed: Tensor
    added: Tensor
    weights: Tensor
    shares: Tensor

    def coalitions(
        self,
        contexts: Tensor,  # (C, constituents) bool
    ) -> Tensor:
        """Return the codes of the coalitions to evaluate, ``(terms, C)``."""
        codes = torch.tensor(self.constituents, device=contexts.device)
        joined = torch.where(contexts, codes, 0).sum(-1)
        removed = self.removed.to(contexts.device).unsqueeze(-1)
        return (joined & ~removed) | self.added.to(contexts.device).unsqueeze(-1)

    def read(
        self,
        expected: Tensor,  # (*batch, terms)
        floor: Tensor | float = 0.0,
    ) -> MergeFigures:
        """Turn the terms' expectations over the contexts into figures.

        Args:
            expected: E_U[v] of each term, ``(*batch, terms)``.
            floor: Figures below it are rounding and set to 0, a number or
                ``(*batch,)``, in the units of the value function.

        Returns:
            The figures of the pairs.
        """
        weights = self.weights.to(expected)
        floor = torch.as_tensor(floor).to(expected).unsqueeze(-1)
        linear = {
            name: _snap(expected @ weights[row].mT, floor)
            for row, name in enumerate(_LINEAR)
        }
        left, right = linear.pop("left_alone"), linear.pop("right_alone")
        b_between = linear["b"] - linear["b_left"] - linear["b_right"]
        b_between = _snap(b_between, floor)
        psi_inter = linear["psi_inter"]
        psi_intra = _snap(b_between - psi_inter, floor)
        lost = b_between.abs() @ self._sharing(expected)
        total = (
            b_between.abs() + lost + linear["c_left"].abs() + linear["c_right"].abs()
        )
        phi = linear["phi"]
        with_other = _snap(phi - right, floor).abs() + _snap(phi - left, floor).abs()
        return MergeFigures(
            **linear,
            b_between=b_between,
            psi_intra=psi_intra,
            r=_ratio(b_between.abs(), total),
            s=_ratio(lost, total),
            t=_ratio(psi_inter.abs(), psi_inter.abs() + psi_intra.abs()),
            dependence=_ratio(
                2 * psi_inter.abs(), left.abs() + right.abs() + with_other
            ),
        )

    def values(
        self,
        expected: Tensor,  # (*batch, terms)
    ) -> Tensor:
        """Return Φ(k; P∖k) of every constituent, ``(*batch, constituents)``."""
        return expected @ self.shares.to(expected).mT

    def _sharing(self, like: Tensor) -> Tensor:
        """Which pairs share a constituent, as 0/1 ``(pairs, pairs)``."""
        pairs = torch.tensor(self.pairs, device=like.device)
        same = (pairs[:, None, :, None] == pairs[None, :, None, :]).any(-1).any(-1)
        return same.to(like).fill_diagonal_(0)


def _snap(x: Tensor, floor: Tensor) -> Tensor:
    return torch.where(x.abs() > floor, x, 0)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    # The inner where keeps 0/0 out of the gradient as well.
    positive = whole > 0
    return torch.where(positive, part / torch.where(positive, whole, 1), 0)


class _Terms:
    """Numbers the terms as they come up, and collects coefficients on them."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, int], int] = {}
        self.entries: list[tuple[int, int, float]] = []

    def add_value(self, row: int, players: int, removed: int, factor: float) -> None:
        """Add factor · Φ(players; P∖removed) to a row."""
        for added, sign in ((players, 1.0), (0, -1.0)):
            number = self.numbers.setdefault((removed, added), len(self.numbers))
            self.entries.append((row, number, sign * factor))

    def add_inside(self, row: int, group: int, removed: int, factor: float) -> None:
        """Add factor · [Φ(group; ·) − Σ_j Φ(j; ·)] to a row; 0 for one player."""
        if group & (group - 1):
            self.add_value(row, group, removed, factor)
            for player in coalition_members(group):
                self.add_value(row, 1 << player, removed, -factor)

    def weights(self, rows: int) -> Tensor:
        row, number, factor = zip(*self.entries, strict=True)
        dense = torch.zeros(rows, len(self.numbers), dtype=torch.float64)
        index = (torch.tensor(row), torch.tensor(number))
        return dense.index_put_(
            index, torch.tensor(factor, dtype=dense.dtype), accumulate=True
        )


def merge_plan(
    constituents: Sequence[int],
    pairs: Sequence[tuple[int, int]],
) -> MergePlan:
    """Plan the figures of some candidate pairs.

    Args:
        constituents: Codes of the disjoint constituents P.
        pairs: Positions (l, r) in P of the pairs.

    Returns:
        The plan.

    Example:
        >>> plan = merge_plan([1, 2], [(0, 1)])
        >>> plan.coalitions(torch.tensor([[True, False]])).flatten().tolist()
        [3, 0, 1, 2, 1, 0, 3, 1]
    """
    terms = _Terms()
    many = len(pairs)
    for pair, (a, b) in enumerate(pairs):
        left, right = constituents[a], constituents[b]
        union = left | right
        rows = dict(zip(_LINEAR, range(pair, many * len(_LINEAR), many), strict=True))
        terms.add_inside(rows["b"], union, union, 1)
        for row, side in (("b_left", left), ("b_right", right)):
            terms.add_inside(rows[row], side, side, 1)
        for row, side in (("c_left", left), ("c_right", right)):
            terms.add_inside(rows[row], side, side, 1)
            for player in coalition_members(side):
                terms.add_value(rows[row], 1 << player, union, 0.5)
                terms.add_value(rows[row], 1 << player, side, 0.5)
        for row, side, factor in (
            ("phi", union, 1),
            ("left_alone", left, 1),
            ("right_alone", right, 1),
            ("psi_inter", union, 1),
            ("psi_inter", left, -1),
            ("psi_inter", right, -1),
        ):
            terms.add_value(rows[row], side, union, factor)
    rows_of_pairs = many * len(_LINEAR)
    for position, group in enumerate(constituents):
        terms.add_value(rows_of_pairs + position, group, group, 1)
    weights = terms.weights(rows_of_pairs + len(constituents))
    removed, added = zip(*terms.numbers, strict=True)
    return MergePlan(
        constituents=tuple(constituents),
        pairs=tuple(pairs),
        removed=torch.tensor(removed),
        added=torch.tensor(added),
        weights=weights[:rows_of_pairs].view(len(_LINEAR), many, -1),
        shares=weights[rows_of_pairs:],
    )


def shapley_contexts(
    p: int, device: torch.device | str | None = None
) -> tuple[Tensor, Tensor]:
    """All contexts over p constituents with the weights |U|!(p−|U|)!/(p+1)!.

    Example:
        >>> shapley_contexts(1)[1].tolist()
        [0.5, 0.5]
    """
    weights = shapley_weights(p).to(device)
    return all_masks(p, device), weights[coalition_sizes(p, device)]
