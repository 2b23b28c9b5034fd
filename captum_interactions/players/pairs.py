"""Which pairs to look at when there are too many: random ones, or neighbors.

Pairs are a tensor ``(pairs, 2)`` of player indices i < j everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_held, check_positive_int
from captum_interactions._random import own_generator
from captum_interactions._signature import checked

__all__ = ["random_pairs", "neighbor_pairs", "grid_pairs", "touching_pairs"]


@checked
def random_pairs(
    n: int, n_pairs: int, generator: torch.Generator | None = None
) -> Tensor:
    """Draw different random pairs of players.

    Args:
        n: Players.
        n_pairs: How many; all pairs if there are fewer.
        generator: Source of randomness; ``None`` makes one from the global seed.

    Returns:
        Players i < j of each pair, ``(pairs, 2)``, in lexicographic order.

    Raises:
        TypeError: If a number is not an integer.
        ValueError: If there are fewer than two players, or no pair is asked for.

    Example:
        >>> random_pairs(3, 10).tolist()
        [[0, 1], [0, 2], [1, 2]]
    """
    check_positive_int("n_pairs", n_pairs, "ask for a pair")
    if check_positive_int("n", n, "a pair has two players") < 2:
        bad_value("n", "at least two players", n, "a pair has two")
    check_held("n_pairs", 16 * min(n_pairs, n * (n - 1) // 2), "draw fewer pairs")
    if n_pairs >= n * (n - 1) // 2:
        return torch.triu_indices(n, n, offset=1).T.contiguous()
    generator = own_generator(generator)
    chosen: set[tuple[int, int]] = set()
    while len(chosen) < n_pairs:  # a list of all pairs would take n²/2 entries
        i, j = torch.randint(
            n, (2,), generator=generator, device=generator.device
        ).tolist()
        if i != j:
            chosen.add((min(i, j), max(i, j)))
    return torch.tensor(sorted(chosen))


@checked
def neighbor_pairs(
    rows: int,
    columns: int,
    n_pairs: int | None = None,
    *,
    distance: int = 1,
    diagonal: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Pairs of cells of a grid that lie close to each other.

    Cell (row, column) is player row·columns + column. Two cells are neighbors if rows
    and columns differ by at most ``distance``: 1 is the setting of Ren et al. (2021),
    2 that of Deng et al. (2022). The authors draw a cell and clamp its partner to the
    grid, which prefers cells at the border; here every neighboring pair is equally
    likely. Without diagonals they are the edges that an interaction tree of image
    patches takes.

    Args:
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        n_pairs: How many to draw; ``None``, or more than there are, for all.
        distance: Largest distance in rows and in columns.
        diagonal: Whether cells may differ in both; otherwise the two distances
            together are at most ``distance``.
        generator: Source of randomness; ``None`` makes one from the global seed.

    Returns:
        Players i < j of each pair, ``(pairs, 2)``, in lexicographic order.

    Raises:
        TypeError: If a number is not an integer.
        ValueError: If a number is not positive, or there is only one cell.

    Example:
        >>> neighbor_pairs(1, 3).tolist()
        [[0, 1], [1, 2]]
        >>> neighbor_pairs(2, 2, diagonal=False).tolist()
        [[0, 1], [0, 2], [1, 3], [2, 3]]
    """
    _check_grid(rows, columns)
    check_positive_int("distance", distance, "1 means the adjacent cells")
    check_held("rows, columns", (rows * columns) ** 2, "all pairs are looked at")
    cells = torch.arange(rows * columns)
    down = (cells[:, None] // columns - cells // columns).abs()
    across = (cells[:, None] % columns - cells % columns).abs()
    apart = torch.maximum(down, across) if diagonal else down + across
    close = ((apart <= distance) & (cells[:, None] < cells)).nonzero()
    if n_pairs is None:
        return close
    check_positive_int("n_pairs", n_pairs, "None takes all")
    if n_pairs >= len(close):
        return close
    generator = own_generator(generator)
    order = torch.randperm(len(close), generator=generator, device=generator.device)
    return close[order[:n_pairs].cpu().sort().values]


@checked
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
    _check_grid(rows, columns)
    for name, value in (
        ("n_partners", n_partners),
        ("spacing", spacing),
        ("radius", radius),
    ):
        check_positive_int(name, value, "see the defaults")
    anchors = -(-rows // spacing) * -(-columns // spacing)
    check_held("rows, columns", 2 * anchors, "a wider `spacing` has fewer anchors")
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


def touching_pairs(
    ids: Tensor,  # (*features)
) -> Tensor:
    """Pairs of ids that lie side by side along some axis, ``(pairs, 2)``, i < j."""
    found = [ids.new_empty(2, 0)]
    for axis in range(ids.dim()):
        if ids.stride(axis) > 0:  # channels that share one map touch nothing
            along = ids.movedim(axis, 0)
            differ = along[:-1] != along[1:]
            found.append(torch.stack([along[:-1][differ], along[1:][differ]]))
    pairs = torch.cat(found, dim=1).sort(dim=0).values
    return torch.unique(pairs.T, dim=0)


def _check_grid(rows: int, columns: int) -> None:
    check_positive_int("rows", rows, "the grid needs a cell")
    check_positive_int("columns", columns, "the grid needs a cell")
    if rows * columns < 2:
        bad_value("rows", "a grid of at least two cells", "one", "refine the grid")
