"""AND interactions of a list of coalitions, judged on coalitions that were not used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions.functional import r_squared
from captum_interactions.results._core import Listing
from captum_interactions.results._shapiq_values import listed_values
from captum_interactions.results._size_pictures import SizePictures
from captum_interactions.results.base import InteractionResult

if TYPE_CHECKING:
    import shapiq

__all__ = [
    "SparseInteractionResult",
    "held_out_masks",
    "pack_coalitions",
    "score_held_out",
]


def pack_coalitions(coalitions: Sequence[Sequence[int]]) -> Tensor:
    """Coalitions as rows of player indices, filled up with −1, ``(K, largest)``.

    Example:
        >>> pack_coalitions([(), (2,), (0, 1)]).tolist()
        [[-1, -1], [2, -1], [0, 1]]
    """
    width = max([len(members) for members in coalitions], default=0)
    rows = [[*members, *[-1] * (width - len(members))] for members in coalitions]
    return torch.tensor(rows, dtype=torch.int64).reshape(len(coalitions), width)


def held_out_masks(
    n: int, n_masks: int, generator: torch.Generator | None = None
) -> Tensor:
    """Random coalitions, each player present with probability ½, ``(n_masks, n)``."""
    if generator is None:  # a judge may be the same every time
        generator = torch.Generator().manual_seed(0)
    return torch.rand(n_masks, n, dtype=torch.float32, generator=generator) < 0.5


@dataclass(frozen=True, eq=False, repr=False)
class SparseInteractionResult(SizePictures, InteractionResult):
    """AND interactions of a list of coalitions, and how well they explain v.

    Attributes:
        info: Players, evaluations and what else all results share.
        coefficients: I(S) of the K coalitions, ``(batch, *outputs, K)``.
        members: Their players, filled up with −1, ``(K, largest size)``.
        held_out_r2: R² of the sum of these interactions on random coalitions that were
            not used to find them, ``(batch, *outputs)``: 1 is perfect, below 0 is worse
            than a constant.
        n_held_out: How many random coalitions.
    """

    coefficients: Tensor = field(repr=False)
    members: Tensor = field(repr=False)
    held_out_r2: Tensor
    n_held_out: int

    @property
    def values(self) -> Tensor:
        """I(S) of the coalitions, ``(batch, *outputs, K)``."""
        return self._returned(self.coefficients)

    @property
    def coalitions(self) -> list[tuple[int, ...]]:
        """The players of each coalition, in the order of ``values``."""
        return [tuple(i for i in row if i >= 0) for row in self.members.tolist()]

    def shapley_values(self) -> Tensor:
        """What the listed interactions give each player: Σ_{S∋i} I(S)/|S|.

        Returns:
            ``(batch, *outputs, n)``; the Shapley values if no interaction is missing.
        """
        sizes = (self.members >= 0).sum(-1).clamp_min(1).to(self.coefficients)
        shares = (
            (self.coefficients / sizes)
            .unsqueeze(-1)
            .expand(*self.coefficients.shape, self.members.shape[-1])
        )
        # One column more than players, for the −1 that fills the rows up.
        n = len(self.players)
        out = shares.new_zeros(*shares.shape[:-2], n + 1)
        out.index_add_(-1, self.members.flatten() % (n + 1), shares.flatten(-2))
        return self._returned(out[..., :n])

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
        return self._returned(_sum_inside(self.coefficients, self.members, masks))

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
        values = self._pick(self.coefficients, example, output)
        coalitions = [tuple(sorted(members)) for members in self.coalitions]
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
        """Σ_{|S|=s} |I(S)| for s = 0 … largest size, ``(batch, *outputs, …)``."""
        up, down = self.signed_size_strength()
        return up - down

    def signed_size_strength(self) -> tuple[Tensor, Tensor]:
        """Positive and negative sums by size |S|, each ``(batch, *outputs, …)``."""
        sizes = (self.members >= 0).sum(-1)
        zeros = self.coefficients.new_zeros(
            *self.coefficients.shape[:-1], self.members.shape[-1] + 1
        )
        up, down = (
            self._returned(zeros.index_add(-1, sizes, part))
            for part in (self.coefficients.clamp(min=0), self.coefficients.clamp(max=0))
        )
        return up, down

    def _listing(self) -> Listing:
        """I(S) of the listed S ≠ ∅."""
        proper = (self.members >= 0).any(-1).nonzero()[:, 0]
        rows = self.members[proper].tolist()
        return Listing(
            self.values[..., proper],
            lambda position: tuple(p for p in rows[position] if p >= 0),
        )

    def __repr__(self) -> str:
        worst = float(self.held_out_r2.min())
        return (
            f"{super().__repr__()}\n  {len(self.members)} interactions listed; R² ≥ "
            f"{worst:.4g} on {self.n_held_out} random coalitions"
        )


def _sum_inside(coefficients: Tensor, members: Tensor, masks: Tensor) -> Tensor:
    """Σ of the coefficients of the coalitions inside each mask, ``(*lead, C)``."""
    # A player more, always present, stands for the −1 that fills the rows up.
    present = torch.cat([masks, masks.new_ones(len(masks), 1)], dim=-1)
    columns = members.to(masks.device) % present.shape[-1]
    out = []
    rows = max(1, (1 << 24) // max(1, members.numel()))
    for block in present.split(rows):
        inside = block[:, columns].all(-1)  # (rows, K)
        out.append(coefficients @ inside.to(coefficients).mT)
    return torch.cat(out, dim=-1)


def score_held_out(
    coefficients: Tensor,  # (*lead, K)
    members: Tensor,  # (K, width)
    masks: Tensor,  # (C, n) bool
    values: Tensor,  # (*lead, C)
) -> Tensor:
    """R² of a list of interactions on coalitions with known v, ``(*lead,)``."""
    values = values.to(coefficients)
    return r_squared(values, _sum_inside(coefficients, members, masks))
