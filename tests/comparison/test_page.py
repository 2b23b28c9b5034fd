"""The comparison as a page: complete, escaped, self-contained."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import torch
from captum.attr import FeatureAblation, InputXGradient, IntegratedGradients
from torch import nn

from captum_interactions import AndInteraction, compare_attributions
from tests.comparison.test_comparison import ten_methods

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>&amp;'
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Elements of HTML that have no end tag.
VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """What a browser would see: texts, tables, attributes, in a well-nested tree."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.tables, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        self.texts.append((self.open[-1] if self.open else None, data))

    def named(self, tag):
        return [attrs for found, attrs in self.tags if found == tag]


def images():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten())
    model.append(nn.Linear(72, 2)).eval()
    cell = torch.arange(8) // 2
    methods = ten_methods(model, (1, 2, 2))
    methods[EVIL] = IntegratedGradients(model)
    methods["broken " + EVIL] = (IntegratedGradients(model), {EVIL: 1})
    return compare_attributions(
        methods,
        torch.rand(4, 1, 8, 8),
        target=0,
        feature_mask=(4 * cell[:, None] + cell)[None, None],
        allocation=False,
    )


def table():
    f = nn.Linear(30, 1)
    methods = {"ablation": FeatureAblation(f), "gradient": InputXGradient(f)}
    found = compare_attributions(methods, torch.rand(2, 30), target=0)
    return found.named([f"feature {i} {EVIL}" for i in range(30)])


def sentence():
    embedding = nn.Embedding(5, 2)
    found = compare_attributions(
        {"ours": AndInteraction(lambda ids: embedding(ids).prod(1).sum(-1))},
        torch.tensor([[1, 2, 3], [4, 2, 3]]),
    )
    return found.named([["so", "so", EVIL], ["a", "b", "c"]])


FOUND = {"images": images, "table": table, "sentence": sentence}


@pytest.fixture(scope="module", params=FOUND)
def comparison(request):
    return FOUND[request.param]()


@pytest.fixture(scope="module")
def text(comparison):
    return comparison.to_html(title=EVIL)


def test_nothing_comes_from_elsewhere(text):
    page = Page(text)
    assert len(text.encode()) < 3_000_000
    assert "http:" not in text
    assert "https:" not in text
    for _, attrs in page.tags:
        assert all(attrs.get(k, "data:").startswith("data:") for k in ("src", "href"))
        assert not any(key.startswith("on") for key in attrs)
    (script,) = [data for tag, data in page.texts if tag == "script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policies = [m["content"] for m in page.named("meta") if "http-equiv" in m]
    assert policies[0].startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policies[0]
    # Given names are text, never elements: one script, and no picture from a name.
    assert len(page.named("script")) == 1
    assert not [attrs for attrs in page.named("img") if attrs["src"] == "x"]
    assert ("h1", EVIL) in page.texts


def test_it_is_all_there(comparison, text):
    page = Page(text)
    figures, agreement = page.tables[:2]
    assert [row[0] for row in figures[1:]] == list(comparison.rows)
    assert figures[0] == ["method", *(c.heading for c in comparison.columns)]
    for cells, row in zip(figures[1:], comparison.rows.values(), strict=True):
        if row.error is not None:
            assert cells[1:] == [f"failed: {row.error}"]
        else:
            assert cells[1:] == [c.written(row) for c in comparison.columns]
    names = list(comparison.values)
    assert [row[0] for row in agreement[1:]] == [
        f"{i} {name}" for i, name in enumerate(names, 1)
    ]
    rank = comparison.agreement()["rank"].tolist()
    assert [row[1:] for row in agreement[1:]] == [
        ["n/a" if x != x else f"{x:.2f}" for x in line] for line in rank
    ]
    # Curves of players, and of pairs where a method has them.
    assert len(page.named("svg")) == len(names) + len(comparison.pairs)
    # Values of every player, for readers who don't see the pictures.
    shown = min(3, len(comparison.v_full))
    values = [t for t in page.tables if t[0] and t[0][0] == "player"]
    assert len(values) == shown
    for i, rows in enumerate(values):
        assert [row[0] for row in rows[1:]] == list(comparison.labels_of(i))
        first = comparison.values[names[0]][i].tolist()
        assert [row[1] for row in rows[1:]] == [f"{x:.3g}" for x in first]
    if comparison.images is not None:
        assert len(page.named("img")) == shown * (1 + len(names))


def test_it_can_be_read_by_everyone(text):
    page = Page(text)
    assert page.named("html") == [{"lang": "en"}]
    assert all(attrs["alt"] for attrs in page.named("img"))
    assert all(attrs["aria-label"] for attrs in page.named("svg"))
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {attrs["aria-labelledby"] for attrs in page.named("section")} == ids


def test_the_checks_can_fail():
    with pytest.raises(AssertionError):
        Page("<p><b>open</p>")
    assert Page("<p>&lt;b&gt;</p>").texts == [("p", "<b>")]


def test_chosen_examples():
    found = table()
    assert "Example 1:" in found.to_html(examples=[1])
    assert "Example 0:" not in found.to_html(examples=[1])
    with pytest.raises(ValueError, match=r"`examples` must be indices in 0\.\.1"):
        found.to_html(examples=[2])


def browse(path, *options):
    quiet = "disable-gpu disable-quic no-first-run disable-background-networking"
    return subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            f"--user-data-dir={path.parent / 'profile'}",
            *(f"--{option}" for option in quiet.split()),
            "--enable-logging=stderr",
            *options,
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_opens_it_in_silence(comparison, text, tmp_path):
    path, picture = tmp_path / "page.html", tmp_path / "page.png"
    path.write_text(text, encoding="utf-8")
    opened = browse(path, "--dump-dom")
    # What a page says on its console is logged there, refused requests among it.
    assert "CONSOLE" not in opened.stderr
    # The script ran: headings of the first table are buttons now.
    assert opened.stdout.count("<button>") == 1 + len(comparison.columns)
    browse(path, f"--screenshot={picture}", "--window-size=1400,3000")
    assert picture.stat().st_size > 20_000


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_browser_would_say_so(tmp_path):
    path = tmp_path / "page.html"
    text = table().to_html().replace("</main>", '<img src="http://localhost/x"></main>')
    path.write_text(text, encoding="utf-8")
    assert "CONSOLE" in browse(path, "--dump-dom").stderr
