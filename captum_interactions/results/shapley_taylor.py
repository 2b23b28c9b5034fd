"""What ShapleyTaylorInteraction returns: interactions of up to k players."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from captum_interactions._signature import checked_methods
from captum_interactions.estimators import Reading, TableEstimate
from captum_interactions.functional import coalition_members, shapley_taylor
from captum_interactions.functional.coalitions import codes_of_sizes
from captum_interactions.results._core import Listing
from captum_interactions.results._shapiq_values import listed_values
from captum_interactions.results.estimated import EstimatedResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["ShapleyTaylorInteractionResult"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class ShapleyTaylorInteractionResult(EstimatedResult):
    """Shapley–Taylor interactions of all coalitions of at most k players.

    Attributes:
        info: Players, evaluations and what else all results share.
        estimate: What the evaluated coalitions imply: a table of all 2**n values.
        max_size: k, the size of the coalitions that share what is larger.
    """

    max_size: int

    @cached_property
    def _reading(self) -> Reading:
        assert isinstance(self.estimate, TableEstimate)
        return self.estimate.read(lambda table: shapley_taylor(table, self.max_size))

    @property
    def values(self) -> Tensor:
        """One value per coalition, ``(batch, *outputs, 2**n)``; 0 above k players."""
        return self._returned(self._reading.value)

    @property
    def std_error(self) -> Tensor | None:
        """Standard errors of ``values``, or None where they are exact."""
        return self._error(self._reading)

    def top_k(self, k: int = 10) -> list[Any]:
        """The k coalitions of 1 to ``max_size`` players with the largest |I(S)|.

        Args:
            k: How many.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis), strongest first.

        Raises:
            ValueError: If k is not positive.
        """
        listing = self._listing()
        return self._ranked(listing.values, listing.players, k)

    def to_shapiq(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> shapiq.InteractionValues:
        """Return one example as shapiq's ``InteractionValues`` (index STII).

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
            ModuleNotFoundError: If shapiq is not installed.
        """
        listing = self._listing()
        values = self._pick(listing.values, example, output)
        return listed_values(
            values,
            [listing.players(position) for position in range(len(values))],
            len(self.players),
            "STII",
            baseline=float(self._pick(self.info.v_empty, example, output)),
            budget=None if self.estimate.exact else self.n_evaluations,
        )

    def _listing(self) -> Listing:
        """I(S) of all coalitions of 1 to k players."""
        n = len(self.players)
        codes = codes_of_sizes(n, 1, min(self.max_size, n))
        members = [coalition_members(code) for code in codes.tolist()]
        errors = self.std_error
        return Listing(
            self.values[..., codes],
            members.__getitem__,
            errors=None if errors is None else errors[..., codes],
        )
