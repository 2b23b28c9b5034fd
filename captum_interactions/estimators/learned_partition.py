"""The best contiguous partition by stochastic ascent on boundary probabilities.

Kept for fidelity to the published method: boundary i joins members i and i+1 with
probability p_i = sigmoid(θ_i), and ∂E[F]/∂p_i = E[F | joined] − E[F | split]. Interval
dynamic programming finds the optimum directly and should be preferred.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from captum_interactions._checks import check_positive_int

__all__ = ["LearnedPartition", "learn_partition"]

# A boundary joins only if its probability has moved away from one half: boundaries that
# change nothing receive no gradient, stay there, and are splits.
_UNDECIDED = 1e-6


class LearnedPartition(NamedTuple):
    """A learned partition.

    Attributes:
        value: Σ of the gains of its blocks, ``(*batch,)``: of the partition itself,
            not an expectation over the probabilities.
        labels: Block of each member, ``(*batch, m)`` int64.
        probabilities: That members i and i+1 share a block, ``(*batch, m − 1)``.
    """

    value: Tensor
    labels: Tensor
    probabilities: Tensor


def learn_partition(
    gains: Tensor,  # (*batch, m, m)
    maximize: bool = True,
    n_iterations: int = 200,
    n_partitions: int = 10,
    learning_rate: float = 1.0,
    momentum: float = 0.9,
    tolerance: Tensor | float = 1e-12,
    generator: torch.Generator | None = None,
) -> LearnedPartition:
    """Learn which boundaries between consecutive members to join.

    Each iteration draws partitions and, at every boundary, compares the block across it
    with its two parts while all other boundaries stay as drawn. The authors average F
    over the partitions where the boundary happened to be joined and split, and take 0
    for an empty group, which turns the comparison into a self-reinforcing pull; on
    common random numbers no group is ever empty. Ascent ends in a local optimum; the
    two partitions that bound B_max and B_min by definition, all split and all joined,
    are returned where they are better.

    Args:
        gains: Gain of the block of members i..j at entry (i, j), ``(*batch, m, m)``.
        maximize: Whether the sum is to be as large, or as small, as possible.
        n_iterations: Ascent steps.
        n_partitions: Partitions drawn in each.
        learning_rate: Step size, for gains scaled to at most 1.
        momentum: Momentum of the steps.
        tolerance: Gains up to this size are rounding, in the units of ``gains``; a
            number or a tensor ``(*batch,)``.
        generator: Source of randomness.

    Returns:
        The rounded partition with its probabilities.

    Raises:
        TypeError: If a count is not an integer.
        ValueError: If a count is not positive.

    References:
        Zhang et al., "Interpreting multivariate Shapley interactions in DNNs" (AAAI
        2021), as in the authors' code, but for the empty groups and the two bounds.

    Example:
        >>> gains = torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
        >>> learned = learn_partition(gains, generator=torch.Generator().manual_seed(0))
        >>> learned.value.item(), learned.labels.tolist()
        (2.0, [0, 1, 1])
    """
    check_positive_int("n_iterations", n_iterations, "take a hundred or more")
    check_positive_int("n_partitions", n_partitions, "take ten")
    m = gains.shape[-1]
    lead = gains.shape[:-2]
    slack = torch.as_tensor(tolerance).to(gains)[..., None, None]
    upper = torch.where(gains.abs() > slack, gains, 0).detach().triu()
    upper = upper.reshape(-1, m * m) * (1 if maximize else -1)
    scale = upper.abs().amax(-1, keepdim=True)
    g = upper / torch.where(scale > 0, scale, 1)
    theta = g.new_zeros(len(g), m - 1)
    velocity = torch.zeros_like(theta)
    device = None if generator is None else generator.device
    for _ in range(n_iterations):
        p = theta.sigmoid()
        draws = torch.rand(
            n_partitions,
            1,
            m - 1,
            dtype=torch.float32,
            generator=generator,
            device=device,
        )
        joined = draws.to(p) < p  # (partitions, rows, m − 1)
        slope = _across_boundaries(g.expand(n_partitions, -1, -1), joined).mean(0)
        velocity = momentum * velocity + p * (1 - p) * slope
        theta = theta + learning_rate * velocity
    p = theta.sigmoid()
    learned = p > 0.5 + _UNDECIDED
    joined = _best_of(g, [learned, torch.zeros_like(learned), torch.ones_like(learned)])
    labels, value = _round(gains, joined.view(*lead, m - 1))
    return LearnedPartition(value, labels, p.view(*lead, m - 1))


def _best_of(gains: Tensor, choices: list[Tensor]) -> Tensor:
    """Return, row by row, the first of the boundary patterns with the largest sum."""
    m = choices[0].shape[-1] + 1
    best, most = choices[0], _round(gains.view(-1, m, m), choices[0])[1]
    for joined in choices[1:]:
        total = _round(gains.view(-1, m, m), joined)[1]
        better = total > most + _UNDECIDED
        best = torch.where(better.unsqueeze(-1), joined, best)
        most = torch.where(better, total, most)
    return best


def _runs(joined: Tensor) -> tuple[Tensor, Tensor]:
    """Return first and last member of the run that each member is in."""
    m = joined.shape[-1] + 1
    order = torch.arange(m, device=joined.device).expand(*joined.shape[:-1], m)
    edge = joined.new_ones(*joined.shape[:-1], 1)
    opens = torch.cat([edge, ~joined], dim=-1)
    closes = torch.cat([~joined, edge], dim=-1)
    first = torch.where(opens, order, 0).cummax(-1).values
    last = torch.where(closes, order, m - 1).flip(-1).cummin(-1).values.flip(-1)
    return first, last


def _across_boundaries(gains: Tensor, joined: Tensor) -> Tensor:
    """F(boundary joined) − F(boundary split), all other boundaries as drawn."""
    m = joined.shape[-1] + 1
    first, last = _runs(joined)
    left, right = first[..., :-1], last[..., 1:]
    here = torch.arange(m - 1, device=joined.device)

    def gain(start: Tensor, end: Tensor) -> Tensor:
        return gains.gather(-1, start * m + end)

    whole = gain(left, right)
    return whole - gain(left, here.expand_as(left)) - gain(here + 1 + 0 * left, right)


def _round(gains: Tensor, joined: Tensor) -> tuple[Tensor, Tensor]:
    m = gains.shape[-1]
    first, last = _runs(joined)
    opens = first == torch.arange(m, device=gains.device)
    labels = opens.long().cumsum(-1) - 1
    picked = gains.flatten(-2).gather(-1, first * m + last)
    return labels, torch.where(opens, picked, 0).sum(-1)
