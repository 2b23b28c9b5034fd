"""Colors, blur, shuffled patches and filling in, against loops over pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions import AndInteraction
from captum_interactions.baselines import (
    FilledIn,
    blurred_image,
    fill_from_neighbors,
    mean_color,
    shuffled_patches,
)
from captum_interactions.games import ModelGame
from captum_interactions.players import grid_mask


def test_blur_is_the_convolution_with_a_gaussian():
    images, sigma, radius = torch.rand(2, 3, 7, 9).double(), 0.8, 2
    got = blurred_image(images, sigma)
    weights = torch.exp(-(torch.arange(-2.0, 3).double() ** 2) / (2 * sigma**2))
    weights = weights / weights.sum()
    for row, column in [(0, 0), (3, 4), (6, 8), (2, 8)]:
        total = 0
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                y, x = min(max(row + dy, 0), 6), min(max(column + dx, 0), 8)
                total = total + weights[dy + 2] * weights[dx + 2] * images[:, :, y, x]
        assert_close(got[:, :, row, column], total)
    assert got.var() < images.var()


def test_blur_refuses():
    with pytest.raises(ValueError, match="`images` must be of shape"):
        blurred_image(torch.zeros(3, 4, 4))
    with pytest.raises(TypeError, match="`images` must be floating point"):
        blurred_image(torch.zeros(1, 1, 4, 4).byte())
    with pytest.raises(ValueError, match="`sigma` must be positive"):
        blurred_image(torch.zeros(1, 1, 4, 4), sigma=0.0)


def test_mean_color():
    images = torch.rand(2, 3, 4, 5)
    got = mean_color(images)
    assert got.shape == images.shape
    assert_close(got[1, 2, 3, 4], images[1, 2].mean())
    with pytest.raises(TypeError, match="`images` must be floating point"):
        mean_color(images.byte())
    with pytest.raises(ValueError, match="`images` must be of shape"):
        mean_color(images[0])


def test_shuffled_patches_all_move_and_stay_whole():
    image = torch.arange(48.0).reshape(1, 1, 6, 8)
    copies = shuffled_patches(image, 3, 4, size=20).tensors[0]
    assert copies.shape == (20, 1, 6, 8)
    cells = grid_mask(6, 8, 3, 4)[0, 0]
    places = {c: image[0, 0][cells == c].tolist() for c in range(12)}
    orders = set()
    for copy in copies[:, 0]:
        shown = [copy[cells == c].tolist() for c in range(12)]
        order = tuple(next(k for k in places if places[k] == s) for s in shown)
        assert sorted(order) == list(range(12))
        assert all(c != k for c, k in enumerate(order))
        orders.add(order)
    assert len(orders) > 15
    again = shuffled_patches(image, 3, 4, 20, torch.Generator().manual_seed(1))
    same = shuffled_patches(image, 3, 4, 20, torch.Generator().manual_seed(1))
    assert torch.equal(again.tensors[0], same.tensors[0])


@pytest.mark.parametrize(
    ("image", "rows", "columns"),
    [
        (torch.zeros(2, 1, 4, 4), 2, 2),
        (torch.zeros(1, 1, 4, 4), 3, 2),
        (torch.zeros(1, 1, 4, 4), 1, 1),
        (torch.zeros(1, 1, 4, 4), 0, 2),
    ],
)
def test_grids_that_do_not_divide_an_image(image, rows, columns):
    with pytest.raises(ValueError, match="`image` must be one image that"):
        shuffled_patches(image, rows, columns)


def filled_by_loops(colors, weights):
    """Pull and push with one channel, pixel by pixel."""
    height, width = len(colors), len(colors[0])
    here = [
        [c / w if w else 0.0 for c, w in zip(*rows, strict=True)]
        for rows in zip(colors, weights, strict=True)
    ]
    if height * width == 1 or all(w for row in weights for w in row):
        return here
    rows, columns = (height + 1) // 2, (width + 1) // 2
    small = [[[0.0] * columns for _ in range(rows)] for _ in range(2)]
    for y in range(height):
        for x in range(width):
            small[0][y // 2][x // 2] += colors[y][x]
            small[1][y // 2][x // 2] += weights[y][x]
    for y in range(rows):
        for x in range(columns):
            most = max(1.0, small[1][y][x])
            small[0][y][x] /= most
            small[1][y][x] /= most
    below = filled_by_loops(*small)

    def between(place, size):
        at = max(0.0, (place + 0.5) / 2 - 0.5)
        first = min(int(at), size - 1)
        return first, min(first + 1, size - 1), at - first

    for y in range(height):
        for x in range(width):
            top, bottom, dy = between(y, rows)
            left, right, dx = between(x, columns)
            upper = (1 - dx) * below[top][left] + dx * below[top][right]
            lower = (1 - dx) * below[bottom][left] + dx * below[bottom][right]
            w = weights[y][x]
            here[y][x] = w * here[y][x] + (1 - w) * ((1 - dy) * upper + dy * lower)
    return here


shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(shapes, st.floats(0.0, 1.0), st.integers(0, 99))
def test_filling_in_is_pull_and_push(shape, kept, seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 2, *shape, generator=generator, dtype=torch.double)
    present = torch.rand(1, 1, *shape, generator=generator) < kept
    got = fill_from_neighbors(image, present)
    for channel in range(2):
        known = present[0, 0].double()
        expected = filled_by_loops((image[0, channel] * known).tolist(), known.tolist())
        assert_close(got[0, channel], torch.tensor(expected, dtype=torch.double))


@given(st.integers(0, 99))
def test_what_is_absent_has_no_say_and_colors_stay_between_those_present(seed):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(3, 1, 7, 6, generator=generator)
    present = torch.rand(3, 1, 7, 6, generator=generator) < 0.3
    present[:, :, 0, 0] = True
    got = fill_from_neighbors(image, present)
    other = torch.where(present, image, torch.full_like(image, float("inf")))
    other = fill_from_neighbors(other.nan_to_num(posinf=7.0), present)
    assert_close(other, got)
    for row, here, filled in zip(image, present, got, strict=True):
        assert torch.equal(filled[here], row[here])
        assert filled.min() >= row[here].min() - 1e-5
        assert filled.max() <= row[here].max() + 1e-5


def test_a_slope_is_continued_better_than_by_its_mean():
    image = torch.arange(16.0).expand(1, 1, 16, 16)
    present = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    present[..., 4:8, 0:8] = False
    away = (fill_from_neighbors(image, present) - image)[~present].abs().mean()
    assert away < 0.5 * (mean_color(image) - image)[~present].abs().mean()


@torch.no_grad()
def test_a_game_of_filled_images_by_hand():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 3), torch.nn.GELU(), torch.nn.Flatten()
    )
    images, cells = torch.rand(2, 3, 6, 6), grid_mask(6, 6, 2)
    flags = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    game = ModelGame(
        FilledIn(model), flags, None, 0, images, cells, perturbations_per_eval=4
    )
    table = game.table()
    for code in range(16):
        here = torch.tensor([bool(code >> p & 1) for p in range(4)])[cells]
        expected = model(fill_from_neighbors(images, here.expand(2, 1, 6, 6)))[:, 0]
        assert_close(table[:, code].float(), expected, atol=1e-5, rtol=1e-5)
    result = AndInteraction(FilledIn(model)).interactions(flags, None, 0, images, cells)
    assert result.attributions().shape == flags.shape
    with pytest.raises(ValueError, match="`present`"):
        fill_from_neighbors(images, flags[..., :3])
