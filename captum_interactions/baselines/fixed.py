"""Baselines that users compare: each is one call, and fits any Captum method.

What they return goes to ``baselines=`` of every Captum attribution and of every class
here, except :func:`data_sample`, which averages v over samples and is understood by the
classes here only.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._random import device_of
from captum_interactions._signature import checked
from captum_interactions.baselines.examples import open_examples
from captum_interactions.games.arguments import format_inputs
from captum_interactions.games.masking import BaselineSet

__all__ = [
    "constant_token",
    "data_mean",
    "data_median",
    "data_sample",
    "nearest_tokens",
    "zero_baseline",
]

Inputs = TypeVar("Inputs", Tensor, tuple[Tensor, ...])


def _like(inputs: Any, tensors: tuple[Tensor, ...]) -> Any:
    """Return a lone tensor where a lone tensor came."""
    return tensors if isinstance(inputs, tuple) else tensors[0]


@checked
def zero_baseline(inputs: Inputs) -> Inputs:
    """Return zeros, Captum's default, ``(1, *features)`` for each input.

    Example:
        >>> zero_baseline(torch.ones(5, 2))
        tensor([[0., 0.]])
    """
    tensors = format_inputs(inputs)
    zeros = tuple(torch.zeros_like(tensor[:1]) for tensor in tensors)
    result: Inputs = _like(inputs, zeros)
    return result


@checked
def data_mean(data: Any) -> Any:
    """Return the mean of a data set, element by element.

    Args:
        data: A tensor or tuple of tensors, or a DataLoader of inputs or of
            ``(inputs, target)``; floating point.

    Returns:
        ``(1, *features)``; a tuple if there are several inputs.

    Raises:
        TypeError: If the data are of an integer dtype.

    Example:
        >>> data_mean(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
        tensor([[1., 1.]])
    """
    examples = open_examples(data, argument="data")
    for tensor in next(examples.once()).inputs:
        _check_floating(tensor, "data")
    mean = examples.statistics().mean
    return mean if isinstance(data, tuple) or len(mean) > 1 else mean[0]


@checked
def data_median(data: Inputs) -> Inputs:
    """Return the median of a data set: for each element a value that occurs in it.

    Args:
        data: A tensor or tuple of tensors with all examples; of an even number of
            values the lower middle one is taken.

    Returns:
        ``(1, *features)`` for each input.

    Example:
        >>> data_median(torch.tensor([[0.0], [1.0], [9.0]]))
        tensor([[1.]])
    """
    tensors = format_inputs(data)
    medians = tuple(tensor.median(dim=0, keepdim=True).values for tensor in tensors)
    result: Inputs = _like(data, medians)
    return result


@checked
def constant_token(
    token_ids: Tensor,  # (batch, length) integer
    token: int,
    keep: tuple[int, ...] = (),
) -> Tensor:
    """Return a sentence of one token, such as the pad, mask or unknown token.

    Args:
        token_ids: Sentences, ``(batch, length)``, any integer dtype.
        token: Id that replaces the others.
        keep: Ids that stay where they are, such as the start and separator tokens, so
            that they are present in every coalition.

    Returns:
        One baseline per sentence, ``(batch, length)``.

    Raises:
        TypeError: If the ids are not integers.

    Example:
        >>> constant_token(torch.tensor([[101, 7, 8, 102]]), token=0, keep=(101, 102))
        tensor([[101,   0,   0, 102]])
    """
    kinds = token_ids.is_floating_point(), token_ids.is_complex()
    if any(kinds) or token_ids.dtype == torch.bool:
        bad_type(
            "token_ids",
            "a tensor of integer ids",
            token_ids,
            "pass ids, not embeddings",
        )
    kept = torch.isin(
        token_ids, torch.tensor(keep, dtype=token_ids.dtype).to(token_ids)
    )
    return torch.where(kept, token_ids, torch.full_like(token_ids, token))


@checked
def data_sample(
    data: Tensor | tuple[Tensor, ...],
    size: int = 32,
    generator: torch.Generator | None = None,
) -> BaselineSet:
    """Draw samples of a data set, over which v is averaged where players are absent.

    Args:
        data: A tensor or tuple of tensors with all examples.
        size: Samples to draw without replacement; every coalition then takes as many
            forward rows.
        generator: Source of randomness.

    Returns:
        Baselines for the classes of this package. For a Captum method pass its
        ``samples`` where that takes a distribution.

    Raises:
        ValueError: If there are fewer examples than ``size``.

    Example:
        >>> data_sample(torch.zeros(10, 3), size=4).size
        4
    """
    tensors = format_inputs(data)
    total = len(tensors[0])
    if check_positive_int("size", size, "draw at least one sample") > total:
        bad_value("size", f"at most the {total} examples", size, "draw fewer samples")
    chosen = torch.randperm(total, generator=generator, device=device_of(generator))[
        :size
    ]
    return BaselineSet(
        _like(data, tuple(tensor[chosen.to(tensor.device)] for tensor in tensors))
    )


@checked
def nearest_tokens(
    vectors: Tensor,  # (*shape, dimensions)
    embeddings: Tensor,  # (vocabulary, dimensions)
    k: int = 1,
) -> tuple[Tensor, Tensor]:
    """Find the tokens whose embeddings lie closest to some vectors.

    Says what a baseline that was learned in embedding space is near to.

    Args:
        vectors: Such as ``baselines_`` of a fit on embeddings, ``(*shape, d)``.
        embeddings: The weight of the embedding layer, ``(vocabulary, d)``.
        k: How many tokens.

    Returns:
        Token ids and Euclidean distances, each ``(*shape, k)``, nearest first.

    Raises:
        ValueError: If the dimensions differ, or k exceeds the vocabulary.

    Example:
        >>> vocabulary = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
        >>> nearest_tokens(torch.tensor([[0.1, 1.9]]), vocabulary)[0].tolist()
        [[2]]
    """
    if embeddings.dim() != 2 or vectors.shape[-1:] != embeddings.shape[-1:]:
        bad_value(
            "embeddings",
            f"of shape (vocabulary, {vectors.shape[-1]})",
            f"shape {tuple(embeddings.shape)}",
            "pass the weight of the embedding layer the vectors come from",
        )
    if check_positive_int("k", k, "ask for at least one token") > len(embeddings):
        bad_value("k", f"at most {len(embeddings)} tokens", k, "ask for fewer")
    _check_floating(vectors, "vectors")
    _check_floating(embeddings, "embeddings")
    vectors = vectors.detach()
    distances = torch.cdist(vectors.reshape(-1, vectors.shape[-1]), embeddings.detach())
    nearest = distances.topk(k, largest=False)
    shape = (*vectors.shape[:-1], k)
    return nearest.indices.view(shape), nearest.values.view(shape)


def _check_floating(tensor: Tensor, argument: str) -> None:
    if not tensor.is_floating_point():
        raise TypeError(
            f"`{argument}` must be floating point, got {tensor.dtype}; embed token ids "
            "first, or cast numbers with .float()"
        )
