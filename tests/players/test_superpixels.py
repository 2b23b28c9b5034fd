"""Superpixels: label maps as they come, SLIC lazily, and what touches what."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import torch

from captum_interactions import AndInteraction
from captum_interactions.players import (
    grid_mask,
    neighbor_pairs,
    superpixel_neighbors,
    superpixels,
)

IMAGES = torch.rand(2, 3, 6, 4, generator=torch.Generator().manual_seed(0))


def test_label_maps_of_any_kind():
    labels = np.arange(6)[:, None].repeat(4, 1) // 2 * 5 + 3
    mask = superpixels(IMAGES, labels=labels)
    assert mask.shape == (1, 1, 6, 4)
    assert mask[0, 0, :, 0].tolist() == [0, 0, 1, 1, 2, 2]
    each = superpixels(IMAGES, labels=np.stack([labels, labels.clip(0, 3)]))
    assert each.shape == (2, 1, 6, 4)
    assert each[1].unique().tolist() == [0]
    result = AndInteraction(lambda x: x.sum((1, 2, 3))).interactions(
        IMAGES, feature_mask=each
    )
    total = IMAGES[1].sum()
    torch.testing.assert_close(
        result.shapley_values()[1], torch.stack([total, 0 * total, 0 * total])
    )


def test_slic_finds_what_differs_in_color():
    pytest.importorskip("skimage")
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 1.0
    image[:, 0, :16] -= 5.0  # any range will do
    mask = superpixels(image, n_segments=4)
    assert mask.dtype == torch.long
    for region in mask.unique().tolist():
        colors = image.movedim(1, -1)[mask[:, 0] == region]
        assert (colors == colors[0]).all()


def test_an_image_of_one_color_is_cut_or_is_one_player():
    pytest.importorskip("skimage")
    mask = superpixels(torch.full((1, 1, 16, 16), 0.5), n_segments=4)
    assert mask.shape == (1, 1, 16, 16)
    assert mask.unique().tolist() == list(range(int(mask.max()) + 1))


def test_neighbors_are_those_of_a_grid():
    pairs = superpixel_neighbors(grid_mask(9, 12, 3, 4))
    assert torch.equal(pairs, neighbor_pairs(3, 4, diagonal=False))


def test_label_maps_that_do_not_fit():
    with pytest.raises(ValueError, match="`labels` must be a label map of 6 by 4"):
        superpixels(IMAGES, labels=torch.zeros(4, 6))
    with pytest.raises(ValueError, match="`labels`"):
        superpixels(IMAGES, labels=torch.zeros(3, 6, 4))
    with pytest.raises(ValueError, match="whole numbers"):
        superpixels(IMAGES, labels=torch.full((6, 4), 0.5))
    with pytest.raises(ValueError, match="`images`"):
        superpixels(IMAGES[0], labels=torch.zeros(6, 4))
    with pytest.raises(TypeError, match="`images`"):
        superpixels(IMAGES.numpy(), labels=torch.zeros(6, 4))
    with pytest.raises(ValueError, match="one or three channels"):
        superpixels(torch.zeros(1, 2, 8, 8))
    with pytest.raises(ValueError, match="of one image"):
        superpixel_neighbors(torch.zeros(2, 1, 4, 4))


def test_without_scikit_image_labels_still_do(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("skimage"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert superpixels(IMAGES, labels=torch.zeros(6, 4)).unique().tolist() == [0]
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-image"):
        superpixels(IMAGES)
