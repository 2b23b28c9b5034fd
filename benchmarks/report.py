"""Rows of a benchmark, and how they are printed and written."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata, util
from itertools import pairwise

import torch

PACKAGES = ("torch", "captum", "shapiq", "shap", "numpy", "scipy", "scikit-learn")
HEAD = ("what", "against", "ours", "other", "unit", "{ratio}", "CPU s", "differ by")


@dataclass(frozen=True)
class Row:
    """One comparison: the same work done by us and by something else.

    Attributes:
        what: The work.
        against: Who else does it.
        ours: Our figure; less is better.
        other: Theirs, or None where it could not be measured.
        unit: Unit of both figures.
        seconds: CPU seconds, ours and theirs, where the figures are not times.
        difference: Largest difference between two results that should be the same.
        note: Why there is no figure.
    """

    what: str
    against: str
    ours: float
    other: float | None
    unit: str
    seconds: tuple[float, float] | None = None
    difference: float | None = None
    note: str = ""

    def cells(self, inverse: bool) -> list[str]:
        """Return the cells of a line; ``inverse`` gives ours / other."""
        ratio = ""
        if self.other is not None and 0 not in (self.ours, self.other):
            value = self.ours / self.other if inverse else self.other / self.ours
            ratio = number(value)
        return [
            self.what,
            self.against,
            number(self.ours),
            self.note if self.other is None else number(self.other),
            self.unit,
            ratio,
            " / ".join(map(number, self.seconds)) if self.seconds else "",
            "" if self.difference is None else _short(f"{self.difference:.0e}"),
        ]


def number(value):
    """Return a figure with three digits that count."""
    if value == 0 or 1e-2 <= abs(value) < 1e3:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1e3 else _short(f"{value:.1e}")


def _short(text):
    """Write 1e-4 for 1e-04."""
    return text.replace("e-0", "e-")


def markdown(rows, inverse=False):
    """Return the rows as a Markdown table, without columns that are empty."""
    head = [cell.format(ratio=_ratio(inverse)) for cell in HEAD]
    lines = [row.cells(inverse) for row in rows]
    kept = [k for k in range(len(head)) if any(line[k] for line in lines)]
    head[head.index("CPU s")] = "CPU s, ours / other"
    for above, line in reversed(list(pairwise(lines))):
        if above[0] == line[0]:
            line[0] = ""  # a reader needs the work only once
    texts = [[line[k] for k in kept] for line in [head, *lines]]
    texts.insert(1, ["---"] * len(kept))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in texts)


def show(rows, inverse=False):
    """Print the rows as a table of aligned columns."""
    head = [cell.format(ratio=_ratio(inverse)) for cell in HEAD]
    texts = [head, *(row.cells(inverse) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for cells in texts:
        padded = (c.ljust(w) for c, w in zip(cells, widths, strict=True))
        print("  ".join(padded).rstrip(), flush=True)


def _ratio(inverse):
    return "ours / other" if inverse else "other / ours"


def installed(package):
    """Say whether an optional package can be imported."""
    return util.find_spec(package) is not None


def environment():
    """Return versions and device, without anything that names the machine."""
    versions = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "versions": versions,
        "device": f"CPU ({platform.system()} {platform.machine()})",
        "threads": torch.get_num_threads(),
    }
