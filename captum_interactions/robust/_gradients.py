"""The pieces an attack's gradient is made of, each one a function of tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from captum_interactions._random import random_ranks

__all__ = [
    "Diversity",
    "diversify",
    "smooth",
    "l1_normalized",
    "ascend",
    "project",
    "random_start",
    "draw_units",
]


@dataclass(frozen=True)
class Diversity:
    """One random resizing and padding, as shares of the free pixels."""

    size: float
    down: float
    across: float

    @classmethod
    def draw(cls, probability: float, generator: torch.Generator) -> Diversity | None:
        """Draw one with a probability; 0 draws nothing from the generator."""
        if probability == 0:
            return None
        chance, *shares = torch.rand(
            4, dtype=torch.float32, generator=generator, device=generator.device
        ).tolist()
        return cls(*shares) if chance < probability else None


def diversify(
    images: Tensor,  # (rows, channels, height, width)
    scale: float,
    draw: Diversity,
) -> Tensor:
    """Resize images at random, pad them at random, and resize them back (DI).

    Images are enlarged to a random size below ``scale`` times theirs, placed at random
    on a zero canvas of that largest size, and brought back (bilinear throughout).

    Args:
        images: ``(rows, channels, height, width)``.
        scale: Largest size over the images'.
        draw: The random part, the same for all rows.

    References:
        Xie et al. (CVPR 2019).
    """
    height, width = images.shape[-2:]
    canvas = int(height * scale), int(width * scale)
    size = [
        small + int(draw.size * (large - small))
        for small, large in zip((height, width), canvas, strict=True)
    ]
    resized = interpolate(images, size, mode="bilinear", align_corners=False)
    free = canvas[0] - size[0], canvas[1] - size[1]
    top = int(draw.down * (free[0] + 1))
    left = int(draw.across * (free[1] + 1))
    padded = pad(resized, (left, free[1] - left, top, free[0] - top))
    return interpolate(padded, (height, width), mode="bilinear", align_corners=False)


def smooth(gradient: Tensor, size: int) -> Tensor:
    """Convolve a gradient with a Gaussian, for translation invariance (TI).

    The kernel is the normal density on ``linspace(−3, 3, size)`` in both directions,
    normalized; every channel is convolved by itself. Size 1 changes nothing.

    References:
        Dong et al. (CVPR 2019).
    """
    if size == 1:
        return gradient
    line = torch.linspace(-3, 3, size, dtype=gradient.dtype, device=gradient.device)
    line = (-line.square() / 2).exp()
    kernel = line.unsqueeze(1) * line
    channels = gradient.shape[1]
    weight = (kernel / kernel.sum()).expand(channels, 1, size, size)
    return conv2d(gradient, weight, padding=size // 2, groups=channels)


def l1_normalized(gradient: Tensor) -> Tensor:
    """Divide each example's gradient by its L1 norm; a zero gradient stays zero."""
    norms = gradient.flatten(1).abs().sum(-1).clamp_min(_tiny(gradient))
    return gradient / _per_example(norms, gradient)


def ascend(delta: Tensor, direction: Tensor, step: float, norm: str) -> Tensor:
    """Take one step: along the sign for L∞, along the unit vector for L2."""
    if norm == "Linf":
        return delta + step * direction.sign()
    direction = l1_normalized(direction)  # squares of small numbers would vanish
    norms = direction.flatten(1).norm(dim=-1).clamp_min(_tiny(delta))
    return delta + step * direction / _per_example(norms, direction)


def project(delta: Tensor, radius: float, norm: str) -> Tensor:
    """Bring every example back into the ball around 0; zeros stay zeros."""
    if norm == "Linf":
        return delta.clamp(-radius, radius)
    norms = delta.flatten(1).norm(dim=-1).clamp_min(_tiny(delta))
    return delta * _per_example((radius / norms).clamp_max(1), delta)


def random_start(
    inputs: Tensor, radius: float, norm: str, generator: torch.Generator
) -> Tensor:
    """Draw uniformly from the ball, once for the batch, ``(1, *features)``."""
    shape, device = (1, *inputs.shape[1:]), generator.device
    if norm == "Linf":
        uniform = torch.rand(
            shape, dtype=torch.float32, generator=generator, device=device
        )
        return (radius * (2 * uniform - 1)).to(inputs)
    direction = torch.randn(
        shape, dtype=torch.float32, generator=generator, device=device
    )
    share = torch.rand((), dtype=torch.float32, generator=generator, device=device)
    length = radius * share ** (1 / direction.numel())
    return (length * direction / direction.norm()).to(inputs)


def draw_units(
    n: int, fraction: float, n_sets: int, generator: torch.Generator
) -> Tensor:
    """Draw sets A of units, ``(n_sets, n)`` bool, at least one in and one out."""
    size = min(max(1, round(fraction * n)), n - 1)
    return random_ranks(generator, n_sets, n) < size


def _per_example(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *(1,) * (like.dim() - 1))


def _tiny(tensor: Tensor) -> float:
    """What keeps 0/0 away and leaves every other norm as it is."""
    return torch.finfo(tensor.dtype).tiny
