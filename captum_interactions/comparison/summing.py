"""Attributions of input elements or layers, summed over players."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions.comparison.failures import CannotRunError
from captum_interactions.comparison.running import Run
from captum_interactions.players import Players

__all__ = ["aggregate"]


def aggregate(found: Run, players: Players, batch_size: int) -> Tensor:
    """Sum attributions over the elements of each player, ``(batch, n)`` float64.

    Methods that took the feature mask repeat a player's value on its elements; the mean
    is taken there. Occlusion repeats a window's effect on all of its elements, which
    share it here. Axes beyond the input's (an embedding's) are summed away; a layer's
    map over an image is summed over channels and spread over the pixels of each cell.
    Several layers add up, each on the first input whose axes it follows.

    Raises:
        CannotRunError: If the attributions follow the axes of no input, or are not
            finite.
    """
    sums = torch.zeros(batch_size, len(players), dtype=torch.float64)
    counts = torch.zeros_like(sums)
    for position, values in enumerate(found.attributions):
        window = 1 if found.of_layers else found.window[position]
        spread = values.double().cpu() / window
        if not spread.isfinite().all():
            raise CannotRunError("its attributions are not finite")
        masks = players.masks if found.of_layers else players.masks[position:][:1]
        mask, flat = _on_elements(spread, masks, batch_size)
        index = mask.cpu().expand(batch_size, *mask.shape[1:]).reshape(batch_size, -1)
        sums.scatter_add_(1, index, flat)
        counts.scatter_add_(1, index, torch.ones_like(flat))
    return sums / counts.clamp_min(1) if found.per_player else sums


def _on_elements(
    values: Tensor, masks: tuple[Tensor, ...], batch_size: int
) -> tuple[Tensor, Tensor]:
    """The mask that values follow, and one value per element of it."""
    for mask in masks:
        spread = values
        if spread.dim() == mask.dim() == 4 and all(
            cells <= pixels
            for cells, pixels in zip(spread.shape[2:], mask.shape[2:], strict=True)
        ):
            spread = _over_pixels(spread, *mask.shape[1:])
        spread = spread.reshape(*spread.shape[: mask.dim()], -1).sum(-1)
        if spread.shape[1:] == mask.shape[1:] and len(spread) == batch_size:
            return mask, spread.reshape(batch_size, -1)
    shapes = [(batch_size, *mask.shape[1:]) for mask in masks]
    raise CannotRunError(
        f"its attributions, {tuple(values.shape)}, do not follow the axes of the "
        f"inputs, {', '.join(map(str, shapes))}: take a layer whose output "
        " has them first, such as the embedding of the tokens"
    )


def _over_pixels(
    values: Tensor,  # (batch, layer channels, h, w)
    channels: int,
    height: int,
    width: int,
) -> Tensor:
    """Spread a layer's map evenly over the pixels that Captum would enlarge it to."""
    if values.shape[1:] == (channels, height, width):
        return values
    rows = torch.arange(height) * values.shape[2] // height
    columns = torch.arange(width) * values.shape[3] // width
    pixels = rows.bincount()[rows].unsqueeze(1) * columns.bincount()[columns]
    enlarged = values.sum(1, keepdim=True)[:, :, rows][..., columns]
    return (enlarged / (channels * pixels)).expand(-1, channels, -1, -1)
