"""All benchmarks with one command: prints the tables and writes them.

    python benchmarks/run.py            # minutes; writes docs/benchmark_results.md
    python benchmarks/run.py --quick    # small sizes, writes nothing
    python benchmarks/run.py --only readings trees --output here.md
    python benchmarks/run.py --only prompts --update    # these parts of the page anew

The written page holds versions, device, threads, seeds and date; beside it a JSON file
holds the same figures in full, and a CSV file one line for each part of each run.
Without ``--output`` or ``--update`` only a full run is written.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import history
import report
import torch

# Versions that a part names if it was measured on its own.
NAMED = ("torch", "captum", "shapiq")
OVER_TIME = (
    "How many times less ours was than the other, as a geometric mean over the rows of "
    "a part that have both (`benchmark_history.csv`, one line for each part of each "
    "run). Machines and their load differ between runs, and so do rows: look for a "
    "fall by half, not for a tenth."
)
PAGE = Path(__file__).parent.parent / "docs" / "benchmark_results.md"


class Part(NamedTuple):
    """One table.

    Attributes:
        title: Its heading.
        text: What is compared, and how.
        inverse: Whether the ratio is ours over the other's.
    """

    title: str
    text: str
    inverse: bool = False


PARTS = {
    "overhead": Part(
        "What a call costs beyond its forward passes",
        "A whole call of `AndInteraction.interactions` and one reading, nothing "
        "prepared, against looping the model over all masked inputs, made beforehand, "
        "at the best of several batch sizes. CPU time in turns, median of paired "
        "ratios.",
        inverse=True,
    ),
    "readings": Part(
        "Exact results",
        "The same exact result by both sides: CPU time of a whole call (of a model) or "
        "of a reading (of a given table). First calls, in which shap compiles, are "
        "left out.",
    ),
    "sampling": Part(
        "Error at an equal number of evaluations",
        "Both sides play the same game, the table of a trained network, and may look "
        "at the same number of coalitions. Squared error against full enumeration, "
        "mean over all players or pairs and two seeds. CPU seconds are the estimators' "
        "own: where the model costs less than that, more coalitions may be the better "
        "buy.",
    ),
    "and_or": Part(
        "AND-OR split",
        "The least l1 norm found on the same game. HiGHS is exact; ours stops at its "
        "tolerance and reports a gap.",
    ),
    "baselines": Part(
        "Learned baselines",
        "Functions of binary inputs whose best baselines are known, learned from 0.5; "
        "how many come out on the wrong side of 0.5. (The authors publish 98.7 % right "
        "over all their hundred functions.)",
    ),
    "trees": Part(
        "Trees and pair detection",
        "Brackets over all strings of AND and OR; interacting pairs of the Archipelago "
        "functions with equally many evaluations. Ours look at each pair in the two "
        "extreme contexts, as ArchDetect does; shapiq's estimate the index over all.",
    ),
}

# On demand only, by ``--only``: minutes, and weights in a package of their own.
ON_DEMAND = {
    "many_players": Part(
        "Error at a budget, 12 to 100 players, against shapiq 1.8",
        "Thirteen games, four budgets, twenty draws, fixed before the first run; "
        "squared error against the truth. The rival is the best of eleven of shapiq's "
        "approximators in that cell; in parentheses a 95 % interval of the ratio, over "
        "draws. Needs a second Python (3.12) with shapiq 1.5 or newer; cells that "
        "`many_players.json` has are not measured again.",
    ),
    "and_or_speed": Part(
        "AND-OR split against the solver before",
        "CPU time to a proven gap of 1e-4 of the present solver and of the ADMM that "
        "it replaced, in turns on every game: networks trained for this table, and "
        "planted games.",
    ),
    "scaling": Part(
        "Ranks, stores and data sets",
        "Wall time of ranks, on a model that waits and on a network; CPU time of what "
        "a store and a streamed data set add to their passes.",
    ),
    "prompts": Part(
        "Prompts of a language model",
        "SmolLM2-135M-Instruct in float32, short facts and a question, a response of "
        "seven tokens: exact tables with shared beginnings against batches, rows and "
        "Captum, and the store of keys and values against an unbounded one.",
    ),
}
ALL = {**PARTS, **ON_DEMAND}


def measure(names, quick):
    """Run the parts and print each table as it is done."""
    parts = {}
    for name in names:
        start = time.perf_counter()
        print(f"\n{ALL[name].title}", flush=True)
        rows = import_module(name).rows(quick=quick)
        report.show(rows, ALL[name].inverse)
        parts[name] = {"rows": rows, "seconds": time.perf_counter() - start}
    return parts


def page(record, parts, past=None):
    """Return the written page; ``past`` is the file of the history, for its table."""
    versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
    load = ", ".join(f"{value:.1f}" for value in record["load"])
    lines = [
        f"Written by `{record['command']}` on {record['date']} in "
        f"{record['seconds'] / 60:.0f} minutes: {versions}; {record['device']}, "
        f"{record['threads']} thread of {record['cores']} cores, load at the start and "
        f"end {load}; seeds {record['seeds']}. Less is better "
        "in every row; times are CPU times, and single ones say little.",
    ]
    for name, part in parts.items():
        about = ALL[name]
        lines += ["", f"## {about.title}", "", about.text, ""]
        if "measured" in part:
            lines += [part["measured"], ""]
        lines.append(report.markdown(part["rows"], about.inverse))
    if past is not None:
        lines += ["", "## Over time", "", OVER_TIME, "", history.markdown(past)]
    return "\n".join(lines) + "\n"


def read(page_):
    """Return the record and the parts that were written beside a page."""
    record = json.loads(page_.with_suffix(".json").read_text(encoding="utf-8"))
    parts = record.pop("parts")
    for part in parts.values():
        for row in part["rows"]:
            row["seconds"] = row["seconds"] and tuple(row["seconds"])
        part["rows"] = [report.Row(**row) for row in part["rows"]]
    return record, parts


def renew(record, parts, whole):
    """Put what was measured into the page of the documentation, and into the history.

    Args:
        record: About this run.
        parts: What it measured.
        whole: Whether the page becomes that of this run; otherwise it stays that of the
            last whole run, and the parts say when they were measured.
    """
    past = PAGE.with_name("benchmark_history.csv")
    history.append(past, record, parts)
    if PAGE.with_suffix(".json").exists():
        last, old = read(PAGE)
        if not whole:
            versions = ", ".join(f"{k} {record['versions'][k]}" for k in NAMED)
            said = f"Measured on {record['date']} by `{record['command']}`: {versions}."
            parts = {name: {**part, "measured": said} for name, part in parts.items()}
            record = last
        parts = {name: {**old, **parts}[name] for name in ALL if name in old | parts}
    write(PAGE, record, parts, past)


def write(output, record, parts, past=None):
    """Write the page, and the figures beside it as JSON."""
    output.write_text(page(record, parts, past), encoding="utf-8")
    figures = {
        name: {**part, "rows": [asdict(row) for row in part["rows"]]}
        for name, part in parts.items()
    }
    text = json.dumps({**record, "parts": figures}, indent=1, ensure_ascii=False)
    output.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(f"\nwritten to {output} and {output.with_suffix('.json').name}")


def main(arguments=None):
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", nargs="+", choices=list(ALL), default=list(PARTS))
    parser.add_argument(
        "--update", action="store_true", help="write these parts into the page"
    )
    parser.add_argument("--output", type=Path, help="page to write, ending in .md")
    options = parser.parse_args(arguments)
    whole = not options.quick and options.only == list(PARTS)
    if options.quick and options.update:
        parser.error("--update writes the page, which holds no quick runs")
    torch.set_num_threads(1)
    start, load = time.perf_counter(), os.getloadavg()[0]
    command = "python benchmarks/run.py" + " --quick" * options.quick
    if options.only != list(PARTS):
        command += " --only " + " ".join(options.only)
    record = {
        "command": command,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        **report.environment(),
        "cores": os.cpu_count(),
        "seeds": "0 and 1 for what is sampled, 0 for the rest",
    }
    print(", ".join(f"{k} {v}" for k, v in record["versions"].items()))
    parts = measure(options.only, options.quick)
    record["seconds"] = time.perf_counter() - start
    record["load"] = [load, os.getloadavg()[0]]
    if options.output:
        write(options.output, record, parts)
    elif whole or options.update:
        renew(record, parts, whole)


if __name__ == "__main__":
    main()
