"""AOPC, log-odds and cohesion of trees and of Captum's attributions on SST-2.

AOPC: mean drop of p(predicted) when the 20 % most important words are deleted.
Log-odds: mean of log p(predicted) after over before when they are replaced by padding;
lower is better. Cohesion: mean drop of p(predicted) when the words of the chosen span
are scattered over the sentence, 100 times. The tree's span is the multi-word
constituent with the largest |b_between| short of the root; methods without spans get
the window of the same length with the largest sum of attributions.
"""

from __future__ import annotations

import time
from math import ceil

import sentiment
import torch
from captum.attr import (
    LayerIntegratedGradients,
    Occlusion,
    ShapleyValueSampling,
)

from captum_interactions import InteractionTree
from captum_interactions.games import log_odds

LONGEST = 12
PART = 0.2
SHUFFLES = 100


def probability(model, ids, label):
    """Return p(label) of each row."""
    with torch.no_grad():
        return torch.softmax(model(ids), -1)[:, label]


def attributions(model, ids, label):
    """Return word attributions by method, the tree, and seconds by method."""
    value = log_odds(model)
    ones = (1,)
    calls = {
        "tree": lambda: InteractionTree(value).interactions(
            ids, sentiment.PAD, target=label
        ),
        "occlusion": lambda: Occlusion(value).attribute(
            ids, sliding_window_shapes=ones, baselines=sentiment.PAD, target=label
        ),
        "integrated gradients": lambda: LayerIntegratedGradients(
            value, model.embed
        ).attribute(ids, sentiment.PAD * ids, target=label),
        "Shapley sampling": lambda: ShapleyValueSampling(value).attribute(
            ids,
            sentiment.PAD,
            target=label,
            n_samples=25,
            perturbations_per_eval=16,
        ),
    }
    found, seconds = {}, {}
    for name, call in calls.items():
        start = time.process_time()
        found[name] = call()
        seconds[name] = time.process_time() - start
    tree = found.pop("tree")
    found["integrated gradients"] = found["integrated gradients"].sum(-1)
    words = {"tree": tree.attributions(), **found}
    return {name: row[0].detach() for name, row in words.items()}, tree, seconds


def top_words(values):
    """Return the most important fifth of the words, at least one."""
    return values.topk(ceil(PART * len(values))).indices.tolist()


def constituent_words(root, length):
    """Return as many words, from the constituents worth most per word."""
    nodes = sorted(root, key=lambda node: -node.phi / len(node.span))
    chosen: list[int] = []
    for node in nodes:
        chosen += [word for word in node.span if word not in chosen]
    return chosen[: ceil(PART * length)]


def best_window(values, width):
    """Return the run of words with the largest sum."""
    sums = values.unfold(0, width, 1).sum(-1)
    start = int(sums.argmax())
    return range(start, start + width)


def cohesion(model, ids, label, span, before):
    """Return the mean drop of p when the span's words are scattered."""
    generator = torch.Generator().manual_seed(0)
    length, width = ids.shape[1], len(span)
    keys = torch.arange(length).double().repeat(SHUFFLES, 1)
    for row in keys:
        places = torch.randperm(length + 2 * width, generator=generator)[:width]
        row[list(span)] = places.double() - width
    order = keys.argsort(dim=-1, stable=True)
    after = probability(model, ids[0][order], label)
    return (before - after).mean().item()


def scores(model, ids):
    """Return every figure of one sentence, by method."""
    label = int(model(ids).argmax())
    before = probability(model, ids, label)
    words, tree, seconds = attributions(model, ids, label)
    root, length = tree.root(), ids.shape[1]
    inner = [node for node in root if 1 < len(node.span) < length]
    span = max(inner, key=lambda node: abs(node.b_between)).span
    chosen = {name: top_words(values) for name, values in words.items()}
    chosen["tree, constituents"] = constituent_words(root, length)
    out = {}
    for name, top in chosen.items():
        kept = [word for word in range(length) if word not in top]
        deleted = probability(model, ids[:, kept], label)
        padded = ids.clone()
        padded[:, top] = sentiment.PAD
        ratio = probability(model, padded, label) / before
        out[name] = [(before - deleted).item(), ratio.log().item()]
    for name, values in words.items():
        place = span if name == "tree" else best_window(values, len(span))
        out[name].append(cohesion(model, ids, label, place, before))
        out[name].append(seconds[name])
    return out


def report(name, model, sentences):
    """Print the mean figures of one network."""
    rows: dict[str, list[list[float]]] = {}
    for ids in sentences:
        for method, figures in scores(model, torch.tensor([ids])).items():
            rows.setdefault(method, []).append(figures)
    print(f"\n{name}, {len(sentences)} sentences of 4 to {LONGEST} words")
    print(f"{'':22}{'AOPC':>8}{'log-odds':>10}{'cohesion':>11}{'s/sentence':>11}")
    for method, figures in rows.items():
        means = torch.tensor(figures, dtype=torch.float64).mean(0).tolist()
        cells = [f"{means[0]:>8.3f}", f"{means[1]:>10.3f}"]
        cells += [f"{value:>11.3f}" for value in means[2:]]
        print(f"{method:22}{''.join(cells)}")


NETWORKS = {"lstm": sentiment.Lstm, "transformer": sentiment.Transformer}


def main(folder, names=tuple(NETWORKS), count=207, epochs=2):
    """Train the networks and print their tables."""
    texts, labels = sentiment.read(folder, "train")
    numbers = sentiment.vocabulary(texts)
    train = [sentiment.encode(words, numbers) for words in texts]
    texts, dev_labels = sentiment.read(folder, "dev")
    dev = [sentiment.encode(words, numbers) for words in texts]
    short = [ids for ids in dev if 4 <= len(ids) <= LONGEST][:count]
    for kind in (NETWORKS[name] for name in names):
        torch.manual_seed(0)
        model = sentiment.train(kind(len(numbers) + 2), train, labels, epochs)
        right = sentiment.accuracy(model, dev, dev_labels)
        print(f"{kind.__name__}: dev accuracy {right:.3f}", flush=True)
        report(kind.__name__, model, short)
