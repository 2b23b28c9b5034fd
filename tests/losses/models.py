"""Small networks and functions for the tests of losses and attacks."""

from __future__ import annotations

import torch
from torch import nn


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


class Residual(nn.Module):
    """A block with a skip connection round its layer, added in place."""

    def __init__(self, width):
        super().__init__()
        self.branch = nn.Linear(width, width)
        self.out = nn.Identity()

    def forward(self, x):
        y = self.branch(x.relu())
        y += x
        return self.out(y)


def conv_net(inplace=False, norm=False):
    """Images (batch, 1, 6, 6) to five logits; ``"relu"`` has 3·36 units."""
    torch.manual_seed(5)
    layers = {
        "conv": nn.Conv2d(1, 3, 3, padding=1),
        "norm": nn.BatchNorm2d(3) if norm else nn.Identity(),
        "relu": nn.ReLU(inplace=inplace),
        "conv2": nn.Conv2d(3, 4, 3, stride=2),
        "norm2": nn.BatchNorm2d(4) if norm else nn.Identity(),
        "relu2": nn.ReLU(inplace=inplace),
        "flat": nn.Flatten(),
        "drop": nn.Dropout(0.5 if norm else 0.0),
        "fc": nn.Linear(16, 5),
    }
    net = nn.Sequential()
    for name, layer in layers.items():
        net.add_module(name, layer)
    return net
