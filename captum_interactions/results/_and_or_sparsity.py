"""How sparse an AND-OR form is, and how much of v a short list gives back."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from captum_interactions._checks import check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.functional import (
    explained_ratio,
    net_explained_ratio,
    or_reconstruction,
    r_squared,
    terms_for_share,
    zeta,
)
from captum_interactions.functional.sparsity import (
    signed_order_strength as signed_size_strength,
)
from captum_interactions.results._dense import SHOWN, strongest
from captum_interactions.results._size_pictures import SizePictures

__all__ = ["Sparsity", "strongest_r_squared"]


@checked_methods
class Sparsity(SizePictures):
    """Readings of I_and and I_or that say how short a list of them may be."""

    parts: Tensor
    noise: Tensor

    @abstractmethod
    def salient(self, threshold: float = 0.05) -> Tensor:
        """Interactions that count, ``(batch, *outputs, 2, 2**n)`` bool."""

    @abstractmethod
    def _reconstructed(self, threshold: float | None) -> Tensor:
        """V as the sum of the interactions that count, ``(batch, *outputs, 2**n)``."""

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
        return self._returned(strongest_r_squared(self.parts, self.noise, k))

    def explained_ratio(self, threshold: float = 0.05) -> Tensor:
        """Share of Σ|I| that the salient interactions hold, ``(batch, *outputs)``."""
        chosen = self.salient(threshold)[..., 1:].flatten(-2)
        return self._returned(explained_ratio(self._effects(), chosen))

    def net_explained_ratio(self, threshold: float = 0.05) -> Tensor:
        """The papers' explained ratio, ``(batch, *outputs)``.

        What is left out may cancel in it; see
        :func:`~captum_interactions.functional.net_explained_ratio`.
        """
        chosen = self.salient(threshold)[..., 1:].flatten(-2)
        return self._returned(net_explained_ratio(self._effects(), chosen))

    def r_squared(self, threshold: float | None = 0.05) -> Tensor:
        """R² of the salient interactions' v over all 2**n masks, ``(batch, *outputs)``.

        Args:
            threshold: What counts as salient; ``None`` keeps everything (then R² falls
                short of 1 by the noise term alone).
        """
        table = self._reconstructed(None) - self.noise
        return self._returned(r_squared(table, self._reconstructed(threshold)))

    def terms_for_share(self, share: float = 0.9) -> Tensor:
        """How many interactions hold a share of Σ|I|, ``(batch, *outputs)`` int64.

        Args:
            share: Part of Σ|I| over S ≠ ∅ of both kinds, inside (0, 1).

        Raises:
            ValueError: If the share is not inside (0, 1).
        """
        return terms_for_share(self._effects(), share)

    def size_strength(self) -> Tensor:
        """Σ_{|S|=s} |I(S)| of both kinds, ``(batch, *outputs, 2, n + 1)``."""
        up, down = signed_size_strength(self.parts)
        return self._returned(up - down)

    def signed_size_strength(self) -> tuple[Tensor, Tensor]:
        """Positive and negative sums by size, each ``(batch, *outputs, 2, n + 1)``."""
        up, down = signed_size_strength(self.parts)
        return self._returned(up), self._returned(down)

    def _effects(self) -> Tensor:
        """Interactions of S ≠ ∅ of both kinds, ``(batch, *outputs, 2·(2**n − 1))``."""
        return self.parts[..., 1:].flatten(-2)


def strongest_r_squared(parts: Tensor, noise: Tensor, k: int) -> Tensor:
    """R² of v from I_and(∅) and the k strongest of both kinds."""
    size = parts.shape[-1] - 1
    kept = strongest(parts[..., 1:].flatten(-2), k).unflatten(-1, (2, size))
    short = torch.cat([parts[..., :1], kept], dim=-1)
    table, fitted = (
        zeta(both[..., 0, :]) + or_reconstruction(both[..., 1, :])
        for both in (parts, short)
    )
    return r_squared(table - noise, fitted)
