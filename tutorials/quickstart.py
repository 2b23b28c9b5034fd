"""What worked together? AND interactions beside Integrated Gradients.

A network is trained on scikit-learn's breast-cancer data. The 30 measurements are ten
properties of a cell nucleus, each as mean, standard error and worst value, so the
feature mask makes ten players of three measurements. The same examples are then
explained by Captum's Integrated Gradients, Captum's Shapley sampling, and the AND
interactions of this library.

    python tutorials/quickstart.py [figure.png]
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from captum.attr import IntegratedGradients, ShapleyValueSampling
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn

from captum_interactions import AndInteraction
from captum_interactions.games import log_odds
from captum_interactions.visualization import plot_strongest

METHODS = "#e69f00", "#009e73", "#0072b2"  # safe for color-blind readers


def train():
    """Return a network, standardized test rows and labels, names, its accuracy."""
    data = load_breast_cancer()
    split = train_test_split(
        data.data, data.target, test_size=0.3, random_state=0, stratify=data.target
    )
    x_train, x_test, y_train, y_test = (torch.tensor(part) for part in split)
    mean, std = x_train.mean(0), x_train.std(0)
    x_train, x_test = (((x - mean) / std).float() for x in (x_train, x_test))
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(30, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 2)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x_train), y_train).backward()
        optimizer.step()
    model.eval()
    accuracy = (model(x_test).argmax(1) == y_test).double().mean().item()
    print(f"test accuracy {accuracy:.3f} on {len(y_test)} biopsies")
    names = [name.removeprefix("mean ") for name in data.feature_names[:10]]
    return model, x_test, y_test, names, accuracy


def explain(model, x, target, players, n_players):
    """Return values per player and seconds of three methods, and our result."""
    value = log_odds(model)  # Captum's methods and ours explain the same scalar
    values, seconds = {}, {}

    def timed(name, call):
        start = time.perf_counter()
        out = call()
        seconds[name] = time.perf_counter() - start
        return out

    ig = timed(
        "Integrated Gradients",
        lambda: IntegratedGradients(value).attribute(x, baselines=0 * x, target=target),
    )
    by_player = torch.zeros(len(x), n_players).index_add(
        1, players, ig.float().detach()
    )
    values["Integrated Gradients"] = by_player
    first = torch.arange(n_players)  # the first element of each player speaks for it
    sampled = timed(
        "Shapley sampling",
        lambda: ShapleyValueSampling(value).attribute(
            x, target=target, feature_mask=players, n_samples=100,
            perturbations_per_eval=n_players,
        ),
    )  # fmt: skip
    values["Shapley sampling"] = sampled[:, first]
    result = timed(
        "AND interactions",
        lambda: AndInteraction(value).interactions(
            x, target=target, feature_mask=players
        ),
    )
    values["AND interactions"] = result.attributions()[:, first]
    return values, seconds, result


def report(values, seconds, result, names):
    """Print the methods side by side for the first example."""
    total = (result.info.v_full - result.info.v_empty)[0].item()
    print(f"\nlog-odds of the prediction, against the average biopsy: {total:+.2f}\n")
    print(f"{'player':<18}" + "".join(f"{name:>22}" for name in values))
    for i, name in enumerate(names):
        print(f"{name:<18}" + "".join(f"{v[0, i]:>+22.3f}" for v in values.values()))
    print(f"{'sum':<18}" + "".join(f"{v[0].sum():>+22.3f}" for v in values.values()))
    print(f"{'seconds':<18}" + "".join(f"{s:>22.3f}" for s in seconds.values()))
    exact = values["AND interactions"]
    error = (values["Shapley sampling"] - exact).abs().max().item()
    print(
        f"\nthe last column is exact ({result.n_evaluations} coalitions per example); "
        f"sampling is off by up to {error:.3f}"
    )
    print("\nwhat no attribution shows, the strongest interactions of two or more:")
    for interaction in result.top_k(6, min_size=2)[0]:
        print(f"  {interaction}")


def draw(values, result, names, path):
    """Save attributions (left) and interactions (right) of the first example."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.1, 1])
    rows = np.arange(len(names))
    for offset, (name, v), color in zip(
        (-0.27, 0, 0.27), values.items(), METHODS, strict=True
    ):
        left.barh(rows + offset, v[0].numpy(), height=0.25, color=color, label=name)
    left.set_yticks(rows, names)
    left.invert_yaxis()
    left.axvline(0, color="black", linewidth=0.8)
    left.set_title("How much did each property matter?", loc="left")
    left.set_xlabel("attribution (log-odds)")
    left.legend(frameon=False, fontsize=8)
    plot_strongest(result.top_k(10, min_size=2)[0], ax=right)
    right.set_title("Which ones worked together?", loc="left")
    right.set_xlabel("AND interaction I(S) (log-odds)")
    left.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    print(f"\nsaved {path}")


def main(path="quickstart.png"):
    """Train, explain, print and draw; return the numbers stated above."""
    model, x, y, names, accuracy = train()
    # The least certain biopsies that are classified correctly: there is something to
    # explain in them.
    logits = model(x).detach()
    gap = torch.where(logits.argmax(1) == y, (logits[:, 0] - logits[:, 1]).abs(), 1e9)
    chosen = gap.argsort()[:8]
    players = torch.arange(30) % 10  # mean, error and worst of a property: one player
    values, seconds, result = explain(
        model, x[chosen], logits[chosen].argmax(1), players, len(names)
    )
    result = result.named(names)
    report(values, seconds, result, names)
    draw(values, result, names, path)
    total = result.info.v_full - result.info.v_empty
    gaps = {name: (v.sum(1) - total).abs().max().item() for name, v in values.items()}
    errors = values["Shapley sampling"] - values["AND interactions"]
    return {
        "test accuracy": accuracy,
        "log-odds against the average biopsy": total[0].item(),
        "gap of Integrated Gradients": gaps["Integrated Gradients"],
        "gap of AND interactions": gaps["AND interactions"],
        "largest error of sampling": errors.abs().max().item(),
        "strongest interaction": result.top_k(1, min_size=2)[0][0].value,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
