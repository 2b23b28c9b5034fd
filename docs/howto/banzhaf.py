"""An attribution class of one's own: the Banzhaf interaction index of all pairs."""

from dataclasses import dataclass

import torch

from captum_interactions.attr import AbstractInteractionAttribution
from captum_interactions.attr.base import attribution_of, estimate_of, info_of
from captum_interactions.results import EstimatedResult


@dataclass(frozen=True, eq=False, repr=False)
class BanzhafInteractionResult(EstimatedResult):  # Shapley values and files inherited
    @property
    def values(self):
        return self.interaction_index("BII")  # in the model's dtype

    def top_k(self, k=10):
        i, j = torch.triu_indices(len(self.players), len(self.players), 1)
        members = list(zip(i.tolist(), j.tolist(), strict=True))
        return self._ranked(self.values[..., i, j], members.__getitem__, k)


class BanzhafInteraction(AbstractInteractionAttribution):
    def interactions(
        self, inputs, baselines=None, target=None, additional_forward_args=None,
        feature_mask=None, n_samples=None, perturbations_per_eval=None,
        show_progress=False, *, generator=None,
    ):  # fmt: skip
        game = self._game(  # the only thing that knows the model
            inputs, baselines, target, additional_forward_args, feature_mask,
            perturbations_per_eval, show_progress,
        )  # fmt: skip
        return self.read(game, n_samples, generator=generator)

    attribute = attribution_of(interactions, "Shapley values.")  # same arguments

    @classmethod
    def read(cls, game, n_samples=None, *, generator=None):
        # Plan and evaluate; a result says how many coalitions it took.
        found, count = estimate_of(game, n_samples, generator=generator)
        info = info_of(game, found.v_empty, found.v_full, count)
        return BanzhafInteractionResult(info, found)  # reads when it is asked
