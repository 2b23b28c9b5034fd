"""What MultivariateInteraction returns: B([A]), its extremes, and their partitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from captum_interactions._checks import check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.functional.noise import block_noise_gain
from captum_interactions.results._noise import told
from captum_interactions.results.base import Interaction, InteractionResult

__all__ = ["Block", "MultivariateInteractionResult"]


class Block(NamedTuple):
    """One block of a partition of the coalition.

    Attributes:
        players: Indices of its players.
        names: Their names.
        value: φ_A(C): what the block contributes as one player, in the units of the
            value function. Positive blocks push towards the target.
        interaction: φ_A(C) less the values of its players, the block's part of B(Ω).
    """

    players: tuple[int, ...]
    names: tuple[str, ...]
    value: float
    interaction: float

    def __repr__(self) -> str:
        inside = f"(inside {self.interaction:+.4g})"
        return f"[{' '.join(self.names)}] {self.value:+.4g} {inside}"


@checked_methods
@dataclass(frozen=True, eq=False, repr=False)
class MultivariateInteractionResult(InteractionResult):
    """B([A]), its extremes over partitions of A, and those partitions.

    Attributes:
        info: Players, evaluations and what else all results share.
        coalition: The m players of A, ascending.
        partitions: ``"contiguous"`` or ``"all"``.
        interaction: B([A]) as accumulated, ``(batch, *outputs)``.
        extremes: B_max and B_min as accumulated, ``(batch, *outputs, 2)``.
        labels: Blocks of the members in the partitions at B_max and B_min,
            ``(batch, *outputs, 2, m)`` int64.
        block_values: φ_A of the block that each member is in, in both partitions,
            ``(batch, *outputs, 2, m)``.
        singles: φ_A({i}) of each member, ``(batch, *outputs, m)``.
        shares: Owen value of each member: its part of φ_A(A),
            ``(batch, *outputs, m)``.
        errors: Standard errors of B, B_max, B_min and T, ``(batch, *outputs, 4)``, or
            ``None`` where they are exact. Those of the extremes are for the partitions
            found; the largest of noisy sums is also biased outwards.
        share_errors: Standard errors of ``shares``, or ``None`` where they are exact.
        block_errors: Standard errors of ``block_values``, or ``None``.
        probabilities: Learned probabilities that neighbors share a block, at the
            maximum and the minimum, ``(batch, *outputs, 2, m − 1)``, or ``None``.
    """

    coalition: tuple[int, ...]
    partitions: str
    interaction: Tensor = field(repr=False)
    extremes: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    block_values: Tensor = field(repr=False)
    singles: Tensor = field(repr=False)
    shares: Tensor = field(repr=False)
    errors: Tensor | None = field(default=None, repr=False)
    probabilities: Tensor | None = field(default=None, repr=False)
    share_errors: Tensor | None = field(default=None, repr=False)
    block_errors: Tensor | None = field(default=None, repr=False)

    @property
    def values(self) -> Tensor:
        """B([A]), ``(batch, *outputs)``."""
        return self._returned(self.interaction)

    @property
    def b_max(self) -> Tensor:
        """B_max ≥ max(0, B), ``(batch, *outputs)``: the positive interactions in A."""
        return self._returned(self.extremes[..., 0])

    @property
    def b_min(self) -> Tensor:
        """B_min ≤ min(0, B), ``(batch, *outputs)``: the negative interactions in A."""
        return self._returned(self.extremes[..., 1])

    @property
    def significance(self) -> Tensor:
        """T([A]) = B_max − B_min, ``(batch, *outputs)``."""
        return self._returned(self.extremes[..., 0] - self.extremes[..., 1])

    @property
    def std_error(self) -> dict[str, Tensor] | None:
        """Standard errors by the name of what they belong to, None if all is exact.

        ``values``, ``b_max``, ``b_min``, ``significance``; ``shapley_values``, 0 for
        players outside A; ``block_values``. What is exact is left out.
        """
        found = {}
        if self.errors is not None:
            names = ("values", "b_max", "b_min", "significance")
            errors = self._returned(self.errors).unbind(-1)
            found = dict(zip(names, errors, strict=True))
        if self.share_errors is not None:
            found["shapley_values"] = self._returned(self._spread(self.share_errors))
        if self.block_errors is not None:
            found["block_values"] = self._returned(self.block_errors)
        return found or None

    def shapley_values(self) -> Tensor:
        """What each member of A contributes as part of A, ``(batch, *outputs, n)``.

        The Owen value with A as the only union: φ_A(A) is shared by the Shapley value
        of the game φ_A. Players outside A get 0. With A = N these are the players'
        Shapley values.
        """
        return self._returned(self._spread(self.shares))

    def _spread(self, members: Tensor) -> Tensor:
        """Values of the members as values of all players, 0 outside A."""
        values = members.new_zeros(*members.shape[:-1], len(self.players))
        values[..., list(self.coalition)] = members
        return values

    def max_partition(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> tuple[Block, ...]:
        """The partition at B_max: prototypes that push towards the target.

        Args:
            example: Which example.
            output: Which output, if there are several.

        Returns:
            Its blocks in the order of their first players.

        Raises:
            ValueError: If there is no such example or output.
        """
        return self._blocks(0, example, output)

    def min_partition(
        self, example: int = 0, output: tuple[int, ...] = ()
    ) -> tuple[Block, ...]:
        """The partition at B_min: prototypes that push away from the target.

        Arguments and return value are those of :meth:`max_partition`.
        """
        return self._blocks(1, example, output)

    def top_k(self, k: int = 10) -> list[Any]:
        """The k blocks of both partitions with the largest |interaction|.

        Args:
            k: How many.

        Returns:
            For each example a list of :class:`Interaction` (nested once more for each
            output axis); blocks of one player have no interaction and are left out.

        Raises:
            ValueError: If k is not positive.
        """
        check_positive_int("k", k, "ask for at least one interaction")
        lead = self.interaction.shape

        def nested(index: tuple[int, ...]) -> list[Any]:
            if len(index) < len(lead):
                return [nested((*index, i)) for i in range(lead[len(index)])]
            example, output = index[0], index[1:]
            blocks = {
                block.players: block
                for which in (0, 1)
                for block in self._blocks(which, example, output)
                if len(block.players) > 1
            }
            best = sorted(blocks.values(), key=lambda b: -abs(b.interaction))[:k]
            return [Interaction(b.players, b.names, b.interaction) for b in best]

        return told(nested(()), self._rounding())

    def _noise_gain(self) -> float:
        return block_noise_gain(len(self.players), len(self.coalition))

    def _blocks(
        self, which: int, example: int, output: tuple[int, ...]
    ) -> tuple[Block, ...]:
        labels = self._pick(self.labels, example, output)[which]
        values = self._pick(self.block_values, example, output)[which]
        singles = self._pick(self.singles, example, output)
        blocks = []
        for label in range(int(labels.max()) + 1):
            inside = (labels == label).nonzero()[:, 0].tolist()
            players = tuple(self.coalition[k] for k in inside)
            value = float(values[inside[0]])
            alone = float(singles[inside].sum())
            names = tuple(self.players.names[p] for p in players)
            gain = value - alone if len(inside) > 1 else 0.0
            blocks.append(Block(players, names, value, gain))
        return tuple(blocks)
