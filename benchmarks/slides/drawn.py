"""Small image sets drawn here: gratings, outlines, whole and partial digits."""

from __future__ import annotations

import torch

SIDE = 12


def gratings(count, generator, classes=16):
    """Gratings of 16 orientations and random phase; orientation index."""
    y = torch.randint(classes, (count,), generator=generator)
    angle = torch.pi * y / classes
    phase = 2 * torch.pi * torch.rand(count, generator=generator)
    return wave(angle, torch.full((count,), 0.9), phase, generator), y


def wave(angle, frequency, phase, generator, noise=0.2):
    """Sinusoids in [−1, 1] with a little noise, ``(count, 1, 12, 12)``."""
    line = torch.arange(SIDE).float() - SIDE / 2
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    along = angle.cos()[:, None, None] * columns + angle.sin()[:, None, None] * rows
    x = (frequency[:, None, None] * along + phase[:, None, None]).sin()
    x = x + noise * torch.randn(x.shape, generator=generator)
    return x.unsqueeze(1)


def textures(count, generator):
    """Eight textures: four orientations, two frequencies."""
    y = torch.randint(8, (count,), generator=generator)
    phase = 2 * torch.pi * torch.rand(count, generator=generator)
    angle, frequency = torch.pi * (y % 4) / 4, 0.7 + 0.7 * (y // 4)
    return wave(angle, frequency, phase, generator), y


def shapes(count, generator):
    """Eight outlines of random size and place: what counts is where lines meet."""
    y = torch.randint(8, (count,), generator=generator)
    radius = 3.2 + 1.6 * torch.rand(count, generator=generator)
    center = SIDE / 2 - 0.5 + torch.rand(count, 2, generator=generator) * 2 - 1
    line = torch.arange(SIDE).float()
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    u = columns[None] - center[:, :1, None]
    v = rows[None] - center[:, 1:, None]
    r = radius[:, None, None]
    ring, box, diamond = u.hypot(v), torch.maximum(u.abs(), v.abs()), u.abs() + v.abs()
    inside = [
        (ring - r).abs() < 0.7,
        (box - 0.85 * r).abs() < 0.6,
        (diamond - 1.2 * r).abs() < 0.8,
        (torch.minimum(u.abs(), v.abs()) < 0.7) & (box < r),
        ((u.abs() - v.abs()).abs() < 0.9) & (box < r),
        (v.abs() < 0.7) & (u.abs() < r) | ((u + r).abs() < 0.7) & (v.abs() < r),
        (v.abs() < 0.7) & (u.abs() < r) | ((u - r).abs() < 0.7) & (v.abs() < r),
        ((v - r / 2).abs() < 0.6) & (u.abs() < r)
        | ((v + r / 2).abs() < 0.6) & (u.abs() < r),
    ]
    drawn = torch.stack(inside)[y, torch.arange(count)].float() * 2 - 1
    drawn = drawn + 0.2 * torch.randn(drawn.shape, generator=generator)
    return drawn.unsqueeze(1), y


def whole_or_partial(x, generator):
    """Digits, of which every second has lost a quarter; 1 where whole."""
    y = torch.randint(2, (len(x),), generator=generator)
    corner = torch.randint(4, (len(x),), generator=generator)
    rows, columns = torch.arange(8)[:, None] // 4, torch.arange(8) // 4
    lost = (rows * 2 + columns)[None] == corner[:, None, None]
    return torch.where((lost & (y == 0)[:, None, None])[:, None], 0.0, x), y


def there_or_not(x, generator):
    """Digits, of which every second is replaced by its shuffled pixels; 1 if not."""
    y = torch.randint(2, (len(x),), generator=generator)
    order = torch.rand(len(x), 64, generator=generator).argsort(-1)
    shuffled = x.flatten(1).gather(1, order).view_as(x)
    return torch.where((y == 1)[:, None, None, None], x, shuffled), y
