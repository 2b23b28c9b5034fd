"""Training digits networks with the interaction loss and the steering losses.

Run: python benchmarks/interaction_loss.py (about ten minutes on one thread).
"""

from __future__ import annotations

import functools
import math
import statistics

import report
import torch
from models import digits, digits_cnn, digits_network
from timing import describe, in_turns, milliseconds, ratio
from torch.nn.functional import cross_entropy

from captum_interactions.functional import multi_order_interaction
from captum_interactions.games import ModelGame, log_odds
from captum_interactions.losses import (
    InteractionLoss,
    OrderSteeringLoss,
    interaction_strength,
    steering_weights,
)
from captum_interactions.players import grid_mask

SEEDS = (0, 1, 2)
WEIGHTS = (0.0, 0.1, 1.0, 10.0, 100.0)
LAYER = "1"  # the ReLU behind the first convolution: 512 units
TRAINING_IMAGES = 200


def fit(seed, x, y, weight=0.0, dropout=0.0, epochs=60, batch=50):
    """Train one network; warm-up as in the paper."""
    net = digits_network(seed, dropout)
    generator = torch.Generator().manual_seed(seed)
    criterion = InteractionLoss(net, LAYER, n_contexts=4, warmup=5, generator=generator)
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    torch.manual_seed(seed)
    for epoch in range(epochs):
        criterion.set_epoch(epoch)
        for rows in torch.randperm(len(x), generator=order).split(batch):
            optimizer.zero_grad()
            if weight:
                logits, interaction = criterion(x[rows], y[rows])
                loss = cross_entropy(logits, y[rows]) + weight * interaction
            else:
                loss = cross_entropy(net.train()(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
    return net.eval()


def over_lambda(x, y, held_out, truth):
    """|I|, accuracy and loss over λ, and for dropout."""
    print(f"\n{TRAINING_IMAGES} training images, loss on {512} units, three seeds:")
    rows = {f"λ = {weight:g}": {"weight": weight} for weight in WEIGHTS}
    rows["dropout 0.5"] = {"dropout": 0.5}
    print("  setting      mean |I| raw (per seed)           over Y               test"
          " accuracy     test loss")  # fmt: skip
    for name, options in rows.items():
        raw, normalized, accuracy, loss = [], [], [], []
        for seed in SEEDS:
            net = fit(seed, x, y, **options)
            strength = interaction_strength(
                net, x[:20], y[:20], LAYER, pairs=100, n_contexts=200
            )
            raw.append(strength.raw)
            with torch.no_grad():
                whole = net(x)
                own = whole.gather(1, y[:, None])[:, 0]
                others = (whole.sum(1) - own) / 9
                scale = (own - others).mean().abs().item()
                logits = net(held_out)
            normalized.append(strength.raw / scale)
            accuracy.append((logits.argmax(1) == truth).double().mean().item())
            loss.append(cross_entropy(logits, truth).item())
        print(
            f"  {name:<11} " + " ".join(f"{v:.2e}" for v in raw)
            + " | " + " ".join(f"{v:.2e}" for v in normalized)
            + f" | {spread(accuracy)} | {spread(loss)}"
        )  # fmt: skip


def spread(values):
    """Mean and standard deviation."""
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def steered(x, y, held_out, truth):
    """Where steering moves the curves over context sizes m; exact, all pairs."""
    cells, n = grid_mask(8, 8, 4), 16
    settings = {
        "none": (None, 1.0),
        "encourage(.3, .7)": ((0.3, 0.7, "encourage"), 1.0),
        "the same, times 10": ((0.3, 0.7, "encourage"), 10.0),
        "suppress(0, .5)": ((0.0, 0.5, "suppress"), 1.0),
        "suppress(.7, 1)": ((0.7, 1.0, "suppress"), 1.0),
    }
    print(
        "\nSteering on 4 by 4 cells, log-odds of 8 held-out images, three seeds.\n"
        "  mean: mean of I^(m) over pairs; J: share of each m in the mean |I^(m)|"
    )
    for name, (preset, weight) in settings.items():
        means, shares, accuracy = [], [], []
        for seed in SEEDS:
            net = steer(seed, x, y, preset, weight, cells)
            mean, share = order_curves(net, held_out[:8], truth[:8], cells)
            means.append(mean)
            shares.append(share)
            with torch.no_grad():
                right = net(held_out).argmax(1) == truth
            accuracy.append(right.double().mean().item())
        predicted = ""
        if preset:
            sizes = (math.floor(part * n) for part in preset[:2])
            top = int(steering_weights(n, *sizes).argmax())
            predicted = f", weights peak at m = {top}"
        print(f"  {name}: accuracy {spread(accuracy)}{predicted}")
        for label, curves in (("mean", means), ("J", shares)):
            peaks = [int(curve.argmax()) for curve in curves]
            centers = [
                float((curve.abs() * torch.arange(n - 1)).sum() / curve.abs().sum())
                for curve in curves
            ]
            curve = torch.stack(curves).mean(0)
            print(
                f"    {label:<5}" + " ".join(f"{v:6.3f}" for v in curve.tolist())
                + f"  peaks {peaks}, center {spread(centers)}"
            )  # fmt: skip


def steer(seed, x, y, preset, weight, cells, steps=800):
    """Train one network with a steering loss beside the cross entropy."""
    net = digits_network(seed)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    order = torch.Generator().manual_seed(seed)
    criterion = preset and OrderSteeringLoss(
        net, *preset, feature_mask=cells, generator=order
    )
    for _ in range(steps):
        rows = torch.randint(len(x), (64,), generator=order)
        optimizer.zero_grad()
        loss = cross_entropy(net(x[rows]), y[rows])
        if criterion:
            loss = loss + weight * criterion(x[rows], y[rows])
        loss.backward()
        optimizer.step()
    return net.eval()


def order_curves(net, x, y, cells):
    """Mean of I^(m) over images and pairs, and the shares of mean |I^(m)|."""
    table = ModelGame(log_odds(net), x, target=y, feature_mask=cells).table()
    pairs = multi_order_interaction(table)
    n = pairs.shape[-1]
    values = pairs[..., ~torch.eye(n, dtype=torch.bool)]
    strength = values.abs().mean((0, -1))
    return values.mean((0, -1)), strength / strength.sum()


def training_step(name, net, x, y, rounds=25):
    """A training step with the loss, over the passes that it cannot avoid.

    Those of the upper network are done in one go, and as the loss does them on a CPU.
    """
    criterion = InteractionLoss(net, LAYER, n_contexts=10)
    low, upper = net[:2], net[2:]

    def step():
        net.zero_grad()
        logits, interaction = criterion(x, y)
        (cross_entropy(logits, y) + interaction).backward()

    def passes(*parts):
        net.zero_grad()
        features = low(x)
        loss = cross_entropy(upper(features), y)
        for k in parts:
            output = upper(features.repeat(k, 1, 1, 1))
            loss = loss + output.gather(1, y.repeat(k)[:, None]).mean()
        loss.backward()

    floors = {"one pass": (40,), "passes of 1,024 rows": (16, 16, 8)}
    calls = {k: functools.partial(passes, *parts) for k, parts in floors.items()}
    seconds = in_turns({"step": step, **calls}, rounds)
    units = low(x)[0].numel()
    return [
        report.Row(
            f"a training step with InteractionLoss, {name}, {units} units",
            f"its rows forward and back, {floor}",
            ratio(seconds["step"], seconds[floor]) * milliseconds(seconds[floor]),
            milliseconds(seconds[floor]),
            "ms",
        )
        for floor in floors
    ]


def training_steps():
    """The rows of both networks, batch 64 and ten contexts."""
    x, y, _, _ = digits()
    nets = {"small CNN": digits_network(0).eval(), "CNN": digits_cnn()[0]}
    return [
        row
        for name, net in nets.items()
        for row in training_step(name, net, x[:64], y[:64])
    ]


def main():
    """Print all tables."""
    print(describe())
    x, y, held_out, truth = digits()
    report.show(training_steps(), inverse=True)
    few = slice(TRAINING_IMAGES)
    over_lambda(x[few], y[few], held_out[:500], truth[:500])
    steered(x, y, held_out, truth)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
