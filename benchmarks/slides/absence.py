"""Baselines: what stands for absence, and what it does to attributions."""

from __future__ import annotations

import warnings
from itertools import pairwise

import torch
from captum.attr import (
    DeepLift,
    GuidedBackprop,
    InputXGradient,
    KernelShap,
    Lime,
    Occlusion,
    Saliency,
    ShapleyValueSampling,
)
from models import digits, digits_network
from sklearn.datasets import load_wine
from torch import nn

from captum_interactions import AndInteraction, LearnedBaselineShapley
from captum_interactions import functional as F
from captum_interactions.baselines import blurred_image, data_sample
from captum_interactions.comparison import compare_attributions
from captum_interactions.games import ModelGame, log_odds
from captum_interactions.players import grid_mask
from slides.networks import fit
from slides.report import Claim, rank_correlation, spread, verdict


def seeded(seed):
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def conflict_claim(images, steps):
    """The figure of conflicting maps: rank correlation between methods on digits."""
    x, y, held_out, truth = digits()
    net = fit(digits_network(0), x, y, steps)
    cells = grid_mask(8, 8, 4)
    x, y = held_out[:images], truth[:images]
    torch.manual_seed(0)  # Captum's samplers follow the global seed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum's, on hooks and gradients
        found = compare_attributions(
            {
                "gradient": Saliency(net),
                "gradient × input": InputXGradient(net),
                "guided": GuidedBackprop(net),
                "LIME": (Lime(net), {"n_samples": 200}),
                "perturbation": (Occlusion(net), {"sliding_window_shapes": (1, 2, 2)}),
                "DeepLIFT": DeepLift(net),
                "KernelSHAP": (KernelShap(net), {"n_samples": 200}),
                "Shapley sampling": (ShapleyValueSampling(net), {"n_samples": 10}),
            },
            x,
            target=y,
            baselines=0 * x,
            feature_mask=cells,
            allocation=False,
        )
    ranks = found.agreement()["rank"]
    names = list(found.values)
    every = F.upper_pairs(ranks.unsqueeze(0))[0]
    rows, columns = torch.triu_indices(len(names), len(names), 1)
    low, high = int(every.argmin()), int(every.argmax())
    return Claim(
        "Problems with semantic explanations",
        "explanation results conflict with each other",
        f"rank correlation over 16 cells, {images} images, {len(names)} methods: "
        f"mean of pairs {every.mean():.2f}, least {every[low]:.2f} "
        f"({names[rows[low]]}, {names[columns[low]]}), largest {every[high]:.2f} "
        f"({names[rows[high]]}, {names[columns[high]]})",
        verdict(every.min() < 0.5, every.mean() < 0.5),
    )


def foreground_claim(images, steps, learning):
    """Baselines on digits: where Shapley values fall, how many patterns there are."""
    x, y, held_out, truth = digits()
    net = fit(nn.Sequential(nn.Flatten(), *mlp(64, 64, 10)), x, y, steps, batch=128)
    f, cells = log_odds(net), grid_mask(8, 8, 4, 3)
    some, labels = held_out[:images], truth[:images]
    mean = x.mean(0, keepdim=True)
    baselines = {
        "zero": torch.zeros_like(mean),
        "mean": mean,
        "blur": blurred_image(some, sigma=1.5),
    }
    for name in ("zero", "mean"):
        fitted = LearnedBaselineShapley(f).fit(
            x,
            y,
            init=name,
            feature_mask=cells,
            steps=learning,
            generator=seeded(0),
        )
        baselines[f"learned from {name}"] = fitted.baselines_
    # A cell is background where its pixels are (nearly) black.
    ink = torch.stack(
        [(some * (cells == i)).flatten(1).sum(1) for i in range(12)], 1
    ) / torch.stack([(cells == i).sum() for i in range(12)])
    figures = {}
    for name, baseline in baselines.items():
        result = AndInteraction(f).interactions(
            some, baseline, labels, feature_mask=cells
        )
        phi = result.shapley_values().double()
        inside = (phi.abs() * (ink > 0.1)).sum(-1) / phi.abs().sum(-1)
        low = F.multi_order_shapley(F.zeta(result.values.double())).abs()
        figures[name] = (
            inside.mean().item(),
            result.salient(0.05).sum(-1).double().mean().item(),
            (low[:, :6].sum() / low.sum()).item(),
        )
    text = "\n".join(
        f"{name}: {share:.2f} of Σ|φ| on the digit, {salient:.0f} salient patterns, "
        f"{low:.2f} of Σ|φ^(m)| at m < n/2"
        for name, (share, salient, low) in figures.items()
    )
    learned = [v for k, v in figures.items() if k.startswith("learned")]
    given = [v for k, v in figures.items() if not k.startswith("learned")]
    return [
        Claim(
            "Experiments: learned baseline values and Shapley values (images)",
            "learned baselines give less noise and focus on the foreground",
            text,
            verdict(*(a[0] > b[0] for a in learned for b in given)),
        ),
        Claim(
            "Verification",
            "the ratio of low-order Shapley values falls",
            "share of Σ|φ^(m)| at m < n/2, before → after: from zero "
            f"{figures['zero'][2]:.2f} → {figures['learned from zero'][2]:.2f}, from "
            f"mean {figures['mean'][2]:.2f} → {figures['learned from mean'][2]:.2f} "
            "(census: page Learned baselines)",
            verdict(
                figures["learned from zero"][2] < figures["zero"][2],
                figures["learned from mean"][2] < figures["mean"][2],
            ),
        ),
    ]


def mlp(*widths):
    """Layers of a ReLU network."""
    layers = []
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following), nn.ReLU()]
    return layers[:-1]


def tabular_claim(seeds, rows, steps, learning):
    """Agreement with SHAP (a sample of baselines) and SAGE (Shapley of the loss)."""
    table, labels = load_wine(return_X_y=True)
    x, y = torch.tensor(table).float(), torch.tensor(labels)
    x = x / x.amax(0)  # raw ratios: zero is far from the data
    agreement = {}
    for seed in seeds:
        torch.manual_seed(seed)
        net = fit(nn.Sequential(*mlp(13, 64, 64, 3)), x, y, steps, seed=seed, lr=5e-3)
        f = log_odds(net)
        order = torch.randperm(len(x), generator=seeded(seed))[:rows]
        some, classes = x[order], y[order]
        background = data_sample(x, size=16, generator=seeded(seed))
        shap = AndInteraction(f).attribute(some, background, classes)
        sage = sage_values(net, some, classes, x[:: len(x) // 16])
        mean = x.mean(0, keepdim=True)
        learned = LearnedBaselineShapley(f).fit(
            x, y, steps=learning, generator=seeded(seed)
        )
        for name, baseline in (
            ("zero", torch.zeros_like(mean)),
            ("mean", mean),
            ("learned from mean", learned.baselines_),
        ):
            phi = AndInteraction(f).attribute(some, baseline, classes)
            with_shap = [rank_correlation(a, b) for a, b in zip(phi, shap, strict=True)]
            strength = rank_correlation(phi.abs().mean(0), sage)
            agreement.setdefault(name, []).append(
                (sum(with_shap) / len(with_shap), strength)
            )
    text = "\n".join(
        f"{name}: rank correlation with SHAP {spread([v[0] for v in values])}, of mean "
        f"|φ| with SAGE {spread([v[1] for v in values])}"
        for name, values in agreement.items()
    )
    return Claim(
        "Experiments: learned baseline values and Shapley values (census)",
        "learned baselines agree with SHAP and SAGE, where others contradict",
        "wine, 13 features, not census:\n" + text,
        verdict(
            *(
                learned[part] > zero[part]
                for part in (0, 1)
                for learned, zero in zip(
                    agreement["learned from mean"], agreement["zero"], strict=True
                )
            )
        ),
    )


def sage_values(net, x, y, background):
    """Shapley values of v(S) = −E loss of the mean prediction, ``(features,)``."""
    tables = torch.stack(
        [
            ModelGame(lambda rows: net(rows).softmax(-1), x, b.unsqueeze(0)).table()
            for b in background
        ]
    ).mean(0)
    own = tables[torch.arange(len(y)), y]
    return F.shapley_values(own.clamp(min=1e-12).log().mean(0).double())


def run(quick=False):
    """Return the claims."""
    images, steps, learning = (3, 60, 10) if quick else (20, 400, 100)
    seeds, rows = ((0,), 2) if quick else (range(3), 6)
    return [
        conflict_claim(images, steps),
        *foreground_claim(images, steps, learning),
        tabular_claim(seeds, rows, steps, learning),
    ]
