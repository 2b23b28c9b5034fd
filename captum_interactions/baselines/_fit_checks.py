"""What a fit of baselines is refused for, and what is said at its end."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_enumerable, user_level
from captum_interactions.baselines._box import BoundedBaselines
from captum_interactions.baselines._settings import FitSettings, penalized_orders
from captum_interactions.baselines._statistics import InputStatistics
from captum_interactions.games import ModelGame

__all__ = ["at_example", "check_floating", "check_game", "check_starts", "warn"]

# A baseline is at its example once it has gone all the way there but for this part: by
# then every loss is a hundredth of its first at most.
_AT_EXAMPLE = 0.01


def check_floating(statistics: InputStatistics) -> None:
    """Refuse inputs whose baselines can't be learned.

    Raises:
        TypeError: If they are not floating point.
    """
    for tensor in statistics.low:
        if not tensor.is_floating_point():
            raise TypeError(
                f"`inputs` must be floating point, got {tensor.dtype}; learn in "
                "embedding space (captum.attr.configure_interpretable_embedding_layer, "
                "or a forward function that takes embeddings), cast numbers with "
                ".float(), and pass ids that stay as additional_forward_args"
            )


def check_starts(starts: tuple[Tensor, ...], own: tuple[Tensor, ...] | None) -> None:
    """Refuse to start at the only example of a baseline.

    Raises:
        ValueError: If one does.
    """
    if own is not None and bool((_gaps(starts, own) == 0).any()):
        bad_value(
            "init",
            "different from the example that a baseline is learned on",
            "the example itself",
            "every loss is zero there; start from another value, such as init='zero' "
            "with bounds=('abs', low, high), or give more examples",
        )


def check_game(
    game: ModelGame, box: BoundedBaselines, settings: FitSettings, per_example: bool
) -> None:
    """Make the first forward pass of a fit, on two examples, and look for a gradient.

    Everything that can be checked without one is checked before.

    Raises:
        ValueError: If there is no gradient, too many players, or one value for several
            examples.
    """
    n = game.n_players
    if settings.objective == "l1_interaction":
        check_enumerable(n)
    else:
        penalized_orders(settings.max_order, n)
    pair = torch.arange(min(2, game.batch_size))
    values = (box.rows(pair) if per_example else box).values()
    some = game.select(pair).with_baselines(values)
    ends = some(torch.tensor([[False], [True], [False]]).expand(3, n))
    gradients: tuple[Tensor | None, ...] = (None,)
    if ends.requires_grad:
        gradients = torch.autograd.grad(ends.sum(), values, allow_unused=True)
    if all(gradient is None for gradient in gradients):
        raise ValueError(
            "`forward_func` must be differentiable with respect to its inputs, got "
            "values without a gradient; return tensors of the graph (no detach, "
            "numpy, argmax or no_grad inside)"
        )
    if len(ends) < len(pair):
        bad_value(
            "forward_func",
            "a function with one value per example",
            "one scalar for a whole batch",
            "leave out its mean or sum, or fit on one example",
        )


def at_example(
    baselines: tuple[Tensor, ...],
    starts: tuple[Tensor, ...],
    own: tuple[Tensor, ...] | None,
) -> Tensor:
    """Return which baselines have become their example, bool."""
    if own is None:
        return torch.zeros(len(baselines[0]), dtype=torch.bool)
    return _gaps(baselines, own) <= _gaps(starts, own) * _AT_EXAMPLE


def warn(at_example: Tensor, flat: bool) -> None:
    """Say what went wrong."""
    if bool(at_example.any()):
        warnings.warn(
            f"{int(at_example.sum())} of {len(at_example)} baselines have become the "
            "example itself, where every loss and every attribution is zero; narrow "
            "the bounds, or learn one baseline on more examples",
            UserWarning,
            stacklevel=user_level(),
        )
    elif flat:
        warnings.warn(
            "the baselines have not moved: the gradient was zero in every step; start "
            "elsewhere, or explain a value that is not constant around the data",
            UserWarning,
            stacklevel=user_level(),
        )


def _gaps(baselines: tuple[Tensor, ...], own: tuple[Tensor, ...]) -> Tensor:
    """Largest distance of each baseline from its example in any element."""
    gaps = [
        (b - x).abs().flatten(1).amax(1).cpu()
        for b, x in zip(baselines, own, strict=True)
    ]
    return torch.stack(gaps).amax(0)
