"""Which AND-OR interactions recur over a data set, and which a second model shares.

A concept is an AND or OR interaction of a coalition of players that means the same in
every example: columns of a table, positions of an image, roles in a sentence.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.functional.coalitions import (
    coalition_members,
    coalition_sizes,
)
from captum_interactions.functional.sparsity import check_fraction
from captum_interactions.metrics.base import AbstractMetric, check_result
from captum_interactions.results import AndOrInteractionResult

__all__ = ["Concept", "ConceptFrequency", "ConceptTransfer"]


class Concept(NamedTuple):
    """A concept and how often it is there.

    Attributes:
        kind: ``"and"`` or ``"or"``.
        players: Indices of the players.
        share: Part of the examples in which it is salient.
        mean: Mean of the interaction over all examples, in the units of the value
            function.
    """

    kind: str
    players: tuple[int, ...]
    share: float
    mean: float


@checked_methods
class _ConceptMetric(AbstractMetric):
    """Sums over examples (and outputs, which count alike)."""

    def __init__(self, threshold: float) -> None:
        check_fraction("threshold", threshold, "try 0.05")
        self.threshold = threshold
        super().__init__()

    @property
    def _settings(self) -> tuple[object, ...]:
        return (*super()._settings, self.threshold)


@checked_methods
class ConceptFrequency(_ConceptMetric):
    """How often each AND and OR interaction is salient over a data set.

    Args:
        threshold: What counts as salient in an example: part of its largest |I|.

    Example:
        >>> from captum_interactions import AndOrInteraction
        >>> model = lambda x: x[:, 0] * x[:, 1] + torch.maximum(x[:, 1], x[:, 2])
        >>> metric = ConceptFrequency()
        >>> x = torch.tensor([[2.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
        >>> metric.update(AndOrInteraction(model).interactions(x))
        >>> [(c.kind, c.players, c.share) for c in metric.recurring(0.5)]
        [('or', (1, 2), 1.0), ('and', (0, 1), 0.5)]
    """

    def __init__(self, threshold: float = 0.05) -> None:
        super().__init__(threshold)

    def update(self, result: AndOrInteractionResult) -> None:
        """Add the examples of a result.

        Raises:
            TypeError: If it is of another kind.
            ValueError: If it has another number of players than those before.
        """
        check_result("result", result, AndOrInteractionResult)
        parts = result.parts.detach().flatten(0, -3)
        salient = result.salient(self.threshold).flatten(0, -3)
        sums = {"salient": salient.double().sum(0), "values": parts.double().sum(0)}
        self._add(len(result.players), len(parts), sums)

    def compute(self) -> Tensor:
        """Return the share of examples in which each is salient, ``(2, 2**n)``.

        Raises:
            ValueError: If nothing was added yet.
        """
        self._check_updated()
        return self._sums["salient"] / self.count

    def recurring(self, share: float = 0.5) -> list[Concept]:
        """The concepts salient in at least a share of the examples, most common first.

        Raises:
            ValueError: If the share is not inside (0, 1) or nothing was added yet.
        """
        check_fraction("share", share, "try 0.5")
        shares = self.compute()
        means = self._sums["values"] / self.count
        kinds, codes = (shares >= share).nonzero(as_tuple=True)
        concepts = [
            Concept(
                ("and", "or")[kind],
                coalition_members(code),
                float(shares[kind, code]),
                float(means[kind, code]),
            )
            for kind, code in zip(kinds.tolist(), codes.tolist(), strict=True)
        ]
        return sorted(concepts, key=lambda c: (-c.share, -abs(c.mean)))


@checked_methods
class ConceptTransfer(_ConceptMetric):
    """Which part of one model's concepts another model shares, by order.

    For each example, take the concepts of order s that the first model has and count
    how many the second has too; both counts are summed over the data set before they
    are divided, AND and OR apart. Concepts that generalize transfer; read beside it
    :meth:`chance`, what unrelated models would share.

    Args:
        threshold: What counts as a concept: part of an example's largest |I|.
        k: Take the k strongest AND and the k strongest OR interactions of each example
            instead, as the authors' code does; ``None`` goes by the threshold.

    References:
        Zhou et al., "Explaining generalization power of a DNN using interactive
        concepts" (AAAI 2024); Chen et al., "Defining and extracting generalizable
        interaction primitives from DNNs" (ICLR 2024), whose code takes the k strongest.
    """

    def __init__(self, threshold: float = 0.05, k: int | None = None) -> None:
        if k is not None:
            check_positive_int("k", k, "None goes by the threshold")
        self.k = k
        super().__init__(threshold)

    @property
    def _settings(self) -> tuple[object, ...]:
        return (*super()._settings, self.k)

    def update(
        self, first: AndOrInteractionResult, second: AndOrInteractionResult
    ) -> None:
        """Add two models' results on the same examples.

        Raises:
            TypeError: If one is of another kind.
            ValueError: If they differ in examples, outputs or players.
        """
        for name, result in (("first", first), ("second", second)):
            check_result(name, result, AndOrInteractionResult)
        if first.parts.shape != second.parts.shape:
            bad_value(
                "second",
                f"interactions of shape {tuple(first.parts.shape)}, as `first`",
                f"shape {tuple(second.parts.shape)}",
                "explain both models on the same inputs and players",
            )
        n = len(first.players)
        ours, theirs = self._concepts(first), self._concepts(second)
        sizes = coalition_sizes(n, ours.device)

        def by_order(chosen: Tensor) -> Tensor:
            zeros = torch.zeros(len(chosen), 2, n + 1, dtype=torch.float64)
            return zeros.to(chosen.device).index_add(-1, sizes, chosen.double())

        coalitions = by_order(torch.ones_like(ours[:1]))
        first_counts = by_order(ours)
        self._add(
            n,
            len(ours),
            {
                "shared": by_order(ours & theirs).sum(0),
                "first": first_counts.sum(0),
                "chance": (first_counts * by_order(theirs) / coalitions).sum(0),
            },
        )

    def _concepts(self, result: AndOrInteractionResult) -> Tensor:
        """Concepts of each example, ``(examples, 2, 2**n)`` bool."""
        if self.k is None:
            return result.salient(self.threshold).flatten(0, -3)
        strength = result.parts.detach().abs().flatten(0, -3).clone()
        strength[..., 0] = -1  # the empty set is no concept
        best = strength.topk(min(self.k, strength.shape[-1] - 1), dim=-1).indices
        chosen = torch.zeros_like(strength, dtype=torch.bool).scatter(-1, best, True)
        return chosen & (strength > 0)

    def compute(self) -> Tensor:
        """Return the part that is shared, ``(2, n + 1)``: AND and OR, order 0..n.

        NaN where the first model has no concept of that kind and order.

        Raises:
            ValueError: If nothing was added yet.
        """
        self._check_updated()
        return self._sums["shared"] / self._sums["first"]

    def chance(self) -> Tensor:
        """What unrelated models with as many concepts would share, ``(2, n + 1)``.

        Raises:
            ValueError: If nothing was added yet.
        """
        self._check_updated()
        return self._sums["chance"] / self._sums["first"]
