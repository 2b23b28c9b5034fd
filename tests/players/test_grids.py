"""Cells of an image as players."""

from __future__ import annotations

import pytest

from captum_interactions.players import grid_mask


@pytest.mark.parametrize(("size", "cells"), [(8, 4), (9, 4), (299, 16), (3, 3)])
def test_grid_cells_cover_the_image_evenly(size, cells):
    mask = grid_mask(size, size + 1, cells)
    ids, counts = mask.unique(return_counts=True)
    assert ids.tolist() == list(range(cells * cells))
    smallest = (size // cells) * ((size + 1) // cells)
    assert smallest <= counts.min()
    assert counts.max() <= (size // cells + 1) * ((size + 1) // cells + 1)


def test_bad_grids():
    with pytest.raises(ValueError, match="`rows` must be at most 4"):
        grid_mask(4, 4, 5)
    with pytest.raises(ValueError, match="`columns` must be a positive"):
        grid_mask(4, 4, 2, 0)
