"""The gallery of the documentation: its code runs, and nothing is missing from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from captum_interactions import (
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    ShapleyInteraction,
    visualization,
)

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "reference" / "gallery.md").read_text(encoding="utf-8")
# What ``result`` is in each section that has code.
METHODS = {
    "What matters most": AndOrInteraction,
    "Pairs": ShapleyInteraction,
    "Orders": MultiOrderInteraction,
    "AND and OR": AndOrInteraction,
    "Coalitions where they are": AndOrInteraction,
    "Trees": InteractionTree,
    "One page": ShapleyInteraction,
    "Prompts": ShapleyInteraction,
}
BLOCKS = [
    (section.partition("\n")[0], block)
    for section in PAGE.split("\n## ")
    for block in (
        # The second block on prompts goes on from the first.
        ["\n".join(re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.M))]
        if section.startswith("Prompts")
        else re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.M)
    )
]


@pytest.fixture(scope="module")
def results():
    """One image of six players, by every method."""
    mask = (torch.arange(4) // 2)[:, None] * 3 + torch.arange(6) // 2
    x = torch.rand(2, 1, 4, 6, generator=torch.Generator().manual_seed(0)).double()

    def model(x):
        return (x[:, 0, ::2, ::2].flatten(1).cumsum(1) - 1).prod(1)

    return x[0], {
        section: method(model).interactions(x, feature_mask=mask)
        for section, method in METHODS.items()
    }


@pytest.mark.parametrize(("section", "block"), BLOCKS)
def test_code_runs(results, section, block):
    image, by_section = results
    words = ["it", "is", "not", "all", "that", "bad"]
    names = {"result": by_section[section], "image": image, "words": words}
    exec(compile(block, "gallery.md", "exec"), names)
    if "figure" in names:
        assert isinstance(names["figure"], Figure)


def test_every_function_and_every_picture_is_on_the_page():
    pictures = [name for name in visualization.__all__ if name.startswith("plot_")]
    missing = [name for name in pictures if f"{name}(" not in PAGE]
    assert not missing
    shown = set(re.findall(r"images/pictures/(\w+)\.png", PAGE))
    files = {path.stem: path for path in (DOCS / "images" / "pictures").glob("*.png")}
    assert shown == set(files)
    assert sum(path.stat().st_size for path in files.values()) < 250_000
