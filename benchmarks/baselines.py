"""Learned baselines: accuracy on functions, order profiles, salient counts, cost.

    python baselines.py functions      # functions 1-50 and the slides, three inits
    python baselines.py adult          # census table that shapiq bundles
    python baselines.py digits         # scikit-learn's digits, 16 players
    python baselines.py cost           # a step against the passes it needs

Every part prints its table; ``--json FILE`` appends the figures to a file.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import report
import torch
from models import digits_cnn, patches
from synthetic_functions import (
    SyntheticFunction,
    binary_inputs,
    correct,
    slide_functions,
    synthetic_functions,
)
from torch import Tensor, nn

from captum_interactions import AndInteraction, LearnedBaselineShapley
from captum_interactions.baselines import blurred_image
from captum_interactions.baselines.order_profile import measure_orders
from captum_interactions.games import ModelGame, log_odds


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def train(
    x: Tensor, y: Tensor, sizes: list[int], epochs: int, lr: float, batch: int
) -> nn.Sequential:
    """Train a ReLU network of the given widths with Adam."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for width, following in pairwise(sizes):
        layers += [nn.Linear(width, following), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1 ** (1 / epochs))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def fit_function(f: SyntheticFunction, init: float, objective: str) -> Tensor:
    generator = seeded(f.number)
    x = binary_inputs(len(f.reading), 512, generator)
    fitted = LearnedBaselineShapley(f.call).fit(
        x,
        objective=objective,
        init=init,
        bounds=("abs", 0.0, 1.0),
        generator=generator,
    )
    return fitted.baselines_[0]


def functions(
    objectives: list[str], inits: list[float], first: int, last: int
) -> dict[str, object]:
    """Accuracy over all variables, against both labels."""
    chosen = [f for f in synthetic_functions() if first <= f.number <= last]
    total = sum(len(f.reading) for f in chosen)
    figures: dict[str, object] = {"variables": total}
    for objective in objectives:
        for init in inits:
            start, best, read = time.perf_counter(), 0, 0
            for f in chosen:
                learned = fit_function(f, init, objective)
                here = correct(learned, f.minimizer)
                best += here
                read += correct(learned, f.reading)
                if here < len(learned):
                    print(f"  no. {f.number}: {here}/{len(learned)} from {init}")
            figures[f"{objective} {init}"] = [best, read]
            print(
                f"{objective:9s} init {init}: {best}/{total} = {best / total:.2%} of "
                f"the minimizers, {read / total:.2%} of the reading "
                f"({time.perf_counter() - start:.0f} s)",
                flush=True,
            )
    for f in slide_functions():
        for objective in ("shapley", "marginal"):
            found = [fit_function(f, init, objective) for init in (0.0, 0.5, 1.0)]
            counts = [(correct(b, f.minimizer), correct(b, f.reading)) for b in found]
            figures[f"S{f.number} {objective}"] = counts
            print(f"S{f.number} {objective}: (minimizer, printed) {counts}", flush=True)
    return figures


def adult_census() -> tuple[Tensor, Tensor]:
    """Return the 12 features that the authors keep, label-encoded, and labels."""
    import pandas
    import shapiq

    path = Path(shapiq.__file__).parent / "datasets" / "data" / "adult_census.csv"
    table = pandas.read_csv(path)
    label = table.pop("class").str.strip() == ">50K"
    columns = []
    for name in table.columns.drop(["fnlwgt", "education-num"]):
        column = table[name]
        if not pandas.api.types.is_numeric_dtype(column):
            column = column.fillna("?").astype("category").cat.codes
        columns.append(np.asarray(column, dtype=np.float32))
    x = torch.from_numpy(np.stack(columns, axis=1))
    return x, torch.tensor(label.to_numpy()).long()


def adult(epochs: int) -> dict[str, object]:
    """Strength of every order on held-out rows: mean baseline against learned."""
    x, y = adult_census()
    order = torch.randperm(len(x), generator=seeded(1))
    fit, held = order[: int(0.8 * len(x))], order[int(0.8 * len(x)) :]
    model = train(x[fit], y[fit], [12, 100, 100, 2], epochs, lr=0.01, batch=512)
    accuracy = (model(x[held]).argmax(1) == y[held]).float().mean().item()
    f = log_odds(model)
    some = held[:500]
    game = ModelGame(f, x[some], None, y[some])
    figures: dict[str, object] = {"accuracy": accuracy}
    mean = x[fit].mean(0, keepdim=True)
    baselines = {"zero": torch.zeros_like(mean), "mean": mean}
    for k in (0.3, 1.0):
        fitted = LearnedBaselineShapley(f).fit(
            x[fit], y[fit], bounds=("sigma", k), generator=seeded()
        )
        again = LearnedBaselineShapley(f).fit(
            x[fit], y[fit], bounds=("sigma", k), generator=seeded()
        )
        assert torch.equal(fitted.baselines_, again.baselines_)
        baselines[f"learned, {k} sigma"] = fitted.baselines_
    for name, baseline in baselines.items():
        profile = measure_orders(game.with_baselines(baseline), seed=0)
        figures[name] = profile.tolist()
        print(f"{name:20s}", " ".join(f"{value:.3f}" for value in profile), flush=True)
    return figures


def digits(images: int) -> dict[str, object]:
    """Salient AND interactions of held-out digits with several baselines."""
    from sklearn.datasets import load_digits

    data = load_digits()
    x = torch.tensor(data.images / 16).float().unsqueeze(1)
    y = torch.tensor(data.target)
    order = torch.randperm(len(x), generator=seeded())
    fit, held = order[:1400], order[1400:]
    model = train(x[fit], y[fit], [64, 64, 64, 10], epochs=40, lr=3e-3, batch=64)
    f = log_odds(model)
    half = torch.arange(8) // 2
    mask = (4 * half.unsqueeze(1) + half).view(1, 1, 8, 8)
    some = held[:images]
    shared = LearnedBaselineShapley(f).fit(
        x[fit], y[fit], feature_mask=mask, generator=seeded()
    )
    own = LearnedBaselineShapley(f).fit(
        x[some],
        y[some],
        feature_mask=mask,
        objective="l1_interaction",
        init="zero",
        bounds=("abs", 0.0, 1.0),
        per_example=True,
        steps=20,
        generator=seeded(),
    )
    baselines = {
        "zero": torch.zeros(1, 1, 8, 8),
        "mean": x[fit].mean(0, keepdim=True),
        "blur": blurred_image(x[some], sigma=1.5),
        "learned, shared": shared.baselines_,
        "learned, l1, own": own.baselines_,
    }
    counts, figures = {}, {"images": images}
    for name, baseline in baselines.items():
        result = AndInteraction(f).interactions(
            x[some], baseline, y[some], feature_mask=mask, perturbations_per_eval=512
        )
        counts[name] = result.salient(0.05).sum(-1)
        mass = result.values[..., 1:].abs().sum(-1).mean().item()
        figures[name] = [counts[name].float().mean().item(), mass]
        print(
            f"{name:18s} salient {figures[name][0]:8.0f}  mass {mass:10.1f}", flush=True
        )
    for name in ("learned, shared", "learned, l1, own"):
        for other in ("zero", "mean", "blur"):
            share = (counts[name] < counts[other]).float().mean().item()
            figures[f"{name} < {other}"] = share
            print(f"{name}: fewer than {other} on {share:.0%}", flush=True)
    return figures


def cost() -> dict[str, object]:
    """Time of a fitting step over the passes forward and back that it needs."""
    torch.manual_seed(0)
    x = torch.randn(256, 12)
    mlp = train(x, torch.arange(256) % 2, [12, 100, 100, 2], 1, 0.01, 64)
    cnn, images, _ = digits_cnn()
    return {
        "MLP, two layers of 100": step_cost(mlp, x, None)[0],
        "CNN on digits": step_cost(cnn, images[:16], patches(8, 4))[0],
    }


def fitting_step() -> report.Row:
    """A fitting step over the passes forward and back that it needs."""
    cnn, images, _ = digits_cnn()
    ratio, passes = step_cost(cnn, images[:16], patches(8, 4))
    return report.Row(
        "a step of LearnedBaselineShapley, CNN on digits",
        "its passes forward and back",
        ratio * passes,
        passes,
        "ms",
    )


def rows(quick: bool = False) -> list[report.Row]:
    """Variables whose baseline comes out on the wrong side of 0.5."""
    chosen = synthetic_functions()[: 1 if quick else 5]
    learned = [fit_function(f, 0.5, "shapley") for f in chosen]
    total = sum(len(f.minimizer) for f in chosen)

    def wrong(baselines: list[Tensor]) -> int:
        pairs = zip(baselines, chosen, strict=True)
        return total - sum(correct(baseline, f.minimizer) for baseline, f in pairs)

    return [
        report.Row(
            f"best baselines of {total} binary variables, functions 1 to {len(chosen)}",
            name,
            wrong(learned),
            wrong([torch.full_like(f.minimizer, value) for f in chosen]),
            "wrong",
        )
        for name, value in (("all 0, Captum's default", 0.0), ("all 1", 1.0))
    ]


def step_cost(
    model: nn.Module, x: Tensor, mask: Tensor | None, steps: int = 24
) -> tuple[float, float]:
    """Ratio for one model, the median of three, and milliseconds of its passes."""
    seen: list[Tensor] = []

    class Recorder(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            if rows.requires_grad:
                seen.append(rows.detach())
            return model(rows)

    def fit(forward_func: nn.Module, n_steps: int) -> float:
        start = time.process_time()
        LearnedBaselineShapley(forward_func).fit(
            x, 0, feature_mask=mask, steps=n_steps, generator=seeded()
        )
        return time.process_time() - start

    fit(Recorder(), steps)
    passes = seen[1:]  # after the probe
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    ratios = []
    for _ in range(3):
        taken = fit(model, 2 + steps) - fit(model, 2)
        start = time.process_time()
        for rows in passes:
            leaf = rows.clone().requires_grad_()
            torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)
        pure = time.process_time() - start
        ratios.append(taken / pure)
    rows = sum(map(len, passes)) // steps
    print(
        f"{rows} rows a step: ratios {sorted(round(r, 2) for r in ratios)}", flush=True
    )
    return sorted(ratios)[1], pure / steps * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["functions", "adult", "digits", "cost"])
    parser.add_argument("--objectives", nargs="+", default=["shapley"])
    parser.add_argument("--inits", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    figures = {
        "functions": lambda: functions(
            args.objectives, args.inits, args.first, args.last
        ),
        "adult": lambda: adult(args.epochs),
        "digits": lambda: digits(args.images),
        "cost": cost,
    }[args.part]()
    if args.json:
        record = {"part": args.part, "torch": torch.__version__, "figures": figures}
        with args.json.open("a") as file:
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
