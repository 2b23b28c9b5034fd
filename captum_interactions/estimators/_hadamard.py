"""The Walsh transform as two matrix products."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["walsh_transform"]


def walsh_transform(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Σ_T (−1)^{|S∩T|} table(T), not normalized, as two matrix products.

    Example:
        >>> walsh_transform(torch.tensor([1.0, 2.0, 3.0, 4.0])).tolist()
        [10.0, -2.0, -4.0, 0.0]
    """
    n = table.shape[-1].bit_length() - 1
    low = n // 2
    folded = table.reshape(*table.shape[:-1], 1 << (n - low), 1 << low)
    return (_hadamard(n - low, table) @ folded @ _hadamard(low, table)).flatten(-2)


def _hadamard(n: int, like: Tensor) -> Tensor:
    step = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=like.dtype, device=like.device)
    out = torch.ones(1, 1, dtype=like.dtype, device=like.device)
    for _ in range(n):
        out = torch.kron(step, out)
    return out
