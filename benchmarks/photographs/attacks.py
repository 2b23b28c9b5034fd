"""Attacks of one picture: what transfers, how long it is, how much it interacts."""

from __future__ import annotations

import torch

from captum_interactions.games import log_odds
from captum_interactions.players import grid_mask
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
UNITS = grid_mask(SIZE, SIZE, 8)

# The interactions of PGD and MI grow with the number of steps, so one number of steps
# gives no verdict. IR takes 5 s for ten steps, so it isn't everywhere.
PLAN = {
    1: ("PGD",),
    10: ("PGD", "MI", "DI", "TI", "SGM", "MI+DI", "VR", "IR", "MI+IR"),
    20: ("PGD", "MI", "DI", "VR", "IR"),
    40: ("PGD", "MI", "DI"),
}
CROSS_ENTROPY = "PGD", "MI", "IR"  # also with the other loss, ten steps
BACK = "PGD", "MI", "DI", "VR", "IR"  # also from lite2, ten steps


def parts_of(name, source):
    """Return what an attack is made of."""
    made = {
        "MI": Momentum(),
        "DI": InputDiversity(),
        "TI": TranslationInvariance(7),
        "SGM": SkipGradient(modules=branches(source)),
        "VR": NoiseAverage(copies=5),
        # 8 sets; 32, as in the papers, take 18 s a picture.
        "IR": InteractionReduction(sets=8),
    }
    return [made[part] for part in name.split("+") if part != "PGD"]


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


@torch.no_grad()
def margin(model, x, label):
    """Strongest other logit less the true one, of one picture."""
    logits = model(x)[0]
    own = logits[label].clone()
    logits[label] = -torch.inf
    return (logits.max() - own).item()


def transfer(models, one, label, number):
    """Attack one picture from a network and show it to the two others."""
    source = models[number]
    others = [model for k, model in enumerate(models) if k != number]
    cells = [(steps, name, "margin") for steps in PLAN for name in PLAN[steps]]
    cells += [(10, name, "cross_entropy") for name in CROSS_ENTROPY]
    if number != 0:
        cells = [(1, "PGD", "margin"), *((10, name, "margin") for name in BACK)]
    found, lengths, deltas = {}, {}, {}
    for steps, name, loss in cells:
        attack = TransferAttack(
            source,
            loss,
            0.0,
            1.0,
            parts=parts_of(name, source),
            generator=torch.Generator().manual_seed(0),
        )
        step = EPSILON if steps == 1 else EPSILON / 8
        delta = attack.perturb(one, EPSILON, step, steps, target=label) - one
        lengths.setdefault(steps, delta.norm().item())  # of PGD, which comes first
        game = perturbation_game(
            source,
            one,
            one + delta,
            label,
            feature_mask=UNITS,
            perturbations_per_eval=16,
        )
        key = f"{steps} {name}{'/ce' if loss == 'cross_entropy' else ''}"
        found[key] = {
            "fooled": margin(source, one + delta, label) > 0,
            "length": delta.norm().item(),
            "size": 255 * delta.abs().mean().item(),
            "interaction": 1e3 * mean_interaction(game).item(),
            "margins": [margin(model, one + delta, label) for model in others],
        }
        deltas[key] = delta
    for key, delta in deltas.items():
        # The same direction at the length of PGD of as many steps; FGSM's at PGD-10's.
        wanted = lengths[max(10, int(key.split()[0]))]
        equal = one + delta * min(1.0, wanted / found[key]["length"])
        found[key]["equal"] = [margin(model, equal, label) for model in others]
    clean = [margin(model, one, label) for model in others]
    return {"clean": clean, "attacks": found}


def minimal(model, one, label, fall=8.0):
    """Return the first state of an attack whose log-odds fell by 8."""
    score = log_odds(model)
    attack = TransferAttack(model, "margin", 0.0, 1.0)
    start = score(one)[0, label].item()
    for state in attack.states(one, EPSILON, EPSILON / 32, 60, target=label):
        if score(state)[0, label].item() < start - fall:
            return state
    return state


def strong(model, one, label):
    """Return what ten steps of PGD make of a picture."""
    attack = TransferAttack(model, "margin", 0.0, 1.0)
    return attack.perturb(one, EPSILON, EPSILON / 8, 10, target=label)
