"""How a method that is linear in v shares out a single AND interaction.

A method linear in v attributes Σ_S I(S)·t(u_S), where t(u_S) is what it gives the
unanimity game u_S(T) = [S ⊆ T]. Running it on u_S therefore shows where the effect of S
goes: a fair method keeps all of it inside S, in equal shares.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, NamedTuple

import torch
from captum.attr import PerturbationAttribution
from torch import Tensor

from captum_interactions.comparison.failures import (
    listed,
    missing_arguments,
    reason,
)
from captum_interactions.functional import coalition_members

__all__ = ["Allocation", "allocate", "allocation_of", "summarize"]

_ALLOCATED = 10  # strongest AND interactions that are looked at
# Arguments of a method that mean the same on a bare mask.
_STILL_MEANT = ("n_samples", "perturbations_per_eval", "show_progress")


class Allocation(NamedTuple):
    """Where the effect of AND interactions goes, weighted by |I(S)|.

    Attributes:
        inside: Σ_{i∈S} of the share; 1 gives the effect out once.
        leak: Σ_{i∉S} |share|; 0 keeps it inside.
        unevenness: max_{i∈S} |share − 1/|S||; 0 shares it equally.
    """

    inside: float
    leak: float
    unevenness: float


def allocation_of(
    method: Any,
    dividends: Tensor,  # (batch, 2**n)
    options: Mapping[str, Any],
) -> tuple[Allocation | None, str | None]:
    """Allocation of the strongest interactions of two or more players.

    Args:
        method: Captum attribution.
        dividends: AND interactions of every example.
        options: Further arguments of its ``attribute``; of these the number of samples
            and of perturbations per pass still mean something on a single interaction.

    Returns:
        The allocation, or ``None`` and why a perturbation method has none. Gradient
        methods are not functions of v(S): they have none, and need no reason.
    """
    if not isinstance(method, PerturbationAttribution):
        return None, None
    n = dividends.shape[-1].bit_length() - 1
    strength = dividends.abs().sum(0)
    strength[[0, *(1 << i for i in range(n))]] = 0.0
    best = strength.topk(min(_ALLOCATED, len(strength)))
    kept = [(float(s), int(c)) for s, c in zip(*best, strict=True) if s > 0]
    if not kept:
        return None, "no allocation: the model has no interactions of two or more"
    coalitions = [coalition_members(code) for _, code in kept]
    usable = {k: v for k, v in options.items() if k in _STILL_MEANT}
    missing = missing_arguments(signature(method.attribute).parameters, usable)
    if missing:
        return None, f"no allocation: a bare mask has no {listed(missing)}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = allocate(method, coalitions, n, usable)
    except Exception as error:
        # Methods that need more than a mask (a window, a layer) raise what they like.
        return None, f"no allocation, it does not run on masks alone: {reason(error)}"
    return summarize(shares, coalitions, torch.tensor([s for s, _ in kept])), None


def allocate(
    method: Any,
    coalitions: Sequence[tuple[int, ...]],
    n: int,
    options: Mapping[str, Any],
) -> Tensor:
    """Run a perturbation method on unanimity games.

    Args:
        method: Captum attribution that only calls its forward function.
        coalitions: The coalitions S.
        n: Number of players.
        options: Further arguments of its ``attribute``.

    Returns:
        Shares of every player, ``(coalitions, n)``; 1 is the whole effect.
    """
    shares = []
    for members in coalitions:
        index = list(members)
        probe = copy.copy(method)
        probe.forward_func = lambda z, index=index: z[:, index].prod(1)
        found = probe.attribute(torch.ones(1, n, dtype=torch.float64), **options)
        shares.append(found.double().reshape(n))
    return torch.stack(shares)


def summarize(
    shares: Tensor,  # (K, n)
    coalitions: Sequence[tuple[int, ...]],
    strengths: Tensor,  # (K,)
) -> Allocation:
    """Average inside share, leak and unevenness, weighted by |I(S)|."""
    weights = strengths.double().abs() / strengths.double().abs().sum()
    member = torch.zeros(shares.shape, dtype=torch.bool)
    for row, members in zip(member, coalitions, strict=True):
        row[list(members)] = True
    size = member.sum(1, keepdim=True)
    inside = (shares * member).sum(1)
    leak = (shares.abs() * ~member).sum(1)
    uneven = ((shares - 1 / size).abs() * member).amax(1)
    return Allocation(*(float(weights @ x.double()) for x in (inside, leak, uneven)))
