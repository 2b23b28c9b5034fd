"""How the benchmarks went over time: one line for each part of each run.

``run.py`` appends to ``docs/benchmark_history.csv`` whenever it writes the page of the
documentation, and the page ends with this table.
"""

from __future__ import annotations

import csv
import math

from captum_interactions import __version__

FIELDS = ("date", "version", "torch", "part", "rows", "times")


def times(rows):
    """Return how many times less ours was, as a geometric mean over comparable rows.

    Args:
        rows: Rows of a part. Those without a figure of the other, or with a 0, are left
            out.

    Returns:
        How many rows went in, and the mean (None if none did).
    """
    ratios = [r.other / r.ours for r in rows if r.other and r.ours]
    if not ratios:
        return 0, None
    return len(ratios), math.exp(math.fsum(map(math.log, ratios)) / len(ratios))


def append(path, record, parts):
    """Add a line for each part that has something to compare.

    Args:
        path: The file; it is begun if it isn't there.
        record: ``date`` and ``versions`` of the run.
        parts: What was measured, by name; each with its ``rows``.
    """
    begun = path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        if not begun:
            lines.writerow(FIELDS)
        for name, part in parts.items():
            count, mean = times(part["rows"])
            if count:
                day, torch = record["date"], record["versions"]["torch"]
                row = [day, __version__, torch, name, count, f"{mean:.3g}"]
                lines.writerow(row)


def markdown(path):
    """Return the history as a Markdown table: runs down, parts across."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    names = list(dict.fromkeys(line["part"] for line in lines))
    runs = {}
    for line in lines:  # of several runs on a day the last one counts
        runs.setdefault((line["date"], line["torch"]), {})[line["part"]] = line["times"]
    table = [["date", "torch", *names], ["---"] * (len(names) + 2)]
    table += [
        [*run, *(f"{float(found[n]):,g}" if n in found else "" for n in names)]
        for run, found in runs.items()
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)
