"""The decks' claims on pretrained ImageNet networks, with intervals over pictures.

    pip install -e '.[models]' foolbox
    python benchmarks/imagenet.py --store FILE          # all, about 100 core minutes
    python benchmarks/imagenet.py transfer --count 8    # one part, fewer pictures
    python benchmarks/imagenet.py --folder PICTURES     # further pictures, or a wheel

EfficientNet-Lite0, 1 and 2 at 160 pixels, on the pictures in the wheels of foolbox and
shapiq that all three networks agree on. ± is a 95 % interval over pictures (1.96
standard errors), paired where two attacks are compared. Each picture's measurements are
added to the store as they come; a run that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from photographs import tables
from photographs.aesthetics import aesthetics
from photographs.attacks import SIZE, transfer
from photographs.orders import strengths, utility
from pretrained import efficientnet, photographs, pictures
from timing import describe

PARTS = {
    "transfer": lambda models, one, label: transfer(models, one, label, 0),
    "orders": lambda models, one, label: utility(models[0], one, label),
    "strengths": lambda models, one, label: strengths(models[0], one, label),
    "aesthetics": lambda models, one, label: aesthetics(models[0], one, label),
    "back": lambda models, one, label: transfer(models, one, label, 2),
}
BLOCK = 4  # pictures that go through all parts before the next ones begin


@torch.no_grad()
def classes(model, x):
    """Return the class of each picture."""
    return torch.cat([model(part).argmax(1) for part in x.split(16)])


def check(names, x, models):
    """Guard the pre-processing: ImageNet's mean and deviation give 15 to 16 of 20."""
    known = [k for k, name in enumerate(names) if name.startswith("imagenet_")]
    truth = torch.tensor([int(names[k].split("_")[2].split(".")[0]) for k in known])
    for number, model in enumerate(models):
        right = (classes(model, x[known]) == truth).sum()
        print(f"lite{number} at 224 pixels: {right} of {len(known)} right")


def main(arguments=None):
    """Measure the parts asked for and print what all pictures together say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of check, {', '.join(PARTS)}")
    parser.add_argument("--count", type=int, default=1000, help="most pictures")
    parser.add_argument("--folder", help="folder of pictures, or of foolbox's wheel")
    parser.add_argument("--store", type=Path, help="file of what was measured so far")
    parser.add_argument("--show", action="store_true", help="print the store only")
    options = parser.parse_args(arguments)
    if not {*PARTS, "check"}.issuperset(options.parts):
        parser.error(f"parts are check, {', '.join(PARTS)}")
    chosen = options.parts or ["check", *PARTS]
    print(describe())
    found = read(options.store)
    if not options.show:
        found += measure(
            options, chosen, parser, {(r["part"], r["name"]) for r in found}
        )
    tables.show(found)
    return found


def read(store):
    """Return the records of a store, without a line that an interruption cut."""
    if store is None or not store.exists():
        return []
    lines = store.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def measure(options, chosen, parser, done):
    """Yield a record of each part and picture that is not done yet."""
    names, x = pictures(SIZE, options.folder)
    if not names:
        parser.error("no pictures: pip install foolbox shapiq, or --folder")
    if "check" in chosen:
        check(*pictures(224, options.folder), [efficientnet(k, 224) for k in range(3)])
    models = [efficientnet(number, SIZE) for number in range(3)]
    guesses = torch.stack([classes(model, x) for model in models])
    agreed = (guesses == guesses[0]).all(0).nonzero()[:, 0].tolist()[: options.count]
    print(f"{len(names)} pictures, {len(agreed)} used: all networks agree on them")
    work = [
        (part, names[k], x[k : k + 1], guesses[0, k].item())
        for start in range(0, len(agreed), BLOCK)
        for part in PARTS
        for k in agreed[start : start + BLOCK]
    ]
    names, x = photographs(SIZE)
    guesses = classes(models[0], x).tolist()
    work += [
        ("aesthetics", name, one[None], guess)
        for name, one, guess in zip(names, x, guesses, strict=True)
    ]
    for part, name, one, label in work:
        if part not in chosen or (part, name) in done:
            continue
        began = time.process_time()
        record = {"part": part, "name": name} | PARTS[part](models, one, label)
        record["seconds"] = time.process_time() - began
        print(f"{part} {name} {record['seconds']:.0f} s", flush=True)
        if options.store is not None:
            with options.store.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        yield record


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
