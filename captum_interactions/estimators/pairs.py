"""Which pairs to look at when there are too many: random ones, or neighbors."""

from __future__ import annotations

import torch

from captum_interactions._checks import bad_value, check_positive_int

__all__ = ["random_pairs", "neighbor_pairs"]

Pairs = list[tuple[int, int]]


def random_pairs(n: int, count: int, generator: torch.Generator | None = None) -> Pairs:
    """Draw ``count`` different unordered pairs of n players.

    Raises:
        ValueError: If there are fewer pairs than that.

    Example:
        >>> len(random_pairs(5, 4, torch.Generator().manual_seed(0)))
        4
    """
    every = torch.combinations(torch.arange(n))
    return _draw(every, count, generator)


def neighbor_pairs(
    height: int,
    width: int,
    count: int | None = None,
    *,
    distance: int = 1,
    generator: torch.Generator | None = None,
) -> Pairs:
    """Draw different pairs of cells of a grid that lie close to each other.

    Cell (row, column) is player row·width + column. Two cells are neighbors if rows
    and columns differ by at most ``distance``: 1 is the setting of Ren et al. (2021),
    2 that of Deng et al. (2022). The authors draw a cell and clamp its partner to the
    grid, which prefers cells at the border; here every neighboring pair is equally
    likely.

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
        count: How many pairs; None for all.
        distance: Largest distance in rows and in columns.
        generator: Source of randomness.

    Returns:
        Pairs (i, j) with i < j.

    Raises:
        ValueError: If there are fewer such pairs than ``count``.

    Example:
        >>> neighbor_pairs(1, 3)
        [(0, 1), (1, 2)]
    """
    check_positive_int("distance", distance, "1 means the eight adjacent cells")
    players = torch.arange(height * width)
    rows, columns = players // width, players % width
    apart = torch.maximum(
        (rows[:, None] - rows).abs(), (columns[:, None] - columns).abs()
    )
    close = ((apart <= distance) & (players[:, None] < players)).nonzero()
    return _draw(close, len(close) if count is None else count, generator)


def _draw(
    candidates: torch.Tensor, count: int, generator: torch.Generator | None
) -> Pairs:
    if not 1 <= count <= len(candidates):
        bad_value(
            "count",
            f"in 1..{len(candidates)}",
            count,
            f"there are {len(candidates)} different pairs",
        )
    chosen = candidates
    if count < len(candidates):
        device = generator.device if generator is not None else None
        order = torch.randperm(len(candidates), generator=generator, device=device)
        chosen = candidates[order[:count].cpu()]
    return [(int(i), int(j)) for i, j in chosen.tolist()]
