"""Our reading of "aesthetic": how much of |I(S)| lies in salient AND interactions.

A(x) = Σ_salient |I(S)| / Σ |I(S)| over the coalitions S ≠ ∅ of a 3 × 3 grid, where
salient means |I(S)| > τ max |I|. The slides give no formula.
"""

from __future__ import annotations

import io
import math

import numpy as np
import torch

from captum_interactions.baselines import blurred_image
from captum_interactions.functional import (
    explained_ratio,
    moebius,
    salient_interactions,
)
from captum_interactions.games import ModelGame, log_odds
from captum_interactions.players import grid_mask
from photographs.attacks import SIZE

CELLS = grid_mask(SIZE, SIZE, 3)
BLUR = 10.0
THRESHOLDS = 0.05, 0.1, 0.2, 0.3  # the papers' on salient interactions is 0.05
SLOPES = 0.05, 0.2  # thresholds of the slopes; each takes a backward pass a coalition


def share(table, threshold):
    """A, of the table of a game."""
    found = moebius(table)[..., 1:]
    return explained_ratio(found, salient_interactions(found.detach(), threshold))


def table_of(model, one, label):
    """Return v of all 512 coalitions."""
    game = ModelGame(
        log_odds(model),
        one,
        blurred_image(one, BLUR),
        label,
        feature_mask=CELLS,
        perturbations_per_eval=16,
    )
    return game.table()[0]


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


def directions(one):
    """Return how a picture changes with each photographic operation, at its start."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    gray = (one * weights).sum(1, keepdim=True)
    return {
        "brightness": torch.ones_like(one),
        "contrast": one - one.mean(),
        "saturation": one - gray,
        # Colors turn about the gray axis.
        "hue": (one.roll(1, 1) - one.roll(-1, 1)) / math.sqrt(3),
        "sharpness": one - blurred_image(one, 1.0),
    }


def slopes(model, one, label, table):
    """Slope of A along each operation, with the salient coalitions held fixed.

    A is a function of the 512 values of v, so its gradient with respect to the picture
    is that of a weighted sum of v, which is added up pass by pass in bounded memory.
    """
    table = table.detach().requires_grad_()
    shares = torch.stack([share(table, threshold) for threshold in SLOPES])
    weights = [torch.autograd.grad(a, table, retain_graph=True)[0] for a in shares]
    weights = torch.stack(weights).float()
    codes = torch.arange(len(table))
    masks = (codes[:, None] >> torch.arange(9)) & 1 == 1
    found = {name: [0.0] * len(SLOPES) for name in directions(one)}
    amounts = torch.zeros(len(found), requires_grad=True)
    for part, weight in zip(masks.split(16), weights.split(16, dim=1), strict=True):
        moved = one + sum(
            amount * way
            for amount, way in zip(amounts, directions(one).values(), strict=True)
        )
        game = ModelGame(
            log_odds(model),
            moved,
            blurred_image(moved, BLUR),
            label,
            feature_mask=CELLS,
            perturbations_per_eval=16,
            gradients=True,
        )
        values = game(part)[0].float()
        for k, own in enumerate(weight):
            more = k + 1 < len(weight)
            (grad,) = torch.autograd.grad(own @ values, amounts, retain_graph=more)
            for j, name in enumerate(found):
                found[name][k] += grad[j].item()
    return found


def aesthetics(model, one, label):
    """A of a picture, of its worse versions, and along photographic operations."""
    tables = {"photograph": table_of(model, one, label)}
    tables |= {
        name: table_of(model, version, label) for name, version in degraded(one).items()
    }
    return {
        "shares": {
            name: [share(table, threshold).item() for threshold in THRESHOLDS]
            for name, table in tables.items()
        },
        "largest": {
            name: moebius(table)[1:].abs().max().item()
            for name, table in tables.items()
        },
        "slopes": slopes(model, one, label, tables["photograph"]),
    }
