"""Interactions of perturbations, and what they have to do with transfer."""

from __future__ import annotations

import torch
from models import digits, digits_network
from torch import nn
from torch.nn.functional import cross_entropy

from captum_interactions.robust import (
    InputDiversity,
    InteractionReduction,
    Momentum,
    NoiseAverage,
    SkipGradient,
    TransferAttack,
    TranslationInvariance,
    mean_interaction,
    perturbation_game,
    success_by_step,
)
from slides.networks import fit
from slides.report import Claim, row, spread, verdict

BOUNDS = {"lower_bound": 0.0, "upper_bound": 1.0}
RADIUS, STEPS = 0.2, 20
VR, SGM, IR = NoiseAverage(10, 0.1), SkipGradient(0.5), InteractionReduction(sets=8)
BOOSTED = {
    "PGD": [],
    "MI": [Momentum()],
    "VR": [VR],
    "SGM": [SGM],
    "TI": [TranslationInvariance(3)],
    "DI": [InputDiversity(0.5, 1.25)],
    "IR": [IR],
    "MI+VR+SGM+IR": [Momentum(), VR, SGM, IR],
}


class Residual(nn.Module):
    """Two residual blocks between a convolution and a linear layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(16, 16, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(16, 16, 3, padding=1),
            )
            for _ in range(2)
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10)
        )

    def forward(self, x):
        """Return logits of digits ``(batch, 1, 8, 8)``."""
        hidden = self.stem(x)
        for branch in self.branches:
            hidden = hidden + branch(hidden)
        return self.head(hidden)


def networks(seed, steps):
    """A residual source and three targets, trained on disjoint draws of batches."""
    x, y, held_out, truth = digits()
    torch.manual_seed(10 + seed)
    source = Residual()
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    torch.manual_seed(20 + seed)
    nets = {
        "source": source,
        "residual": Residual(),
        "CNN": digits_network(30 + seed),
        "MLP": mlp,
    }
    for offset, net in enumerate(nets.values()):
        fit(net, x, y, steps, batch=128, seed=10 * seed + offset)
    with torch.no_grad():
        right = torch.stack([n(held_out).argmax(1) == truth for n in nets.values()])
    chosen = right.all(0)
    return nets, held_out[chosen], truth[chosen]


def strength(net, x, adversarial, y, utility="margin"):
    """Mean interaction of each image's perturbation units, exactly."""
    return mean_interaction(perturbation_game(net, x, adversarial, y, utility=utility))


def margins(net, x, y):
    """How far another class is above the true one."""
    with torch.no_grad():
        logits = net(x)
    own = logits.gather(1, y[:, None])[:, 0]
    return logits.scatter(1, y[:, None], -torch.inf).amax(1) - own


def boosted(nets, x, y):
    """Each method's interaction and success, with the margin as the loss."""
    source = nets["source"]
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, parts in BOOSTED.items():
        attack = TransferAttack(
            source,
            "margin",
            **BOUNDS,
            parts=parts,
            skip_modules=list(source.branches),
            generator=generator,
        )
        states = attack.trajectory(x, RADIUS, RADIUS / 8, STEPS, y)
        rates = {
            kind: success_by_step(net, states, y)[:, -1].double().mean().item()
            for kind, net in nets.items()
        }
        found[name] = (strength(source, x, states[-1], y), states[-1], rates)
    return found


def boosted_claim(runs):
    """Reduction of interactions as the common mechanism."""
    text, held = [], []
    for name in BOOSTED:
        means = [run[name][0].mean().item() for run in runs]
        rates = torch.tensor([list(run[name][2].values()) for run in runs])
        less = [
            run[name][0].mean().item() < run["PGD"][0].mean().item() for run in runs
        ]
        if name != "PGD":
            held += less
        text.append(
            f"{name}: E I {spread(means)}, below PGD on {sum(less)}/{len(runs)} seeds; "
            f"success source, residual, CNN, MLP {row(rates.mean(0))}"
        )
    return Claim(
        "Common essence: the reduction of interactions",
        "MI, VR, SGM, TI and DI reduce interactions between perturbation units",
        "\n".join(text),
        verdict(*held),
    )


def correlation_claims(runs, networks_of):
    """Negative correlation: between methods, and between images of one method."""
    methods, images = [], []
    for run, (nets, _, y) in zip(runs, networks_of, strict=True):
        targets = [kind for kind in nets if kind != "source"]
        means = torch.tensor([run[name][0].mean().item() for name in BOOSTED])
        for kind in targets:
            rates = torch.tensor([run[name][2][kind] for name in BOOSTED])
            methods.append(torch.corrcoef(torch.stack([means.float(), rates]))[0, 1])
            gaps = margins(nets[kind], run["PGD"][1], y).double()
            pair = torch.stack([run["PGD"][0].double(), gaps])
            images.append(torch.corrcoef(pair)[0, 1])
    methods, images = torch.stack(methods), torch.stack(images)
    return [
        Claim(
            "The negative correlation between the interaction and the transferability",
            "attacks with smaller interactions transfer better (between methods)",
            f"Pearson of E I and the success on a target over {len(BOOSTED)} attacks, "
            f"seeds × targets: {row(methods)}; mean {methods.mean():.2f}",
            verdict(*(methods < 0)),
        ),
        Claim(
            "The negative correlation between the interaction and the transferability",
            "perturbations with smaller interactions transfer better (between images)",
            "Pearson of I and the target's margin over images, PGD, seeds × targets: "
            f"{row(images)}; mean {images.mean():.2f}",
            verdict(*(images < 0)),
        ),
    ]


def raw_gradients(net, x, y, alpha, steps, momentum=0.0, noise=None):
    """δ of the propositions: raw gradients of the cross entropy, nothing projected."""
    delta, memory = torch.zeros_like(x), torch.zeros_like(x)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        copies = 1 if noise is None else 16
        here = delta.clone().requires_grad_()
        rows = (x + here).repeat(copies, 1, 1, 1)
        if noise is not None:
            rows = rows + noise * torch.randn(rows.shape, generator=generator)
        loss = cross_entropy(net(rows), y.repeat(copies), reduction="sum") / copies
        gradient = torch.autograd.grad(loss, here)[0]
        memory = momentum * memory + gradient
        delta = delta + alpha * (memory if momentum else gradient)
    return delta


def same_length(delta, like):
    """Scale a perturbation to the L2 norm of another, image by image."""
    norms = [part.flatten(1).norm(dim=1)[:, None, None, None] for part in (like, delta)]
    return delta * norms[0] / norms[1].clamp(min=1e-30)


def unsure(seed, images):
    """A network trained for a short time, in float64, and images that it gets right.

    On images that a network is sure of, the gradient of the cross entropy is next to 0
    and explodes on the way: then no step size is small.
    """
    x, y, held_out, truth = digits()
    net = fit(digits_network(seed), x, y, 120, batch=64, seed=seed).double()
    held_out = held_out.double()
    with torch.no_grad():
        right = net(held_out).argmax(1) == truth
    return net, held_out[right][:images], truth[right][:images]


def compared(net, x, y, alpha, number):
    """Perturbations of the multi-step attack and of a proposition's other one."""
    many = raw_gradients(net, x, y, alpha, 10)
    if number == 1:
        return many, 10 * raw_gradients(net, x, y, alpha, 1)
    options = {"noise": 0.1} if number == 2 else {"momentum": 1.0}
    return many, same_length(raw_gradients(net, x, y, alpha, 10, **options), many)


def proposition_gaps(cases, alpha, number):
    """Per utility and seed: mean gap of E I, and share of images where it is > 0."""
    found = {"cross_entropy": [], "margin": []}
    for net, x, y in cases:
        many, other = compared(net, x, y, alpha, number)
        for utility, gaps in found.items():
            gap = strength(net, x, x + many, y, utility) - strength(
                net, x, x + other, y, utility
            )
            gaps.append((gap.mean().item(), (gap > 0).double().mean().item()))
    return found


def proposition_claims(seeds, images, alphas):
    """Propositions 1 to 3 word for word: raw gradients of the cross entropy."""
    others = {
        1: "of one step of αm, m = 10",
        2: "of VR (16 noisy copies, σ 0.1, scaled to the same length)",
        3: "with momentum (μ = 1, scaled to the same length)",
    }
    cases = [unsure(seed, images) for seed in seeds]
    claims = []
    for number, name in others.items():
        found = {alpha: proposition_gaps(cases, alpha, number) for alpha in alphas}
        for utility in ("cross_entropy", "margin"):
            text, outcomes = [], []
            for alpha in alphas:
                gaps, shares = zip(*found[alpha][utility], strict=True)
                outcomes += [gap > 0 for gap in gaps]
                text.append(
                    f"α = {alpha}: multi − other "
                    + " ".join(f"{gap:+.1e}" for gap in gaps)
                    + f", larger on {row(shares)} of images"
                )
            claims.append(
                Claim(
                    f"Proposition {number}, v = {utility}",
                    f"E I of the multi-step attack is larger than {name}",
                    "\n".join(text),
                    verdict(*outcomes),
                )
            )
    return claims


def run(quick=False):
    """Return the claims, and what the pictures draw."""
    seeds, images, steps = ((0,), 6, 60) if quick else (range(3), 48, 400)
    networks_of = []
    for seed in seeds:
        nets, x, y = networks(seed, steps)
        networks_of.append((nets, x[:images], y[:images]))
    runs = [boosted(nets, x, y) for nets, x, y in networks_of]
    for found, (nets, _, y) in zip(runs, networks_of, strict=True):
        found["margins"] = margins(nets["CNN"], found["PGD"][1], y)
    claims = [
        *correlation_claims(runs, networks_of),
        *proposition_claims(seeds, images, (0.05,) if quick else (0.01, 0.05)),
        boosted_claim(runs),
    ]
    return claims, runs
