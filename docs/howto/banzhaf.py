"""An attribution class of one's own: the Banzhaf interaction index of all pairs."""

from dataclasses import dataclass, field

import torch
from captum.log import log_usage
from torch import Tensor

from captum_interactions.attr import AbstractInteractionAttribution
from captum_interactions.functional import banzhaf_interaction_index, shapley_values
from captum_interactions.results import InteractionResult


@dataclass(frozen=True, eq=False, repr=False)
class BanzhafInteractionResult(InteractionResult):
    pairs: Tensor = field(repr=False)  # (batch, *outputs, n, n)
    singles: Tensor = field(repr=False)  # (batch, *outputs, n)

    @property
    def values(self):
        return self._returned(self.pairs)  # in the model's dtype

    def shapley_values(self):  # what `attribute` spreads over the inputs
        return self._returned(self.singles)

    def top_k(self, k=10):
        i, j = torch.triu_indices(len(self.players), len(self.players), 1)
        members = list(zip(i.tolist(), j.tolist(), strict=True))
        return self._ranked(self.pairs[..., i, j], members.__getitem__, k)


class BanzhafInteraction(AbstractInteractionAttribution):
    @log_usage(part_of_slo=True)  # NoiseTunnel looks for it
    def attribute(
        self, inputs, baselines=None, target=None, additional_forward_args=None,
        feature_mask=None, perturbations_per_eval=None, show_progress=False,
    ):  # fmt: skip
        return self.interactions(
            inputs, baselines, target, additional_forward_args, feature_mask,
            perturbations_per_eval, show_progress,
        ).attributions()  # fmt: skip

    def interactions(
        self, inputs, baselines=None, target=None, additional_forward_args=None,
        feature_mask=None, perturbations_per_eval=None, show_progress=False,
    ):  # fmt: skip
        game = self._game(  # plan, and the only thing that knows the model
            inputs, baselines, target, additional_forward_args, feature_mask,
            perturbations_per_eval, show_progress,
        )  # fmt: skip
        table = game.table()  # evaluate: v(S) of all coalitions
        return BanzhafInteractionResult(  # reduce: linear in v
            info=self._info(game, inputs, table[..., 0], table[..., -1]),
            pairs=banzhaf_interaction_index(table),
            singles=shapley_values(table),
        )
