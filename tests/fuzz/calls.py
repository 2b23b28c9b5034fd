"""Generated valid calls, and the judge: one coalition per pass, fresh tensors, loops.

Nothing here imports the package; what it needs to build a call is handed in.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch

from tests.fuzz.models import HABITS, HARMLESS, HIDDEN, NO_FUNCTION, Habit, Network

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}
PER_EVAL = [None, None, None, 1, 2, 3, 7, 64]


@dataclass
class Call:
    """One call: what is passed, and the same in the judge's plain terms."""

    seed: int
    habit: str
    make: Any  # a fresh forward function
    plain: Any  # the same without chance and state
    inputs: tuple
    single: bool  # the inputs are one tensor, not a tuple
    absent: list  # for each baseline a tuple of tensors, shaped as the inputs
    masks: tuple  # for each input the player of every element, shaped as it
    n: int
    args: tuple
    target: Any
    places: list | None  # the output of each example
    dtype: torch.dtype  # of the values
    passed: dict = field(default_factory=dict)  # keywords of the call
    surrounding: str = "none"
    facts: dict = field(default_factory=dict)

    def table(self):
        """v(S) by the codes of coalitions: ``(batch, *outputs, 2**n)``, float64."""
        f = self.plain()
        values = []
        for code in range(1 << self.n):
            present = torch.tensor([bool(code >> i & 1) for i in range(self.n)])
            total = 0
            for absent in self.absent:
                rows = [
                    torch.where(present[mask], x, base).clone()
                    for x, base, mask in zip(
                        self.inputs, absent, self.masks, strict=True
                    )
                ]
                with torch.no_grad():
                    out = f(*rows, *copy.deepcopy(self.args))
                out = torch.as_tensor(out).double().clone()
                out = out if out.dim() else out.reshape(1)
                if self.places is not None:
                    out = torch.stack([out[(i, *p)] for i, p in enumerate(self.places)])
                total = total + out
            values.append(total / len(self.absent))
        return torch.stack(values, -1)


def generate(seed, baseline_set):
    """A call from a seed; ``baseline_set`` is the package's class for several."""
    pick, draw = random.Random(seed), torch.Generator().manual_seed(seed)
    batch = pick.choice([1, 1, 2, 3])
    dtype = DTYPES[pick.choice([*DTYPES, *["float32", "float64"] * 3])]
    habit = pick.choice([*HABITS, *["plain"] * 12])
    count = pick.choice([1, 1, 1, 2])
    shapes = [
        pick.choice([(3,), (4,), (5,), (2, 2), (1, 3), (2, 3)]) for _ in range(count)
    ]
    inputs = tuple(drawn((batch, *shape), dtype, draw) for shape in shapes)
    given_masks, masks, n = feature_masks(pick, draw, inputs)
    computed = dtype if dtype.is_floating_point else torch.float32
    outputs, target, places = output_and_target(pick, batch, habit)
    given_absent, absent = baselines(pick, draw, inputs, baseline_set)
    args, kinds = arguments(pick, draw, batch, computed)
    sizes = [prod(shape) for shape in shapes]
    network = Network(sizes, outputs, computed, kinds, draw)
    single = count == 1 and pick.random() < 0.8
    passed = {
        "inputs": inputs[0] if single else inputs,
        "baselines": given_absent,
        "target": target,
        "additional_forward_args": None
        if not args
        else args[0]
        if len(args) == 1 and pick.random() < 0.5
        else args,
        "feature_mask": given_masks,
        "perturbations_per_eval": pick.choice(PER_EVAL),
    }
    if given_masks is not None and single:
        passed["feature_mask"] = given_masks[0]
    return Call(
        seed,
        habit,
        lambda: HABITS[habit](copy.deepcopy(network)),
        lambda: (Habit if habit in NO_FUNCTION else HABITS[habit])(network),
        inputs,
        single,
        absent,
        masks,
        n,
        args,
        target,
        places,
        computed,
        passed,
        pick.choice(["none", "none", "no_grad", "inference", "float64", "block"]),
    )


def drawn(shape, dtype, draw):
    if dtype == torch.bool:
        return torch.rand(shape, generator=draw) < 0.7
    if not dtype.is_floating_point:
        return torch.randint(0, 9, shape, generator=draw, dtype=dtype)
    return torch.randn(shape, generator=draw).to(dtype)


def feature_masks(pick, draw, inputs):
    """A feature mask as it is passed, and the players in plain terms."""
    sizes = [x[0].numel() for x in inputs]
    kind = pick.choice(["none", "ids", "shared", "examples"])
    if kind == "none" and sum(sizes) <= 6:
        given, start = None, 0
        plain = []
        for x, size in zip(inputs, sizes, strict=True):
            ids = torch.arange(start, start + size).reshape(1, *x.shape[1:])
            plain.append(ids.expand(x.shape))
            start += size
        return given, tuple(plain), sum(sizes)
    pool = pick.sample(range(40), pick.choice([1, 2, 3, 4, 5]))
    given = []
    for x in inputs:
        rows = len(x) if kind == "examples" else 1
        choice = torch.randint(len(pool), (rows, *x.shape[1:]), generator=draw)
        given.append(torch.tensor(pool)[choice])
    ids = sorted({int(i) for mask in given for i in mask.flatten()})
    index = {player: i for i, player in enumerate(ids)}
    plain = tuple(
        torch.tensor([index[int(i)] for i in mask.flatten()])
        .reshape(mask.shape)
        .expand(x.shape)
        for mask, x in zip(given, inputs, strict=True)
    )
    return tuple(given), plain, len(ids)


def output_and_target(pick, batch, habit):
    """Output axes, a target as it is passed, and the place of each example."""
    kind = pick.choice(["row", "row", "int", "list", "tensor", "all", "deep", "scalar"])
    if habit == "view of input":
        kind = "row"
    if kind == "scalar":
        # Rows of a batch that make one number are one row: nothing else to mix.
        kind = "scalar" if habit in HARMLESS else "row"
    if kind == "row":
        return (), None, None
    if kind == "scalar":
        return None, None, None
    if kind == "deep":
        place = (pick.randrange(2), pick.randrange(3))
        target = place if pick.random() < 0.5 else [place] * batch
        return (2, 3), target, [place] * batch
    chosen = [pick.randrange(3) for _ in range(batch)]
    if kind == "all":
        return (2,), None, None
    if kind == "int":
        return (3,), chosen[0], [(chosen[0],)] * batch
    target = chosen if kind == "list" else torch.tensor(chosen)
    return (3,), target, [(c,) for c in chosen]


def baselines(pick, draw, inputs, baseline_set):
    """Baselines as they are passed, and a list of tuples of tensors."""
    kind = pick.choice(["none", "number", "tensor", "row", "tuple", "set"])
    if kind == "none":
        return None, [tuple(torch.zeros_like(x) for x in inputs)]
    if kind == "number":
        whole = not inputs[0].is_floating_point()
        value = 1 if whole else pick.choice([0.5, 1, -2])
        given = value if len(inputs) == 1 else (value,) * len(inputs)
        return given, [tuple(torch.full_like(x, value) for x in inputs)]
    if kind == "set":
        samples = tuple(drawn((3, *x.shape[1:]), x.dtype, draw) for x in inputs)
        plain = [
            tuple(s[k].expand(x.shape) for s, x in zip(samples, inputs, strict=True))
            for k in range(3)
        ]
        return baseline_set(samples if len(samples) > 1 else samples[0]), plain
    rows = 1 if kind == "row" else len(inputs[0])
    given = tuple(drawn((rows, *x.shape[1:]), x.dtype, draw) for x in inputs)
    plain = [tuple(b.expand(x.shape) for b, x in zip(given, inputs, strict=True))]
    return given if len(given) > 1 or kind == "tuple" else given[0], plain


def arguments(pick, draw, batch, dtype):
    """Additional arguments of every kind."""

    def some(*shape):
        return torch.rand(shape, generator=draw).to(dtype) + 0.5

    makers = {
        "number": lambda: 0.25,
        "text": lambda: "mode",
        "batched": lambda: some(batch, 1),
        "wide": lambda: some(batch, HIDDEN),
        "weights": lambda: some(HIDDEN),
        "one row": lambda: some(1, HIDDEN),
        "summed": lambda: some(4),
        "table": lambda: {"scale": some(HIDDEN)},
        "scalar": lambda: torch.tensor(0.5),
    }
    if pick.random() < 0.5:
        return (), ()
    kinds = pick.choices(list(makers), k=pick.choice([1, 2]))
    return tuple(makers[kind]() for kind in kinds), kinds
