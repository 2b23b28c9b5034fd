"""The judge of the engine: one coalition per pass, fresh tensors, plain loops."""

from __future__ import annotations

import copy

import torch


def brute_force(
    f, x, baselines=None, target=None, args=(), mask=None, codes=None, n=None
):
    """Return v(S), ``(batch, *outputs, C)`` float64, for one input tensor.

    ``baselines`` is a tensor that broadcasts to the input, ``target`` an int or None.
    """
    base = torch.zeros_like(x) if baselines is None else baselines.expand_as(x)
    mask = torch.arange(x[0].numel()).view(1, *x.shape[1:]) if mask is None else mask
    n = int(mask.max()) + 1 if n is None else n
    values = []
    for code in range(1 << n) if codes is None else codes:
        present = torch.zeros(n, dtype=torch.bool)
        for i in range(n):
            present[i] = bool(code >> i & 1)
        row = torch.where(present[mask].expand_as(x), x, base).clone()
        with torch.no_grad():
            out = f(row, *copy.deepcopy(args))
        if target is not None:
            out = out[:, target]
        values.append(out.double().reshape(out.shape or (1,)).clone())
    return torch.stack(values, -1)
