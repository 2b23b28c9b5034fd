"""What all attribution classes share: Captum's call, turned into a game."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from captum_interactions._captum import PerturbationAttribution, is_tuple
from captum_interactions.games import ModelGame
from captum_interactions.results.base import InteractionResult, ResultInfo

__all__ = ["AbstractInteractionAttribution"]


class AbstractInteractionAttribution(PerturbationAttribution, ABC):
    """Captum attribution that reads a game played by the model.

    A concrete class is final and has two verbs with the same arguments:

    * ``interactions`` returns a result object;
    * ``attribute`` returns ``result.attributions()``, shaped like the inputs. It is
      decorated with Captum's ``log_usage``, which NoiseTunnel relies on.

    Both read ``self.forward_func`` at call time, so a shallow copy whose
    ``forward_func`` is replaced explains the new function.

    The arguments they share are Captum's and are documented by
    :class:`~captum_interactions.games.ModelGame`.

    Args:
        forward_func: Model or callable to explain.
    """

    @abstractmethod
    def interactions(self, *args: Any, **kwargs: Any) -> InteractionResult:
        """Return the result object; concrete classes have an explicit signature."""

    def attribute_future(self, *args: Any, **kwargs: Any) -> Any:
        """Not offered: evaluation is batched, not asynchronous."""
        raise NotImplementedError(
            f"{type(self).__name__} has no attribute_future; call attribute"
        )

    def _game(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any,
        target: Any,
        additional_forward_args: Any,
        feature_mask: Tensor | tuple[Tensor, ...] | None,
        perturbations_per_eval: int | None,
        show_progress: bool,
    ) -> ModelGame:
        return ModelGame(
            self.forward_func,
            inputs,
            baselines,
            target,
            additional_forward_args,
            feature_mask,
            perturbations_per_eval=perturbations_per_eval,
            show_progress=show_progress,
            name=self.get_name(),
        )

    @staticmethod
    def _info(
        game: ModelGame,
        inputs: Tensor | tuple[Tensor, ...],
        v_empty: Tensor,
        v_full: Tensor,
    ) -> ResultInfo:
        """Collect what every result carries besides its own values."""
        return ResultInfo(
            players=game.players,
            n_evaluations=game.n_evaluations,
            v_empty=v_empty,
            v_full=v_full,
            dtype=game.reading_dtype,
            tuple_inputs=is_tuple(inputs),
        )
