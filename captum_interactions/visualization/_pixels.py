"""Pixels: showing an image below its players, and the borders of regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captum_interactions.visualization._style import INK, NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["centers", "frame", "in_range", "paint", "show", "show_members", "show_pale"]

# What is left of the contrast of an image that lies below colors, and of a region that
# is not meant: enough to see what it is, too little to compete.
_PALE = 0.45
_DIMMED = 0.25
# Full color covers this much of the image.
_COVER = 0.85


def in_range(image: Tensor) -> Tensor:
    """Return an image with values in 0..1; standardized ones are brought there."""
    image = image.detach().cpu().double()
    low, high = image.min(), image.max()
    if low < 0 or high > 1:
        image = (image - low) / (high - low).clamp_min(1e-12)
    return image.nan_to_num()


def _pale_gray(image: Tensor, contrast: float) -> Tensor:
    """The image in light gray, ``(h, w)``: colors above it mean signs."""
    return 1 - contrast + contrast * in_range(image).mean(0)


def show(axes: Axes, pixels: Tensor) -> None:
    """Show colors ``(3, h, w)`` or grays ``(h, w)`` in 0..1, without ticks."""
    colors = pixels.expand(3, *pixels.shape[-2:]).permute(1, 2, 0).clamp(0, 1)
    axes.imshow((255 * colors).round().to(torch.uint8).numpy())
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def show_pale(axes: Axes, image: Tensor) -> None:
    """Show an image in pale gray, so that lines above it stand out."""
    show(axes, _pale_gray(image, 0.7))


def paint(
    axes: Axes,
    values: Tensor,  # (height, width)
    image: Tensor,  # (channels, height, width)
    largest: float,
) -> None:
    """Paint values over a pale gray image: nothing at 0, full color at ``largest``."""
    gray = _pale_gray(image, _PALE).expand(3, *values.shape)
    up, down = (_channels(color) for color in (POSITIVE, NEGATIVE))
    color = torch.where(values > 0, up, down)
    cover = _COVER * (values.abs() / largest).clamp(0, 1)
    show(axes, gray * (1 - cover) + color * cover)


def show_members(
    axes: Axes,
    inside: Tensor,  # (height, width) bool
    image: Tensor,  # (channels, height, width)
) -> None:
    """Show a region as it is, and everything else as a pale gray shadow."""
    shape = (3, *image.shape[-2:])
    shadow = _pale_gray(image, _DIMMED).expand(shape)
    show(axes, torch.where(inside, in_range(image).expand(shape), shadow))


def _channels(color: str) -> Tensor:
    values = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return torch.tensor(values, dtype=torch.float64).view(3, 1, 1)


def centers(inside: Tensor) -> list[tuple[float, float]]:
    """Mean position (x, y) of each player's pixels; NaN for players without any.

    Args:
        inside: Part of each pixel that belongs to each player, ``(n, h, w)``.
    """
    pixels = inside.sum((-2, -1))
    rows = (inside.sum(-1) * torch.arange(inside.shape[-2])).sum(-1) / pixels
    columns = (inside.sum(-2) * torch.arange(inside.shape[-1])).sum(-1) / pixels
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def frame(
    axes: Axes,
    inside: Tensor,  # (height, width)
    color: str = INK,
    style: str = "solid",
) -> None:
    """Draw the border of a region of pixels along their edges, on a white ground."""
    from matplotlib.collections import LineCollection

    padded = torch.nn.functional.pad(inside > 0, (1, 1, 1, 1))
    across = (padded[1:, 1:-1] != padded[:-1, 1:-1]).nonzero().tolist()
    down = (padded[1:-1, 1:] != padded[1:-1, :-1]).nonzero().tolist()
    lines = [[(a, at), (b, at)] for at, a, b in _runs(across)]
    lines += [[(at, a), (at, b)] for at, a, b in _runs([[x, y] for y, x in down])]
    for width, ink, dashes in ((4.2, "white", "solid"), (2.2, color, style)):
        axes.add_collection(
            LineCollection(
                lines,
                colors=ink,
                linewidths=width,
                linestyles=dashes,
                capstyle="round" if dashes == "solid" else "butt",
                clip_on=False,  # half of a line at the border of the image is outside
            ),
            autolim=False,
        )


def _runs(edges: list[list[int]]) -> list[tuple[float, float, float]]:
    """Join edges of pixels that follow each other: (line, start, end)."""
    runs: list[tuple[float, float, float]] = []
    for line, start in sorted(edges):
        at, first = line - 0.5, start - 0.5
        if runs and runs[-1][0] == at and runs[-1][2] == first:
            runs[-1] = (at, runs[-1][1], first + 1)
        else:
            runs.append((at, first, first + 1))
    return runs
