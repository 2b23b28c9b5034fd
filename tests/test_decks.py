"""The script that checks the slides runs, and its exact part says what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SLOW = pytest.mark.slow


@pytest.fixture
def decks(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import decks

    return decks


def test_every_formula_has_its_verdict(decks, capsys):
    """Only these are no identities as printed; all corrected forms are exact."""
    verdicts = decks.main(["formulas", "tables", "--quick"])
    assert verdicts["fails"] == 0
    shown = capsys.readouterr().out
    misprints = [line for line in shown.splitlines() if "[misprint]" in line]
    assert len(misprints) == verdicts["misprint"] == 5
    for words in (
        "accumulation: φ(i)", "symmetric i, j: B", "Σ_{S ⊆ N}", "D^(m)", "b* = 1 for i",
    ):  # fmt: skip
        assert sum(words in line for line in misprints) == 1, words


def test_a_wrong_formula_is_seen(decks):
    """The check fails where printed and corrected form are both no identities."""
    from slides import checking

    def off(table):
        return table[-1] - table[0]

    claim = checking.mended("slide", "says", off, off, "form")
    assert claim.verdict == "fails"
    assert checking.exact("slide", "says", off).verdict == "fails"


@pytest.mark.parametrize(
    ("parts", "pictures"),
    [
        (["transfer", "robustness"], ["decks_orders.png", "decks_transfer.png"]),
        pytest.param(["absence", "concepts"], ["decks_concepts.png"], marks=SLOW),
    ],
)
def test_parts_run_quickly(decks, parts, pictures, capsys, tmp_path):
    verdicts = decks.main([*parts, "--quick", "--pictures", str(tmp_path)])
    assert verdicts.total() > 8
    assert "figures mean nothing" in capsys.readouterr().out
    drawn = {path.name: path.stat().st_size for path in tmp_path.glob("*.png")}
    assert sorted(drawn) == pictures
    assert max(drawn.values()) < 60_000


def test_words_need_a_folder(decks, capsys):
    with pytest.raises(SystemExit):
        decks.main(["words"])
    assert "words needs --sst2 FOLDER" in capsys.readouterr().err
