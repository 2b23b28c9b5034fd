"""What a release says of itself: version, citation, extras, links."""

from __future__ import annotations

import ast
import configparser
import importlib
import json
import re
import sys
from pathlib import Path

import pytest

import captum_interactions

ROOT = Path(__file__).parent.parent
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg", encoding="utf-8")
EXTRAS = CONFIG["options.extras_require"]
# Modules whose packages have other names.
PACKAGES = {"sklearn": "scikit-learn", "skimage": "scikit-image"}
HOME = "https://forge.test/owner/name"


def packages(extra):
    """The packages of an extra, without versions."""
    return {re.match(r"[\w-]+", line)[0] for line in EXTRAS[extra].split()}


def imported(notebook):
    """The modules that the code of a notebook imports when it is run from the top."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        code = re.sub(r"^%.*$", "", "".join(cell["source"]), flags=re.MULTILINE)
        if cell["cell_type"] == "code":
            for node in ast.parse(code).body:
                names = [a.name for a in getattr(node, "names", [])]
                if isinstance(node, ast.ImportFrom):
                    names = [node.module]
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield from (name.partition(".")[0] for name in names)


@pytest.mark.parametrize(
    "notebook", sorted((ROOT / "tutorials").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_the_demo_runs_every_tutorial(notebook):
    own = {"captum_interactions", "captum", "torch", "numpy"}
    needed = set(imported(notebook)) - own - set(sys.stdlib_module_names)
    assert {PACKAGES.get(name, name) for name in needed} <= packages("demo")


def test_all_has_every_extra_of_a_user():
    theirs = set(EXTRAS) - {"all", "benchmarks", "docs", "dev"}
    for extra in theirs:
        assert packages(extra) <= packages("all"), extra


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {captum_interactions.__version__}\n" in citation


@pytest.fixture
def describe(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    return importlib.import_module("describe")


@pytest.mark.parametrize(
    "remote", [HOME, f"{HOME}.git", f"{HOME}/", "git@forge.test:owner/name.git"]
)
def test_the_home_is_read_off_the_remote(describe, remote):
    assert describe.address(remote) == HOME


def test_a_release_has_links_that_work_anywhere(describe, tmp_path):
    for name in ("README.md", "setup.cfg", "captum_interactions/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    describe.describe(HOME, tmp_path)
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^()\s]+)\)", readme)
    assert all(link.startswith("https://") for link in links)
    theirs = [re.match(f"{HOME}/(blob|raw)/v[^/]+/([^#]+)", link) for link in links]
    files = [(kind, ROOT / path) for kind, path in (m.groups() for m in theirs if m)]
    assert len(files) > 15
    assert all(path.exists() for _, path in files)
    assert {path.suffix for kind, path in files if kind == "raw"} == {".png"}
    config = configparser.ConfigParser()
    config.read(tmp_path / "setup.cfg", encoding="utf-8")
    assert config["metadata"]["url"] == HOME
    assert config["metadata"]["name"] == "captum-interactions"
    with pytest.raises(SystemExit, match="no address"):
        describe.address("/somewhere/on/a/disk")
