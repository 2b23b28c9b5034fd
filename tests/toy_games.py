"""Games with known answers."""

from __future__ import annotations

import torch


def and_game(n, terms):
    """Table of Σ weight · [S ⊆ T] for ``terms`` {members: weight}."""
    table = torch.zeros(1 << n, dtype=torch.float64)
    for code in range(1 << n):
        for members, weight in terms.items():
            if all(code >> player & 1 for player in members):
                table[code] += weight
    return table


def or_game(n, terms):
    """Table of Σ weight · [S ∩ T ≠ ∅] for ``terms`` {members: weight}."""
    table = torch.zeros(1 << n, dtype=torch.float64)
    for code in range(1 << n):
        for members, weight in terms.items():
            if any(code >> player & 1 for player in members):
                table[code] += weight
    return table


def majority_game(n):
    """1 for coalitions of more than half of the players."""
    sizes = torch.tensor([bin(code).count("1") for code in range(1 << n)])
    return (2 * sizes > n).double()


def integer_table(n, generator):
    """Random integers: transforms of them are exact in float64."""
    return torch.randint(-9, 10, (1 << n,), generator=generator).double()


# numpy.random.default_rng(0).normal(size=16) and its indices, rounded to six digits;
# Shapley, SII, k-SII and STII were confirmed by an independent package.
VECTOR = {
    "v": [
        0.12573, -0.132105, 0.640423, 0.1049, -0.535669, 0.361595, 1.304, 0.947081,
        -0.703735, -1.265421, -0.623274, 0.041326, -2.325031, -0.218792, -1.245911,
        -0.732267,
    ],
    "moebius": [
        0.12573, -0.257835, 0.514692, -0.277687, -0.6614, 1.1551, 1.324977, -0.976496,
        -0.829465, -0.303851, -0.434232, 1.503974, -0.959896, 1.512826, -0.326318,
        -1.842386,
    ],
    "shapley": [0.24845, 0.427678, -0.291902, -1.242224],
    "pairs": [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)],
    "SII": [-0.628077, 0.809136, 0.59042, 0.059441, -0.459532, -0.980771],
    "STII": [-0.408926, 1.026812, 0.394684, 0.583641, -0.348744, -0.871458],
    "BII": [-0.4745, 0.9627, 0.7440, 0.2130, -0.3060, -0.8272],
    "k-SII singles": [-0.137289, 0.941762, -0.235805, -0.817283],
    "STII singles": [-0.257835, 0.514692, -0.6614, -0.829465],
}  # fmt: skip


def _slide_1(x):
    return -0.185 * x[:, 0] * x[:, 1:3].sum(1).clamp(0) ** 2.432 - x[:, 3:7].prod(1)


def _slide_2(x):
    gate = torch.sigmoid(2 - 4 * x[:, :3].sum(1))
    return -gate - 0.011 * x[:, 3] * x[:, 4:9].sum(1).clamp(0) ** 2.341


def _slide_3(x):
    gate = torch.sigmoid(2.5 - 5 * x[:, 3:7].prod(1))
    return gate - x[:, :3].prod(1) - x[:, 7:9].prod(1)


def _slide_4(x):
    gate = torch.sigmoid(4 * x[:, 0] - 4 * x[:, 1] + 4 * x[:, 2] - 6)
    return -gate - x[:, 3:7].prod(1) - x[:, 7:10].prod(1)


# The functions on the slides of learned baselines: function, label printed there, and
# the corner that minimizes the loss. The third label is no minimum.
SLIDES = {
    "S1": (_slide_1, "0000000", "0000000"),
    "S2": (_slide_2, "111000000", "111000000"),
    "S3": (_slide_3, "000111100", "000000000"),
    "S4": (_slide_4, "0100000000", "0100000000"),
}
