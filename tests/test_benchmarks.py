"""One command prints and writes the benchmarks; rows say what they compare."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch

from captum_interactions.functional import all_masks

ROOT = Path(__file__).parent.parent


@pytest.fixture
def benchmark(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.mark.filterwarnings("default")  # of the other libraries
def test_one_command_prints_and_writes(benchmark, tmp_path, capsys):
    page = tmp_path / "page.md"
    benchmark("run").main(
        ["--quick", "--only", "readings", "and_or", "--output", str(page)]
    )
    shown, written = capsys.readouterr().out, page.read_text(encoding="utf-8")
    record = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert list(record["parts"]) == ["readings", "and_or"]
    assert record["versions"]["torch"] in written
    assert record["date"] in written
    rows = record["parts"]["readings"]["rows"]
    assert {row["against"] for row in rows} >= {
        "shapiq.ExactComputer",
        "captum.attr.ShapleyValues",
        "shap.explainers.Exact",
    }
    for row in rows:
        assert row["ours"] > 0
        assert row["what"] in written
        assert row["what"] in shown
        assert (row["other"] is None) == bool(row["note"])
        if row["difference"] is not None:
            assert row["difference"] < 1e-4  # Captum adds up in float32
    [split] = record["parts"]["and_or"]["rows"]
    assert split["ours"] == pytest.approx(split["other"], rel=1e-6)


def test_a_partial_run_leaves_the_page_alone(benchmark, monkeypatch, tmp_path):
    run = benchmark("run")
    monkeypatch.setattr(run, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(run, "measure", lambda names, quick: {})
    run.main(["--quick"])
    run.main(["--only", "trees"])
    assert not run.PAGE.exists()
    run.main([])
    assert run.PAGE.exists()


def test_the_cells_of_a_row(benchmark):
    report = benchmark("report")
    row = report.Row("sum", "loop", 2.0, 3000.0, "ms", difference=1e-9)
    assert row.cells(False) == ["sum", "loop", "2", "3,000", "ms", "1,500", "", "1e-9"]
    assert row.cells(True)[5] == "6.7e-4"
    absent = report.Row("sum", "x", 2.0, None, "ms", note="not installed")
    assert absent.cells(False)[3:6] == ["not installed", "ms", ""]
    none = report.Row("wrong", "x", 0.0, 3.0, "", seconds=(1.0, 2.0))
    assert none.cells(False)[5:7] == ["", "1 / 2"]
    page = report.markdown([row, absent, none])
    assert page.splitlines()[0] == (
        "| what | against | ours | other | unit | other / ours | CPU s, ours / other "
        "| differ by |"
    )
    assert [line[:8] for line in page.splitlines()[2:]] == [
        "| sum | ",
        "|  | x |",
        "| wrong ",
    ]
    assert len({line.count("|") for line in page.splitlines()}) == 1


def test_the_page_in_the_docs_is_of_a_whole_run(benchmark):
    run = benchmark("run")
    record, parts = run.read(run.PAGE)
    assert list(parts)[: len(run.PARTS)] == list(run.PARTS)
    assert set(parts) <= set(run.ALL)
    assert record["command"] == "python benchmarks/run.py"
    past = run.PAGE.with_name("benchmark_history.csv")
    assert run.PAGE.read_text(encoding="utf-8") == run.page(record, parts, past)


def test_parts_are_renewed_and_remembered(benchmark, monkeypatch, tmp_path):
    run, report = benchmark("run"), benchmark("report")
    monkeypatch.setattr(run, "PAGE", tmp_path / "page.md")
    found = {"ours": 2.0}

    def measure(names, quick):
        row = report.Row("sum", "loop", found["ours"], 8.0, "ms", seconds=(1.0, 2.0))
        nothing = report.Row("sum", "x", 2.0, None, "ms", note="not installed")
        return {name: {"rows": [row, nothing], "seconds": 0.0} for name in names}

    monkeypatch.setattr(run, "measure", measure)
    run.main([])
    found["ours"] = 1.0
    run.main(["--only", "trees", "scaling", "--update"])
    record, parts = run.read(run.PAGE)
    assert record["command"] == "python benchmarks/run.py"
    assert list(parts) == [*run.PARTS, "scaling"]
    assert {name for name, part in parts.items() if "measured" in part} == {
        "trees",
        "scaling",
    }
    assert parts["trees"]["rows"][0].ours == 1.0
    assert parts["readings"]["rows"][0].ours == 2.0
    run.main([])  # what only a wish measures stays, with its date
    assert list(run.read(run.PAGE)[1]) == [*run.PARTS, "scaling"]
    past = tmp_path / "benchmark_history.csv"
    lines = past.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 2 * len(run.PARTS) + 2
    assert [line.split(",")[3:] for line in lines if ",trees," in line] == [
        ["trees", "1", "4"],
        ["trees", "1", "8"],
        ["trees", "1", "8"],
    ]
    assert benchmark("history").markdown(past).count("\n") == 2  # one day
    with pytest.raises(SystemExit):
        run.main(["--quick", "--update"])


def test_the_truth_of_large_games(benchmark):
    games = benchmark("large_games")
    for game in (games.and_or(9, seed=1), games.random_trees(8, seed=2, trees=20)):
        table = games.of_table(game.value(all_masks(game.n)))
        for index, truth in table.truth.items():
            assert truth.abs().max() > 0.1
            torch.testing.assert_close(game.truth[index], truth)


def test_boosted_trees_play_as_scikit_learn_scores(benchmark):
    from sklearn.datasets import load_wine
    from sklearn.ensemble import GradientBoostingClassifier

    game = benchmark("large_games").boosted(load_wine, 1, 60)
    x, y = load_wine(return_X_y=True)
    model = GradientBoostingClassifier(random_state=0).fit(x, y == 1)
    masks = torch.rand(200, 13, generator=torch.Generator().manual_seed(0)) < 0.5
    hybrid = torch.where(masks, torch.tensor(x[60]), torch.tensor(x.mean(0)))
    scores = torch.tensor(model.decision_function(hybrid.numpy()))
    value = game.value(masks)  # without the constant of the ensemble
    torch.testing.assert_close(value - value[0], scores - scores[0])


def test_cells_are_judged_by_the_best_rival_and_kept(benchmark, tmp_path):
    many = benchmark("many_players")
    figures = tmp_path / "figures.json"
    ours = many.fill(figures, ["AND-OR (15)"], ["ours"], None, draws=2)["cells"]
    assert [row.note for row in map(many.row, many.verdicts(ours))] == (
        ["not installed"] * 8
    )
    record = json.loads(figures.read_text(encoding="utf-8"))
    cell = record["cells"]["AND-OR (15) @ 150"]
    assert cell["SII captum_interactions"]["errors"] != [0.0, 0.0]
    cell["SV Bad"] = {"errors": [3.0, 5.0], "seconds": 1.0}
    cell["SV Good"] = {"errors": [0.5, 1.5], "seconds": 1.0}
    cell["SV None"] = {"errors": [], "seconds": 0.0, "note": "why"}
    row = many.row(next(many.verdicts(record["cells"])))
    assert row.against.startswith("shapiq.Good")
    assert row.other == 1.0
    assert many.ratio_interval([1.0, 2.0], [2.0, 4.0]) == pytest.approx((2, 2, 2))
