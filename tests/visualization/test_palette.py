"""Colors that mean something differ to color-blind readers, too."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from captum_interactions.visualization._style import (
    MARKERS,
    NEGATIVE,
    POSITIVE,
    SERIES,
    diverging,
)

# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def lab(color, vision="normal"):
    """CIELAB of a color as it is seen."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = XYZ @ np.clip(VISION[vision] @ linear, 0, 1) / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(a, b, vision):
    """How much two colors differ (CIE 1976); 2.3 is just noticeable."""
    return np.linalg.norm(lab(a, vision) - lab(b, vision))


@pytest.mark.parametrize("vision", VISION)
def test_signs_differ(vision):
    assert difference(POSITIVE, NEGATIVE, vision) > 80


@pytest.mark.parametrize("vision", ["protanopia", "deuteranopia"])
def test_the_simulation_takes_green_from_red(vision):
    """A green and a red that differ to most are nearly alike: the test can fail."""
    assert difference("#1b7837", "#c0392b", "normal") > 80
    assert difference("#1b7837", "#c0392b", vision) < 25


@pytest.mark.parametrize("vision", VISION)
def test_curves_differ_in_color_and_all_differ_in_marker(vision):
    assert min(difference(a, b, vision) for a, b in combinations(SERIES, 2)) > 29
    assert len(set(MARKERS)) == len(MARKERS) == len(SERIES)


def test_no_curve_looks_like_a_sign():
    for color in SERIES:
        assert difference(color, POSITIVE, "normal") > 38
        assert difference(color, NEGATIVE, "normal") > 38


@pytest.mark.parametrize("vision", VISION)
def test_the_map_gets_darker_from_white_to_both_ends_and_keeps_its_sides(vision):
    colors = diverging()
    for side in (-1, 1):
        steps = [colors(0.5 + side * t / 2)[:3] for t in np.linspace(0, 1, 9)]
        lightness = [lab(color, vision)[0] for color in steps]
        assert all(a > b for a, b in pairwise(lightness))
    assert lab(colors(0.5)[:3])[0] > 99
    for t in (0.25, 0.5, 1):
        ends = [colors(0.5 + side * t / 2)[:3] for side in (-1, 1)]
        assert difference(*ends, vision) > 30
        assert abs(lab(ends[0])[0] - lab(ends[1])[0]) < 12
