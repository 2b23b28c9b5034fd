"""Interaction trees: AND-OR brackets, pair detection, faithfulness on real sentences.

python benchmarks/trees.py and-or [players]
python benchmarks/trees.py archipelago
python benchmarks/trees.py text FOLDER_WITH_SST2 [lstm] [transformer]
"""

from __future__ import annotations

import sys
import time
from itertools import combinations, pairwise

import numpy as np
import report
import text_faithfulness
import torch

from captum_interactions.estimators.agglomeration import agglomerate
from captum_interactions.estimators.corner_pairs import plan_corner_pairs
from captum_interactions.estimators.forest import grown
from captum_interactions.estimators.tree_contexts import ExactContexts
from captum_interactions.functional import all_masks


def chain(ops, tight):
    """Table of a chain of AND and OR over ones, and the brackets of the tight one."""
    blocks = [[0]]
    for player, joined in enumerate(ops, start=1):
        if joined:
            blocks[-1].append(player)
        else:
            blocks.append([player])
    x = all_masks(len(ops) + 1).double()
    inner, outer = torch.amin, torch.amax
    if tight == "OR":
        inner, outer = outer, inner
    table = outer(torch.stack([inner(x[:, block], -1) for block in blocks]), 0)
    brackets = {
        sum(1 << player for player in block)
        for block in blocks
        if 1 < len(block) < len(ops) + 1
    }
    return table, brackets


def tree_brackets(table, n, criterion, beam):
    """Spans of the tree of a table."""
    growth = agglomerate(
        range(n), tuple(pairwise(range(n))), ExactContexts(), criterion, beam=beam
    )
    tree = grown(growth, lambda codes: table[codes])
    return {merge.left | merge.right for merge in tree.merges}


def recall(n, tight, criterion, beam=1):
    """Return the mean recall of brackets over all operator strings of n inputs."""
    total = 0.0
    for ops in all_masks(n - 1).tolist():
        table, brackets = chain(ops, tight)
        if brackets:
            found = brackets & tree_brackets(table, n, criterion, beam)
            total += len(found) / len(brackets)
    return total / (1 << (n - 1))


def and_or(n=11):
    """Print the recall of brackets over all operator strings of n inputs."""
    strings = 1 << (n - 1)
    print(f"AND-OR recall, n = {n}, {strings} strings (two have no bracket: 0)")
    for tight in ("AND", "OR"):
        for criterion, beam in (("r", 1), ("r", 8), ("dependence", 1)):
            start = time.process_time()
            found = recall(n, tight, criterion, beam)
            print(
                f"{tight:>4} tight  {criterion:<11} beam {beam}"
                f"{found:>9.5f}{time.process_time() - start:>8.1f} s"
            )


def conjunction(x, positive=(), negative=()):
    """+1 where all named inputs have their sign, else −1."""
    holds = (x[:, list(positive)] == 1).all(-1) & (x[:, list(negative)] == -1).all(-1)
    return torch.where(holds, 1.0, -1.0).double()


def archipelago_functions(q=10):
    """Return the four functions and their interacting pairs."""

    def pairs(*groups):
        return {pair for group in groups for pair in combinations(group, 2)}

    def first(x):
        a, b, c = (x[:, k * q : (k + 1) * q].sum(-1) for k in range(3))
        return a * a + b * c

    both, last = range(2 * q), range(q, 3 * q)
    crossed = {(i, j) for i in range(q, 2 * q) for j in range(2 * q, 3 * q)}
    return {
        "F1": (first, pairs(range(q)) | crossed),
        "F2": (
            lambda x: conjunction(x, both) + conjunction(x, last),
            pairs(both, last),
        ),
        "F3": (
            lambda x: conjunction(x, (), both) + conjunction(x, last),
            pairs(both, last),
        ),
        "F4": (
            lambda x: conjunction(x, (0, 1), (2,)) + conjunction(x, last),
            pairs(range(3), last),
        ),
    }


def pair_auc(strength, pairs):
    """Return how often an interacting pair is above another; strength ``(p, p)``."""
    p = len(strength)
    upper = torch.ones(p, p).triu(1).bool()
    truth = torch.zeros(p, p, dtype=torch.bool)
    truth[tuple(torch.tensor(sorted(pairs)).mT)] = True
    inside, outside = strength[truth & upper], strength[~truth & upper]
    gaps = inside.unsqueeze(-1) - outside
    return ((gaps > 0).double() + (gaps == 0).double() / 2).mean().item()


def on_inputs(function):
    """Return a function of coalitions: present inputs are 1, absent ones −1."""

    def play(masks):
        present = torch.as_tensor(np.atleast_2d(masks)).bool()
        x = torch.where(present, 1.0, -1.0).double()
        return function(x) + x.sum(-1)

    return play


def archipelago(p=40):
    """Print the AUC of pair detection with the two extreme contexts."""
    plan = plan_corner_pairs(p)
    print(f"Pair detection, {p} inputs: {len(plan.masks)} evaluations")
    print(f"ArchDetect: {2 * (1 + p + p * (p - 1) // 2)} evaluations")
    for name, (function, pairs) in archipelago_functions().items():
        strength = plan.strength(on_inputs(function)(plan.masks))
        print(f"{name}  AUC {pair_auc(strength, pairs):.3f}")


def against_criteria(n):
    """Return the brackets missed by two criteria, for both ways to bind.

    The two strings without a bracket, which count 0 in the recall, are left out.
    """
    strings = 1 << (n - 1)
    for tight in ("AND", "OR"):
        seconds, missed = [], []
        for criterion in ("dependence", "r"):
            start = time.process_time()
            missed.append(1 - recall(n, tight, criterion) * strings / (strings - 2))
            seconds.append(time.process_time() - start)
        yield report.Row(
            f"brackets missed by criterion='dependence', n = {n}, {tight} tight",
            "published criterion r",
            *missed,
            "missed part",
            seconds=tuple(seconds),
        )


def against_shapiq(p=40):
    """Return pair detection at an equal number of evaluations."""
    plan = plan_corner_pairs(p)
    budget = len(plan.masks)
    i, j = torch.triu_indices(p, p, 1).tolist()
    for name, (function, pairs) in archipelago_functions().items():
        play = on_inputs(function)
        start = time.process_time()
        ours = 1 - pair_auc(plan.strength(play(plan.masks)), pairs)
        own_s = time.process_time() - start
        for rival in ("PermutationSamplingSII", "KernelSHAPIQ"):
            row = (f"pairs of {name}, {p} inputs, {budget} evaluations",
                   f"shapiq.{rival}", ours)  # fmt: skip
            if not report.installed("shapiq"):
                yield report.Row(*row, None, "1 less AUC", note="not installed")
                continue
            import shapiq

            start = time.process_time()
            estimator = getattr(shapiq, rival)(
                n=p, max_order=2, index="SII", random_state=0
            )
            found = estimator.approximate(budget, lambda m, f=play: f(m).numpy())
            seconds = time.process_time() - start
            strength = torch.zeros(p, p, dtype=torch.float64)
            strength[i, j] = torch.tensor(
                [abs(found[pair]) for pair in zip(i, j, strict=True)]
            ).double()
            other = 1 - pair_auc(strength, pairs)
            yield report.Row(*row, other, "1 less AUC", seconds=(own_s, seconds))


def rows(quick=False):
    """Return all rows that need no data set."""
    found = list(against_criteria(5 if quick else 8))
    return found if quick else [*found, *against_shapiq()]


def main(command, *arguments):
    """Run one of the three benchmarks."""
    torch.set_num_threads(1)
    if command == "and-or":
        and_or(*map(int, arguments))
    elif command == "archipelago":
        archipelago()
    elif command == "text":
        text_faithfulness.main(
            arguments[0], arguments[1:] or tuple(text_faithfulness.NETWORKS)
        )
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))
