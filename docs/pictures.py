"""Draw the pictures of reference/gallery.md and tutorials/captum_users.md.

    python docs/pictures.py [name of a drawing, such as three_words ...]

Three small networks, trained here: on scikit-learn's breast-cancer data and digits
(those of the benchmarks), and on the sentences of tutorials/interaction_tree.ipynb.
"""

import io
import json
import sys
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from PIL import Image

ROOT = Path(__file__).parent.parent
OUT = Path(__file__).parent / "images" / "pictures"
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from models import digits_cnn, tabular_mlp  # noqa: E402

from captum_interactions import (  # noqa: E402
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    ShapleyInteraction,
    visualization,
)
from captum_interactions.functional import zeta  # noqa: E402
from captum_interactions.games import log_odds  # noqa: E402
from captum_interactions.visualization import plot_orders  # noqa: E402

SENTENCE = "the plot is not good but the acting is great"
PROPERTIES = [
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
]


def biopsies():
    """A biopsy that is classified correctly, but not by much: ten properties."""
    model, x, y = tabular_mlp()
    logits = model(x).detach()
    gap = (logits[:, 0] - logits[:, 1]).abs()
    chosen = torch.where(logits.argmax(1) == y, gap, torch.inf).argsort()[:16]
    arguments = {"target": y[chosen], "feature_mask": torch.arange(30) % 10}
    return log_odds(model), x[chosen], arguments


def a_digit():
    """A digit and its sixteen patches of 2x2 pixels."""
    model, x, y = digits_cnn()
    cell = torch.arange(8) // 2
    arguments = {"target": int(y[5]), "feature_mask": cell[:, None] * 4 + cell}
    return log_odds(model), x[5:6], arguments


def a_sentence():
    """The sentence, its ids and the network of the tutorial on trees."""
    notebook = json.loads((ROOT / "tutorials" / "interaction_tree.ipynb").read_text())
    cells = [c["source"] for c in notebook["cells"] if c["cell_type"] == "code"]
    tutorial = {}
    for cell in cells[:3]:  # imports, sentences, network
        exec("".join(line for line in cell if not line.startswith("%")), tutorial)
    words = SENTENCE.split()
    return log_odds(tutorial["model"]), tutorial["encode"](words), words


def draw_biopsy():
    """Named features."""
    model, x, arguments = biopsies()
    shapley = ShapleyInteraction(model).interactions(x, **arguments).named(PROPERTIES)
    yield "pairs", shapley.plot_pairs()
    yield "network", shapley.plot_network(k=15, singles=True)
    yield "summary", shapley.plot_summary(k=8)
    both = AndOrInteraction(model).interactions(x[:1], **first(arguments))
    both = both.named(PROPERTIES)
    yield "strongest", both.plot_strongest()
    yield "waterfall", both.plot_waterfall()
    yield "size_strength", both.plot_size_strength()
    yield "sorted", both.plot_sorted_interactions()
    yield "graph", both.plot_and_or_graph(k=10)
    orders = MultiOrderInteraction(model).interactions(x, **arguments)
    mean = orders.pair_values().mean(-1)
    yield (
        "orders",
        plot_orders(
            {"16 uncertain biopsies": mean}, ylabel="mean of I(i,j) (log-odds)"
        ),
    )
    sampled = MultiOrderInteraction(model).interactions(
        x[:1],
        **first(arguments),
        n_samples=200,
        generator=torch.Generator().manual_seed(0),
    )
    yield "order_pairs", sampled.named(PROPERTIES).plot_orders(k=3)
    yield "order_strength", sampled.plot_order_strength()


def first(arguments):
    """The arguments of the first example."""
    return {**arguments, "target": arguments["target"][:1]}


def draw_digit():
    """An image."""
    model, x, arguments = a_digit()
    shapley = ShapleyInteraction(model).interactions(x, **arguments)
    yield "network_image", shapley.plot_network(k=12, image=x[0], singles=True)
    yield "pairs_image", shapley.plot_pairs_on_image(x[0], k=3)
    both = AndOrInteraction(model).interactions(
        x, **{**arguments, "feature_mask": arguments["feature_mask"] // 2}
    )
    yield "coalitions_image", both.plot_coalitions_on_image(x[0])


def draw_sentence():
    """A text."""
    model, ids, words = a_sentence()
    shapley = ShapleyInteraction(model).interactions(ids, 0, target=1)
    shapley = shapley.named(words)
    yield (
        "network_sentence",
        shapley.plot_network(k=12, layout="sentence", singles=True),
    )
    tree = InteractionTree(model).interactions(ids, 0, target=1)
    yield "tree", tree.plot_tree(names=words)
    both = AndOrInteraction(model).interactions(ids, 0, target=1).named(words)
    yield "coalitions_text", both.plot_coalitions_on_text(k=5)


def draw_prompt():
    """A prompt of SmolLM2, where its package is installed."""
    from smollm2 import smollm2

    from captum_interactions import LLMInteraction
    from captum_interactions.players import PromptPlayers

    try:
        model, tokenizer = smollm2()
    except ModuleNotFoundError:
        return
    facts = [
        "The key is in the red box. ",
        "The red box is in the kitchen. ",
        "The dog sleeps in the garden. ",
        "The blue box is in the cellar. ",
    ]
    question = "Question: Where is the key? Answer: The key is in the"
    players = PromptPlayers.from_segments(tokenizer, facts, footer=question)
    found = LLMInteraction(ShapleyInteraction(model), tokenizer).interactions(
        players, " kitchen, in the red box."
    )
    yield "prompt", found.plot()
    yield "response_tokens", found.plot_tokens()


def draw_three_words():
    """Three words: v(S) and I(S) of every coalition, and the way from v(∅) to v(N)."""
    words = ["not", "very", "good"]

    def score(x):
        no, very, good = x.unbind(1)
        return 2 * good + very * good - 3 * no * good - 2 * no * very * good

    found = AndInteraction(score).interactions(torch.ones(1, 3)).named(words)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.5, 4.2), width_ratios=[1.5, 1], layout="constrained"
    )
    v, dividends = zeta(found.values)[0].tolist(), found.values[0].tolist()
    members = [[i for i in range(3) if code >> i & 1] for code in range(8)]
    # A row for each size, the largest on top; within a row by the order of the words.
    rows = [[c for c in range(8) if len(members[c]) == size] for size in range(4)]
    place = {
        code: (column - (len(row) - 1) / 2, size)
        for size, row in enumerate(rows)
        for column, code in enumerate(row)
    }
    for code, (x, y) in place.items():
        for i in range(3):
            if not code >> i & 1:
                to = place[code | 1 << i]
                left.plot([x, to[0]], [y, to[1]], color="#cccccc", zorder=0)
        name = " ".join(words[i] for i in members[code]) or "∅"
        box = {"facecolor": "white", "edgecolor": "#999999", "boxstyle": "round,pad=.4"}
        # Blanks keep a line free, on which I(S) is written in its color.
        text = f"{name}\nv = {v[code]:.0f}\n ".replace("-", "\N{MINUS SIGN}")
        left.text(x, y, text, ha="center", va="center", bbox=box)
        color = visualization.sign_color(dividends[code])
        text = f"I = {dividends[code] or 0:+.0f}".replace(
            "-", "\N{MINUS SIGN}"
        ).replace("+0", "0")
        left.text(x, y - 0.19, text, ha="center", va="center", color=color)
    left.set(xlim=(-1.6, 1.6), ylim=(-0.45, 3.45))
    left.axis("off")
    found.plot_waterfall(k=4, ax=right)
    yield "captum_users", (figure, (left, right))


def main(names):
    """Write the pictures: all of them, or those of the drawings that are named."""
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    drawings = {
        "biopsy": draw_biopsy,
        "digit": draw_digit,
        "sentence": draw_sentence,
        "prompt": draw_prompt,
        "three_words": draw_three_words,
    }
    for drawing in names or drawings:
        for name, (figure, _) in drawings[drawing]():
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=85)
            small = Image.open(buffer).convert("RGB").quantize(200)
            folder = OUT.parent if drawing == "three_words" else OUT
            small.save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
