"""Pictures look like the stored ones; wrong pictures don't."""

from __future__ import annotations

import matplotlib
import pytest

from tests.make_images import IMAGES, PICTURES, distance, drawn, stored

# Root mean square of 0..255, colors averaged over blocks of 6 x 6 pixels. Another font
# gives 1 to 3; the least conspicuous of the wrong pictures below gives 8.2.
TOLERANCE = 5.0
WRONG = [(name, wrong) for name, entry in PICTURES.items() for wrong in entry[2]]


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_the_stored_one(name):
    assert distance(drawn(name), stored(name)) < TOLERANCE


@pytest.mark.parametrize("name", PICTURES)
def test_another_font_passes(name):
    with matplotlib.rc_context({"font.family": "DejaVu Serif"}):
        assert 0 < distance(drawn(name), stored(name)) < TOLERANCE


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_a_wrong_picture_fails(name, wrong):
    assert distance(drawn(name, wrong), stored(name)) > 1.5 * TOLERANCE


def test_stored_pictures_are_small_and_all_in_use():
    files = {path.stem: path.stat().st_size for path in IMAGES.glob("*.png")}
    assert set(files) == set(PICTURES)
    assert sum(files.values()) < 100_000
