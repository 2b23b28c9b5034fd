"""Robustness: what attacks and adversarial training do to interactions by order.

Digits, pairs of networks of one initialization, one trained as usual and one against
PGD. v(S) = log p(true class), as in the authors' code, and log-odds beside it.
"""

from __future__ import annotations

import torch
from models import digits, digits_network

from captum_interactions import functional as F
from captum_interactions.robust import TransferAttack
from slides.networks import (
    HIGH,
    LOW,
    VALUES,
    N,
    accuracy,
    disentanglement,
    fit,
    log_odds,
    logit_tables,
    pair_orders,
    strength_curve,
)
from slides.report import SHOWN, Claim, auc, row, spread, verdict

RADIUS, SMALL = 0.15, 0.05
KINDS = ("standard", "adversarial")
# Fewer cells than half show mostly what class an empty image is given.
KEPT = N // 2


def prepare(seed, images, steps):
    """Two networks, and the tables of clean and attacked images of each."""
    x, y, held_out, truth = digits()
    nets = {
        "standard": fit(digits_network(seed), x, y, steps, seed=seed),
        "adversarial": fit(digits_network(seed), x, y, steps, seed=seed, radius=RADIUS),
    }
    with torch.no_grad():
        right = torch.stack([n(held_out).argmax(1) == truth for n in nets.values()])
    chosen = right.all(0).nonzero()[:images, 0]
    clean, labels = held_out[chosen], truth[chosen]
    found = {"labels": labels, "accuracy": {}, "robust": {}}
    for kind, net in nets.items():
        attack = TransferAttack(net, lower_bound=0.0, upper_bound=1.0)
        attacked = attack.perturb(clean, RADIUS, RADIUS / 5, 15, labels)
        found["accuracy"][kind] = accuracy(net, held_out, truth)
        found["robust"][kind] = accuracy(net, attacked, labels)
        found[kind] = {
            "clean": logit_tables(net, clean),
            "attacked": logit_tables(net, attacked),
            "equal": logit_tables(net, equal_drop(net, clean, labels)),
            "ranks": [low_rank(net, part) for part in (clean, attacked)],
        }
    nets["Cutout"] = fit(digits_network(seed), x, y, steps, seed=seed, hole=4)
    found["resists"], found["curve"] = {}, {}
    for kind in ("standard", "Cutout"):
        attack = TransferAttack(nets[kind], lower_bound=0.0, upper_bound=1.0)
        attacked = attack.perturb(held_out, SMALL, SMALL / 5, 15, truth)
        found["resists"][kind] = accuracy(nets[kind], attacked, truth)
        v = log_odds(logit_tables(nets[kind], clean), labels)
        found["curve"][kind] = strength_curve(v)
    return found


def equal_drop(net, clean, labels, drop=4.0):
    """Attack each image until its true logit has fallen by ``drop``, as the authors."""
    attack = TransferAttack(net, lower_bound=0.0, upper_bound=1.0)
    states = attack.trajectory(clean, 0.5, 0.01, 80, labels)
    with torch.no_grad():
        logits = torch.stack([net(state) for state in states])
    own = logits.gather(-1, labels.expand(len(states), -1).unsqueeze(-1))[..., 0]
    reached = (own[:1] - own) >= drop
    first = torch.where(reached.any(0), reached.long().argmax(0), len(states) - 1)
    return states[first, torch.arange(len(labels))]


def low_rank(net, x):
    """Smallest rank of the image from which on the prediction stays."""
    u, s, v = torch.linalg.svd(x)
    ranks = range(1, x.shape[-1] + 1)
    with torch.no_grad():
        found = torch.stack(
            [
                net(u[..., :k] * s[..., None, :k] @ v[..., :k, :]).argmax(1)
                for k in ranks
            ]
        )
    same = (found == found[-1]).flip(0).long().cumprod(0).flip(0)
    return (len(ranks) + 1 - same.sum(0)).double()


def orders_of(found, kind, value):
    """Mean I^(m) clean, attacked, and ΔI^(m) per image, ``(orders,)`` and more."""
    clean, attacked, equal = (
        pair_orders(VALUES[value](found[kind][part], found["labels"])).mean(-1)
        for part in ("clean", "attacked", "equal")
    )
    return clean, attacked, equal


def utility(found, kind, value, part="attacked"):
    """ΔJ^(m) summed over ordered pairs, mean over images: the drop by order."""
    clean, *rest = orders_of(found, kind, value)
    change = clean - rest[("attacked", "equal").index(part)]
    weights = N - 1 - torch.arange(N - 1, dtype=torch.float64)
    return (weights * change).mean(0)


def solo(found, kind, value, part="attacked"):
    """Σ_i Δφ^(0)(i) and Δv(N), mean over images."""
    first = VALUES[value](found[kind]["clean"], found["labels"])
    second = VALUES[value](found[kind][part], found["labels"])
    change = F.multi_order_shapley(first - second)[:, 0].sum(-1).mean()
    return change.item(), (first - second)[:, -1].mean().item()


def attack_claims(runs, value):
    """The figure of orders with and without attack, and the decomposition."""
    ratios, solos, curves = [], [], []
    for found in runs:
        clean, attacked, _ = orders_of(found, "standard", value)
        change = (clean - attacked).abs().mean(0)
        ratios.append((change[HIGH].mean() / change[LOW].mean()).item())
        part, total = solo(found, "standard", value)
        solos.append(abs(part / total))
        curves.append((clean - attacked).mean(0))
    mean = torch.stack(curves).mean(0)
    return [
        Claim(
            "Attacks mainly affect high-order interactions",
            "attacks change high orders most (standard networks)",
            f"v = {value}: E|ΔI^(m)| at m = 8..10 over m = 0..2: {spread(ratios)} "
            f"(per seed {row(ratios)})\nmean ΔI^(m), m = 0..10: {row(mean)}",
            verdict(*(ratio > 1 for ratio in ratios)),
        ),
        Claim(
            "Attacks mainly affect high-order interactions",
            "Σ Δφ^(0)(i) is small and can be ignored",
            f"v = {value}: |Σ Δφ^(0)| over Δv(N): {spread(solos)} (per seed "
            f"{row(solos)})",
            verdict(*(share < 0.1 for share in solos)),
        ),
    ]


def utility_claims(runs, value):
    """The figure of compositional attacking utilities."""
    claims = []
    for part, name in (
        ("attacked", f"same ε = {RADIUS}"),
        ("equal", "same logit drop"),
    ):
        shares, sizes, text = {}, {}, []
        for kind in KINDS:
            curves = [utility(found, kind, value, part) for found in runs]
            totals = [solo(found, kind, value, part)[1] for found in runs]
            high = [curve[5:].sum().item() for curve in curves]
            sizes[kind] = high
            shares[kind] = [h / t for h, t in zip(high, totals, strict=True)]
            text.append(
                f"{kind}: Δv(N) {spread(totals)}, by m {row(sum(curves) / len(runs))}, "
                f"m ≥ 5: {spread(high)} = {spread(shares[kind], 2)} of it"
            )
        held = zip(sizes["adversarial"], sizes["standard"], strict=True)
        claims.append(
            Claim(
                "Adversarial training boosts the robustness of high-order interactions",
                f"attacking utilities of high orders decrease ({name})",
                f"v = {value}; " + "\n".join(text),
                verdict(*(robust < usual for robust, usual in held)),
            )
        )
    return claims


def disentanglement_claim(runs, value):
    """The figure of D^(m) on clean images."""
    curves = {
        kind: [
            disentanglement(VALUES[value](found[kind]["clean"], found["labels"]))
            for found in runs
        ]
        for kind in KINDS
    }
    gaps = [
        (robust - usual)[1:4].mean().item()
        for robust, usual in zip(curves["adversarial"], curves["standard"], strict=True)
    ]
    text = "\n".join(
        f"{kind}: D^(m) {row(sum(curve) / len(curve))}"
        for kind, curve in curves.items()
    )
    return Claim(
        "Adversarial training learns more reliable low-order interactions",
        "low orders have higher disentanglement after adversarial training",
        f"v = {value}: D at m = 1..3 (D^(0) is 0 or 1), adversarial minus "
        f"standard: {row(gaps, 3)} per seed\n{text}",
        verdict(*(gap > 0 for gap in gaps)),
    )


def detection_claims(runs):
    """Detectors: dispersion of φ^(m) over players, by m, and low-rank images."""
    curves, ranks = [], []
    for found in runs:
        scores = []
        for part in ("clean", "attacked"):
            tables = found["standard"][part]
            predicted = tables[..., -1].argmax(1)
            phi = F.multi_order_shapley(log_odds(tables, predicted))
            scores.append(phi.std(-1))
        curves.append([auc(scores[1][:, m], scores[0][:, m]) for m in range(N)])
        clean, attacked = found["standard"]["ranks"]
        ranks.append(auc(attacked, clean))
    mean = torch.tensor(curves).mean(0)
    # A detector may look for more or for less dispersion than usual.
    use = (mean - 0.5).abs() + 0.5
    top = [
        max(c[-1], 1 - c[-1]) >= max(max(a, 1 - a) for a in c) - 0.02 for c in curves
    ]
    return [
        Claim(
            "The unified explanation for previous adversarial defenses",
            "ML-LOO detects the highest order, the most sensitive component",
            "AUC of the standard deviation over players of φ^(m)(i) (log-odds of the "
            f"predicted class), adversarial above clean, m = 0..11: {row(mean)}; "
            f"m = 11 is leave-one-out: {spread([c[-1] for c in curves])}, best order "
            f"m = {int(use.argmax())} ({float(use.max()):.2f} either way)",
            verdict(*top),
        ),
        Claim(
            "The unified explanation for previous adversarial defenses",
            "rank-based detection works (predictions need the last singular values)",
            "AUC of the rank from which on the prediction stays, adversarial above "
            f"clean: {spread(ranks)} (our reading; the slide has no formula)",
            verdict(*(value > 0.6 for value in ranks)),
        ),
    ]


def recovered(found, kind):
    """Share of masks with k cells on which a fooled image gets its class back."""
    tables, labels = found[kind]["attacked"], found["labels"]
    fooled = tables[..., -1].argmax(1) != labels
    right = (tables.argmax(1) == labels[:, None]).double()
    return F.size_means(right[fooled]).mean(0), int(fooled.sum())


def recovery_claim(runs):
    """Recoverability: some high orders are taken away from an attacked image."""
    text, best = [], {}
    for kind in KINDS:
        found = [recovered(run, kind) for run in runs]
        curves = torch.stack([curve for curve, _ in found])
        best[kind] = curves[:, KEPT:].nan_to_num(0).amax(-1)
        text.append(
            f"{kind}: {sum(count for _, count in found)} fooled images, share of masks "
            f"with k = 0..12 cells that recover one: {row(curves.nanmean(0))}"
        )
    return Claim(
        "The unified explanation for previous adversarial defenses",
        "adversarial examples of adversarially trained networks recover better",
        f"at the best k ≥ {KEPT}, per seed: adversarial {row(best['adversarial'])}, "
        f"standard {row(best['standard'])}\n" + "\n".join(text),
        verdict(*(best["adversarial"] > best["standard"])),
    )


def cutout_claim(runs):
    """Training with Cutout: robustness, and the share of high orders."""
    safe, high = {}, {}
    for kind in ("standard", "Cutout"):
        safe[kind] = [run["resists"][kind] for run in runs]
        high[kind] = [run["curve"][kind][HIGH].mean().item() for run in runs]
    more = zip(safe["Cutout"], safe["standard"], strict=True)
    less = zip(high["Cutout"], high["standard"], strict=True)
    return Claim(
        "The unified explanation for previous adversarial defenses",
        "Cutout removes sensitive high orders and so boosts robustness",
        f"attacked accuracy at ε = {SMALL}: Cutout {row(safe['Cutout'])}, standard "
        f"{row(safe['standard'])} per seed; F at m = 8..10: Cutout "
        f"{row(high['Cutout'])}, standard {row(high['standard'])}",
        verdict(*(a > b for a, b in more), *(a < b for a, b in less)),
    )


def run(quick=False):
    """Return the claims and the curves that the pictures draw."""
    seeds, images, steps = ((0,), 4, 40) if quick else (range(3), 20, 400)
    runs = [prepare(seed, images, steps) for seed in seeds]
    networks = "; ".join(
        f"{kind}: accuracy {spread([f['accuracy'][kind] for f in runs])}, attacked "
        f"{spread([f['robust'][kind] for f in runs])}"
        for kind in KINDS
    )
    claims = [
        Claim(
            "Networks of this part",
            "(no claim) digits, PGD of 15 steps; attacked accuracy is on images that "
            "both networks get right",
            networks,
            SHOWN,
        )
    ]
    for value in VALUES:
        claims += attack_claims(runs, value)
        claims += utility_claims(runs, value)
        claims.append(disentanglement_claim(runs, value))
    claims += [*detection_claims(runs), cutout_claim(runs), recovery_claim(runs)]
    return claims, runs
