"""What ShapleyInteraction returns: the index of all pairs, and Shapley values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions.results._core import Listing
from captum_interactions.results._pair_pictures import PairPictures, Pairs
from captum_interactions.results._shapiq_values import pair_values
from captum_interactions.results.base import InteractionResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["ShapleyInteractionResult"]


@dataclass(frozen=True, eq=False, repr=False)
class ShapleyInteractionResult(PairPictures, InteractionResult):
    """Pairwise Shapley interaction index I(i,j), and the Shapley values beside it.

    Attributes:
        info: Players, evaluations and what else all results share.
        pairs: I(i,j) as accumulated, ``(batch, *outputs, n, n)``.
        singles: Shapley values as accumulated, ``(batch, *outputs, n)``.
        pairs_error: Standard errors of ``pairs``; None where they are exact.
        singles_error: Standard errors of ``singles``; None where they are exact.
    """

    pairs: Tensor = field(repr=False)
    singles: Tensor = field(repr=False)
    pairs_error: Tensor | None = field(default=None, repr=False)
    singles_error: Tensor | None = field(default=None, repr=False)

    @property
    def values(self) -> Tensor:
        """I(i,j), ``(batch, *outputs, n, n)``: symmetric, zero diagonal."""
        return self._returned(self.pairs)

    @property
    def std_error(self) -> Tensor | None:
        """Standard errors of ``values``, or None where they are exact."""
        return None if self.pairs_error is None else self._returned(self.pairs_error)

    def shapley_values(self) -> Tensor:
        """Shapley values, ``(batch, *outputs, n)``."""
        return self._returned(self.singles)

    def top_k(self, k: int = 10) -> list[Any]:
        """The k pairs with the largest |I(i,j)|, strongest first.

        Args:
            k: How many.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis).

        Raises:
            ValueError: If k is not positive.
        """
        n = len(self.players)
        i, j = torch.triu_indices(n, n, offset=1).tolist()
        return self._ranked(self.pairs[..., i, j], lambda p: (i[p], j[p]), k)

    def _pairs(self, example: int, output: tuple[int, ...], order: int | None) -> Pairs:
        if order is not None:
            bad_value("order", "None here", order, "MultiOrderInteraction has orders")
        errors = self.std_error
        error = None if errors is None else self._pick(errors, example, output)
        return Pairs(self._pick(self.values, example, output), error, "I(i,j)")

    def _listing(self) -> Listing:
        n = len(self.players)
        i, j = torch.triu_indices(n, n, offset=1).tolist()
        errors = self.std_error
        return Listing(
            self.values[..., i, j],
            lambda position: (i[position], j[position]),
            errors=None if errors is None else errors[..., i, j],
        )

    def to_shapiq(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> shapiq.InteractionValues:
        """Return one example as shapiq's ``InteractionValues`` (index SII, order 2).

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
            ModuleNotFoundError: If shapiq is not installed.
        """
        return pair_values(
            self._pick(self.singles, example, output),
            self._pick(self.pairs, example, output),
            float(self._pick(self.info.v_empty, example, output)),
            None if self.std_error is None else self.n_evaluations,
        )
