"""What the values of some coalitions imply for a game: the contract of estimates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.functional.shapley import PairIndex

__all__ = ["Estimate", "Reading"]


class Reading(NamedTuple):
    """What is read from an estimate.

    Attributes:
        value: The reading, in the units of the value function.
        std_error: Its standard error, of the same shape; None where it is exact.
    """

    value: Tensor
    std_error: Tensor | None = None


class Estimate(ABC):
    """Everything that some evaluated coalitions say about a game.

    A subclass says how v(S) is known: as a table, exact or completed; as a closed form
    for any number of players; as a list of terms; or for chosen pairs alone. Whoever
    reads does not care which. Leading axes ``*lead`` are ``(batch, *outputs)``.

    **To override**: ``n_players``, ``v_empty``, ``v_full`` and each reading that the
    kind has. A reading that is left out raises a ``ValueError`` that says what to ask
    for instead (:meth:`_has_no`). A subclass is a frozen dataclass of tensors, numbers
    and tuples, so that results that hold it can be saved.
    Results pick and join examples along the first axis of every tensor; a field whose
    examples are on another one says so by ``field(metadata={"examples": axis})``, None
    for a tensor that all examples share.
    """

    @property
    @abstractmethod
    def n_players(self) -> int:
        """The number of players n."""

    @property
    @abstractmethod
    def v_empty(self) -> Tensor:
        """v(∅), ``(*lead,)``."""

    @property
    @abstractmethod
    def v_full(self) -> Tensor:
        """v(N), ``(*lead,)``."""

    @property
    def exact(self) -> bool:
        """Whether all readings are exact."""
        return False

    @property
    def r2(self) -> Tensor | None:
        """R² of the predictions of coalitions that were not given, ``(*lead,)``.

        None where there are none: all were evaluated, or the kind predicts nothing.
        """
        return None

    def shapley_values(self) -> Reading:
        """Shapley values, ``(*lead, n)``."""
        self._has_no("Shapley values")

    def pair_index(self, index: PairIndex = "SII") -> Reading:
        """An index of all pairs, symmetric matrices ``(*lead, n, n)``.

        The diagonal is as :func:`~captum_interactions.functional.pair_index_from_and`
        has it: 0, or for ``"STII"`` and ``"k-SII"`` the players' own terms.
        """
        self._has_no(f"{index} of all pairs")

    def multi_order(self, orders: Sequence[int] | None = None) -> Reading:
        """I^(m)(i,j) by context size m, ``(*lead, orders, n, n)``; None for all."""
        self._has_no("orders of all pairs")

    def order_shapley_values(self, orders: Sequence[int] | None = None) -> Reading:
        """φ^(m)(i) by context size m, ``(*lead, orders, n)``; None for m = 0..n−1."""
        self._has_no("Shapley values by order")

    def order_contributions(self, orders: Sequence[int]) -> Reading:
        """What some orders contribute to the Shapley values, ``(*lead, n)``.

        Σ over the orders m of (n−1−m)/n · mean_j I^(m)(i,j).
        """
        self._has_no("contributions of orders")

    def absolute_deltas(self, orders: Sequence[int] | None = None) -> Tensor:
        """Mean of |Δv(i,j,S)| over contexts, ``(*lead, orders, n, n)``."""
        bad_value(
            "estimate",
            "exact, or sampled in pairs, for the mean of |Δv|",
            f"a {type(self).__name__}, which smooths Δv",
            "pass `sampling='paired'`, or no `n_samples`",
        )

    def and_interactions(
        self,
        coalitions: Tensor,  # (K, n) bool
    ) -> Reading:
        """AND interactions I(S) of named coalitions, ``(*lead, K)``."""
        self._has_no("AND interactions")

    def shapley_taylor(
        self,
        coalitions: Tensor,  # (K, n) bool
        max_size: int,
    ) -> Reading:
        """Shapley–Taylor interactions of named coalitions, ``(*lead, K)``.

        As :func:`~captum_interactions.functional.shapley_taylor` has them: AND
        interactions below ``max_size`` players, means over contexts at it, 0 above.
        """
        self._has_no("Shapley-Taylor interactions")

    def predict(
        self,
        masks: Tensor,  # (C, n) bool
    ) -> Reading:
        """v(S) of some coalitions, ``(*lead, C)``; evaluated ones as they are."""
        self._has_no("predictions")

    def _has_no(self, reading: str) -> NoReturn:
        bad_value(
            "estimate",
            f"of a kind that has {reading}",
            type(self).__name__,
            "evaluate coalitions that all players share (`sampling='reuse'`), or all "
            "of them",
        )

    def __repr__(self) -> str:
        known = "exact" if self.exact else "estimated"
        r2 = self.r2
        judged = "" if r2 is None else f", R² ≥ {float(torch.as_tensor(r2).min()):.3g}"
        return f"{type(self).__name__}({self.n_players} players, {known}{judged})"
