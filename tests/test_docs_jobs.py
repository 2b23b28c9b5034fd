"""A newcomer's ten jobs: at most fifteen lines each, whole, print what they say."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "ten_jobs.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INTRODUCTION, *SECTIONS = PAGE.read_text(encoding="utf-8").split("\n## ")
JOBS = {title: text for title, _, text in (s.partition("\n") for s in SECTIONS[:-1])}
LANGUAGE = {"3", "4"}  # these begin with the page's stand-ins


def test_there_are_ten_of_at_most_fifteen_lines():
    assert [title.partition(".")[0] for title in JOBS] == [
        str(k + 1) for k in range(10)
    ]
    for text in [INTRODUCTION, *JOBS.values()]:
        (kind, code), *shown = BLOCK.findall(text)
        assert kind == "python"
        assert len([line for line in code.splitlines() if line.strip()]) <= 15
        assert [kind for kind, _ in shown] == ["text"] * (text != INTRODUCTION)


@pytest.mark.filterwarnings("default")  # of the libraries that a job brings in
@pytest.mark.parametrize("title", JOBS)
def test_a_job_is_done(title, tmp_path, monkeypatch, capsys):
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    if title.partition(".")[0] in LANGUAGE:
        exec(BLOCK.findall(INTRODUCTION)[0][1], namespace)
    (_, code), (_, shown) = BLOCK.findall(JOBS[title])
    exec(compile(code, PAGE.name, "exec"), namespace)
    assert capsys.readouterr().out == shown
