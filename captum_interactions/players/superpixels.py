"""Regions of an image that follow its colors, as players."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.players.pairs import touching_pairs

__all__ = ["superpixel_neighbors", "superpixels"]


@checked
def superpixels(
    images: Tensor,  # (batch, channels, height, width)
    n_segments: int = 16,
    compactness: float = 12.0,
    labels: Any = None,
) -> Tensor:
    """A feature mask whose players are superpixels.

    Made by scikit-image's SLIC in the colors of each image, or read from a label map
    of any other segmentation. All channels of a superpixel belong together.

    Args:
        images: Of any range, ``(batch, channels, height, width)``; one or three
            channels, unless labels are given.
        n_segments: About how many superpixels to find; SLIC may find fewer, and
            finds some dozens only where a photograph has them.
        compactness: Weight of distance against color in SLIC; 12 gave convex regions
            that follow the outlines of animals on photographs of 160 to 300 pixels.
        labels: Label map of whole numbers ``(height, width)`` for all images, or
            ``(batch, height, width)``; a tensor, or anything that numpy takes.

    Returns:
        Ids from 0 for each image, ``(batch, 1, height, width)`` int64; the first axis
        is 1 where one map serves all. An image with fewer superpixels lacks the last
        ids, which are null players there.

    Raises:
        TypeError: If the images are no tensor.
        ValueError: If shapes do not fit, labels are fractional, or SLIC is asked for an
            image of another number of channels.
        ModuleNotFoundError: If scikit-image is needed and not installed.

    Example:
        >>> labels = [[7, 7, 9], [7, 9, 9]]
        >>> superpixels(torch.zeros(1, 3, 2, 3), labels=labels).tolist()
        [[[[0, 0, 1], [0, 1, 1]]]]
    """
    if not isinstance(images, Tensor):
        bad_type("images", "a tensor (batch, channels, height, width)", images, "stack")
    if images.dim() != 4:
        bad_value(
            "images",
            "of shape (batch, channels, height, width)",
            f"shape {tuple(images.shape)}",
            "add the missing axes with unsqueeze",
        )
    maps = (
        _slic(images, n_segments, compactness)
        if labels is None
        else _given(labels, images)
    )
    numbered = [torch.unique(row, return_inverse=True)[1] for row in maps]
    return torch.stack(numbered).unsqueeze(1).to(images.device)


@checked
def superpixel_neighbors(
    feature_mask: Tensor,  # (1, 1, height, width)
) -> Tensor:
    """Pairs of superpixels that touch along an edge of pixels.

    Args:
        feature_mask: Ids 0..n−1 of one image, as :func:`superpixels` returns.

    Returns:
        Players i < j of each pair, ``(pairs, 2)``, in lexicographic order: what
        ``pairs`` of a method or ``neighborhood`` of a tree take.

    Raises:
        ValueError: If there is more than one map.

    Example:
        >>> superpixel_neighbors(torch.tensor([[[[0, 0], [1, 2]]]])).tolist()
        [[0, 1], [0, 2], [1, 2]]
    """
    if feature_mask.dim() < 2 or feature_mask.shape[:-2].numel() != 1:
        bad_value(
            "feature_mask",
            "of one image, (1, 1, height, width)",
            f"shape {tuple(feature_mask.shape)}",
            "ask image by image",
        )
    if feature_mask.is_complex():
        bad_type(
            "feature_mask", "a tensor of ids", feature_mask.dtype, "see superpixels"
        )
    cells = feature_mask.reshape(feature_mask.shape[-2:])
    return touching_pairs(cells)


def _slic(images: Tensor, n_segments: int, compactness: float) -> list[Tensor]:
    if not compactness > 0:
        bad_value("compactness", "positive", compactness, "12 is usual")
    check_positive_int("n_segments", n_segments, "ask for a superpixel")
    if images.shape[1] not in (1, 3):
        bad_value(
            "images",
            "of one or three channels, for SLIC",
            f"{images.shape[1]} channels",
            "pass labels of a segmentation that knows them",
        )
    try:
        from skimage.segmentation import slic
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "superpixels are found by scikit-image: pip install scikit-image, or pass "
            "`labels`"
        ) from error
    maps = []
    for image in images.detach().double().cpu():
        low, high = image.min(), image.max()  # compactness is meant for colors in 0..1
        pixels = ((image - low) / (high - low).clamp_min(1e-12)).movedim(0, -1)
        found = slic(
            pixels.expand(-1, -1, 3).numpy(),
            n_segments=n_segments,
            compactness=compactness,
            start_label=0,
        )
        maps.append(torch.as_tensor(found).long())
    return maps


def _given(labels: Any, images: Tensor) -> Tensor:
    try:
        maps = torch.as_tensor(labels).cpu()
    except (TypeError, ValueError, RuntimeError):
        bad_type("labels", "an array of whole numbers", labels, "pass a label map")
    if maps.dim() == 2:
        maps = maps.unsqueeze(0)
    if maps.dim() == 4 and maps.shape[1] == 1:
        maps = maps.squeeze(1)
    fits = maps.dim() == 3 and len(maps) in (1, len(images))
    if not fits or maps.shape[1:] != images.shape[2:]:
        bad_value(
            "labels",
            f"a label map of {images.shape[2]} by {images.shape[3]} pixels for all "
            f"{len(images)} images, or one for each",
            f"shape {tuple(maps.shape)}",
            "segment the images in the size that the model sees",
        )
    if maps.is_complex() or (
        maps.is_floating_point() and not torch.equal(maps, maps.round())
    ):
        bad_value("labels", "whole numbers", "fractional labels", "number the regions")
    return maps.long()
