"""The README's promises: its code runs, its test command is CI's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
BASH = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", PYTHON)
def test_code_runs(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "AndInteractionResult(3 examples, 4 players" in capsys.readouterr().out


def test_ci_runs_the_readmes_test_command():
    command = next(block.strip() for block in BASH if "pytest" in block)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_quickstart_runs(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(ROOT / "tutorials"))
    import quickstart

    quickstart.main(tmp_path / "figure.png")
    shown = capsys.readouterr().out
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert float(re.search(r"test accuracy ([\d.]+)", shown)[1]) > 0.93
    sums = re.search(r"^sum +(\S+) +(\S+) +(\S+)$", shown, re.MULTILINE).groups()
    # Integrated Gradients is complete up to its 50 steps, the others exactly.
    assert all(abs(float(s) - float(sums[2])) < 0.05 for s in sums)
