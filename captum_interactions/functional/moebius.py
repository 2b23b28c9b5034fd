"""Möbius and zeta transforms of set functions, by an in-place butterfly.

The Möbius coefficient I(S) = Σ_{L⊆S} (−1)^{|S|−|L|} v(L) is the Harsanyi dividend,
which the interaction literature calls the AND interaction of S; the zeta transform
v(T) = Σ_{S⊆T} I(S) takes it back. Both cost n·2^(n−1) additions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from captum_interactions._signature import checked
from captum_interactions.functional.coalitions import accumulation_dtype, n_players

__all__ = ["moebius", "zeta", "superset_moebius", "superset_zeta"]

# Butterflies over the lowest players touch runs of 1, 2, 4, … neighboring values,
# which strided kernels do slowly; the lowest four go through one 16 x 16 product.
_DENSE_PLAYERS = 4


def _butterfly(table: Tensor, sign: int, superset: bool) -> Tensor:
    """Return Σ over subsets (or supersets) of ``table``, with sign ±1 per player."""
    n = n_players(table)
    out = table.clone(memory_format=torch.contiguous_format)
    low = min(n, _DENSE_PLAYERS)
    if low:
        step = torch.tensor([[1, sign], [0, 1]], dtype=out.dtype, device=out.device)
        dense = torch.ones(1, 1, dtype=out.dtype, device=out.device)
        for _ in range(low):
            dense = torch.kron(step.mT if superset else step, dense)
        out = (out.view(-1, 1 << low) @ dense).view(table.shape)
    for player in range(low, n):
        halves = out.view(-1, 2, 1 << player)
        absent, present = halves[:, 0], halves[:, 1]
        (absent if superset else present).add_(
            present if superset else absent, alpha=sign
        )
    return out


class _Butterfly(Function):
    """The butterfly as one differentiable step; its adjoint runs over supersets."""

    generate_vmap_rule = True

    @staticmethod
    def forward(table: Tensor, sign: int, superset: bool) -> Tensor:
        return _butterfly(table, sign, superset)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, int, bool], output: Tensor
    ) -> None:
        _, ctx.sign, ctx.superset = inputs

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, None, None]:
        return _Butterfly.apply(grad[0], ctx.sign, not ctx.superset), None, None


def _transform(table: Tensor, sign: int, superset: bool) -> Tensor:
    accumulated = table.to(accumulation_dtype(table.device))
    if not accumulated.requires_grad:  # spares small tables the price of apply()
        out = _butterfly(accumulated, sign, superset)
    else:
        out = _Butterfly.apply(accumulated, sign, superset)
    return out.to(table.dtype) if table.is_floating_point() else out


@checked
def moebius(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Möbius transform: the AND interactions (Harsanyi dividends) of a game.

    I(S) = Σ_{L⊆S} (−1)^{|S|−|L|} v(L). Sums are accumulated in float64 where the device
    has it, and returned in the dtype of ``table``. Differentiable.

    Args:
        table: v(S) of all coalitions, coalition axis last, ``(*batch, 2**n)``.

    Returns:
        I(S), ``(*batch, 2**n)``, in the units of the value function; I(∅) = v(∅).

    Raises:
        ValueError: If the last axis is not a power of two long.

    References:
        Harsanyi (1963); Ren et al., "Defining and quantifying the emergence of sparse
        concepts in DNNs" (CVPR 2023), Eq. 1.

    Example:
        >>> v = torch.tensor([0.0, 1.0, 2.0, 5.0])  # v(∅), v(0), v(1), v(01)
        >>> moebius(v).tolist()
        [0.0, 1.0, 2.0, 2.0]
    """
    return _transform(table, sign=-1, superset=False)


@checked
def zeta(
    dividends: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Zeta transform, the inverse of :func:`moebius`: v(T) = Σ_{S⊆T} I(S).

    Args:
        dividends: I(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        v(T), ``(*batch, 2**n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> zeta(torch.tensor([0.0, 1.0, 2.0, 2.0])).tolist()
        [0.0, 1.0, 2.0, 5.0]
    """
    return _transform(dividends, sign=1, superset=False)


def superset_moebius(
    table: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Möbius transform over supersets: Σ_{T⊇S} (−1)^{|T|−|S|} v(T).

    Args:
        table: v(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        One value per coalition, ``(*batch, 2**n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> superset_moebius(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
        [2.0, -4.0, -3.0, 5.0]
    """
    return _transform(table, sign=-1, superset=True)


def superset_zeta(
    dividends: Tensor,  # (*batch, 2**n)
) -> Tensor:
    """Zeta transform over supersets: Σ_{T⊇S} I(T), the co-Möbius value of S.

    Args:
        dividends: I(S) of all coalitions, ``(*batch, 2**n)``.

    Returns:
        One value per coalition, ``(*batch, 2**n)``, in the units of the value function.

    Raises:
        ValueError: If the last axis is not a power of two long.

    Example:
        >>> superset_zeta(torch.tensor([0.0, 1.0, 2.0, 2.0])).tolist()
        [5.0, 3.0, 4.0, 2.0]
    """
    return _transform(dividends, sign=1, superset=True)
