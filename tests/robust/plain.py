"""Attacks written image by image, from their formulas."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy


def gradient_of(loss, x):
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(loss(leaf), leaf)[0]


def pgd(model, x, label, radius, step, steps, norm="Linf", targeted=False):
    """All states of plain PGD on one image, start included."""
    sign = -1 if targeted else 1
    states, state = [x], x
    for _ in range(steps):
        grad = sign * gradient_of(
            lambda z: cross_entropy(model(z[None]), label[None]), state
        )
        state = moved(x, state, grad, radius, step, norm)
        states.append(state)
    return torch.stack(states)


def moved(x, state, direction, radius, step, norm="Linf"):
    if norm == "Linf":
        delta = state - x + step * direction.sign()
        return x + delta.clamp(-radius, radius)
    delta = state - x + step * direction / direction.norm()
    return x + delta * min(1.0, radius / delta.norm().item())


def momentum(model, x, label, radius, step, steps, mu):
    states, state, velocity = [x], x, torch.zeros_like(x)
    for _ in range(steps):
        grad = gradient_of(lambda z: cross_entropy(model(z[None]), label[None]), state)
        velocity = mu * velocity + grad / grad.abs().sum()
        state = moved(x, state, velocity, radius, step)
        states.append(state)
    return torch.stack(states)


def group_interaction(value, x, state, units, members):
    """v(Ω) − v(Ω∖A) − v(A) + v(∅), one masked input after the other."""
    inside = torch.isin(units, torch.tensor(sorted(members))).expand_as(x)
    return (
        value(state)
        - value(torch.where(inside, x, state))
        - value(torch.where(inside, state, x))
        + value(x)
    )
