"""What AndInteraction returns: I(S) of all coalitions, and its readings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._checks import check_positive_int
from captum_interactions._kinds import check_masks
from captum_interactions._signature import checked_methods
from captum_interactions.estimators import Reading, TableEstimate
from captum_interactions.functional import (
    coalition_members,
    masks_to_codes,
    moebius,
    noise_floor,
    salient_interactions,
    zeta,
)
from captum_interactions.functional.coalitions import codes_of_sizes
from captum_interactions.functional.sparsity import r_squared
from captum_interactions.functional.sparsity import (
    signed_order_strength as signed_size_strength,
)
from captum_interactions.results._core import Listing
from captum_interactions.results._dense import SHOWN, dense_note, strongest
from captum_interactions.results._shapiq_values import moebius_values
from captum_interactions.results._size_pictures import SizePictures
from captum_interactions.results.estimated import EstimatedResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["AndInteractionResult"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class AndInteractionResult(SizePictures, EstimatedResult):
    """AND interactions I(S) of all coalitions, and what can be read from them.

    Attributes:
        info: Players, evaluations and what else all results share.
        estimate: What the evaluated coalitions imply: a table of all 2**n values.
    """

    @cached_property
    def _reading(self) -> Reading:
        assert isinstance(self.estimate, TableEstimate)
        return self.estimate.read(moebius)

    @property
    def dividends(self) -> Tensor:
        """I(S) as accumulated, ``(batch, *outputs, 2**n)``."""
        return self._reading.value

    @property
    def std_error(self) -> Tensor | None:
        """Standard errors of ``values``, or None where they are exact."""
        return self._error(self._reading)

    @property
    def values(self) -> Tensor:
        """I(S), ``(batch, *outputs, 2**n)``; bit i of the index is player i."""
        return self._returned(self.dividends)

    def top_k(
        self, k: int = 10, min_size: int = 1, max_size: int | None = None
    ) -> list[Any]:
        """The k coalitions with the largest |I(S)|, strongest first.

        Args:
            k: How many.
            min_size: Smallest |S| to consider.
            max_size: Largest |S| to consider; ``None`` for n.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis).

        Raises:
            ValueError: If k is not positive or no coalition has such a size.
        """
        codes = codes_of_sizes(
            len(self.players), min_size, max_size, self.dividends.device
        )
        return self._ranked(
            self.dividends[..., codes],
            lambda position: coalition_members(int(codes[position])),
            k,
        )

    def salient(self, threshold: float = 0.05) -> Tensor:
        """Coalitions S ≠ ∅ whose |I(S)| exceeds a part of the largest, and the noise.

        Args:
            threshold: Part of max |I(S)| over S ≠ ∅, between 0 and 1.

        Returns:
            Boolean tensor ``(batch, *outputs, 2**n)``.

        Raises:
            ValueError: If the threshold is not inside (0, 1).
        """
        proper = self.dividends.clone()
        proper[..., 0] = 0.0
        floor = noise_floor(self._sigma, len(self.players))
        return salient_interactions(proper, threshold, floor)

    def strongest_r_squared(self, k: int = SHOWN) -> Tensor:
        """R² with which v(∅) and the k strongest interactions give v back.

        Over all 2**n coalitions. Where it is low the game is dense: networks for images
        and sentences often put their strength into many large coalitions of alternating
        sign, and a short list misleads.

        Args:
            k: How many interactions.

        Returns:
            ``(batch, *outputs)``, at most 1.

        Raises:
            TypeError: If k is not an integer.
            ValueError: If k is not positive.
        """
        check_positive_int("k", k, "keep an interaction")
        return self._returned(self._strongest_r_squared(self.dividends, k))

    @staticmethod
    def _strongest_r_squared(dividends: Tensor, k: int) -> Tensor:
        short = dividends.clone()
        short[..., 1:] = strongest(dividends[..., 1:], k)
        return r_squared(zeta(dividends), zeta(short))

    def __repr__(self) -> str:
        first = self.dividends.reshape(-1, self.dividends.shape[-1])[0]
        quality = self._strongest_r_squared(first, SHOWN).item()
        return super().__repr__() + dense_note(quality)

    def reconstruct(
        self,
        masks: Tensor,  # (C, n) bool
        threshold: float | None = None,
    ) -> Tensor:
        """v(S) of some coalitions as the sum of the interactions inside each.

        Args:
            masks: Coalitions, True = present, ``(C, n)``.
            threshold: Sum only the interactions that :meth:`salient` keeps (and I(∅));
                ``None`` sums all, which gives v back exactly.

        Returns:
            ``(batch, *outputs, C)``, in the units of the value function.
        """
        check_masks(masks, len(self.players))
        dividends = self.dividends
        if threshold is not None:
            keep = self.salient(threshold)
            keep[..., 0] = True
            dividends = torch.where(keep, dividends, 0.0)
        codes = masks_to_codes(masks).to(dividends.device)
        return self._returned(zeta(dividends)[..., codes])

    def size_strength(self) -> Tensor:
        """Σ_{|S|=s} |I(S)| for s = 0..n, ``(batch, *outputs, n + 1)``."""
        up, down = signed_size_strength(self.dividends)
        return self._returned(up - down)

    def signed_size_strength(self) -> tuple[Tensor, Tensor]:
        """Positive and negative sums by size |S|, each ``(batch, *outputs, n + 1)``."""
        up, down = signed_size_strength(self.dividends)
        return self._returned(up), self._returned(down)

    def _listing(self) -> Listing:
        """I(S) of all S ≠ ∅."""
        return Listing(self.values[..., 1:], lambda code: coalition_members(code + 1))

    def to_shapiq(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> shapiq.InteractionValues:
        """Return one example as shapiq's ``InteractionValues`` (index Moebius).

        Args:
            example: Which example.
            output: Which output, if there are several.

        Raises:
            ValueError: If there is no such example or output.
            ModuleNotFoundError: If shapiq is not installed.
        """
        return moebius_values(
            self._pick(self.dividends, example, output), len(self.players)
        )
