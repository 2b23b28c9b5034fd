"""Grow an interaction tree from the bottom: merge the pair that interacts most.

The algorithm asks for the values of coalitions and never sees a model. It is a
coroutine, so that the trees of many examples grow in step and share their forward
passes: it yields the codes it needs and is sent their values.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import Literal, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.estimators.tree_contexts import Contexts
from captum_interactions.estimators.tree_graphs import check_players
from captum_interactions.functional import MergeFigures
from captum_interactions.functional.merge_plan import MergePlan, merge_plan

__all__ = [
    "Criterion",
    "Tolerance",
    "Merge",
    "Agglomeration",
    "agglomerate",
]

Criterion = Literal["r", "dependence", "b_between", "psi_inter"]
FIGURES = tuple(figure.name for figure in fields(MergeFigures))

Growth = Generator[Tensor, Tensor, "Agglomeration"]


@dataclass(frozen=True)
class Tolerance:
    """What counts as rounding.

    Attributes:
        figure: Figures below this part of the spread of v are 0,
        value: and so are those below this part of the largest |v|.
        tie: Criteria closer than this part of the largest are equal.
    """

    figure: float = 1e-10
    value: float = 1e-14
    tie: float = 1e-9

    def floor(self, low: float, high: float) -> float:
        """Return the smallest figure that counts when v lies in low..high."""
        return self.figure * (high - low) + self.value * max(abs(low), abs(high))


@dataclass(frozen=True)
class Merge:
    """One merge of two constituents.

    Attributes:
        left: Code of the left constituent.
        right: Code of the right constituent.
        figures: The figures of :class:`~captum_interactions.functional.MergeFigures`
            at the moment of the merge, by name.
        std_error: Their standard errors, or ``None`` where they are exact.
    """

    left: int
    right: int
    figures: dict[str, float]
    std_error: dict[str, float] | None


@dataclass(frozen=True)
class Agglomeration:
    """A whole tree, as the list of its merges from the bottom up.

    Attributes:
        players: The leaves.
        values: Shapley value of each leaf.
        std_error: Their standard errors, or ``None`` where they are exact.
        merges: The n − 1 merges in the order they were made.
    """

    players: tuple[int, ...]
    values: tuple[float, ...]
    std_error: tuple[float, ...] | None
    merges: tuple[Merge, ...]


def agglomerate(
    players: Sequence[int],
    edges: Sequence[tuple[int, int]],
    contexts: Contexts,
    criterion: Criterion = "r",
    tolerance: Tolerance | None = None,
    beam: int = 8,
) -> Growth:
    """Grow a tree: merge the best pair of neighbors until one constituent is left.

    Where pairs tie, each is tried: up to ``beam`` trees grow side by side, and the one
    whose merges model most interaction, Σ |b_between|, is returned. What still ties
    goes to the pair with the lowest players.

    Args:
        players: Players that take part, ascending; all others are always absent.
        edges: Pairs of neighboring players.
        contexts: Over which contexts figures are averaged.
        criterion: Which figure of :class:`MergeFigures` is to be largest, in absolute
            value. ``"r"`` is the published density; ``"dependence"`` finds AND and OR
            groups alike and does not depend on how much a pair matters.
        tolerance: What counts as rounding.
        beam: Trees that grow side by side where pairs tie.

    Yields:
        Codes of coalitions, ``(terms, contexts)``.

    Returns:
        The tree; the generator is sent v of the codes, in their shape, or a posterior's
        mean and draws of it, with an axis of them in front.

    Raises:
        ValueError: If there are fewer than two players, the criterion is unknown, or
            the neighbors do not form one connected graph.

    References:
        Zhang et al., "Building interpretable interaction trees for deep NLP models"
        (AAAI 2021), as in the authors' code; graphs, ``dependence`` and the search
        among ties are ours.

    Example:
        >>> from captum_interactions.estimators.forest import grown
        >>> from captum_interactions.estimators.tree_contexts import ExactContexts
        >>> v = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 1])  # x0·x1
        >>> growth = agglomerate([0, 1, 2], [(0, 1), (1, 2)], ExactContexts())
        >>> tree = grown(growth, lambda codes: v[codes])
        >>> [(merge.left, merge.right) for merge in tree.merges]
        [(1, 2), (3, 4)]
    """
    check_criterion(criterion)
    reach = check_players(players, edges)
    return _grow(reach, contexts, criterion, tolerance or Tolerance(), beam)


def check_criterion(criterion: str) -> None:
    """Refuse an unknown merge criterion."""
    if criterion not in get_args(Criterion):
        bad_value(
            "criterion", f"one of {get_args(Criterion)}", repr(criterion), "pick one"
        )


@dataclass(frozen=True)
class _Partial:
    """A tree that is still growing.

    Attributes:
        groups: The code of each constituent and of all its neighbors.
        merges: What was merged so far.
        modelled: Σ |b_between| of the merges, as a part of the spread of v.
    """

    groups: dict[int, int]
    merges: tuple[Merge, ...] = ()
    modelled: float = 0.0

    def after(self, merge: Merge, spread: float) -> _Partial:
        groups = dict(self.groups)
        union = merge.left | merge.right
        groups[union] = groups.pop(merge.left) | groups.pop(merge.right)
        gain = abs(merge.figures["b_between"]) / (spread or 1.0)
        return _Partial(groups, (*self.merges, merge), self.modelled + gain)


def _grow(
    reach: dict[int, int],
    contexts: Contexts,
    criterion: Criterion,
    close: Tolerance,
    beam: int,
) -> Growth:
    trees = [_Partial({1 << player: near for player, near in sorted(reach.items())})]
    leaves: tuple[Tensor, Tensor | None] | None = None
    low, high = inf, -inf
    for _ in range(len(reach) - 1):
        grown: dict[frozenset[int], _Partial] = {}
        for tree in trees:
            codes = sorted(tree.groups, key=lambda code: code & -code)
            plan = merge_plan(codes, _candidates(codes, tree.groups))
            chosen, weights = contexts.draw(plan)
            values = yield plan.coalitions(chosen)
            known = values[0] if values.dim() == 3 else values
            low, high = min(low, float(known.min())), max(high, float(known.max()))
            expected = _expectations(values, weights)
            figures = plan.read(expected, close.floor(low, high))
            if leaves is None:
                leaves = _summary(plan.values(expected))
            for pair in _best(figures, criterion, close.tie):
                merge = _merge(plan, figures, pair)
                new = tree.after(merge, high - low)
                old = grown.get(frozenset(new.groups))
                if old is None or new.modelled > old.modelled + close.tie:
                    grown[frozenset(new.groups)] = new
        # Sorting is stable: what still ties stays in the order of its players.
        trees = sorted(
            grown.values(), key=lambda tree: -round(tree.modelled / close.tie)
        )[:beam]
    assert leaves is not None
    return Agglomeration(
        players=tuple(sorted(reach)),
        values=tuple(leaves[0].tolist()),
        std_error=None if leaves[1] is None else tuple(leaves[1].tolist()),
        merges=trees[0].merges,
    )


def _candidates(codes: list[int], near: dict[int, int]) -> list[tuple[int, int]]:
    """Positions of all pairs of neighboring constituents."""
    return [
        (a, b)
        for a in range(len(codes))
        for b in range(a + 1, len(codes))
        if near[codes[a]] & codes[b]
    ]


def _expectations(
    values: Tensor,  # (terms, C), or with draws of a posterior (1 + D, terms, C)
    weights: Tensor | None,
) -> Tensor:
    """Expectations over contexts in row 0; below it what makes up their variance.

    Squares of the differences from row 0 add up: with each sampled pair of contexts
    left out, and with each draw of the values, taken as far as its share of their
    variance.
    """
    if weights is None:
        values = values.unflatten(-1, (2, -1)).mean(-2)
    known = values[0] if values.dim() == 3 else values
    if weights is not None:
        rows = [(known @ weights.to(values)).unsqueeze(0)]
    else:
        many = known.shape[-1]
        total = known.sum(-1, keepdim=True)
        rows = [torch.cat([total / many, (total - known) / (many - 1)], dim=-1).mT]
    if values.dim() == 3 and len(values) > 1:
        drawn = values[1:]
        mean = drawn.mean(-1) if weights is None else drawn @ weights.to(values)
        rows.append(rows[0][:1] + (mean - rows[0][:1]) / len(drawn) ** 0.5)
    return torch.cat(rows)


def _summary(
    rows: Tensor,  # (1 + variations, *shape), or (1, *shape)
) -> tuple[Tensor, Tensor | None]:
    """The estimate, and its standard error by the jackknife."""
    if len(rows) == 1:
        return rows[0], None
    spread = rows[1:] - rows[1:].mean(0)
    many = len(rows) - 1
    return rows[0], ((many - 1) / many * spread.square().sum(0)).sqrt()


def _best(figures: MergeFigures, criterion: Criterion, tie: float) -> list[int]:
    """Return the pairs whose criterion is largest; one of them if nothing interacts."""
    score = getattr(figures, criterion)[0].abs()
    best = (score >= score.max() * (1 - tie)).nonzero()[:, 0].tolist()
    return best if score.max() > 0 else best[:1]


def _merge(plan: MergePlan, figures: MergeFigures, best: int) -> Merge:
    a, b = plan.pairs[best]
    rows = torch.stack([getattr(figures, name)[:, best] for name in FIGURES], dim=-1)
    estimate, error = _summary(rows)
    return Merge(
        left=plan.constituents[a],
        right=plan.constituents[b],
        figures=dict(zip(FIGURES, estimate.tolist(), strict=True)),
        std_error=(
            None if error is None else dict(zip(FIGURES, error.tolist(), strict=True))
        ),
    )
