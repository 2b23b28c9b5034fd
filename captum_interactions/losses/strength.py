"""How strongly a network's units interact, measured as in the papers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._random import own_generator
from captum_interactions._signature import checked, checked_methods
from captum_interactions.functional import shapley_interaction_index
from captum_interactions.functional.coalitions import accumulation_dtype
from captum_interactions.games import ModelGame
from captum_interactions.games.arguments import format_inputs
from captum_interactions.games.layers import evaluation_mode, split_at_layer
from captum_interactions.games.logits import check_labels, check_logits
from captum_interactions.losses.scores import (
    Score,
    ScoreFunction,
)
from captum_interactions.players import random_pairs

__all__ = ["InteractionStrength", "interaction_strength"]


@checked_methods
@dataclass(frozen=True)
class InteractionStrength:
    """Pairwise interactions of some images, and their mean strength.

    Attributes:
        interactions: I(i,j), ``(images, pairs)``, in the units of the score.
        std_error: Standard error of each over the sampled contexts; 0 where exact.
        pairs: Players i and j, ``(pairs, 2)``.
        scale: Y = |E_x [f of the true class − mean f of the others]|, what interactions
            are divided by; NaN for a model with a single output.
    """

    interactions: Tensor = field(repr=False)
    std_error: Tensor = field(repr=False)
    pairs: Tensor = field(repr=False)
    scale: float

    @property
    def raw(self) -> float:
        """Mean of |I(i,j)| over images and pairs, biased upwards by sampling noise."""
        return float(self.interactions.abs().mean())

    @property
    def normalized(self) -> float:
        """:attr:`raw` over :attr:`scale`: shrinking all scores does not shrink it."""
        return self.raw / self.scale

    @property
    def raw_error(self) -> float:
        """Standard error of :attr:`raw` over images; NaN for a single image."""
        means = self.interactions.abs().mean(-1)
        return float(means.std() / len(means) ** 0.5) if len(means) > 1 else math.nan

    @property
    def noise_floor(self) -> float:
        """What :attr:`raw` would be if all interactions were zero, for Gaussian Δf."""
        return float((2 / torch.pi) ** 0.5 * self.std_error.mean())

    @property
    def debiased(self) -> float:
        """Root mean square of I(i,j), with the sampling noise taken out."""
        signal = (self.interactions.square() - self.std_error.square()).mean()
        return float(signal.clamp_min(0).sqrt())

    def __repr__(self) -> str:
        images, pairs = self.interactions.shape
        return (
            f"InteractionStrength({self.raw:.3e} ± {self.raw_error:.1e}, normalized "
            f"{self.normalized:.3e}, {images} images, {pairs} pairs)"
        )


@checked
def interaction_strength(
    model: nn.Module,
    inputs: Tensor | tuple[Tensor, ...],
    target: Any = None,
    layer: str | nn.Module | None = None,
    *,
    pairs: Tensor | int = 500,
    n_contexts: int | None = 500,
    score: Score = "logit",
    baselines: Any = None,
    feature_mask: Tensor | tuple[Tensor, ...] | None = None,
    additional_forward_args: Any = None,
    perturbations_per_eval: int | None = None,
    generator: torch.Generator | None = None,
) -> InteractionStrength:
    """Measure the mean |I(i,j)| of a network, at its input or at a layer.

    I(i,j) is the mean of Δf(S,i,j) over contexts S that keep every other unit with one
    probability, drawn uniformly per context: Shapley's weights. The model is measured
    in eval mode, and left as it was.

    Args:
        model: Classifier that returns logits, or a model with a single output.
        inputs: Images to measure, batch axis first.
        target: Class labels ``(batch,)``; ``None`` if the model has a single output.
        layer: Where the units are; ``None`` measures at the inputs.
        pairs: Pairs ``(pairs, 2)``, such as
            :func:`~captum_interactions.players.grid_pairs` gives them, or how many
            random ones to draw. The papers take 80 pairs of neighboring cells on a
            16 × 16 grid, or 500 random pairs of features.
        n_contexts: Contexts per pair, the same for all images; ``None`` is exact. Below
            500 the papers find the values unstable.
        score: f: ``"logit"``, ``"prob"``, ``"log_prob"`` or ``"log_odds"``.
        baselines: Value of absent units, as in Captum; the papers take 0 for features
            and the mean pixel for images.
        feature_mask: Which elements form a unit; ``None`` makes each element one.
        additional_forward_args: Passed to the model after the inputs.
        perturbations_per_eval: Coalitions per forward pass; ``None`` times some.
        generator: Source of randomness; ``None`` makes one from the global seed. To
            compare networks on equal terms, give each one of the same seed.

    Returns:
        The interactions with their standard errors, and their mean strength.

    Raises:
        TypeError: If labels are not integers, or the layer returns no tensor.
        ValueError: If an argument does not fit, see
            :class:`~captum_interactions.losses.InteractionLoss`.

    References:
        Zhang et al. (ICLR 2021), Appendices E, I and K.

    Example:
        >>> class Product(nn.Module):
        ...     def forward(self, x):
        ...         return x[:, 0] * x[:, 1] + x[:, 2]
        >>> result = interaction_strength(Product(), torch.tensor([[2.0, 3.0, 1.0]]))
        >>> result.interactions.tolist()
        [[6.0, 0.0, 0.0]]
    """
    first = format_inputs(inputs)[0]
    labels = check_labels(target, len(first))
    if n_contexts is not None:
        remedy = "errors need two; each takes four coalitions"
        if check_positive_int("n_contexts", n_contexts, remedy, holds=4) < 2:
            bad_value("n_contexts", "at least 2", n_contexts, remedy)
    if perturbations_per_eval is not None:
        check_positive_int("perturbations_per_eval", perturbations_per_eval, "or None")
    if not isinstance(pairs, Tensor):
        check_positive_int("pairs", pairs, "ask for a pair")
    elif pairs.dtype != torch.int64 or pairs.dim() != 2:
        bad_value("pairs", "rows of two integers", pairs.dtype, "see grid_pairs")
    generator = own_generator(generator)
    scored = ScoreFunction(score)
    with torch.no_grad(), evaluation_mode(model):
        split = split_at_layer(model, layer, inputs, additional_forward_args)
        output = check_logits(split.output)

        def f(*rows: Tensor) -> Tensor:
            return scored.all(split.upper(*rows))

        game = ModelGame(
            f,
            split.features if layer is None else split.features[0],
            baselines,
            labels,
            feature_mask=feature_mask,
            perturbations_per_eval=perturbations_per_eval,
        )
        chosen = _check_pairs(pairs, game.n_players, generator)
        if n_contexts is None:
            i, j = chosen.T
            values = shapley_interaction_index(game.table())[..., i, j]
            errors = torch.zeros_like(values)
        else:
            values, errors = _sampled(game, chosen, n_contexts, generator)
        scale = _scale(scored.all(output), labels)
    return InteractionStrength(values, errors, chosen, scale)


def _sampled(
    game: ModelGame, pairs: Tensor, n_contexts: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mean and standard error of Δf over contexts, ``(batch, pairs)`` each."""
    n, device = game.n_players, generator.device
    means, errors = [], []
    for i, j in pairs.tolist():
        rates = torch.rand(
            n_contexts, 1, dtype=torch.float32, generator=generator, device=device
        )
        chance = torch.rand(
            n_contexts, n, dtype=torch.float32, generator=generator, device=device
        )
        masks = (chance < rates).repeat(4, 1)
        quarters = masks.view(4, n_contexts, n)
        quarters[:2, :, i] = True
        quarters[2:, :, i] = False
        quarters[::2, :, j] = True
        quarters[1::2, :, j] = False
        both, only_i, only_j, neither = game(masks).chunk(4, dim=-1)
        deltas = both - only_i - only_j + neither
        means.append(deltas.mean(-1))
        errors.append(deltas.std(-1) / n_contexts**0.5)
    return torch.stack(means, -1), torch.stack(errors, -1)


def _check_pairs(pairs: Tensor | int, n: int, generator: torch.Generator) -> Tensor:
    if isinstance(pairs, int):
        return random_pairs(n, pairs, generator)
    if not isinstance(pairs, Tensor):
        bad_type("pairs", "a tensor (pairs, 2) or a number", pairs, "see grid_pairs")
    if (
        pairs.dim() != 2
        or pairs.shape[1] != 2
        or len(pairs) == 0
        or bool((pairs[:, 0] == pairs[:, 1]).any())
        or not 0 <= int(pairs.min()) <= int(pairs.max()) < n
    ):
        bad_value(
            "pairs",
            f"rows of two different players in 0..{n - 1}",
            f"a tensor of shape {tuple(pairs.shape)}",
            "see grid_pairs and random_pairs",
        )
    return pairs


def _scale(scores: Tensor, labels: Any) -> float:
    """|E_x [f of the true class − mean of the others]| (the paper; abs outside)."""
    if scores.dim() != 2 or scores.shape[1] < 2 or labels is None:
        return math.nan
    scores = scores.to(accumulation_dtype(scores.device))
    rows = torch.arange(len(scores), device=scores.device)
    own = scores[rows, torch.as_tensor(labels, device=scores.device)]
    others = (scores.sum(-1) - own) / (scores.shape[1] - 1)
    return float((own - others).mean().abs())
