"""The decks' claims on pretrained ImageNet networks, with intervals over pictures.

    pip install -e '.[models]' foolbox
    python benchmarks/imagenet.py                    # all, about 100 core minutes
    python benchmarks/imagenet.py transfer --count 8 # one part, fewer pictures
    python benchmarks/imagenet.py --folder PICTURES  # further pictures, or a wheel

EfficientNet-Lite0, 1 and 2 at 160 pixels, on the pictures in the wheels of foolbox and
shapiq that all three networks agree on. ± is a 95 % interval over pictures (1.96
standard errors), paired where two attacks are compared.
"""

from __future__ import annotations

import argparse
import io
import time

import numpy as np
import torch
from pretrained import efficientnet, pictures
from timing import describe

from captum_interactions import AndInteraction, MultiOrderInteraction
from captum_interactions.baselines import blurred_image
from captum_interactions.functional import explained_ratio
from captum_interactions.games import ModelGame, log_odds
from captum_interactions.metrics import Disentanglement, OrderStrength
from captum_interactions.players import grid_mask, neighbor_pairs, random_pairs
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
)

SIZE = 160
EPSILON = 8 / 255  # at 16/255 PGD fools the other networks on 92 %: no room is left
SETS = 8  # of the interaction term; 32, as in the papers, takes 18 s a picture
UNITS = grid_mask(SIZE, SIZE, 8)
BLUR = 10.0  # pixels; half a patch

# The number of steps matters: interactions of PGD and MI grow with it.
STEPS = 1, 10, 20, 40
SLOW = "VR", "IR", "MI+IR"  # at 10 and 20 steps only


def attacks(source):
    """Return the parts of each attack."""
    reduction = InteractionReduction(sets=SETS)
    return {
        "PGD": [],
        "MI": [Momentum()],
        "DI": [InputDiversity()],
        "TI": [TranslationInvariance(7)],
        "SGM": [SkipGradient(modules=branches(source))],
        "VR": [NoiseAverage(copies=5)],
        "IR": [reduction],
        "MI+IR": [Momentum(), reduction],
    }


def branches(source):
    """Return the last module of each residual branch of an EfficientNet-Lite."""
    blocks = source[1]._blocks
    return [block._bn2 for block in blocks if block.id_skip and _keeps_shape(block)]


def _keeps_shape(block):
    stride = block._block_args.stride
    stride = stride[0] if isinstance(stride, (list, tuple)) else stride
    return stride == 1 and (
        block._block_args.input_filters == block._block_args.output_filters
    )


def interval(values):
    """Mean and 1.96 standard errors of one number a picture, as text."""
    values = torch.as_tensor(values).double()
    error = 1.96 * values.std() / len(values) ** 0.5
    return f"{values.mean().item():.3g} ± {error.item():.2g}"


def target_margin(model, x, labels):
    """Strongest other logit less the true one, ``(pictures,)``."""
    with torch.no_grad():
        logits = torch.cat([model(part) for part in x.split(16)])
    own = logits.gather(1, labels[:, None])[:, 0]
    return logits.scatter(1, labels[:, None], -torch.inf).amax(1) - own


def usable(models, x):
    """Return which pictures all networks agree on, and the class."""
    with torch.no_grad():
        found = torch.stack(
            [
                torch.cat([model(part).argmax(1) for part in x.split(16)])
                for model in models
            ]
        )
    return (found == found[0]).all(0).nonzero()[:, 0], found[0]


def transfer(models, x, labels, source=0, steps=STEPS):
    """Success, margins and interactions of attacks, each against PGD."""
    others = [k for k in range(3) if k != source]
    names = " and ".join(f"lite{k}" for k in others)
    print(f"\nTransfer from lite{source} to {names}, {len(x)} pictures, margin loss")
    print(
        "steps attack | success | margin, less PGD's | at PGD's length | interaction "
        "less PGD's, 1e-3 | mean |δ|·255"
    )
    for step_num in steps:
        reference = None
        for name, parts in attacks(models[source]).items():
            if name in SLOW and step_num not in (10, 20):
                continue
            if step_num == 1 and name != "PGD":
                continue
            found = _attacked(models, x, labels, source, parts, step_num, reference)
            reference = reference or found
            _show_attack(name if step_num > 1 else "FGSM", step_num, found, reference)


def _attacked(models, x, labels, source, parts, step_num, reference):
    attack = TransferAttack(
        models[source],
        "margin",
        0.0,
        1.0,
        parts=parts,
        generator=torch.Generator().manual_seed(0),
    )
    step = EPSILON if step_num == 1 else EPSILON / 8
    deltas, interactions = [], []
    for one, label in zip(x.split(1), labels.split(1), strict=True):
        adversarial = attack.perturb(one, EPSILON, step, step_num, target=label)
        deltas.append(adversarial - one)
        game = perturbation_game(
            models[source],
            one,
            adversarial,
            label,
            feature_mask=UNITS,
            perturbations_per_eval=16,
        )
        interactions.append(mean_interaction(game).item())
    delta = torch.cat(deltas)
    length = delta.flatten(1).norm(dim=1)
    scale = torch.ones_like(length)
    if reference is not None:
        scale = (reference["length"] / length).clamp(max=1.0)
    others = [model for k, model in enumerate(models) if k != source]
    equal = x + delta * scale[:, None, None, None]
    return {
        "length": length,
        "size": delta.abs().mean().item() * 255,
        "interaction": 1e3 * torch.tensor(interactions),
        "margins": [target_margin(model, x + delta, labels) for model in others],
        "equal": [target_margin(model, equal, labels) for model in others],
    }


def _show_attack(name, step_num, found, reference):
    success = [f"{(m > 0).double().mean():.2f}" for m in found["margins"]]
    pairs = zip(found["margins"], reference["margins"], strict=True)
    more = [interval(a - b) for a, b in pairs]
    pairs = zip(found["equal"], reference["margins"], strict=True)
    equal = [interval(a - b) for a, b in pairs]
    interaction = interval(found["interaction"] - reference["interaction"])
    print(
        f"{step_num:3d} {name:6s} | {' '.join(success)} | {', '.join(more)} | "
        f"{', '.join(equal)} | {interaction} | {found['size']:.1f}",
        flush=True,
    )


def tangent_shares(curve):
    """Shares of v(N) of singles and thirds of orders, by tangents of v̄(k).

    Orders of M and more contribute v(N) less the tangent of v̄ at M, prolonged to n.
    """
    n = len(curve) - 1
    sizes = torch.arange(n + 1.0).double()

    def line(at):  # a local line, Epanechnikov's weights over seven sizes either side
        weight = (1 - ((sizes - at) / 7.5) ** 2).clamp_min(0).sqrt()[:, None]
        design = torch.stack([torch.ones_like(sizes), sizes - at], 1)
        return torch.linalg.lstsq(
            design * weight, curve[:, None].double() * weight
        ).solution[:, 0]

    total = curve[-1] - curve[0]
    single = n * (curve[1] - curve[0])
    cuts = [0, (n - 1) // 3, 2 * (n - 1) // 3]
    above = [total - single]
    for cut in cuts[1:]:
        value, slope = line(cut)
        above.append(curve[-1] - value - (n - cut) * slope)
    thirds = [above[0] - above[1], above[1] - above[2], above[2]]
    return torch.stack([single, *thirds]) / total


def orders(models, x, labels, per_size=18):
    """Where an attack's utility lies, and how strong each order is."""
    print(f"\nOrders, 64 patches, blurred baseline, log-odds, {len(x)} pictures")
    model = log_odds(models[0])
    attack = TransferAttack(models[0], "margin", 0.0, 1.0)
    shares = {"minimal attack": [], "ε = 8/255": []}
    for one, label in zip(x.split(1), labels.split(1), strict=True):
        baselines, draws = blurred_image(one, BLUR), torch.Generator().manual_seed(0)
        masks = torch.cat(
            [
                torch.rand(per_size, 64, generator=draws).argsort(1).argsort(1) < k
                for k in range(65)
            ]
        )
        strong = attack.perturb(one, EPSILON, EPSILON / 8, 10, target=label)
        weak = minimal(models[0], one, label)
        curves = [
            ModelGame(
                model, version, baselines, label, None, UNITS, perturbations_per_eval=16
            )(masks)[0]
            .view(65, -1)
            .mean(1)
            for version in (one, weak, strong)
        ]
        for name, curve in zip(shares, curves[1:], strict=True):
            shares[name].append(tangent_shares(curves[0] - curve))
    for name, found in shares.items():
        rows = torch.stack(found)
        parts = ("singles", "m 0–20", "21–41", "42–62")  # noqa: RUF001
        text = [f"{p} {interval(100 * rows[:, k])} %" for k, p in enumerate(parts)]
        print(f"utility of the {name}: {', '.join(text)}", flush=True)


def minimal(model, one, label, fall=8.0):
    """Return the first state of an attack whose log-odds fell by 8."""
    score = log_odds(model)
    attack = TransferAttack(model, "margin", 0.0, 1.0)
    start = score(one)[0, label].item()
    for state in attack.states(one, EPSILON, EPSILON / 32, 60, target=label):
        if score(state)[0, label].item() < start - fall:
            return state
    return state


def strengths(models, x, labels, contexts=5):
    """Strength of each order against the null curve, and disentanglement."""
    neighbors = neighbor_pairs(8, 8, 12, generator=torch.Generator().manual_seed(0))
    others = random_pairs(64, 12, torch.Generator().manual_seed(1))
    pairs = torch.unique(torch.cat([neighbors, others]), dim=0)
    chosen = [0, 6, 18, 31, 44, 56, 62]
    strength, agree = OrderStrength(debiased=True), Disentanglement()
    for one, label in zip(x.split(1), labels.split(1), strict=True):
        result = MultiOrderInteraction(log_odds(models[0])).interactions(
            one,
            blurred_image(one, BLUR),
            label,
            feature_mask=UNITS,
            pairs=[tuple(pair) for pair in pairs.tolist()],
            n_samples=4 * len(pairs) * (2 + contexts * (len(chosen) - 2)),
            orders=chosen,
            sampling="paired",
            perturbations_per_eval=16,
            generator=torch.Generator().manual_seed(0),
        )
        strength.update(result)
        agree.update(result)
    print(f"\nStrength by order m, {len(pairs)} pairs, {len(x)} pictures")
    rows = zip(
        chosen,
        strength.strength(),
        strength.noise(),
        strength.null_curve(),
        agree.compute(),
        strict=True,
    )
    for m, rms, noise, null, sign in rows:
        print(
            f"  m {m:2d}: rms {rms:.2f} (noise taken off {noise:.2f}), null curve "
            f"{null:.3f}, contexts agree {sign:.2f}",
            flush=True,
        )


def salient_share(model, one, baselines, label, cells, threshold=0.05):
    """Our reading of "aesthetic": the share of |I(S)| in salient AND interactions."""
    result = AndInteraction(model).interactions(
        one, baselines, label, feature_mask=cells, perturbations_per_eval=16
    )
    return explained_ratio(
        result.dividends[..., 1:], result.salient(threshold)[..., 1:]
    ).item()


def degraded(one):
    """Return versions of a picture that people like less."""
    from PIL import Image

    noise = torch.randn(one.shape, generator=torch.Generator().manual_seed(0))
    pixels = (one[0].movedim(0, -1) * 255).round().byte().numpy()
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=8)
    squeezed = torch.from_numpy(np.array(Image.open(data))).movedim(-1, 0)[None] / 255
    return {
        "blurred": blurred_image(one, 2.0),
        "noisy": (one + 0.1 * noise).clamp(0, 1),
        "washed out": 0.4 * one + 0.4,
        "over-compressed": squeezed,
    }


def operations(one, amount):
    """Return a picture after each photographic operation by a small amount."""
    gray = (one * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, True)
    turned = one.roll(1, 1) if amount > 0 else one.roll(-1, 1)
    return {
        "brightness": one + amount,
        "contrast": one + amount * (one - one.mean()),
        "saturation": one + amount * (one - gray),
        "hue": one + abs(amount) * (turned - one),
        "sharpness": one + amount * (one - blurred_image(one, 1.0)),
    }


def aesthetics(models, x, labels, amount=0.1):
    """Salient share of pictures against worse versions, and along operations."""
    model, cells = log_odds(models[0]), grid_mask(SIZE, SIZE, 3)
    print(f"\nSalient share of |I(S)|, 9 cells, {len(x)} pictures")
    clean, worse, slopes = [], {}, {}
    for one, label in zip(x.split(1), labels.split(1), strict=True):

        def share(version, label=label):
            return salient_share(
                model, version, blurred_image(version, BLUR), label, cells
            )

        clean.append(share(one))
        for name, version in degraded(one).items():
            worse.setdefault(name, []).append(clean[-1] - share(version))
        more, less = operations(one, amount), operations(one, -amount)
        for name in more:
            slope = (share(more[name]) - share(less[name])) / (2 * amount)
            slopes.setdefault(name, []).append(slope)
    print(f"  of the photographs: {interval(clean)}")
    for name, found in worse.items():
        better = sum(value > 0 for value in found)
        print(f"  above the {name} version by {interval(found)}, on {better} pictures")
    for name, found in slopes.items():
        print(f"  slope along {name}: {interval(found)}", flush=True)


def main(arguments=None):
    """Run the parts asked for."""
    known = ("check", "transfer", "orders", "strengths", "aesthetics")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(known)}")
    parser.add_argument("--count", type=int, default=1000, help="most pictures")
    parser.add_argument("--folder", help="folder of pictures, or of foolbox's wheel")
    parser.add_argument("--steps", type=int, nargs="*", default=STEPS)
    parser.add_argument("--source", type=int, nargs="*", default=[0, 2])
    options = parser.parse_args(arguments)
    if not set(options.parts) <= set(known):
        parser.error(f"parts are {', '.join(known)}")
    chosen = options.parts or known
    print(describe())
    names, x = pictures(SIZE, options.folder)
    if not names:
        parser.error("no pictures: pip install foolbox shapiq, or --folder")
    if "check" in chosen:
        check(names, options.folder)
    models = [efficientnet(number, SIZE) for number in range(3)]
    agreed, labels = usable(models, x)
    agreed = agreed[: options.count]
    x, labels = x[agreed], labels[agreed]
    print(
        f"{len(names)} pictures, {len(agreed)} of those used that all networks agree on"
    )
    run = {"orders": orders, "strengths": strengths, "aesthetics": aesthetics}
    for part in chosen:
        start = time.process_time()
        if part == "transfer":
            for source in options.source:
                transfer(models, x, labels, source, options.steps)
        elif part in run:
            run[part](models, x, labels)
        print(f"  [{part}: {time.process_time() - start:.0f} s of CPU]", flush=True)


def check(names, folder):
    """Guard the pre-processing: ImageNet's mean and deviation give 15 to 16 of 20."""
    _, x = pictures(224, folder)
    known = [k for k, name in enumerate(names) if name.startswith("imagenet_")]
    truth = torch.tensor([int(names[k].split("_")[2].split(".")[0]) for k in known])
    for number in range(3):
        with torch.no_grad():
            right = efficientnet(number, 224)(x[known]).argmax(1) == truth
        print(f"lite{number} at 224 pixels: {right.sum()} of {len(known)} right")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
