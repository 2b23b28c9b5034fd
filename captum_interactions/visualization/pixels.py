"""Pixels: whose they are, and painting them by Captum's ``visualize_image_attr``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._palette import INK, diverging
from captum_interactions.visualization.reading import PlayersOf

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "centers_of_players",
    "frame",
    "membership",
    "on_pixels",
    "paint",
    "show_gray",
]

# Per cent of the total. At 0 Captum's threshold can lie above the total by rounding,
# and it fails; this little never leaves out a pixel.
_NO_OUTLIERS = 1e-6


def paint(
    axes: Axes,
    attributions: Tensor,  # (channels, height, width)
    image: Tensor | None = None,  # (channels, height, width)
    largest: float | None = None,
) -> None:
    """Paint attributions over a gray version of the image, blue up, vermilion down.

    Args:
        axes: Where to draw.
        attributions: One value per element; channels are added up.
        image: What to paint over; ``None`` leaves the ground white.
        largest: What full color stands for; ``None`` takes the largest value here.
    """
    from captum.attr import visualization

    total = attributions.detach().double().cpu().sum(0)
    own = float(total.abs().max())
    if own == 0:  # Captum scales by the largest value and refuses 0.
        show_gray(axes, torch.ones(3, *total.shape) if image is None else image)
        return
    visualization.visualize_image_attr(
        (total / own).unsqueeze(-1).numpy(),  # it warns of values below 1e-5
        None if image is None else _as_colors(image),
        method="heat_map" if image is None else "blended_heat_map",
        sign="all",
        outlier_perc=_NO_OUTLIERS,
        cmap=diverging(),
        alpha_overlay=0.7,
        plt_fig_axis=(axes.figure, axes),
        use_pyplot=False,
    )
    if largest is not None:
        axes.images[-1].set_clim(-largest / own, largest / own)


def show_gray(axes: Axes, image: Tensor) -> None:
    """Show an image, ``(channels, height, width)``, in gray: colors mean signs."""
    from captum.attr import visualization

    gray = image.detach().cpu().float().mean(0, keepdim=True)
    if gray.min() < 0 or gray.max() > 1:  # standardized
        gray = (gray - gray.min()) / (gray.max() - gray.min())
    visualization.visualize_image_attr(
        torch.ones(gray.shape[1:]).numpy(),  # Captum asks for some, and draws none
        _as_colors(gray),
        method="original_image",
        plt_fig_axis=(axes.figure, axes),
        use_pyplot=False,
    )


def centers_of_players(
    players: PlayersOf | None, example: int, position: int, image: Tensor
) -> list[tuple[float, float]]:
    """Mean position (x, y) of each player's pixels; NaN for players not in the image.

    Raises:
        ValueError: If there are no players, or the image is not theirs.
    """
    inside = membership(players, example, position, image)
    pixels = inside.sum((-2, -1))
    rows = (inside.sum(-1) * torch.arange(inside.shape[-2])).sum(-1) / pixels
    columns = (inside.sum(-2) * torch.arange(inside.shape[-1])).sum(-1) / pixels
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def _as_colors(image: Tensor) -> Any:
    """An image as Captum takes it: (height, width, 3) of floats."""
    shown = image.detach().cpu().float().permute(1, 2, 0)
    return shown.expand(-1, -1, 3).numpy() if shown.shape[-1] == 1 else shown.numpy()


def membership(
    players: PlayersOf | None, example: int, position: int, image: Tensor
) -> Tensor:
    """Which part of each pixel's channels belongs to each player, ``(n, h, w)``.

    Raises:
        ValueError: If there are no players, no such input, or the image is not theirs.
    """
    if players is None:
        bad_value(
            "pairs",
            "a result, which knows where its players are",
            "a bare matrix",
            "pass what `interactions` returned",
        )
    if not 0 <= position < len(players.masks):
        bad_value(
            "position",
            f"an index in 0..{len(players.masks) - 1}, one of the inputs",
            position,
            "say which of the inputs is the image",
        )
    masks = players.masks[position]
    mask = masks[min(example, masks.shape[0] - 1)].cpu()
    if mask.dim() != 3 or mask.shape[-2:] != image.shape[-2:]:
        bad_value(
            "image",
            f"the one that was explained, of shape {tuple(mask.shape)}",
            f"shape {tuple(image.shape)}",
            "pass the input without its batch axis, or choose `position`",
        )
    members = mask == torch.arange(len(players))[:, None, None, None]
    return members.double().mean(1)


def on_pixels(values: Tensor, inside: Tensor) -> Tensor:
    """The mean value of each pixel's players, ``(1, height, width)``."""
    return torch.einsum("p,phw->hw", values, inside).unsqueeze(0)


def frame(axes: Axes, inside: Tensor) -> None:
    """Draw the border of a region of pixels, along their edges."""
    from matplotlib.collections import LineCollection

    padded = torch.nn.functional.pad(inside > 0, (1, 1, 1, 1))
    across = (padded[1:, 1:-1] != padded[:-1, 1:-1]).nonzero().tolist()
    down = (padded[1:-1, 1:] != padded[1:-1, :-1]).nonzero().tolist()
    lines = [[(x - 0.5, y - 0.5), (x + 0.5, y - 0.5)] for y, x in across]
    lines += [[(x - 0.5, y - 0.5), (x - 0.5, y + 0.5)] for y, x in down]
    for width, color in ((3.5, "white"), (1.8, INK)):
        axes.add_collection(
            LineCollection(lines, colors=color, linewidths=width, capstyle="round"),
            autolim=False,
        )
