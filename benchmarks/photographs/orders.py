"""Orders of a picture, clean and attacked: utility, strength, agreement."""

from __future__ import annotations

import torch

from captum_interactions import MultiOrderInteraction
from captum_interactions.baselines import blurred_image
from captum_interactions.games import ModelGame, log_odds
from captum_interactions.players import neighbor_pairs, random_pairs
from photographs.attacks import UNITS, minimal, strong

PLAYERS = 64
BLUR = 10.0  # pixels; half a patch
PER_SIZE = 6  # coalitions; with 18 a share is off by 2 to 5 %, pictures differ by 20 %
ORDERS = 0, 6, 31, 56, 62
CONTEXTS = 4


def side_by_side(model, label):
    """Return v of several pictures as outputs of one game, on the same coalitions."""
    score = log_odds(model)

    def forward(*pictures):
        rows = score(torch.cat(pictures))[:, label]
        return rows.view(len(pictures), -1).T

    return forward


def utility(model, one, label):
    """Mean of v by number of players: clean, attacked a little, attacked."""
    versions = one, minimal(model, one, label), strong(model, one, label)
    absent = blurred_image(one, BLUR)  # of the clean picture, for all three
    draws = torch.Generator().manual_seed(0)
    masks = torch.cat(
        [
            torch.rand(PER_SIZE, PLAYERS, generator=draws).argsort(1).argsort(1) < k
            for k in range(PLAYERS + 1)
        ]
    )
    game = ModelGame(
        side_by_side(model, label),
        versions,
        (absent,) * 3,
        feature_mask=(UNITS,) * 3,
        perturbations_per_eval=5,
    )
    curves = game(masks)[0].view(3, PLAYERS + 1, PER_SIZE).mean(-1)
    # Of single players all are evaluated: their share is 64 times a small difference.
    curves[:, 1] = game(torch.eye(PLAYERS, dtype=torch.bool))[0].mean(-1)
    return {"curves": curves.tolist()}


def tangent_shares(curve):
    """Shares of v(N) of singles and thirds of orders, by tangents of v̄(k).

    v̄(k) is the mean of v over coalitions of k players. Orders of M and more contribute
    v(N) less the tangent of v̄ at M, prolonged to n; single orders are noise.
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
    cuts = (n - 1) // 3, 2 * (n - 1) // 3
    above = [total - single]
    for cut in cuts:
        value, slope = line(cut)
        above.append(curve[-1] - value - (n - cut) * slope)
    thirds = [above[0] - above[1], above[1] - above[2], above[2]]
    return torch.stack([single, *thirds]) / total


def strengths(model, one, label):
    """Strength and agreement by order: clean, attacked, and their difference."""
    neighbors = neighbor_pairs(8, 8, 12, generator=torch.Generator().manual_seed(0))
    others = random_pairs(PLAYERS, 6, torch.Generator().manual_seed(1))
    pairs = torch.unique(torch.cat([neighbors, others]), dim=0)
    both, absent = side_by_side(model, label), blurred_image(one, BLUR)

    def forward(*pictures):
        clean, attacked = both(*pictures).unbind(1)
        return torch.stack([clean, attacked, clean - attacked], 1)

    result = MultiOrderInteraction(forward).interactions(
        (one, strong(model, one, label)),
        (absent, absent),
        feature_mask=(UNITS, UNITS),
        pairs=[tuple(pair) for pair in pairs.tolist()],
        n_samples=4 * len(pairs) * (2 + CONTEXTS * (len(ORDERS) - 2)),
        orders=list(ORDERS),
        sampling="paired",
        perturbations_per_eval=8,
        generator=torch.Generator().manual_seed(0),
    )
    values = result.pair_values()[0].double()  # (3, orders, pairs)
    errors = result.pair_values(result.interaction_errors)[0].double()
    sizes = result.pair_values(result.absolute_deltas())[0].double()
    found = {}
    for k, name in enumerate(("clean", "attacked", "difference")):
        found[name] = {
            "mean": values[k].mean(-1).tolist(),
            "square": (values[k] ** 2).mean(-1).tolist(),
            "variance": (errors[k].nan_to_num() ** 2).mean(-1).tolist(),
            "one context": sizes[k].mean(-1).tolist(),
            "agree": (values[k].abs() / sizes[k]).nan_to_num().mean(-1).tolist(),
        }
    return found
