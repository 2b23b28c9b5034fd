"""A claim of the slides beside what was found, and the table of them."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

import torch

HOLDS, ONLY_IF, MISPRINT = "holds", "holds only if", "misprint"
MIXED, FAILS, SHOWN = "mixed", "fails", "shown"


class Claim(NamedTuple):
    """One line of the table.

    Attributes:
        slide: Title of the slide.
        says: What it says.
        found: What was computed or measured, with numbers.
        verdict: ``"holds"``, ``"holds only if"`` a condition is added,
            ``"misprint"`` (a corrected form holds), ``"mixed"``, ``"fails"``, or
            ``"shown"`` where nothing is claimed.
    """

    slide: str
    says: str
    found: str
    verdict: str


def show(title, claims):
    """Print a table, one claim after the other."""
    print(f"\n=== {title} ===")
    for number, claim in enumerate(claims, 1):
        head = f"{number:>2}. [{claim.verdict}] {claim.slide}: {claim.says}"
        print(textwrap.fill(head, 96, subsequent_indent="    "))
        for line in claim.found.splitlines():
            print(textwrap.indent(textwrap.fill(line, 90), "      → "))


def verdict(*outcomes):
    """Return "holds" if all repetitions agree with the claim, "fails" if none."""
    held = [bool(outcome) for outcome in outcomes]
    if all(held):
        return HOLDS
    return MIXED if any(held) else FAILS


def spread(values, digits=3):
    """Mean and standard deviation over repetitions (seeds)."""
    values = torch.as_tensor(values, dtype=torch.float64)
    if len(values) < 2:
        return f"{values.mean():.{digits}g}"
    return f"{values.mean():.{digits}g} ± {values.std():.1g}"


def row(values, digits=2):
    """A curve as text."""
    return " ".join(f"{float(value):.{digits}f}" for value in values)


def auc(positive, negative):
    """Chance that a positive scores above a negative; ties count half."""
    gaps = positive.unsqueeze(1) - negative.unsqueeze(0)
    return ((gaps > 0).double() + (gaps == 0).double() / 2).mean().item()


def rank_correlation(a, b):
    """Spearman's coefficient of two vectors without many ties."""
    ranks = [values.argsort().argsort().double() for values in (a, b)]
    return torch.corrcoef(torch.stack(ranks))[0, 1].item()
