"""Run a tutorial, keep its outputs, its numbers and its opening picture.

    python -m tests.run_tutorial sentence

What a tutorial states is held against what it finds, out of the reader's sight: its
metadata have ``check``, the code that collects its ``numbers`` and runs after the last
cell; ``claims``, a number and a tolerance of each for the full run and the short one;
and ``measured``, what the outputs shown gave. The cell with the tag ``opening`` draws
the picture that the notebook begins with, ``pictures/<name>.png``.
"""

from __future__ import annotations

import ast
import base64
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tutorials"


def execute(notebook, folder, timeout=900):
    """Run all cells, and the check after them; return the numbers that it found."""
    import nbclient
    import nbformat

    check = nbformat.v4.new_code_cell(
        notebook.metadata.check
        + "\n{k: round(float(v), 4) for k, v in numbers.items()}"
    )
    notebook.cells.append(check)
    try:
        resources = {"metadata": {"path": str(folder)}}
        client = nbclient.NotebookClient(notebook, timeout=timeout, resources=resources)
        client.execute()
    finally:
        notebook.cells.pop()
    return ast.literal_eval(check.outputs[-1]["data"]["text/plain"])


def opening(notebook):
    """Return the picture that the tagged cell drew, as bytes."""
    (cell,) = [c for c in notebook.cells if "opening" in c.metadata.get("tags", ())]
    drawn = [o["data"] for o in cell.outputs if "image/png" in o.get("data", {})]
    (picture,) = drawn
    return base64.b64decode(picture["image/png"])


def broken(claims, measured, column):
    """Return in words what doesn't hold."""
    wrong = [f"{name}: stated or measured only" for name in claims.keys() ^ measured]
    for name in claims.keys() & measured.keys():
        number, tolerance = claims[name][column]
        if not abs(measured[name] - number) <= tolerance:
            wrong.append(f"{name}: {measured[name]}, not {number} ± {tolerance}")
    return wrong


def tidy(notebook):
    """Leave out what differs from run to run, and what nobody reads."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                continue
            if output.output_type == "stream" and kept and "text" in kept[-1]:
                kept[-1].text += output.text
            else:
                kept.append(output)
        cell.outputs = kept


def main(name):
    """Run the full form of a tutorial and write it."""
    import nbformat

    os.environ.pop("SMOKE_TEST", None)
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    path = FOLDER / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        measured = execute(notebook, folder)
    tidy(notebook)
    notebook.metadata.measured = measured
    nbformat.write(notebook, path)
    (FOLDER / "pictures" / f"{name}.png").write_bytes(opening(notebook))
    wrong = broken(notebook.metadata.claims, measured, "full")
    sys.stdout.write("\n".join([str(measured), *wrong, ""]))


if __name__ == "__main__":
    main(sys.argv[1])
