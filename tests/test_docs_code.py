"""Every python block of the documentation runs, and prints what the page says.

The blocks of a page run in order, in one namespace. A ``text`` block is the output of
the python blocks since the last one, to the character. What a page takes as given (a
model, a loader) is given here.
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(
    r"^```(python|text|\{literalinclude\} [\w.]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


def _images(height, width, rows, columns):
    return f"""
import torch
from pathlib import Path
from torch import nn
from torch.nn import functional as F
from captum_interactions.players import grid_mask
torch.manual_seed(0)
model = nn.Sequential()
model.add_module("conv1", nn.Conv2d(1, 2, 3, padding=1))
model.add_module(
    "tail",
    nn.Sequential(nn.GELU(), nn.Flatten(), nn.Linear({2 * height * width}, 3)),
)
model.eval()
images, labels = torch.rand(2, 1, {height}, {width}), torch.tensor([0, 2])
patches = grid_mask({height}, {width}, {rows}, {columns})
loader = [(images, labels)]
x, y, epochs = images, labels, 1
"""


# The page goes from images to embeddings; one model takes both.
_BASELINES = (
    _images(2, 5, 2, 2)
    + """
from captum_interactions.baselines import nearest_tokens
train_images, train_labels = torch.rand(16, 1, 2, 5), torch.tensor([0, 1] * 8)
length, embedding = 5, nn.Embedding(9, 4)
embeddings = embedding(torch.randint(9, (6, length))).detach()

class Either(nn.Module):
    def __init__(self, of_images):
        super().__init__()
        self.of_images = of_images

    def forward(self, given):
        if given.dim() == 4:
            return self.of_images(given)
        return given.tanh().cumsum(1).flatten(1)[:, -2:]

model = Either(model).eval()
"""
)
# Nothing is given: the page makes its model, where transformers is.
_PROMPTS = "import pytest; pytest.importorskip('transformers')"
GIVEN = {
    "explanation/learned_baselines.md": _BASELINES,
    "howto/prompts.md": _PROMPTS,
}
# Fragments, each about the result of its own section, which docs/pictures.py draws; and
# jobs, each in a namespace of its own (tests/test_docs_jobs.py).
FRAGMENTS = {"reference/gallery.md", "howto/ten_jobs.md"}
PAGES = {
    page.relative_to(DOCS).as_posix(): page.read_text(encoding="utf-8")
    for page in sorted(DOCS.rglob("*.md"))
    if not {"_build", "api"} & set(page.parts)
}


@pytest.mark.filterwarnings("default")  # of the libraries that a page brings in
@pytest.mark.parametrize(
    "name",
    [n for n, text in PAGES.items() if "```python\n" in text and n not in FRAGMENTS],
)
def test_the_code_runs_and_prints_what_the_page_says(
    name, tmp_path, monkeypatch, capsys
):
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    exec(GIVEN.get(name, ""), namespace)
    for kind, block in BLOCK.findall(PAGES[name]):
        if kind.startswith("{literalinclude}"):
            included = (DOCS / name).parent / kind.split()[1]
            exec(included.read_text(encoding="utf-8"), namespace)
        elif kind == "python":
            exec(compile(block, name, "exec"), namespace)
        else:
            assert capsys.readouterr().out == block


@pytest.mark.parametrize(
    "name", [name for name in PAGES if re.match("howto/(?!index|ten_jobs)", name)]
)
def test_a_how_to_is_short_and_shows_its_result(name):
    blocks = BLOCK.findall(PAGES[name])
    code = "".join(block for kind, block in blocks if kind == "python")
    lines = [line for line in code.splitlines() if line.strip()]
    assert 0 < len(lines) <= 30, f"{len(lines)} lines"
    assert any(kind == "text" for kind, _ in blocks)


def test_nothing_is_given_to_a_page_that_is_gone():
    assert set(GIVEN) <= set(PAGES)
