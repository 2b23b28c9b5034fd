"""The interaction loss: training a network whose units interact less."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._random import own_generator
from captum_interactions._signature import checked_methods
from captum_interactions.functional import all_masks, shapley_interaction_index
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.games.arguments import format_inputs
from captum_interactions.games.layers import (
    evaluation_mode,
    module_name,
    split_at_layer,
)
from captum_interactions.games.logits import check_labels, check_logits
from captum_interactions.games.masking import (
    BaselineSet,
    MaskedInputs,
    format_baselines,
)
from captum_interactions.games.passes import Passes
from captum_interactions.losses.contexts import GroupPlan, masked_copies
from captum_interactions.losses.scores import (
    Score,
    ScoreFunction,
    widened,
)
from captum_interactions.players.players import Players

__all__ = ["InteractionLoss", "LossOutput"]

# 2**12 coalitions of every example, kept for the backward pass, is a lot already.
_MAX_EXACT_UNITS = 12


class LossOutput(NamedTuple):
    """What :class:`InteractionLoss` returns.

    Attributes:
        output: The model's ordinary output, for the task's own loss.
        interaction: The interaction loss, a scalar.
    """

    output: Tensor
    interaction: Tensor


@checked_methods
class InteractionLoss(nn.Module):
    """How strongly the units of a layer (or of the input) interact, as a loss.

    Sampled (the default): E over A, B, S of |Δf(S,A,B)|^power with
    Δf(S,A,B) = f(S∪A∪B) − f(S∪A) − f(S∪B) + f(S), where A and B are disjoint random
    groups of units, S ⊆ N∖(A∪B) is what remains when every other unit is dropped with
    one probability drawn per context (uniform in ``drop_rate``; over [0, 1] that makes
    |S| uniform, hence Shapley's weights), and f is the score of the true class. One
    draw of A and B serves the whole batch and all its contexts.

    Exact (``n_contexts=None``, at most 12 units): mean over pairs of
    |I(i,j)|^power, with the Shapley interaction index I(i,j).

    One pass through the model gives both its ordinary output and the features of the
    layer; the interaction track then runs only the part above the layer, on
    4·n_contexts masked copies. It runs in eval mode, so batch norm's running statistics
    and dropout's noise stay out of it, and every module's mode is restored. Gradients
    reach the parameters below the layer as well.

    The loss is in squared (``power=2``) or plain (``power=1``) units of the score, and
    shrinks if the scores themselves do; weights are therefore not comparable between
    layers, scores or powers.

    Args:
        model: Classifier that returns logits, or a model with a single output. Compiled
            models are accepted; with a layer, they run as before compilation.
        layer: Submodule or its dotted name whose output holds the units; ``None`` puts
            the loss on the inputs. Low layers are where the paper finds it works best.
        alpha: Size of A and of B as a fraction of the units, at least one unit.
        n_contexts: Contexts S drawn per call; ``None`` is exact.
        drop_rate: Range of the probability to drop a unit from a context. The paper
            takes (0, 0.2) for residual networks.
        score: f: ``"logit"``, ``"prob"``, ``"log_prob"`` or ``"log_odds"`` of the true
            class.
        power: 2 as in Eq. 9 of the paper, or 1 as in Eq. 8.
        baselines: Value of absent units: number, tensor, or (for several inputs) tuple.
        feature_mask: Which elements form a unit; ``None`` makes each element one.
        warmup: Epochs, counted by :meth:`set_epoch`, without the interaction track.
        perturbations_per_eval: Coalitions per forward pass; ``None`` takes all on a
            GPU, and on a CPU as many as make 1,024 rows, since more are no faster.
        autocast: Let the interaction track run in a surrounding autocast's precision.
            The loss takes differences of nearly equal outputs, so the default leaves
            autocast.
        generator: Source of randomness; ``None`` makes one from the global seed.

    Attributes:
        epoch: The current epoch, see :meth:`set_epoch`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument does not fit.

    References:
        Zhang et al., "Interpreting and boosting dropout from a game-theoretic view"
        (ICLR 2021), Eq. 8 and 9, Appendices F and G. Where the paper says softmax
        probability and the authors' code takes its logarithm, ``score`` chooses.

    Example:
        >>> model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
        >>> criterion = InteractionLoss(model, layer="1")
        >>> labels = torch.tensor([0, 2])
        >>> logits, interaction = criterion(torch.randn(2, 8), labels)
        >>> loss = nn.functional.cross_entropy(logits, labels) + 0.1 * interaction
        >>> bool(interaction.abs() < 1e-10)  # the part above the ReLU is linear
        True
    """

    def __init__(
        self,
        model: nn.Module,
        layer: str | nn.Module | None = None,
        *,
        alpha: float = 0.05,
        n_contexts: int | None = 10,
        drop_rate: tuple[float, float] = (0.0, 1.0),
        score: Score = "logit",
        power: int = 2,
        baselines: Any = None,
        feature_mask: Tensor | tuple[Tensor, ...] | None = None,
        warmup: int = 0,
        perturbations_per_eval: int | None = None,
        autocast: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            bad_type("model", "an nn.Module", model, "its train mode is looked after")
        if isinstance(baselines, BaselineSet):
            bad_type("baselines", "one baseline", baselines, "average it beforehand")
        _check_numbers(alpha, drop_rate, power, warmup)
        for name, number, holds in (
            ("n_contexts", n_contexts, 4),
            ("perturbations_per_eval", perturbations_per_eval, 0),
        ):
            if number is not None:
                check_positive_int(name, number, "or None, as documented", holds)
        self.model = model
        self.layer = None if layer is None else module_name(model, layer)
        self.alpha = alpha
        self.n_contexts = n_contexts
        self.drop_rate = drop_rate
        self.power = power
        self.baselines = baselines
        self.feature_mask = feature_mask
        self.warmup = warmup
        self.perturbations_per_eval = perturbations_per_eval
        self.autocast = autocast
        self.generator = generator
        self.epoch = 0
        self._score = ScoreFunction(score)
        self._players: tuple[Any, Players] | None = None
        self._logits_seen = False

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch it is, counted from 0; only ``warmup`` asks for it."""
        self.epoch = epoch

    def extra_repr(self) -> str:
        """Name the layer and the estimator."""
        return (
            f"layer={self.layer!r}, score={self._score.name!r}, power={self.power}, "
            f"alpha={self.alpha}, n_contexts={self.n_contexts}, warmup={self.warmup}"
        )

    def forward(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        target: Any = None,
        additional_forward_args: Any = None,
    ) -> LossOutput:
        """Run the model once, and the part above the layer on masked features.

        Args:
            inputs: A tensor or a tuple of tensors, batch axis first.
            target: Class labels ``(batch,)``, or an int; ``None`` if the model has a
                single output.
            additional_forward_args: Passed to the model after the inputs.

        Returns:
            The model's output, and the interaction loss (0 during warm-up), a scalar in
            float32 or wider.

        Raises:
            TypeError: If labels are not integers, or the layer returns no tensor.
            ValueError: If labels don't fit the batch, the model returns probabilities,
                there are fewer than four units (two, when exact), or the layer can't be
                cut at.
        """
        first = format_inputs(inputs)[0]
        target = check_labels(target, len(first))
        split = split_at_layer(self.model, self.layer, inputs, additional_forward_args)
        if not self._logits_seen:  # once: looking at values stops a GPU's queue
            check_logits(split.output)
            self._logits_seen = True
        if self.epoch < self.warmup:
            return LossOutput(split.output, first.new_zeros((), dtype=torch.float32))
        features = split.features
        if not self.autocast:
            features = tuple(widened(part) for part in features)
        players = self._find_players(features)
        absent = format_baselines(self.baselines, features)
        device = features[0].device
        if self.n_contexts is None:
            masks = self._all_coalitions(len(players), device)
            rows = MaskedInputs(features, absent, players).rows(masks)
        else:
            plan = self._draw(len(players), len(first), device)
            if self.feature_mask is None and len(features) == 1:
                rows = (masked_copies(features[0], absent[0].squeeze(0), plan),)
            else:
                rows = MaskedInputs(features, absent, players).rows(plan.masks())
        precision: AbstractContextManager[Any] = (
            nullcontext()
            if self.autocast
            else torch.autocast(device.type, enabled=False)
        )
        passes = Passes(split.upper, len(first), None, self.perturbations_per_eval)
        with evaluation_mode(self.model), precision:
            output = passes.outputs(rows)
            repeats = len(rows[0]) // len(first)
            scores = self._score(output, target, repeats).reshape(repeats, -1)
        return LossOutput(split.output, self._reduce(scores))

    def _find_players(self, features: tuple[Tensor, ...]) -> Players:
        """Players of these features; numbering them anew would cost every step."""
        key = [(part.shape[1:], part.device) for part in features]
        if self._players is None or self._players[0] != key or self._per_example:
            self._players = key, Players.from_feature_mask(self.feature_mask, features)
        return self._players[1]

    @property
    def _per_example(self) -> bool:
        return self._players is not None and self._players[1].per_example

    def _all_coalitions(self, n: int, device: torch.device) -> Tensor:
        if not 2 <= n <= _MAX_EXACT_UNITS:
            bad_value(
                "n_contexts",
                f"a number of contexts unless there are 2 to {_MAX_EXACT_UNITS} units",
                f"None with {n} units",
                "pass a number, or a `feature_mask` that groups units",
            )
        return all_masks(n, device)

    def _draw(self, n: int, batch: int, device: torch.device) -> GroupPlan:
        if n < 4:
            bad_value(
                "layer",
                "one with at least four units, for two groups and a context",
                f"{n} units",
                "choose another layer or a finer `feature_mask`, or n_contexts=None",
            )
        self.generator = own_generator(self.generator, device)
        contexts = self.n_contexts or 0
        return GroupPlan.draw(
            n, batch, contexts, self.alpha, self.drop_rate, self.generator
        ).to(device)

    def _reduce(self, scores: Tensor) -> Tensor:
        if self.n_contexts is None:
            table = scores.mT.to(accumulation_dtype(scores.device))
            pairs = shapley_interaction_index(table)
            n = pairs.shape[-1]
            return self._powered(pairs).sum() / (len(pairs) * n * (n - 1))
        both, only_a, only_b, neither = scores.reshape(4, self.n_contexts, -1)
        return self._powered(both - only_a - only_b + neither).mean()

    def _powered(self, values: Tensor) -> Tensor:
        return values.square() if self.power == 2 else values.abs()


def _check_numbers(
    alpha: float, drop_rate: tuple[float, float], power: int, warmup: int
) -> None:
    if not 0 < alpha < 0.5:
        bad_value("alpha", "between 0 and 0.5", alpha, "A and B are disjoint groups")
    low, high = drop_rate
    if not 0 <= low <= high <= 1:
        bad_value("drop_rate", "0 <= low <= high <= 1", drop_rate, "it is a range")
    if power not in (1, 2):
        bad_value("power", "1 or 2", power, "1 is |Δf|, 2 its square")
    if warmup < 0:
        bad_value("warmup", "a number of epochs, at least 0", warmup, "0 is none")
