"""The pairwise Shapley interaction index of a model's output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._captum import log_usage
from captum_interactions.attr.base import AbstractInteractionAttribution
from captum_interactions.attr.results import InteractionResult
from captum_interactions.functional import (
    moebius,
    pair_index_from_and,
    shapley_values_from_and,
)

if TYPE_CHECKING:
    import shapiq

__all__ = ["ShapleyInteraction", "ShapleyInteractionResult"]


@dataclass(frozen=True, eq=False, repr=False)
class ShapleyInteractionResult(InteractionResult):
    """Pairwise Shapley interaction index I(i,j), and the Shapley values beside it.

    Attributes:
        info: Players, evaluations and what else all results share.
        pairs: I(i,j) as accumulated, ``(batch, *outputs, n, n)``.
        singles: Shapley values as accumulated, ``(batch, *outputs, n)``.
        std_error: Standard errors of ``values``, or ``None`` where they are exact.
    """

    pairs: Tensor = field(repr=False)
    singles: Tensor = field(repr=False)
    std_error: Tensor | None = field(default=None, repr=False)

    @property
    def values(self) -> Tensor:
        """I(i,j), ``(batch, *outputs, n, n)``: symmetric, zero diagonal."""
        return self._returned(self.pairs)

    def shapley_values(self) -> Tensor:
        """Shapley values, ``(batch, *outputs, n)``."""
        return self._returned(self.singles)

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
        return self._ranked(self.pairs[..., i, j], lambda p: (i[p], j[p]), k)

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
        import shapiq

        n = len(self.players)
        i, j = torch.triu_indices(n, n, offset=1).tolist()
        values = torch.cat(
            [
                self._pick(self.singles, example, output),
                self._pick(self.pairs, example, output)[i, j],
            ]
        )
        members = [(p,) for p in range(n)] + list(zip(i, j, strict=True))
        return shapiq.InteractionValues(
            values=values.detach().cpu().numpy(),
            index="SII",
            n_players=n,
            min_order=1,
            max_order=2,
            interaction_lookup={m: position for position, m in enumerate(members)},
            estimated=self.std_error is not None,
            baseline_value=float(self._pick(self.info.v_empty, example, output)),
        )


class ShapleyInteraction(AbstractInteractionAttribution):
    """Shapley interaction index of all pairs of players.

    I(i,j) = Σ_S |S|!(n−|S|−2)!/(n−1)! [v(S∪{i,j}) − v(S∪{i}) − v(S∪{j}) + v(S)]: how
    much two players bring together beyond what they bring alone, averaged over contexts
    S ⊆ N∖{i,j}.

    Args:
        forward_func: Model or callable to explain.

    References:
        Grabisch & Roubens (1999).

    Example:
        >>> model = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
        >>> x = torch.tensor([[2.0, 3.0, 5.0]])
        >>> ShapleyInteraction(model).interactions(x).values[0].tolist()
        [[0.0, 6.0, 0.0], [6.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
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
        """Shapley values, read from the same evaluation as the pairs.

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
    ) -> ShapleyInteractionResult:
        """Shapley interaction index of all pairs.

        Arguments are those of
        :class:`~captum_interactions.attr.and_or.AndInteraction`.

        Returns:
            The index of all pairs, and the Shapley values.

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
        dividends = moebius(table)
        return ShapleyInteractionResult(
            info=self._info(game, inputs, table[..., 0], table[..., -1]),
            pairs=pair_index_from_and(dividends, "SII"),
            singles=shapley_values_from_and(dividends),
        )
