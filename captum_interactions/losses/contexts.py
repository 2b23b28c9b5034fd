"""Random groups A and B, contexts S, and the four masked copies of every context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["GroupPlan", "masked_copies"]


@dataclass(frozen=True)
class GroupPlan:
    """One pair of groups, and contexts for every example.

    Attributes:
        kept: Contexts S, ``(contexts, batch, n)`` bool, False on A and B.
        a: Units of A.
        b: Units of B, as many, none of them in A.
    """

    kept: Tensor
    a: Tensor
    b: Tensor

    @classmethod
    def draw(
        cls,
        n: int,
        batch: int,
        n_contexts: int,
        alpha: float,
        drop_rate: tuple[float, float],
        generator: torch.Generator,
    ) -> GroupPlan:
        """Draw groups of ⌊alpha·n⌋ units (at least one) and contexts.

        A context drops every unit with one probability, uniform in ``drop_rate`` and
        shared by the batch.

        Example:
            >>> generator = torch.Generator().manual_seed(0)
            >>> plan = GroupPlan.draw(8, 2, 3, 0.25, (0.0, 0.0), generator)
            >>> plan.a.shape, plan.kept.sum(-1).tolist()
            (torch.Size([2]), [[4, 4], [4, 4], [4, 4]])
        """
        device = generator.device
        size = min(max(1, int(alpha * n)), n // 2 - 1)
        groups = torch.randperm(n, generator=generator, device=device)[: 2 * size]
        low, high = drop_rate
        rates = torch.rand(
            n_contexts, 1, 1, dtype=torch.float32, generator=generator, device=device
        )
        # Sixteen random bits decide on a unit, four units to a word: drawing a float
        # for each would be the largest cost besides the forward passes.
        words = torch.empty(
            n_contexts, batch, -(-n // 4), dtype=torch.int64, device=device
        ).random_(-(2**63), None, generator=generator)
        levels = ((low + (high - low) * rates) * 2**16).round().int() - 2**15
        kept = words.view(torch.int16)[..., :n] >= levels
        kept.index_fill_(-1, groups, False)
        return cls(kept, groups[:size], groups[size:])

    def to(self, device: torch.device) -> GroupPlan:
        """Return the plan on a device."""
        return GroupPlan(self.kept.to(device), self.a.to(device), self.b.to(device))

    def masks(self) -> Tensor:
        """Return S∪A∪B, S∪A, S∪B and S in turn, ``(batch, 4·contexts, n)``."""
        quarters = self.kept.unsqueeze(0).repeat(4, 1, 1, 1)
        quarters[:2, ..., self.a] = True
        quarters[::2, ..., self.b] = True
        return quarters.flatten(0, 1).transpose(0, 1)


def masked_copies(
    features: Tensor,  # (batch, *features)
    baseline: Tensor,  # broadcastable to features
    plan: GroupPlan,
) -> Tensor:  # (4·contexts·batch, *features)
    """Return masked copies of features of which every element is a unit.

    The same rows, in the same order, as masking with :meth:`GroupPlan.masks`; but the
    four copies of a context differ in A and B only, so that building them, and summing
    their gradients, costs little more than copying.

    Example:
        >>> none = torch.zeros(1, 1, 4, dtype=torch.bool)
        >>> plan = GroupPlan(none, torch.tensor([0]), torch.tensor([3]))
        >>> masked_copies(torch.ones(1, 4), torch.zeros(1, 1), plan).int().tolist()
        [[1, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    """
    flat = features.flatten(1)
    absent = baseline.expand_as(features).flatten(1)
    rows = _MaskedCopies.apply(flat, absent, plan.kept, plan.a, plan.b)
    return rows.reshape(-1, *features.shape[1:])


class _MaskedCopies(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, absent: Tensor, kept: Tensor, a: Tensor, b: Tensor
    ) -> Tensor:
        ctx.save_for_backward(kept, a, b)
        rows = features.new_empty(4, *kept.shape)
        bits = _bits(kept, features.dtype)
        present, absent = features.view(bits.dtype), absent.view(bits.dtype)
        bits &= present ^ absent
        bits ^= absent
        rows[:] = bits.view(features.dtype)
        for quarters, group in ((rows[:2], a), (rows[::2], b)):
            present = features[:, group].expand(*quarters.shape[:-1], -1)
            quarters.index_copy_(-1, group, present)
        return rows

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        kept, a, b = ctx.saved_tensors
        total = _Kept.apply(grad.sum(0), kept).sum(0)
        both, only_a, only_b, _ = grad.sum(1)
        total = total.index_add(1, a, (both + only_a)[:, a])
        total = total.index_add(1, b, (both + only_b)[:, b])
        return total, None, None, None, None


class _Kept(torch.autograd.Function):
    """Zero where not kept."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, kept: Tensor) -> Tensor:
        ctx.save_for_backward(kept)
        bits = _bits(kept, values.dtype)
        bits &= values.view(bits.dtype)
        return bits.view(values.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        (kept,) = ctx.saved_tensors
        return _Kept.apply(grad, kept), None


def _bits(kept: Tensor, dtype: torch.dtype) -> Tensor:
    """All bits set where kept, none elsewhere, in words of the size of ``dtype``.

    Choosing by them is exact for any number, infinities and NaN too, and on a CPU an
    order of magnitude faster than ``torch.where``, which branches on random bits.
    """
    words = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[
        dtype.itemsize
    ]
    return kept.to(words).neg_()
