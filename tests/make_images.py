"""The pictures that tests compare with, and their making: python -m tests.make_images

Every picture is drawn on axes of a fixed place, so that another font moves nothing but
its own letters. ``wrong`` pictures show what the comparison must not let pass.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from captum_interactions import (
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    ShapleyInteraction,
    visualization,
)

IMAGES = Path(__file__).parent / "images"
# Colors are averaged over blocks of pixels before they are compared, so that the edges
# of letters and lines count little.
BLOCK = 6
NAMES = ["one", "two", "three", "four", "five", "six"]


def _game(sign=1, turned=False):
    """AND, OR and single players; ``turned`` counts the players from the other end."""

    def model(x):
        x = x.flatten(1)
        x = x.flip(1) if turned else x
        either = x[:, 3:5].amax(1)
        pairs = 3 * x[:, 0] * x[:, 1] - 2 * x[:, 1] * x[:, 2] * x[:, 3]
        return sign * (pairs + 1.5 * either + x[:, 5] - 0.7 * x[:, 0] * x[:, 5])

    return model


def _on_patches(model):
    return lambda x: model(x[:, 0, ::2, ::2])


def _explain(method, wrong, image=False, **options):
    model = _game(-1 if wrong == "sign" else 1, wrong == "turned")
    if not image:
        x = torch.ones(1, 6).double()
        return method(model).interactions(x, **options).named(NAMES)
    mask = (torch.arange(4) // 2)[:, None] * 3 + torch.arange(6) // 2
    x = torch.ones(1, 1, 4, 6).double()
    return method(_on_patches(model)).interactions(x, feature_mask=mask, **options)


def _axes(count=1):
    figure = Figure(figsize=(4.8, 3.4), dpi=72)
    width = 0.72 / count
    return [
        figure.add_axes([0.2 + k * width, 0.3, width * 0.95, 0.64])
        for k in range(count)
    ]


PICTURE = (0.2 + torch.arange(24).double() / 40).view(1, 4, 6)


def pairs(wrong, ax):
    _explain(ShapleyInteraction, wrong).plot_pairs(ax=ax[0])


def network_circle(wrong, ax):
    result = _explain(ShapleyInteraction, wrong)
    result.plot_network(singles=True, ax=ax[0])


def network_sentence(wrong, ax):
    result = _explain(ShapleyInteraction, wrong)
    result.plot_network(layout="sentence", ax=ax[0])


def network_image(wrong, ax):
    result = _explain(ShapleyInteraction, wrong, image=True)
    result.plot_network(image=PICTURE, ax=ax[0])


def pairs_on_image(wrong, ax):
    result = _explain(ShapleyInteraction, wrong, image=True)
    result.plot_pairs_on_image(PICTURE, players=[0], ax=ax)


def coalitions_on_image(wrong, ax):
    result = _explain(AndOrInteraction, wrong, image=True)
    result.plot_coalitions_on_image(PICTURE, k=2, ax=ax)


def orders(wrong, ax):
    result = _explain(MultiOrderInteraction, wrong)
    mean = result.values[0, :, 1, 2]
    curves = {"first": mean, "second": torch.stack([mean - 2, mean - 1])}
    if wrong == "turned":
        curves = {name: curve.flip(-1) for name, curve in curves.items()}
    visualization.plot_orders(curves, references={"null": mean.abs() / 2}, ax=ax[0])


def strongest(wrong, ax):
    terms = _explain(AndOrInteraction, wrong).top_k(6)[0]
    if wrong == "turned":
        terms = terms[::-1]
    visualization.plot_strongest(terms, ax=ax[0])


def size_strength(wrong, ax):
    _explain(AndOrInteraction, wrong).plot_size_strength(ax=ax[0])


def sorted_interactions(wrong, ax):
    result = _explain(AndOrInteraction, None)
    if wrong is not None:
        result = _explain(lambda f: AndOrInteraction(lambda x: f(x) ** 3), None)
    result.plot_sorted_interactions(ax=ax[0])


def graph(wrong, ax):
    _explain(AndOrInteraction, wrong).plot_and_or_graph(k=5, ax=ax[0])


def coalitions_on_text(wrong, ax):
    result = _explain(AndOrInteraction, wrong)
    result.plot_coalitions_on_text(k=4, ax=ax[0])


def tree(wrong, ax):
    _explain(InteractionTree, wrong).plot_tree(ax=ax[0])


def waterfall(wrong, ax):
    _explain(AndOrInteraction, wrong).plot_waterfall(k=3, ax=ax[0])


def summary(wrong, ax):
    values = torch.linspace(-1, 2, 24).double().view(8, 3) * torch.tensor([1, 2, 3])
    if wrong == "sign":
        values = -values
    if wrong == "turned":
        values = values * torch.tensor([3, 1, 0.2])
    visualization.plot_summary(values, ["one", "two", "three"], ax=ax[0])


# Drawing, number of axes, and mistakes that the picture has to show.
BOTH = ("sign", "turned")
PICTURES = {
    "pairs": (pairs, 1, BOTH),
    "network_circle": (network_circle, 1, BOTH),
    "network_sentence": (network_sentence, 1, BOTH),
    "network_image": (network_image, 1, ("sign",)),
    "pairs_on_image": (pairs_on_image, 2, BOTH),
    "coalitions_on_image": (coalitions_on_image, 2, BOTH),
    "orders": (orders, 1, BOTH),
    "strongest": (strongest, 1, BOTH),
    "size_strength": (size_strength, 1, ("sign",)),
    "sorted_interactions": (sorted_interactions, 1, ("sparse",)),
    "graph": (graph, 1, BOTH),
    "coalitions_on_text": (coalitions_on_text, 1, BOTH),
    "tree": (tree, 1, BOTH),
    "waterfall": (waterfall, 1, ("sign",)),
    "summary": (summary, 1, BOTH),
}


def drawn(name, wrong=None):
    """Return a picture as an array ``(height, width, 3)`` of 0..255."""
    draw, count, _ = PICTURES[name]
    axes = _axes(count)
    draw(wrong, axes)
    buffer = io.BytesIO()
    axes[0].figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer).convert("RGB"), dtype=float)


def stored(name):
    """Return the picture to compare with."""
    return np.asarray(Image.open(IMAGES / f"{name}.png").convert("RGB"), dtype=float)


def distance(a, b):
    """Root mean square of the difference of block averages, 0..255."""

    def blocks(picture):
        height, width = (size // BLOCK * BLOCK for size in picture.shape[:2])
        cut = picture[:height, :width]
        shape = (height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
        return cut.reshape(shape).mean((1, 3))

    return float(np.sqrt(np.mean((blocks(a) - blocks(b)) ** 2)))


def main():
    IMAGES.mkdir(exist_ok=True)
    for name in PICTURES:
        picture = Image.fromarray(drawn(name).astype(np.uint8)).quantize(128)
        picture.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
