"""All benchmarks with one command: prints the tables and writes them.

    python benchmarks/run.py            # minutes; writes docs/benchmark_results.md
    python benchmarks/run.py --quick    # small sizes, writes nothing
    python benchmarks/run.py --only readings trees --output here.md

The written page holds versions, device, threads, seeds and date; beside it a JSON file
holds the same figures in full. Without ``--output`` only a full run is written.
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

import report
import torch

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


def page(record, parts):
    """Return the written page."""
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
        lines.append(report.markdown(part["rows"], about.inverse))
    return "\n".join(lines) + "\n"


def write(output, record, parts):
    """Write the page, and the figures beside it as JSON."""
    output.write_text(page(record, parts), encoding="utf-8")
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
    parser.add_argument("--output", type=Path, help="page to write, ending in .md")
    options = parser.parse_args(arguments)
    whole = not options.quick and options.only == list(PARTS)
    output = options.output or (PAGE if whole else None)
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
    if output:
        write(output, record, parts)


if __name__ == "__main__":
    main()
