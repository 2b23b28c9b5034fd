"""Public names have a page, links lead somewhere, cited papers are listed."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path

import pytest

import captum_interactions

ROOT = Path(__file__).parent.parent
API = ROOT / "docs" / "api"
PAGES = "\n".join(page.read_text(encoding="utf-8") for page in API.glob("*.md"))
# Modules whose members are all documented, and names documented one by one.
WHOLE = set(re.findall(r"automodule:: (\S+)\n(?:   :\S+:.*\n)*?   :members:", PAGES))
MODULE_PAGES = set(re.findall(r"automodule:: (\S+)", PAGES))
# Classes have pages of their own, made from these lists.
CLASSES = {f"captum_interactions.{name}" for name in re.findall(r"\n   ~(\S+)", PAGES)}
SINGLE = CLASSES | set(
    re.findall(r"(?:auto(?:function|data|exception)|py:data):: (\S+)", PAGES)
)
MODULES = [
    captum_interactions,
    *(
        thing
        for thing in vars(captum_interactions).values()
        if inspect.ismodule(thing)
        and thing.__name__.startswith("captum_interactions.")
        and "._" not in thing.__name__
    ),
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_are_documented(module):
    missing = []
    for public in getattr(module, "__all__", []):
        thing = getattr(module, public)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        single = any(entry.endswith(f".{public}") for entry in SINGLE)
        if not single and thing.__module__ not in WHOLE:
            missing.append(public)
    assert not missing, f"{module.__name__}: {missing} have no page in docs/api"


def test_a_class_has_a_page_of_its_own():
    assert "autoclass::" not in PAGES
    assert len(CLASSES) > 80


@pytest.mark.parametrize(
    ("page", "loads"),
    [
        ('<a href="https://example.org">there</a>', False),
        ('<link rel="canonical" href="https://example.org/">', False),
        ('<script src="_static/doctools.js"></script>', False),
        ('<script async src="https://example.org/mathjax.js"></script>', True),
        ('<img alt="" src="//example.org/badge.svg">', True),
        ('<link href="https://example.org/font.css" rel="stylesheet">', True),
        ("@import url(https://example.org/font.css)", True),
        ("body { background: url('https://example.org/a.png') }", True),
    ],
)
def test_requests_of_a_page_are_found(page, loads, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "extensions"))
    assert bool(importlib.import_module("offline").requests(page)) == loads


def test_formulas_are_mathml(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "extensions"))
    mathml = importlib.import_module("mathml").mathml
    written = mathml(r"|S| + v(\varnothing) - N\setminus\{i\}", display="block")
    assert written.startswith("<math ")
    assert 'display="block"' in written
    assert "<mi>&#x0007C;</mi><mi>S</mi><mi>&#x0007C;</mi>" in written  # |S|, not | S |
    assert "<mi>&#x02205;</mi>" in written
    assert "&#x02216;" in written
    assert "\\" not in written


FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
ROLE = re.compile(r"\{(?:class|func|mod|meth|data|attr)\}`~?([\w.]+)`")
CITED = re.compile(r"\*\*([^*]+?) \(((?:[A-Za-z]+ )?\d{4})\)\.\*\*", re.DOTALL)


def markdown(path):
    """The prose of a page or notebook, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
        )
    return FENCE.sub("", text)


def anchors(path):
    """The anchors that GitHub and Sphinx give to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", markdown(path), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
        *(ROOT / "tutorials").glob("*.ipynb"),
    ]
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    dead = []
    for link in LINK.findall(markdown(path)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert not dead


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_cross_references_name_what_exists(path):
    for name in ROLE.findall(markdown(path)):
        module, thing = name, []
        while module not in ("captum_interactions", ""):
            try:
                importlib.import_module(module)
                break
            except ModuleNotFoundError:
                module, _, last = module.rpartition(".")
                thing.insert(0, last)
        found = importlib.import_module(module)
        for attribute in thing:
            found = getattr(found, attribute)
        parent = name.rpartition(".")[0]
        assert name in SINGLE | MODULE_PAGES or parent in SINGLE | WHOLE, (
            f"{name} is documented under another path"
        )


def test_cited_papers_are_listed():
    """The first author and the year of every citation are in the references."""
    page = markdown(ROOT / "docs" / "reference" / "references.md")
    listed = {
        (re.match(r"[\w-]+", names)[0], key) for names, key in CITED.findall(page)
    }
    years = {(name, key.split()[-1]) for name, key in listed}
    missing = []
    for path in sorted((ROOT / "captum_interactions").rglob("*.py")):
        text = " ".join(path.read_text(encoding="utf-8").split())
        sections = re.findall(r"References: (.*?)(?:Example:|\"\"\")", text)
        for section in sections:
            for match in re.finditer(r"\(((?:[A-Z]\w+ )?(?:19|20)\d\d)\)", section):
                before = section[: match.start()]
                known = {name for name, key in listed | years if key == match[1]} & set(
                    re.findall(r"[\w-]+", before)
                )
                if not known:
                    missing.append((path.name, before[-60:] + match[0]))
        for name, key in re.findall(r"(\w+) et al\. \(([^()]*\d{4})\)", text):
            if (name, key) not in listed | years:
                missing.append((path.name, name, key))
    assert len(listed) > 25
    assert not missing
