"""Players on a grid of image cells, and pairs of neighboring cells."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._random import own_generator

__all__ = ["grid_mask", "grid_pairs"]


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
    down = torch.arange(height) * rows // height
    across = torch.arange(width) * columns // width
    return (down.unsqueeze(1) * columns + across).reshape(1, 1, height, width)


def grid_pairs(
    rows: int,
    columns: int,
    n_partners: int = 5,
    spacing: int = 5,
    radius: int = 2,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Pairs of neighboring cells, as interaction strength is usually measured on.

    Anchors lie at every ``spacing``-th row and column; each gets distinct random
    partners from the window of ``2·radius + 1`` cells around it, cut at the borders.
    The defaults give the 16 × 5 = 80 pairs of the papers on a 16 × 16 grid.

    Args:
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        n_partners: Partners of each anchor; all of them if the window has fewer.
        spacing: Cells from one anchor to the next.
        radius: Half width of the window.
        generator: Source of randomness; ``None`` makes one from the global seed.

    Returns:
        Players i and j of each pair, ``(pairs, 2)``, ids as :func:`grid_mask` has them.

    Raises:
        ValueError: If a number is not positive, or there is only one cell.

    References:
        Zhang et al. (ICLR 2021), Appendix E and the authors' code.

    Example:
        >>> grid_pairs(16, 16).shape
        torch.Size([80, 2])
    """
    for name, value in (
        ("rows", rows),
        ("columns", columns),
        ("n_partners", n_partners),
        ("spacing", spacing),
        ("radius", radius),
    ):
        check_positive_int(name, value, "see the defaults")
    if rows * columns < 2:
        bad_value("rows", "a grid of at least two cells", "one", "refine the grid")
    generator = own_generator(generator)
    pairs = []
    for row in range(0, rows, spacing):
        for column in range(0, columns, spacing):
            window = [
                (r, c)
                for r in range(max(0, row - radius), min(rows, row + radius + 1))
                for c in range(
                    max(0, column - radius), min(columns, column + radius + 1)
                )
                if (r, c) != (row, column)
            ]
            order = torch.randperm(
                len(window), generator=generator, device=generator.device
            )
            for index in order[:n_partners].tolist():
                r, c = window[index]
                pairs.append((row * columns + column, r * columns + c))
    return torch.tensor(pairs)
