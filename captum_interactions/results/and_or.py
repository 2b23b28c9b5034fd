"""What ``AndOrInteraction`` returns: AND and OR interactions, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._kinds import check_masks
from captum_interactions._signature import checked_methods
from captum_interactions.functional import (
    and_from_or,
    coalition_members,
    masks_to_codes,
    multi_order_interaction_from_and,
    multi_order_interaction_from_or,
    noise_floor,
    or_reconstruction,
    pair_index_from_and,
    salient_interactions,
    shapley_values_from_and,
    zeta,
)
from captum_interactions.functional.coalitions import codes_of_sizes
from captum_interactions.functional.pairs import resolve_orders
from captum_interactions.functional.shapley import PairIndex
from captum_interactions.results._and_or_sparsity import Sparsity, strongest_r_squared
from captum_interactions.results._core import Listing, written
from captum_interactions.results._dense import SHOWN, dense_note
from captum_interactions.results._noise import told
from captum_interactions.results._order_pictures import OrderPictures
from captum_interactions.results._shapiq_values import moebius_values
from captum_interactions.results.base import InteractionResult

if TYPE_CHECKING:
    import shapiq

__all__ = ["AndOrInteractionResult", "AndOrTerm"]

Part = Literal["both", "and", "or"]


class AndOrTerm(NamedTuple):
    """One AND or OR interaction, for people to read.

    Attributes:
        kind: ``"and"`` (all players are needed) or ``"or"`` (any one is enough).
        players: Indices of the players that interact.
        names: Their names.
        value: The interaction, in the units of the value function.
    """

    kind: str
    players: tuple[int, ...]
    names: tuple[str, ...]
    value: float

    def __repr__(self) -> str:
        sign = " ∧ " if self.kind == "and" else " \N{LOGICAL OR} "
        return f"({sign.join(map(written, self.names))}) {self.value:+.4g}"


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class AndOrInteractionResult(Sparsity, OrderPictures, InteractionResult):
    """AND and OR interactions of a model's output, and what can be read from them.

    v(T) = Σ_{S⊆T} I_and(S) + Σ_{S∩T≠∅} I_or(S). Readings that judge sparsity leave the
    empty set out.

    Attributes:
        info: Players, evaluations and what else all results share.
        parts: I_and and I_or as accumulated, ``(batch, *outputs, 2, 2**n)``; the
            constant v(∅) is I_and(∅).
        noise: The noise term q, ``(batch, *outputs, 2**n)``; all 0 unless a bound was
            given. The parts reconstruct v + q.
        norm: The l1 norm, weighted if there were weights, ``(batch, *outputs)``.
        lower_bound: What no split can go below in that norm, ``(batch, *outputs)``.
    """

    parts: Tensor = field(repr=False)
    noise: Tensor = field(repr=False)
    norm: Tensor = field(repr=False)
    lower_bound: Tensor = field(repr=False)

    @property
    def values(self) -> Tensor:
        """I_and and I_or, ``(batch, *outputs, 2, 2**n)``."""
        return self._returned(self.parts)

    @property
    def and_values(self) -> Tensor:
        """I_and(S), ``(batch, *outputs, 2**n)``; bit i of the index is player i."""
        return self._returned(self.parts[..., 0, :])

    @property
    def or_values(self) -> Tensor:
        """I_or(S), ``(batch, *outputs, 2**n)``."""
        return self._returned(self.parts[..., 1, :])

    @property
    def dividends(self) -> Tensor:
        """AND interactions of the whole game, ``(batch, *outputs, 2**n)``.

        Every index that is linear in v can be read from them.
        """
        return self.parts[..., 0, :] + and_from_or(self.parts[..., 1, :])

    @property
    def objective(self) -> Tensor:
        """Σ_{S≠∅} |I_and(S)| + |I_or(S)|, ``(batch, *outputs)``.

        Each term counts its weight, if weights were given.
        """
        return self._returned(self.norm)

    @property
    def gap(self) -> Tensor:
        """Relative duality gap: how far the l1 norm may be from the least one."""
        excess = (self.norm - self.lower_bound).clamp_min(0)
        return self._returned(torch.where(self.norm > 0, excess / self.norm, 0.0))

    def shapley_values(self) -> Tensor:
        """Shapley values Σ_{S∋i} (I_and(S) + I_or(S))/|S|, ``(batch, *outputs, n)``."""
        return self._returned(
            shapley_values_from_and(self.parts[..., 0, :])
            + shapley_values_from_and(self.parts[..., 1, :])
        )

    def interaction_index(self, index: PairIndex = "SII") -> Tensor:
        """Pairwise index of all pairs, ``(batch, *outputs, n, n)``.

        Args:
            index: ``"SII"``, ``"BII"``, ``"STII"`` or ``"k-SII"``.
        """
        return self._returned(pair_index_from_and(self.dividends, index))

    def multi_order(self, orders: Sequence[int | float] | None = None) -> Tensor:
        """Multi-order interactions I^(m)(i,j); order m is the context size here.

        Args:
            orders: Context sizes in 0..n−2, or fractions of n − 2 as floats; ``None``
                means all of them.

        Returns:
            Symmetric matrices ``(batch, *outputs, len(orders), n, n)``.

        Raises:
            ValueError: If an order is out of range.
        """
        chosen = resolve_orders(orders, len(self.players))
        every = multi_order_interaction_from_and(
            self.parts[..., 0, :]
        ) + multi_order_interaction_from_or(self.parts[..., 1, :])
        return self._returned(every[..., chosen, :, :])

    def top_k(
        self, k: int = 10, min_size: int = 1, max_size: int | None = None
    ) -> list[Any]:
        """The k strongest AND and OR interactions, strongest first.

        Args:
            k: How many.
            min_size: Smallest |S| to consider.
            max_size: Largest |S| to consider; ``None`` for n.

        Returns:
            For each example (and output) a list of :class:`AndOrTerm`.

        Raises:
            ValueError: If k is not positive or no coalition has such a size.
        """
        check_positive_int("k", k, "ask for at least one interaction")
        codes = codes_of_sizes(len(self.players), min_size, max_size, self.parts.device)
        # An OR interaction of at most one player is booked as AND: skip those entries.
        values = self.parts[..., codes].flatten(-2)
        order = values.abs().topk(min(k, values.shape[-1]), dim=-1).indices
        terms = self._terms(values, order, codes.tolist())
        return told(terms, self._rounding())

    def _terms(self, values: Tensor, order: Tensor, codes: list[int]) -> list[Any]:
        if values.dim() > 1:
            pairs = zip(values, order, strict=True)
            return [self._terms(row, best, codes) for row, best in pairs]
        terms: list[AndOrTerm] = []
        for position in order.tolist():
            kind, entry = divmod(position, len(codes))
            members = coalition_members(codes[entry])
            names = tuple(self.players.names[i] for i in members)
            value = float(values[position])
            if value == 0 and terms:
                continue  # there are no more
            terms.append(AndOrTerm(("and", "or")[kind], members, names, value))
        return terms

    def salient(self, threshold: float = 0.05) -> Tensor:
        """Interactions of S ≠ ∅ above a part of the largest, and above the noise floor.

        Args:
            threshold: Part of the largest |I| of both kinds, inside (0, 1).

        Returns:
            Boolean tensor ``(batch, *outputs, 2, 2**n)``, AND first.

        Raises:
            ValueError: If the threshold is not inside (0, 1).
        """
        proper = self.parts.clone()
        proper[..., 0] = 0
        floor = noise_floor(self._sigma, len(self.players)).unsqueeze(-2)
        flat = salient_interactions(
            proper.flatten(-2), threshold, floor.expand_as(proper).flatten(-2)
        )
        return flat.view(proper.shape)

    def reconstruct(
        self,
        masks: Tensor | None = None,  # (C, n) bool
        threshold: float | None = None,
    ) -> Tensor:
        """v(S) of some coalitions as the sum of the interactions that act there.

        Args:
            masks: Coalitions, True = present, ``(C, n)``; ``None`` for all 2**n.
            threshold: Sum only what :meth:`salient` keeps (and v(∅)); ``None`` sums
                everything, which gives v (with a noise term v + q) back exactly.

        Returns:
            ``(batch, *outputs, C)``, in the units of the value function.
        """
        table = self._reconstructed(threshold)
        if masks is None:
            return self._returned(table)
        check_masks(masks, len(self.players))
        return self._returned(table[..., masks_to_codes(masks).to(table.device)])

    def _reconstructed(self, threshold: float | None) -> Tensor:
        parts = self.parts
        if threshold is not None:
            keep = self.salient(threshold)
            keep[..., 0] = True
            parts = torch.where(keep, parts, 0.0)
        return zeta(parts[..., 0, :]) + or_reconstruction(parts[..., 1, :])

    def __repr__(self) -> str:
        parts = self.parts.reshape(-1, *self.parts.shape[-2:])[0]
        noise = self.noise.reshape(-1, self.noise.shape[-1])[0]
        quality = strongest_r_squared(parts, noise, SHOWN).item()
        return super().__repr__() + dense_note(quality)

    def to_shapiq(
        self,
        example: int = 0,
        output: tuple[int, ...] = (),
        part: Part = "both",
    ) -> shapiq.InteractionValues:
        """Return one example as shapiq's ``InteractionValues`` (index Moebius).

        shapiq has no OR interactions, so these come as the AND interactions of the game
        that they make up: one OR of k players is 2**k − 1 of them. The values of
        ``"and"`` and ``"or"`` add up to those of ``"both"``, and these to v (with a
        noise term v + q).

        Args:
            example: Which example.
            output: Which output, if there are several.
            part: ``"both"`` for the whole game, ``"and"`` or ``"or"`` for what the
                interactions of one kind make up.

        Raises:
            ValueError: If there is no such example, output or part.
            ModuleNotFoundError: If shapiq is not installed.
        """
        if part not in get_args(Part):
            bad_value("part", f"one of {get_args(Part)}", repr(part), "pick one")
        chosen = {
            "both": self.dividends,
            "and": self.parts[..., 0, :],
            "or": and_from_or(self.parts[..., 1, :]),
        }[part]
        return moebius_values(self._pick(chosen, example, output), len(self.players))

    def _by_order(
        self, example: int, output: tuple[int, ...]
    ) -> tuple[Sequence[int], Tensor, None]:
        values = self._pick(self.multi_order(), example, output)
        return range(len(values)), values, None

    def _listing(self) -> Listing:
        """I(S) of all S ≠ ∅, AND before OR."""
        count = self.parts.shape[-1] - 1
        return Listing(
            self._returned(self._effects()),
            lambda position: coalition_members(position % count + 1),
            lambda position: ("and", "or")[position // count],
        )
