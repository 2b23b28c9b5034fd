"""Players on a grid of image cells."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_held, check_positive_int
from captum_interactions._signature import checked

__all__ = ["grid_mask"]


@checked
def grid_mask(height: int, width: int, rows: int, columns: int | None = None) -> Tensor:
    """A feature mask whose players are the cells of a grid over an image.

    All channels of a cell belong together. Where the size is no multiple of the grid,
    cells differ by a pixel, and no rim is left out.

    Args:
        height: Pixels from top to bottom.
        width: Pixels from left to right.
        rows: Cells from top to bottom.
        columns: Cells from left to right; as many as rows unless given.

    Returns:
        Ids 0..rows·columns−1 row by row, ``(1, 1, height, width)``.

    Raises:
        ValueError: If there are more cells than pixels along an axis.

    Example:
        >>> grid_mask(2, 4, 1, 2)[0, 0].tolist()
        [[0, 0, 1, 1], [0, 0, 1, 1]]
    """
    columns = rows if columns is None else columns
    for name, cells, pixels in ("rows", rows, height), ("columns", columns, width):
        check_positive_int(name, cells, "the grid needs a cell")
        if cells > pixels:
            bad_value(name, f"at most {pixels}, one per pixel", cells, "use fewer")
    check_held("height, width", height * width, "a mask has a number for each pixel")
    down = torch.arange(height) * rows // height
    across = torch.arange(width) * columns // width
    return (down.unsqueeze(1) * columns + across).reshape(1, 1, height, width)
