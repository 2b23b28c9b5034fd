"""What an estimate says of a list of coalitions, where there are too many to hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.estimators import Reading
from captum_interactions.results._core import Listing
from captum_interactions.results._shapiq_values import listed_values
from captum_interactions.results.estimated import EstimatedResult
from captum_interactions.results.sparse import members_of

if TYPE_CHECKING:
    import shapiq

__all__ = ["ListedInteractionResult"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class ListedInteractionResult(EstimatedResult):
    """Interactions of listed coalitions of many players, with their standard errors.

    AND interactions of the coalitions that a search in the posterior found strongest,
    or Shapley–Taylor interactions of all of at most k players. Any other coalition is
    read by :meth:`and_interactions`.

    Attributes:
        info: Players, evaluations and what else all results share.
        estimate: What the evaluated coalitions imply.
        listed: The players of each coalition, ``(K, n)`` bool.
        max_size: k of Shapley–Taylor interactions; None for AND interactions.
    """

    listed: Tensor = field(repr=False, metadata={"examples": None})
    max_size: int | None = None

    @cached_property
    def _reading(self) -> Reading:
        if self.max_size is None:
            return self.estimate.and_interactions(self.listed)
        return self.estimate.shapley_taylor(self.listed, self.max_size)

    @property
    def coalitions(self) -> list[tuple[int, ...]]:
        """The players of each coalition, in the order of ``values``."""
        return members_of(self.listed)

    @property
    def values(self) -> Tensor:
        """I(S) of the K coalitions, ``(batch, *outputs, K)``."""
        return self._returned(self._reading.value)

    @property
    def std_error(self) -> Tensor | None:
        """Standard errors of ``values``."""
        return self._error(self._reading)

    def top_k(
        self, k: int = 10, min_size: int = 1, max_size: int | None = None
    ) -> list[Any]:
        """The k listed coalitions with the largest |I(S)|, strongest first.

        Args:
            k: How many.
            min_size: Smallest |S| to consider.
            max_size: Largest |S| to consider; None for n.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis).

        Raises:
            ValueError: If k is not positive or no listed coalition has such a size.
        """
        sizes = self.listed.sum(-1)
        largest = len(self.players) if max_size is None else max_size
        fits = ((sizes >= min_size) & (sizes <= largest)).nonzero()[:, 0]
        if not len(fits):
            bad_value(
                "max_size",
                f"such that coalitions of {min_size} or more players are listed",
                max_size,
                f"sizes {int(sizes.min())} to {int(sizes.max())} are",
            )
        players = members_of(self.listed[fits])
        return self._ranked(self._reading.value[..., fits], players.__getitem__, k)

    def to_shapiq(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> shapiq.InteractionValues:
        """Return one example as shapiq's ``InteractionValues``.

        Coalitions that are not listed are 0 there.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
            ModuleNotFoundError: If shapiq is not installed.
        """
        return listed_values(
            self._pick(self._reading.value, example, output),
            self.coalitions,
            len(self.players),
            "Moebius" if self.max_size is None else "STII",
            baseline=float(self._pick(self.info.v_empty, example, output)),
            budget=self.n_evaluations,
        )

    def _listing(self) -> Listing:
        """I(S) of the listed coalitions."""
        return Listing(self.values, self.coalitions.__getitem__, errors=self.std_error)

    def __repr__(self) -> str:
        r2 = "" if self.r2 is None else f"; R² ≥ {float(self.r2.min()):.4g} of values"
        given = " that were not given" if r2 else ""
        return (
            f"{super().__repr__()}\n  {len(self.listed)} interactions listed{r2}{given}"
        )
