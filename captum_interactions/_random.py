"""Randomness without touching the global state."""

from __future__ import annotations

import torch

__all__ = ["own_generator"]


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
