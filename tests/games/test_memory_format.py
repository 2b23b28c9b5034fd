"""Masked rows lie in memory as their inputs do."""

from __future__ import annotations

import pytest
import torch

from captum_interactions.games import ModelGame
from captum_interactions.players import grid_mask


@pytest.mark.parametrize(
    ("shape", "kept"),
    [
        ((1, 3, 4, 4), torch.channels_last),
        ((2, 3, 2, 4, 4), torch.channels_last_3d),
        ((1, 3, 4, 4), torch.contiguous_format),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_rows_keep_the_memory_format_of_the_input(shape, kept, exact):
    x = torch.rand(shape).to(memory_format=kept)
    cells = grid_mask(4, 4, 2, 3)
    formats, rows = [], []

    def model(given):
        formats.append(given.is_contiguous(memory_format=kept))
        rows.append(given.clone())
        return given.flatten(1).sum(1)

    game = ModelGame(model, x, 0.5, feature_mask=cells, perturbations_per_eval=32)
    masks = torch.tensor([[c >> i & 1 for i in range(6)] for c in range(64)]).bool()
    values = game.table() if exact else game(masks)
    assert all(formats)
    plain = ModelGame(model, x.contiguous(), 0.5, feature_mask=cells)
    torch.testing.assert_close(values, plain(masks))
