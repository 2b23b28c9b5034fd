"""Networks that the parts train, and their tables of all coalitions.

Everything has twelve players, a grid of 4 × 3 cells, so that all 2^12 coalitions are
evaluated and no figure has a sampling error besides that of images and seeds.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from captum_interactions import functional as F
from captum_interactions.games import ModelGame
from captum_interactions.players import grid_mask
from captum_interactions.robust import TransferAttack

N = 12
ORDERS = list(range(N - 1))
LOW, MIDDLE, HIGH = slice(0, 3), slice(4, 7), slice(8, 11)


def fit(net, x, y, steps=400, batch=64, lr=2e-3, seed=0, radius=0.0, noise=0.0, hole=0):
    """Train in place: against a PGD of ``radius``, with noise, or with Cutout."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr)
    net.train()
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), generator=generator)
        images, labels = x[rows], y[rows]
        if noise:
            images = images + noise * torch.randn(images.shape, generator=generator)
        if hole:
            images = cut_out(images, hole, generator)
        if radius:
            net.eval()
            attack = TransferAttack(net, lower_bound=0.0, upper_bound=1.0)
            images = attack.perturb(images, radius, radius / 2.5, 4, labels)
            net.train()
        optimizer.zero_grad()
        cross_entropy(net(images), labels).backward()
        optimizer.step()
    return net.eval()


def cut_out(images, hole, generator):
    """Blacken a square of ``hole`` pixels at a random place of each image."""
    side = images.shape[-1]
    corner = torch.randint(
        1 - hole // 2, side, (len(images), 2, 1), generator=generator
    )
    inside = (torch.arange(side) >= corner) & (torch.arange(side) < corner + hole)
    square = inside[:, 0, :, None] & inside[:, 1, None, :]
    return images.masked_fill(square.unsqueeze(1), 0.0)


def accuracy(net, x, y):
    """Share of images classified correctly."""
    with torch.no_grad():
        return (net(x).argmax(1) == y).double().mean().item()


def small_cnn(side, classes, seed):
    """conv8-conv16-pool-fc for images of one channel."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (side // 2) ** 2, 32),
        nn.ReLU(),
        nn.Linear(32, classes),
    )


def logit_tables(net, x, baseline=None):
    """Logits of every coalition of cells, ``(images, classes, 2**12)``; absent: 0."""
    mask = grid_mask(*x.shape[-2:], 4, 3)
    return ModelGame(net, x, baseline, feature_mask=mask).table().double()


def log_prob(tables, labels):
    """v(S) = log p(label | x_S), ``(images, 2**12)``."""
    chosen = tables.log_softmax(1)
    return chosen[torch.arange(len(labels)), labels]


def log_odds(tables, labels):
    """v(S) = z_label − logsumexp of the others, ``(images, 2**12)``."""
    own = torch.nn.functional.one_hot(labels, tables.shape[1]).bool()
    rest = tables.masked_fill(own.unsqueeze(-1), -torch.inf).logsumexp(1)
    return tables[torch.arange(len(labels)), labels] - rest


VALUES = {"log p": log_prob, "log-odds": log_odds}


def pair_orders(v):
    """I^(m)(i,j) of all pairs, ``(images, 11, 66)``."""
    return F.upper_pairs(F.multi_order_interaction(v))


def strength_curve(v):
    """F^(m): E|I^(m)| over its mean over orders, ``(11,)``."""
    return F.order_strength(pair_orders(v).abs().mean((0, -1)))


def disentanglement(v):
    """D^(m), the mean of ratios over images and pairs, ``(11,)``."""
    mean = pair_orders(v)
    absolute = F.upper_pairs(F.mean_absolute_deltas(v))
    return F.disentanglement_ratios(mean, absolute).mean((0, -1))
