"""Interactions of attacks on digits networks, and what reducing them does to transfer.

Run: python benchmarks/robust.py (about six minutes on one thread).
"""

from __future__ import annotations

import torch
from models import digits, digits_network, train
from timing import describe
from torch import nn

from captum_interactions.robust import (
    PRESETS,
    InteractionReduction,
    Momentum,
    NoiseAverage,
    TransferAttack,
    leave_one_out_success,
    mean_interaction,
    perturbation_game,
    success_by_step,
)

IMAGES = 300
BOUNDS = {"lower_bound": 0.0, "upper_bound": 1.0}
VR, IR = NoiseAverage(10, 0.1), InteractionReduction(sets=8)
ATTACKS = {
    "PGD": [],
    "MI": PRESETS["MI"],
    "VR": [VR],
    "IR": [IR],
    "MI+IR": [Momentum(), IR],
    "MI+VR+IR": [Momentum(), VR, IR],
}


def interactions(net, x, adversarial, labels, utility="margin"):
    """Mean pairwise interaction of each image's perturbation, pixels as units."""
    game = perturbation_game(net, x, adversarial, labels, utility=utility)
    return mean_interaction(game)


def correct(nets, x, y, count):
    """The first images that all networks classify correctly."""
    with torch.no_grad():
        right = torch.stack([net(x).argmax(1) == y for net in nets]).all(0)
    return x[right][:count], y[right][:count]


def many_steps_against_one(nets, x, y):
    """Proposition 1 as it is used: sign attacks, PGD-40 against FGSM."""
    print("\nMean interaction E_ab I_ab, PGD-40 (step ε/8) against one-step FGSM:")
    for seed, net in nets.items():
        images, labels = correct([net], x, y, IMAGES)
        for radius in (0.1, 0.2, 0.3):
            attack = TransferAttack(net, **BOUNDS)
            found = []
            for step, steps in ((radius / 8, 40), (radius, 1)):
                adversarial = attack.perturb(images, radius, step, steps, labels)
                found.append(interactions(net, images, adversarial, labels))
            pgd, fgsm = found
            print(
                f"  net {seed}, ε {radius}: {pgd.mean():+.2e} / {fgsm.mean():+.2e}, "
                f"PGD above FGSM on {(pgd > fgsm).double().mean():.0%} of images"
            )


def reduction_and_transfer(source, targets, x, y, radius):
    """Interaction, success on the source, and transfer, for each attack and loss."""
    images, labels = correct([source, *targets.values()], x, y, IMAGES)
    for loss in ("cross_entropy", "margin"):
        print(f"\nε {radius}, 20 steps of ε/8, loss {loss}, {len(images)} images:")
        print(
            "  attack        E I      source "
            + " ".join(f"{n:>9}" for n in targets)
            + "   (last step / step by leave-one-out)"
        )
        for name, parts in ATTACKS.items():
            generator = torch.Generator().manual_seed(0)
            attack = TransferAttack(
                source, loss, parts=parts, generator=generator, **BOUNDS
            )
            states = attack.trajectory(images, radius, radius / 8, 20, labels)
            strength = interactions(source, images, states[-1], labels).mean()
            rates = [
                success_by_step(net, states, labels)
                for net in (source, *targets.values())
            ]
            shown = [
                f"{rate[:, -1].double().mean():.2f}/"
                f"{leave_one_out_success(rate).rate:.2f}"
                for rate in rates
            ]
            print(f"  {name:<10} {strength:+.2e}  " + " ".join(shown))


def success_kept(nets, x, y):
    """Success on the source with and without the interaction term, margin loss."""
    print("\nSource success, margin, 20 steps of ε/8, PGD / IR / MI+IR:")
    for seed, net in nets.items():
        images, labels = correct([net], x, y, IMAGES)
        for radius in (0.1, 0.15, 0.25):
            rates = []
            for name in ("PGD", "IR", "MI+IR"):
                generator = torch.Generator().manual_seed(0)
                attack = TransferAttack(
                    net, "margin", parts=ATTACKS[name], generator=generator, **BOUNDS
                )
                adversarial = attack.perturb(images, radius, radius / 8, 20, labels)
                with torch.no_grad():
                    wrong = net(adversarial).argmax(1) != labels
                rates.append(f"{wrong.double().mean():.3f}")
            print(f"  net {seed}, ε {radius}: " + " / ".join(rates))


def main():
    """Print all tables."""
    print(describe())
    x, y, held_out, truth = digits()
    sources = {
        seed: train(digits_network(seed), x, y, steps=600, lr=2e-3) for seed in range(3)
    }
    torch.manual_seed(5)
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    targets = {
        "CNN": sources[1],
        "MLP": train(mlp, x, y, steps=600, lr=2e-3),
    }
    for name, net in {**sources, **targets}.items():
        with torch.no_grad():
            accuracy = (net(held_out).argmax(1) == truth).double().mean()
        print(f"network {name}: test accuracy {accuracy:.3f}")
    many_steps_against_one(sources, held_out, truth)
    success_kept(sources, held_out, truth)
    for radius in (0.15, 0.25):
        reduction_and_transfer(sources[0], targets, held_out, truth, radius)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
