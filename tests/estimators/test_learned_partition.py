"""The learned partition against interval dynamic programming."""

from __future__ import annotations

import pytest
import torch

from captum_interactions import functional as F
from captum_interactions.estimators.learned_partition import (
    _across_boundaries,
    learn_partition,
)
from captum_interactions.functional.coalition_readings import partition_extremes
from captum_interactions.functional.coalitions import n_players
from captum_interactions.functional.multivariate import block_interactions
from captum_interactions.functional.partitions import run_codes
from tests.functional.test_multivariate import OPERATORS, chain_segment


def gains_of(values):
    m = n_players(values)
    return block_interactions(values)[..., run_codes(m)]


@pytest.mark.parametrize("family", OPERATORS)
def test_chains_attain_the_extremes(family):
    """At least 99 % of the chains, maximum and minimum; tied boundaries are splits."""
    generator = torch.Generator().manual_seed(5200)
    by_size: dict[int, list] = {}
    for _ in range(334):
        values, joined = chain_segment(generator, family)
        by_size.setdefault(len(joined), []).append((values, joined))
    attained = split = 0
    for chains in by_size.values():
        values = torch.stack([chain[0] for chain in chains])
        largest, smallest = partition_extremes(values)
        close = 1e-9 * values.abs().amax(-1)
        upper, lower = (
            learn_partition(gains_of(values), m, tolerance=close, generator=generator)
            for m in (True, False)
        )
        hit = (upper.value - largest.value).abs() < 1e-10
        hit &= (lower.value - smallest.value).abs() < 1e-10
        attained += int(hit.sum())
        joins = (upper.labels.diff() == 0).tolist()
        split += sum(row == chain[1] for row, chain in zip(joins, chains, strict=True))
    assert attained >= 0.99 * 334
    assert split >= 0.99 * 334


def test_slope_is_the_exact_difference(random_table):
    gains = random_table(4).view(4, 4)
    boundaries = F.all_masks(3)

    def total(joined):
        labels = [0, *torch.where(joined, 0, 1).cumsum(0).tolist()]
        ends = [
            (labels.index(k), len(labels) - 1 - labels[::-1].index(k))
            for k in range(labels[-1] + 1)
        ]
        return sum(gains[a, b] for a, b in ends)

    slopes = _across_boundaries(gains.view(1, 16).expand(8, -1), boundaries)
    for row, joined in enumerate(boundaries):
        for b in range(3):
            on, off = joined.clone(), joined.clone()
            on[b], off[b] = True, False
            expected = total(on) - total(off)
            torch.testing.assert_close(slopes[row, b], expected)


def test_batch_rows_do_not_disturb_each_other(random_table):
    gains = random_table(4, 3).view(3, 4, 4)
    together = learn_partition(gains, generator=torch.Generator().manual_seed(1))
    alone = learn_partition(gains[1], generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(together.probabilities[1], alone.probabilities)
    assert torch.equal(together.labels[1], alone.labels)
    assert together.probabilities.shape == (3, 3)


def test_a_boundary_without_effect_keeps_its_probability():
    gains = torch.zeros(3, 3, dtype=torch.float64)
    gains[0, 1] = gains[0, 2] = 1.0
    learned = learn_partition(gains, generator=torch.Generator().manual_seed(0))
    assert learned.labels.tolist() == [0, 0, 1]
    assert learned.probabilities[0] > 0.95
    assert learned.probabilities[1] == 0.5


def test_one_member():
    learned = learn_partition(torch.zeros(2, 1, 1))
    assert learned.labels.tolist() == [[0], [0]]
    assert learned.probabilities.shape == (2, 0)


def test_bad_counts():
    with pytest.raises(ValueError, match=r"`n_iterations` must be a positive integer"):
        learn_partition(torch.zeros(2, 2), n_iterations=0)
    with pytest.raises(TypeError, match=r"`n_partitions` must be a positive integer"):
        learn_partition(torch.zeros(2, 2), n_partitions=1.5)
