"""What ShapleyInteraction returns: the index of all pairs, and Shapley values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.functional.noise import pair_noise_gain
from captum_interactions.results._core import Listing
from captum_interactions.results._pair_pictures import Pairs
from captum_interactions.results.estimated import EstimatedResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["ShapleyInteractionResult"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class ShapleyInteractionResult(EstimatedResult):
    """Pairwise Shapley interaction index I(i,j), and all else its estimate says.

    Attributes:
        info: Players, evaluations and what else all results share.
        estimate: What the evaluated coalitions imply.
    """

    @property
    def values(self) -> Tensor:
        """I(i,j), ``(batch, *outputs, n, n)``: symmetric, zero diagonal."""
        return self.interaction_index("SII")

    @property
    def std_error(self) -> Tensor | None:
        """Standard errors of ``values``, or None where they are exact."""
        return self.interaction_index_error("SII")

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
        pairs = self.estimate.pair_index("SII").value
        return self._ranked(pairs[..., i, j], lambda p: (i[p], j[p]), k)

    def _pairs(self, example: int, output: tuple[int, ...], order: int | None) -> Pairs:
        if order is not None:
            return super()._pairs(example, output, order)
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

    def _noise_gain(self) -> float:
        return pair_noise_gain(len(self.players))

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
        return self._pairs_to_shapiq(example, output)
