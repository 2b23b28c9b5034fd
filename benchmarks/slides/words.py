"""Words: cooperation, B([A]), prototypes and trees on SST-2, one small LSTM.

Absent words are padding, v is the log-odds of the predicted class.
"""

from __future__ import annotations

import sentiment
import torch

from captum_interactions import InteractionTree, MultivariateInteraction
from captum_interactions import functional as F
from captum_interactions.functional.coalitions import n_players
from captum_interactions.games import ModelGame, log_odds
from captum_interactions.results import prototypes
from slides.report import SHOWN, Claim, row, verdict

NAMES = ("negative", "positive")
SENTENCES = (
    "it 's a remarkably solid and subtly satirical tour de force .",
    "this is a good script , good dialogue , funny even for adults",
    "dull , lifeless , and amateurishly assembled .",
    "a warm but realistic meditation on friendship , family and affection .",
    "no telegraphing is too obvious or simplistic for this movie .",
)
# Sentences that the slides' network gets wrong, with their labels.
WRONG = (
    (
        "if steven soderbergh 's ` solaris ' is a failure it is a glorious failure .",
        1,
    ),
    (
        "the longer the movie goes , the worse it gets , but it 's actually pretty "
        "good in the first few minutes .",
        0,
    ),
    (
        "on the heels of the ring comes a similarly morose and humorless horror movie "
        "that , although flawed , is to be commended for its straight-ahead "
        "approach to creepiness .",
        1,
    ),
)


def trained(folder, quick):
    """A bidirectional LSTM, its vocabulary, and the development set."""
    texts, labels = sentiment.read(folder, "train")
    if quick:
        texts, labels = texts[:6000], labels[:6000]
    numbers = sentiment.vocabulary(texts)
    ids = [sentiment.encode(words, numbers) for words in texts]
    dev, truth = sentiment.read(folder, "dev")
    torch.manual_seed(0)
    model = sentiment.Lstm(len(numbers) + 2)
    sentiment.train(model, ids, labels, 1 if quick else 2)
    coded = [sentiment.encode(words, numbers) for words in dev]
    return model, numbers, coded, truth


def predicted(model, ids):
    """The class of one sentence ``(1, length)``."""
    with torch.no_grad():
        return int(model(ids).argmax())


def cooperation_claims(model, sentences):
    """Interactions of neighbors and of distant words, and B of runs of three."""
    near, far, share, positive, total = [], [], [], 0, 0
    for words in sentences:
        ids = torch.tensor([words])
        game = ModelGame(log_odds(model), ids, sentiment.PAD, predicted(model, ids))
        table = game.table()[0].double()
        n = n_players(table)
        index = F.shapley_interaction_index(table).abs()
        gap = (torch.arange(n)[:, None] - torch.arange(n)).abs()
        near.append(index[gap == 1].mean())
        far.append(index[gap > 1].mean())
        dividends = F.moebius(table).abs()
        many = F.coalition_sizes(n) > 1
        share.append(dividends[many].sum() / dividends[1:].sum())
        for start in range(n - 2):
            b = F.multivariate_interaction(table, range(start, start + 3))
            positive += int(b > 0)
            total += 1
    near, far = torch.stack(near), torch.stack(far)
    inside = torch.stack(share).mean()
    return [
        Claim(
            "Game-theoretic interactions",
            "words usually cooperate with each other, rather than work individually",
            f"{len(sentences)} sentences of 6 to 10 words: {inside.item():.2f} of "
            "Σ|I(S)| is in coalitions of two and more; mean |I(i,j)| of neighbors "
            f"{float(near.mean()):.2f}, of others {float(far.mean()):.2f} (larger in "
            f"{float((near > far).double().mean()):.0%} of sentences); B > 0 for "
            f"{positive / total:.0%} of runs of three words, the others work against "
            "each other",
            verdict(inside > 0.5, near.mean() > far.mean()),
        )
    ]


def learned_claim(model, sentences):
    """The learned approximation of T([A]) against the optimum."""
    errors, scale = [], []
    for words in sentences:
        ids = torch.tensor([words])
        arguments = {
            "target": predicted(model, ids),
            "coalition": range(2, 6),
        }
        method = MultivariateInteraction(log_odds(model))
        exact = method.interactions(ids, sentiment.PAD, **arguments)
        learned = method.interactions(
            ids,
            sentiment.PAD,
            **arguments,
            method="learned",
            generator=torch.Generator().manual_seed(0),
        )
        errors.append(abs(learned.significance - exact.significance).item())
        scale.append(exact.significance.item())
    return Claim(
        "Multivariate Shapley interactions",
        "an effective method estimates the optimal partition and approximates T([A])",
        f"learned T of words 2..5 in {len(errors)} sentences: mean error "
        f"{sum(errors) / len(errors):.1e}, largest {max(errors):.1e}, mean T "
        f"{sum(scale) / len(scale):.2f}",
        verdict(sum(errors) < 0.05 * sum(scale)),
    )


def tree_claim(model, numbers):
    """The strongest constituent of each of the slide's sentences."""
    lines = []
    for text in SENTENCES:
        words = text.split()
        ids = torch.tensor([sentiment.encode(words, numbers)])
        label = predicted(model, ids)
        root = (
            InteractionTree(log_odds(model))
            .interactions(ids, sentiment.PAD, target=label)
            .root()
        )
        inner = [node for node in root if 1 < len(node.span) < len(words)]
        best = max(inner, key=lambda node: abs(node.b_between))
        phrase = " ".join(words[i] for i in best.span)
        lines.append(
            f"“{text}” ({NAMES[label]}): strongest merge “{phrase}”, "
            f"B_between {best.b_between:+.2f}, B {best.b:+.2f}"
        )
    return Claim(
        "Game-theoretic interactions; Explain the rationale of incorrect prediction",
        "the five sentences: which words interact, and the trees",
        "\n".join(lines),
        SHOWN,
    )


def prototype_claim(model, numbers):
    """The slide's three sentences: blocks towards and against the prediction."""
    lines = []
    for text, label in WRONG:
        words = text.split()
        ids = torch.tensor([sentiment.encode(words, numbers)])
        guess = predicted(model, ids)
        n = len(words)
        found = prototypes(
            MultivariateInteraction(log_odds(model)).interactions(
                ids, sentiment.PAD, target=guess, n_samples=n * (n + 3) // 2 + 1
            )
        )

        def show(blocks, words=words):
            return "; ".join(
                f"“{' '.join(words[i] for i in b.players)}” {b.value:+.1f}"
                for b in blocks[:3]
            )

        lines.append(
            f"“{text[:46]}…”: predicted {NAMES[guess]}, label {NAMES[label]}; towards "
            f"{show(found.towards)}; against {show(found.against)}"
        )
    return Claim(
        "Explain the rationale of incorrect prediction",
        "blocks at B_max and B_min explain a wrong prediction (three sentences)",
        "\n".join(lines),
        SHOWN,
    )


def run(folder, quick=False):
    """Return the claims; ``folder`` holds SST-2's ``train.tsv`` and ``dev.tsv``."""
    model, numbers, dev, truth = trained(folder, quick)
    some = [ids for ids in dev if 6 <= len(ids) <= 10][: 4 if quick else 60]
    right = sentiment.accuracy(model, dev, truth)
    claims = [
        *cooperation_claims(model, some),
        learned_claim(model, some[: 2 if quick else 10]),
        tree_claim(model, numbers),
        prototype_claim(model, numbers),
    ]
    first = claims[0]
    found = f"{first.found}; development accuracy {row([right], 3)}"
    return [first._replace(found=found), *claims[1:]]
