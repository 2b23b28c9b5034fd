"""Which orders encode what: textures, shapes, large concepts, outliers.

The slides use photographs of textures and birds and large networks; here the same
comparisons are made on gratings, outlines and digits with networks of two
convolutions. v(S) is the log-odds of the label, absent cells are 0.
"""

from __future__ import annotations

import torch
from models import digits, digits_network

from captum_interactions import functional as F
from slides.drawn import (
    SIDE,
    gratings,
    shapes,
    textures,
    there_or_not,
    whole_or_partial,
)
from slides.networks import (
    HIGH,
    MIDDLE,
    accuracy,
    fit,
    log_odds,
    logit_tables,
    pair_orders,
    small_cnn,
    strength_curve,
)
from slides.report import Claim, row, spread, verdict


def seeded(seed):
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def curve(net, x, y, images):
    """F^(m) of the images that the network gets right, and its accuracy."""
    with torch.no_grad():
        right = net(x).argmax(1) == y
    chosen = right.nonzero()[:images, 0]
    v = log_odds(logit_tables(net, x[chosen]), y[chosen])
    return strength_curve(v), accuracy(net, x, y)


def trained_curve(make, classes, seed, scale, noise=0.0):
    """Train on a drawn set, return F^(m) on held-out images and the accuracy."""
    images, steps, size = scale
    x, y = make(size, seeded(seed))
    held_out, truth = make(size // 4, seeded(100 + seed))
    net = fit(small_cnn(SIDE, classes, seed), x, y, steps, seed=seed, noise=noise)
    return curve(net, held_out, truth, images)


def texture_claim(seeds, scale):
    """The same gratings told apart into 4 and into 16 orientations."""

    def coarse(count, generator):
        x, y = gratings(count, generator)
        return x, y // 4

    few = [trained_curve(coarse, 4, seed, scale) for seed in seeds]
    many = [trained_curve(gratings, 16, seed, scale) for seed in seeds]
    gaps = [
        (fine[0] - wide[0])[MIDDLE].mean().item()
        for fine, wide in zip(many, few, strict=True)
    ]
    return Claim(
        "Understanding the encoding of textures",
        "stricter encoding of fine-grained textures gives fewer middle orders",
        f"F at m = 4..6, 16 classes minus 4 classes: {row(gaps, 3)} per seed\n"
        f"4 classes:  F^(m) {mean_row(few)}, accuracy {spread([c[1] for c in few])}\n"
        f"16 classes: F^(m) {mean_row(many)}, accuracy {spread([c[1] for c in many])}",
        verdict(*(gap < 0 for gap in gaps)),
    ), {"4 orientations": few, "16 orientations": many}


def mean_row(curves):
    """Mean of the curves in (curve, accuracy) pairs, as text."""
    return row(torch.stack([c[0] for c in curves]).mean(0))


def flexibility_claim(seeds, scale):
    """ΔF^(m) between training with and without noise, textures and shapes."""
    change = {}
    for name, make in (("textures", textures), ("shapes", shapes)):
        change[name] = []
        for seed in seeds:
            plain, right = trained_curve(make, 8, seed, scale)
            noisy, _ = trained_curve(make, 8, seed, scale, noise=0.5)
            change[name].append(((noisy - plain).abs(), right))
    means = {k: [c[0].mean().item() for c in v] for k, v in change.items()}
    pairs = zip(means["textures"], means["shapes"], strict=True)
    return Claim(
        "Difference between textures & shapes",
        "textures have larger ΔF^(m) (training with noise against without)",
        "mean ΔF over m: textures "
        f"{spread(means['textures'])}, shapes {spread(means['shapes'])}; per seed "
        f"{row(means['textures'], 3)} | {row(means['shapes'], 3)}\n"
        f"textures: ΔF^(m) {mean_row(change['textures'])}, accuracy "
        f"{spread([c[1] for c in change['textures']])}\n"
        f"shapes:   ΔF^(m) {mean_row(change['shapes'])}, accuracy "
        f"{spread([c[1] for c in change['shapes']])}",
        verdict(*(texture > shape for texture, shape in pairs)),
    )


def large_claim(seeds, scale):
    """Whole against partial digits, and digits against shuffled pixels."""
    images, steps, _ = scale
    x, _, held_out, _ = digits()
    found = {}
    for name, make in (
        ("whole/partial", whole_or_partial),
        ("there/not", there_or_not),
    ):
        found[name] = []
        for seed in seeds:
            net = digits_network(seed)
            net[-1] = torch.nn.Linear(64, 2)
            fit(net, *make(x, seeded(seed)), 2 * steps, seed=seed)
            found[name].append(curve(net, *make(held_out, seeded(seed)), images))
    gaps = [
        (whole[0] - there[0])[HIGH].mean().item()
        for whole, there in zip(*found.values(), strict=True)
    ]
    text = "\n".join(
        f"{name}: F^(m) {mean_row(c)}, accuracy {spread([r[1] for r in c])}"
        for name, c in found.items()
    )
    return Claim(
        "Understanding large-scale visual concepts",
        "memorized large-scale concepts are encoded in more high orders",
        f"F at m = 8..10, whole/partial minus there/not: {row(gaps, 3)} per seed\n"
        f"{text}",
        verdict(*(gap > 0 for gap in gaps)),
    )


def memorized(seed, outliers, steps, size=600, noise=0.02):
    """A network that has learned some images with random labels by heart."""
    x, y, held_out, truth = digits()
    x, y, draw = x[:size].clone(), y[:size].clone(), seeded(seed)
    changed = torch.randperm(size, generator=draw)[:outliers]
    y[changed] = (y[changed] + torch.randint(1, 10, (outliers,), generator=draw)) % 10
    x[changed] += noise * torch.randn(x[changed].shape, generator=draw)
    net = fit(digits_network(seed), x, y, steps, batch=128, seed=seed)
    normal = torch.ones(size, dtype=torch.bool)
    normal[changed] = False
    right = {
        "outliers": accuracy(net, x[changed], y[changed]),
        "test": accuracy(net, held_out, truth),
    }
    return net, (x, y, changed, normal.nonzero()[:, 0]), right


def outlier_claims(seeds, images, steps):
    """ΔI_avg, ΔP, and the strength of all interactions, outlier minus normal."""
    parts = {"outlier": [], "normal": []}
    rights = []
    for seed in seeds:
        net, (x, y, changed, normal), right = memorized(seed, 30, steps)
        rights.append(right)
        with torch.no_grad():
            learned = net(x).argmax(1) == y
        for name, rows in (("outlier", changed), ("normal", normal)):
            rows = rows[learned[rows]][:images]
            tables = logit_tables(net, x[rows])
            parts[name].append(readings(tables, y[rows]))
    text = (
        "30 of 600 images; learned by heart "
        f"{spread([r['outliers'] for r in rights])}, test accuracy "
        f"{spread([r['test'] for r in rights])}"
    )
    delta = {
        key: torch.stack(
            [
                a[key] - b[key]
                for a, b in zip(parts["outlier"], parts["normal"], strict=True)
            ]
        )
        for key in ("average", "positive")
    }
    raw, scaled = (
        {name: [run[key] for run in runs] for name, runs in parts.items()}
        for key in ("raw", "scaled")
    )
    ratio = [a / b for a, b in zip(raw["outlier"], raw["normal"], strict=True)]
    high = torch.stack([delta[key][:, 9:] for key in delta])  # m > 0.8 n = 9.6, and 9
    return [
        Claim(
            "Understanding outliers",
            "ΔI_avg > 0 and ΔP > 0 for m > 0.8n: outliers depend on high orders",
            f"{text}\nm = 9, 10: ΔI_avg {row(delta['average'][:, 9:].mean(-1), 3)}, ΔP "
            f"{row(delta['positive'][:, 9:].mean(-1), 3)} per seed\n"
            f"ΔI_avg by m: {row(delta['average'].mean(0))}\n"
            f"ΔP by m: {row(delta['positive'].mean(0))}",
            verdict(*(high.mean(-1) > 0).all(0)),
        ),
        Claim(
            "Overfitting → Strong Interactions",
            "over-fitted samples have stronger interactions than ordinary ones",
            f"E|I(i,j)| of the logit: over-fitted {spread(raw['outlier'])}, ordinary "
            f"{spread(raw['normal'])}, ratio {row(ratio)} per seed\nover Y: "
            f"{spread(scaled['outlier'])} and {spread(scaled['normal'])} (slide: "
            "3.64e-3/2.17e-3, 2.89e-3/2.57e-3, 1.17e-2/6.46e-3)",
            verdict(
                *(
                    a > b
                    for a, b in zip(scaled["outlier"], scaled["normal"], strict=True)
                )
            ),
        ),
    ], delta


def readings(tables, labels):
    """I_avg, P, and the strength of the Shapley interaction, raw and over Y."""
    orders = pair_orders(log_odds(tables, labels))
    logit = tables[torch.arange(len(labels)), labels]
    strength = F.upper_pairs(F.shapley_interaction_index(logit)).abs().mean(-1)
    whole = tables[..., -1]
    own = logit[..., -1]
    scale = (own - (whole.sum(1) - own) / (whole.shape[1] - 1)).abs()
    return {
        "average": orders.mean((0, -1)),
        "positive": F.positive_ratio(
            orders.clamp(min=0).mean((0, -1)), orders.abs().mean((0, -1))
        ),
        "raw": strength.mean().item(),
        # Per sample, as in the paper's comparison of the two kinds.
        "scaled": (strength / scale).mean().item(),
    }


def common_claim(images, steps):
    """Low orders are simple and common: recurrence and transfer by |S|."""
    x, y, held_out, truth = digits()
    nets = [fit(digits_network(seed), x, y, steps, seed=seed) for seed in range(2)]
    salient = []
    for net in nets:
        v = log_odds(logit_tables(net, held_out[:images]), truth[:images])
        dividends = F.moebius(v).abs()
        salient.append(dividends > 0.05 * dividends[:, 1:].amax(-1, keepdim=True))
    sizes = F.coalition_sizes(12)
    both, first = (salient[0] & salient[1]).double(), salient[0].double()
    chance, shared, often = [], [], []
    for s in range(1, 13):
        mine, ours = first[:, sizes == s], both[:, sizes == s]
        theirs = salient[1][:, sizes == s].double()
        shared.append((ours.sum() / mine.sum()).item())
        expected = mine.sum(-1) * theirs.sum(-1) / mine.shape[-1]
        chance.append((expected.sum() / mine.sum()).item())
        share = mine.mean(0)  # of the images, for each coalition
        often.append(((share * share).sum() / share.sum()).item())
    few, many = slice(0, 3), slice(6, 9)
    means = {
        name: [sum(values[part]) / 3 for part in (few, many)]
        for name, values in (("often", often), ("shared", shared))
    }
    return Claim(
        "Explaining textures, shapes, and beyond",
        "low orders are simple and common concepts, high orders memory",
        "salient AND interactions (|I| > 0.05 of the largest), |S| = 1..12: a salient "
        f"coalition is salient in this share of images {row(often)}\nshared with a "
        f"second network {row(shared)}, of unrelated ones {row(chance)}",
        verdict(*(low > high for low, high in means.values())),
    )


def run(quick=False):
    """Return the claims, and curves for the pictures."""
    seeds = (0,) if quick else range(3)
    images, steps = (4, 60) if quick else (24, 500)
    scale = (images, steps, 300 if quick else 2000)
    texture, textures_drawn = texture_claim(seeds, scale)
    outlier, delta = outlier_claims(seeds, images, 150 if quick else 1500)
    claims = [
        common_claim(images, steps),
        texture,
        flexibility_claim(seeds, scale),
        large_claim(seeds, scale),
        *outlier,
    ]
    return claims, {"textures": textures_drawn, "outliers": delta}
