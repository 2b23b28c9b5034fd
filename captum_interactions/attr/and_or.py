"""AND interactions (Harsanyi dividends) of a model's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._captum import log_usage
from captum_interactions._checks import bad_value
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.attr.results import InteractionResult
from captum_interactions.attr.shapiq_values import moebius_values
from captum_interactions.functional import (
    coalition_members,
    coalition_sizes,
    codes_of_sizes,
    masks_to_codes,
    moebius,
    multi_order_interaction_from_and,
    pair_index_from_and,
    resolve_orders,
    shapley_values_from_and,
    zeta,
)
from captum_interactions.functional.shapley import PairIndex

if TYPE_CHECKING:
    import shapiq

__all__ = ["AndInteraction", "AndInteractionResult"]


@dataclass(frozen=True, eq=False, repr=False)
class AndInteractionResult(InteractionResult):
    """AND interactions I(S) of all coalitions, and what can be read from them.

    "Order" is the size |S| of a coalition here.

    Attributes:
        info: Players, evaluations and what else all results share.
        dividends: I(S) as accumulated, ``(batch, *outputs, 2**n)``.
    """

    dividends: Tensor = field(repr=False)

    @property
    def values(self) -> Tensor:
        """I(S), ``(batch, *outputs, 2**n)``; bit i of the index is player i."""
        return self._returned(self.dividends)

    def shapley_values(self) -> Tensor:
        """Shapley values φ_i = Σ_{S∋i} I(S)/|S|, ``(batch, *outputs, n)``."""
        return self._returned(shapley_values_from_and(self.dividends))

    def interaction_index(self, index: PairIndex = "SII") -> Tensor:
        """Pairwise index of all pairs.

        Args:
            index: ``"SII"``, ``"BII"``, ``"STII"`` or ``"k-SII"``, as
                :func:`~captum_interactions.functional.pair_index_from_and` defines.

        Returns:
            Symmetric matrices ``(batch, *outputs, n, n)``.
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
        every = multi_order_interaction_from_and(self.dividends)
        return self._returned(every[..., chosen, :, :])

    def top_k(
        self, k: int = 10, min_order: int = 1, max_order: int | None = None
    ) -> list[Any]:
        """The k coalitions with the largest |I(S)|, strongest first.

        Args:
            k: How many.
            min_order: Smallest |S| to consider.
            max_order: Largest |S| to consider; ``None`` for n.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis).

        Raises:
            ValueError: If k is not positive or no coalition has such an order.
        """
        codes = codes_of_sizes(
            len(self.players), min_order, max_order, self.dividends.device
        )
        return self._ranked(
            self.dividends[..., codes],
            lambda position: coalition_members(int(codes[position])),
            k,
        )

    def salient(self, threshold: float = 0.05) -> Tensor:
        """Coalitions S ≠ ∅ whose |I(S)| exceeds a part of the largest.

        Args:
            threshold: Part of max |I(S)| over S ≠ ∅, between 0 and 1.

        Returns:
            Boolean tensor ``(batch, *outputs, 2**n)``.

        Raises:
            ValueError: If the threshold is not inside (0, 1).
        """
        if not 0 < threshold < 1:
            bad_value("threshold", "between 0 and 1", threshold, "try 0.05")
        strength = self.dividends.abs().clone()
        strength[..., 0] = 0.0
        return strength > threshold * strength.amax(-1, keepdim=True)

    def reconstruct(
        self,
        masks: Tensor,  # (C, n) bool
        threshold: float | None = None,
    ) -> Tensor:
        """V of some coalitions as the sum of the interactions inside each.

        Args:
            masks: Coalitions, True = present, ``(C, n)``.
            threshold: Sum only the interactions that :meth:`salient` keeps (and I(∅));
                ``None`` sums all, which gives v back exactly.

        Returns:
            ``(batch, *outputs, C)``, in the units of the value function.
        """
        dividends = self.dividends
        if threshold is not None:
            keep = self.salient(threshold)
            keep[..., 0] = True
            dividends = torch.where(keep, dividends, 0.0)
        codes = masks_to_codes(masks).to(dividends.device)
        return self._returned(zeta(dividends)[..., codes])

    def order_strength(self) -> Tensor:
        """Σ_{|S|=s} |I(S)| for s = 0..n, ``(batch, *outputs, n + 1)``."""
        n = len(self.players)
        sizes = coalition_sizes(n, self.dividends.device)
        strength = self.dividends.new_zeros(*self.dividends.shape[:-1], n + 1)
        return self._returned(strength.index_add(-1, sizes, self.dividends.abs()))

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


class AndInteraction(AbstractInteractionAttribution):
    """AND interactions I(S) = Σ_{L⊆S} (−1)^{|S|−|L|} v(L) of all coalitions of players.

    I(S) is the part of the output that appears only when all players of S are present.
    All 2**n coalitions are evaluated, once each; every other index is read from them.

    Args:
        forward_func: Model or callable to explain.

    References:
        Harsanyi (1963); Ren et al. (CVPR 2023), Eq. 1.

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
        >>> x = torch.tensor([[2.0, 3.0, 5.0]])
        >>> AndInteraction(model).attribute(x).tolist()
        [[3.0, 3.0, 5.0]]
        >>> AndInteraction(model).interactions(x).top_k(2)
        [[{0, 1} +6, {2} +5]]
    """

    @log_usage(part_of_slo=True)
    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
    ) -> Tensor | tuple[Tensor, ...]:
        """Exact Shapley values, each dividend shared equally by its players.

        Arguments are those of :meth:`interactions`.

        Returns:
            Attributions shaped like the inputs, ``(batch, *outputs, *features)``, in
            the units of the value function; a tuple if the inputs are one. Elements of
            one player share its value.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :class:`~captum_interactions.games.ModelGame`.
        """
        return self.interactions(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
            show_progress,
        ).attributions()

    def interactions(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        perturbations_per_eval: int | None = None,
        show_progress: bool = False,
    ) -> AndInteractionResult:
        """AND interactions of all coalitions.

        See :class:`~captum_interactions.games.ModelGame` for the forms that the
        arguments take.

        Args:
            inputs: Input tensor or tuple of tensors, batch axis first.
            baselines: What replaces absent players.
            target: Which output is explained.
            additional_forward_args: Further arguments of the forward function.
            feature_mask: Which input elements form a player.
            perturbations_per_eval: Coalitions per forward pass; ``None`` finds it.
            show_progress: Show a progress bar.

        Returns:
            The interactions and everything that can be read from them.

        Raises:
            TypeError: As :class:`~captum_interactions.games.ModelGame`.
            ValueError: As :class:`~captum_interactions.games.ModelGame`; beyond 24
                players in particular.
        """
        game = self._game(
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval,
            show_progress,
        )
        table = game.table()
        return AndInteractionResult(
            info=self._info(game, inputs, table[..., 0], table[..., -1]),
            dividends=moebius(table),
        )
