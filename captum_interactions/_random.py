"""Randomness without touching the global state."""

from __future__ import annotations

import torch

__all__ = ["device_of", "own_generator", "random_ranks"]


def own_generator(
    generator: torch.Generator | None, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return ``generator``, or a new one that follows ``torch.manual_seed``.

    The new one starts from the seed of the global generator without drawing from it, so
    runs can be repeated and nothing outside is disturbed.
    """
    if generator is not None:
        return generator
    return torch.Generator(device=device).manual_seed(torch.initial_seed())


def device_of(generator: torch.Generator | None) -> torch.device | None:
    """Return where a generator draws; ``None`` is torch's default."""
    return None if generator is None else generator.device


def random_ranks(
    generator: torch.Generator | None, *shape: int
) -> torch.Tensor:  # int64
    """Return ranks 0..n−1 along the last axis, a random order in each row.

    ``random_ranks(generator, k, n) < size`` is k random coalitions of ``size`` players.

    Example:
        >>> sorted(random_ranks(None, 4).tolist())
        [0, 1, 2, 3]
    """
    # One dtype whatever the default, so that a seed gives the same order everywhere.
    chance = torch.rand(
        shape, dtype=torch.float32, generator=generator, device=device_of(generator)
    )
    return chance.argsort(-1).argsort(-1)
