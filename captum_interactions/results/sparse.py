"""AND interactions of a list of coalitions, judged on coalitions that were not used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch  # noqa: F401  (doctests)
from torch import Tensor

from captum_interactions._kinds import check_masks
from captum_interactions._signature import checked_methods
from captum_interactions.estimators import SparseEstimate
from captum_interactions.results._core import Listing
from captum_interactions.results._shapiq_values import listed_values
from captum_interactions.results._size_pictures import SizePictures
from captum_interactions.results.estimated import EstimatedResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["SparseInteractionResult", "members_of"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class SparseInteractionResult(SizePictures, EstimatedResult):
    """AND interactions of a list of coalitions, and how well they explain v.

    Attributes:
        info: Players, evaluations and what else all results share.
        estimate: The coalitions and their interactions, judged on random coalitions.
        n_held_out: How many random coalitions.
    """

    estimate: SparseEstimate = field(repr=False)
    n_held_out: int

    @property
    def values(self) -> Tensor:
        """I(S) of the K coalitions, ``(batch, *outputs, K)``."""
        return self._returned(self.estimate.coefficients)

    @property
    def coalitions(self) -> list[tuple[int, ...]]:
        """The players of each coalition, in the order of ``values``."""
        return members_of(self.estimate.terms)

    @property
    def held_out_r2(self) -> Tensor:
        """R² of the sum of the listed interactions, ``(batch, *outputs)``.

        On random coalitions that were not used to find them: 1 is perfect, below 0 is
        worse than a constant.
        """
        return self.estimate.r2

    def top_k(self, k: int = 10) -> list[Any]:
        """The k listed coalitions S ≠ ∅ with the largest |I(S)|, strongest first.

        Args:
            k: How many.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis).

        Raises:
            ValueError: If k is not positive.
        """
        listing = self._listing()
        return self._ranked(listing.values, listing.players, k)

    def reconstruct(
        self,
        masks: Tensor,  # (C, n) bool
    ) -> Tensor:
        """v(S) of some coalitions as the sum of the listed interactions inside each.

        Args:
            masks: Coalitions, True = present, ``(C, n)``.

        Returns:
            ``(batch, *outputs, C)``, in the units of the value function.
        """
        check_masks(masks, len(self.players))
        return self._returned(self.estimate.predict(masks).value)

    def to_shapiq(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> shapiq.InteractionValues:
        """Return one example as shapiq's ``InteractionValues`` (index Moebius).

        Coalitions that are not listed are 0 there.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
            ModuleNotFoundError: If shapiq is not installed.
        """
        values = self._pick(self.estimate.coefficients, example, output)
        coalitions = self.coalitions
        empty = coalitions.index(()) if () in coalitions else None
        return listed_values(
            values,
            coalitions,
            len(self.players),
            "Moebius",
            baseline=0.0 if empty is None else float(values[empty]),
            budget=self.n_evaluations,
        )

    def size_strength(self) -> Tensor:
        """Σ_{|S|=s} |I(S)| for s = 0 … the largest size, ``(batch, *outputs, …)``."""
        up, down = self.signed_size_strength()
        return up - down

    def signed_size_strength(self) -> tuple[Tensor, Tensor]:
        """Positive and negative sums by size |S|, each ``(batch, *outputs, …)``."""
        coefficients = self.estimate.coefficients
        sizes = self.estimate.terms.sum(-1)
        largest = int(sizes.max()) if len(sizes) else 0
        zeros = coefficients.new_zeros(*coefficients.shape[:-1], largest + 1)
        up = zeros.index_add(-1, sizes, coefficients.clamp(min=0))
        down = zeros.index_add(-1, sizes, coefficients.clamp(max=0))
        return self._returned(up), self._returned(down)

    def _listing(self) -> Listing:
        """I(S) of the listed S ≠ ∅."""
        proper = self.estimate.terms.any(-1)
        players = members_of(self.estimate.terms[proper])
        return Listing(self.values[..., proper], players.__getitem__)

    def __repr__(self) -> str:
        worst = float(self.held_out_r2.min())
        return (
            f"{super().__repr__()}\n  {len(self.estimate.terms)} interactions listed; "
            f"R² ≥ {worst:.4g} on {self.n_held_out} random coalitions"
        )


def members_of(
    masks: Tensor,  # (K, n) bool
) -> list[tuple[int, ...]]:
    """Return the players of each coalition, ascending.

    Example:
        >>> members_of(torch.tensor([[False, False], [True, True]]))
        [(), (0, 1)]
    """
    return [tuple(row.nonzero()[:, 0].tolist()) for row in masks.cpu()]
