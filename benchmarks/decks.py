"""The slides of Quanshi Zhang's group, checked: every formula, every figure that fits.

    python benchmarks/decks.py                      # all that needs no further data
    python benchmarks/decks.py formulas robustness  # some parts
    python benchmarks/decks.py --quick              # the same in under a minute
    python benchmarks/decks.py words --sst2 FOLDER  # needs SST-2 as train.tsv, dev.tsv
    python benchmarks/decks.py --pictures docs/images

Prints each claim with what was computed or measured and whether it holds. Networks are
small and trained on the spot (scikit-learn's digits and wine, images drawn here), three
seeds, one thread. ``--quick`` shows that everything runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import torch
from slides import (
    absence,
    concepts,
    formulas,
    pictures,
    printed,
    robustness,
    transfer,
    words,
)
from slides.report import show
from timing import describe

PARTS = {
    "formulas": ("Definitions, properties and theorems, exactly", formulas.run),
    "tables": ("Printed tables, by arithmetic", printed.run),
    "absence": ("Baselines and attributions", absence.run),
    "concepts": ("Interactions and concepts", concepts.run),
    "transfer": ("Perturbations and transfer", transfer.run),
    "robustness": ("Attacks and adversarial training", robustness.run),
}


def main(arguments=None):
    """Run the parts asked for; return how often each verdict was given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}, words")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sst2", type=Path, help="folder with train.tsv and dev.tsv")
    parser.add_argument("--pictures", type=Path, help="folder to draw into")
    options = parser.parse_args(arguments)
    known = {*PARTS, "words"}
    if not known.issuperset(options.parts):
        parser.error(f"parts are {', '.join(sorted(known))}")
    if "words" in options.parts and options.sst2 is None:
        parser.error("words needs --sst2 FOLDER")
    chosen = options.parts or [*PARTS, *(["words"] if options.sst2 else [])]
    print(describe() + (", quick: figures mean nothing" if options.quick else ""))
    verdicts: Counter[str] = Counter()
    for part in chosen:
        start = time.process_time()
        if part == "words":
            title = "Words"
            claims, curves = words.run(options.sst2, options.quick), None
        else:
            title, run = PARTS[part]
            found = run(options.quick)
            claims, curves = found if isinstance(found, tuple) else (found, None)
        show(f"{title} ({time.process_time() - start:.0f} s of CPU)", claims)
        verdicts.update(claim.verdict for claim in claims)
        if options.pictures and curves is not None:
            pictures.draw(part, curves, options.pictures)
    print("\n" + ", ".join(f"{name}: {count}" for name, count in verdicts.items()))
    return verdicts


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
