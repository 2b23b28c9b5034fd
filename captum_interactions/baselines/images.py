"""What an absent region of an image looks like.

Each is one call; no one of them is right for every network, so compare some on the same
image. A color or a blur is a baseline as Captum takes it; shuffled patches average over
samples; filling in depends on what else is absent, and goes around the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

from captum_interactions._checks import (
    bad_type,
    bad_value,
    check_held,
    check_positive_int,
)
from captum_interactions._random import own_generator
from captum_interactions._signature import checked, checked_methods
from captum_interactions.games.masking import BaselineSet

__all__ = [
    "FilledIn",
    "blurred_image",
    "fill_from_neighbors",
    "mean_color",
    "shuffled_patches",
]


@checked
def mean_color(
    images: Tensor,  # (batch, channels, height, width)
) -> Tensor:
    """Return every image in its own mean color.

    Args:
        images: Floating point, ``(batch, channels, height, width)``.

    Returns:
        One baseline per image, ``(batch, channels, height, width)``.

    Raises:
        TypeError: If the images are not floating point.
        ValueError: If they have no four axes.

    Example:
        >>> mean_color(torch.tensor([[[[0.0, 1.0]]]])).tolist()
        [[[[0.5, 0.5]]]]
    """
    _check_images(images)
    return images.mean((2, 3), keepdim=True).expand_as(images).contiguous()


@checked
def blurred_image(
    images: Tensor,  # (batch, channels, height, width)
    sigma: float = 5.0,
) -> Tensor:
    """Blur every image by a Gaussian, which makes it its own baseline.

    Args:
        images: Floating point, ``(batch, channels, height, width)``.
        sigma: Standard deviation of the Gaussian, in pixels.

    Returns:
        One baseline per image, the same shape. Beyond the border the edge pixels are
        repeated.

    Raises:
        TypeError: If the images are not floating point.
        ValueError: If they have no four axes, or sigma is not positive.

    Example:
        >>> blurred_image(torch.ones(1, 1, 4, 4), sigma=1.0).round(decimals=3).unique()
        tensor([1.])
    """
    _check_images(images)
    if not 0 < sigma < math.inf:
        bad_value("sigma", "positive", sigma, "it is a width in pixels")
    radius = max(1, round(3 * sigma))
    width = images.shape[3] + 2 * radius
    check_held("sigma", images[..., 0].numel() * width, "a blur needs a rim of 3 sigma")
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    weights = torch.exp(-offsets.to(images).square() / (2 * sigma**2))
    weights = weights / weights.sum()
    rows = images.flatten(0, 1).unsqueeze(1)
    rows = conv2d(
        pad(rows, (0, 0, radius, radius), "replicate"), weights.view(1, 1, -1, 1)
    )
    rows = conv2d(
        pad(rows, (radius, radius, 0, 0), "replicate"), weights.view(1, 1, 1, -1)
    )
    return rows.view_as(images)


@checked
def shuffled_patches(
    image: Tensor,  # (1, channels, height, width)
    rows: int,
    columns: int | None = None,
    size: int = 8,
    generator: torch.Generator | None = None,
) -> BaselineSet:
    """Return copies of an image with its patches shuffled, to average v over.

    An absent patch then shows another part of the same picture, with its colors and
    textures, in the wrong place: a sample from the picture's own patches.

    Args:
        image: One image, ``(1, channels, height, width)``; height and width multiples
            of the grid.
        rows: Patches from top to bottom.
        columns: Patches from left to right; as many as rows unless given.
        size: Copies; every coalition takes as many forward rows.
        generator: Source of randomness; ``None`` makes one from the global seed.

    Returns:
        The copies; no patch stays where it was.

    Raises:
        TypeError: If the image is not floating point.
        ValueError: If there is more than one image, the grid does not divide it, or
            there is one patch only.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0]]]])
        >>> shuffled_patches(image, 1, 2, size=1).tensors[0].tolist()
        [[[[2.0, 1.0]]]]
    """
    _check_images(image)
    columns = rows if columns is None else columns
    check_positive_int("size", size, "every copy is an image", image.numel())
    height, width = image.shape[2:]
    divides = rows > 0 and columns > 0 and height % rows == 0 and width % columns == 0
    if len(image) != 1 or not divides or rows * columns < 2:
        bad_value(
            "image",
            f"one image that {rows} by {columns} patches divide",
            f"shape {tuple(image.shape)}",
            "choose a grid of two patches or more; image by image",
        )
    grid = image[0].unflatten(2, (columns, -1)).unflatten(1, (rows, -1))
    patches = grid.permute(1, 3, 0, 2, 4).flatten(0, 1)  # (patches, channels, h, w)
    generator = own_generator(generator)
    count = len(patches)
    copies = []
    for _ in range(size):
        # A random cycle moves every patch.
        order = torch.randperm(count, generator=generator, device=generator.device)
        source = torch.empty_like(order)
        source[order] = order.roll(1)
        moved = patches[source.to(image.device)].unflatten(0, (rows, columns))
        copies.append(moved.permute(2, 0, 3, 1, 4).reshape(image.shape[1:]))
    return BaselineSet(torch.stack(copies))


@checked
def fill_from_neighbors(
    images: Tensor,  # (rows, channels, height, width)
    present: Tensor,  # (rows or 1, 1, height, width) bool
) -> Tensor:
    """Fill what is absent in images with the colors around it.

    The picture is averaged over the present pixels of ever larger blocks, and what is
    absent is interpolated from the finest blocks that have any, as in the pull-push
    algorithm of Gortler et al. (SIGGRAPH 1996, "The lumigraph", section 3.4). An
    image without any present pixel is zero.

    Args:
        images: Floating point, ``(rows, channels, height, width)``.
        present: True where a pixel is kept.

    Returns:
        Images of the same shape, unchanged where present.

    Raises:
        TypeError: If the images are not floating point.
        ValueError: If shapes do not fit.

    Example:
        >>> image = torch.tensor([[[[1.0, 9.0], [1.0, 1.0]]]])
        >>> fill_from_neighbors(image, image < 9).tolist()
        [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    _check_images(images)
    if present.dim() != 4 or present.shape[1:] != (1, *images.shape[2:]):
        bad_value(
            "present",
            f"of shape (rows, 1, {images.shape[2]}, {images.shape[3]})",
            f"shape {tuple(present.shape)}",
            "one flag for each pixel",
        )
    known = present.to(images)
    return torch.where(present.bool(), images, _pull_push(images * known, known))


def _pull_push(colors: Tensor, weights: Tensor) -> Tensor:
    """Return blurred colors for all pixels, from sums of colors and their weights."""
    seen = weights > 0
    here = torch.where(seen, colors / weights.clamp_min(1e-6), 0.0)
    height, width = colors.shape[2:]
    if height * width == 1 or bool(seen.all()):
        return here
    odd = (0, width % 2, 0, height % 2)
    # Sums over blocks of 2×2; a block weighs as its pixels do, up to 1.
    coarse_weights = avg_pool2d(pad(weights, odd), 2) * 4
    coarse_colors = avg_pool2d(pad(colors, odd), 2) * 4
    most = coarse_weights.clamp_min(1.0)
    below = _pull_push(coarse_colors / most, coarse_weights / most)
    spread = interpolate(below, scale_factor=2, mode="bilinear", align_corners=False)[
        ..., :height, :width
    ]
    return torch.where(seen, weights * here + (1 - weights) * spread, spread)


@checked_methods
class FilledIn(nn.Module):
    """A model of images whose absent pixels are filled in from those around them.

    The players are in a tensor of flags ``(batch, 1, height, width)``, all True, with a
    feature mask such as :func:`~captum_interactions.players.grid_mask`; baselines are
    ``None`` (absent is False), and the images follow first among the
    ``additional_forward_args``. What stands for a region then depends on which of its
    neighbors are present, which no fixed baseline can do.

    Args:
        forward_func: Model or callable that takes images first.

    Example:
        >>> model = FilledIn(lambda x: x.sum((1, 2, 3)))
        >>> image = torch.tensor([[[[1.0, 9.0], [1.0, 1.0]]]])
        >>> model(image < 9, image).tolist()
        [4.0]
    """

    def __init__(self, forward_func: Callable[..., Tensor]) -> None:
        super().__init__()
        self.forward_func = forward_func
        if isinstance(forward_func, nn.Module):
            self.training = forward_func.training

    def forward(self, present: Tensor, images: Tensor, *args: Any) -> Tensor:
        """Return the model's output on the filled images."""
        return self.forward_func(fill_from_neighbors(images, present), *args)


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor):
        bad_type("images", "a tensor", images, "stack the images")
    if not images.is_floating_point():
        raise TypeError(
            f"`images` must be floating point, got {images.dtype}; cast with .float()"
        )
    if images.dim() != 4:
        bad_value(
            "images",
            "of shape (batch, channels, height, width)",
            f"shape {tuple(images.shape)}",
            "add the missing axes with unsqueeze",
        )
