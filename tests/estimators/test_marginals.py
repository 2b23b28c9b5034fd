"""Plans of coalitions for marginal contributions."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch.testing import assert_close

from captum_interactions.estimators.marginals import (
    bernoulli_marginals,
    permutation_marginals,
)
from captum_interactions.functional import masks_to_codes
from tests import reference


def read(plan, table):
    """Marginal contributions from a table that all examples share."""
    codes = masks_to_codes(plan.masks)
    values = table[..., codes] if table.dim() == 1 else table.gather(-1, codes)
    return plan.marginals(values)


def contexts(plan):
    """The sets S and S∪{i} of a plan without a batch, as frozensets."""
    members = [frozenset(row.nonzero()[:, 0].tolist()) for row in plan.masks]
    absent = [[members[i] for i in row] for row in plan.absent.tolist()]
    present = [[members[i] for i in row] for row in plan.present.tolist()]
    return absent, present


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_every_player_gets_contexts_of_exactly_m_others(n, generator):
    for order in range(n):
        plan = permutation_marginals(n, order, n_contexts=4, generator=generator)
        draws = 1 if order in (0, n - 1) else 4
        assert plan.masks.shape == (draws * (n + 1), n)
        absent, present = contexts(plan)
        assert len(absent) == draws
        for before, after in zip(absent, present, strict=True):
            for i in range(n):
                assert i not in before[i]
                assert len(before[i]) == order
                assert after[i] == before[i] | {i}


def test_all_permutations_together_give_the_shapley_values_of_an_order(
    monkeypatch, random_table
):
    n, table = 4, random_table(4)
    game = reference.as_game(table.tolist())
    ranks = torch.tensor(list(permutations(range(n))))
    monkeypatch.setattr(
        "captum_interactions.estimators.marginals._uniform", lambda *_: ranks.double()
    )
    for order in range(1, n - 1):
        mean = read(permutation_marginals(n, order, len(ranks)), table).mean(0)
        expected = [reference.multi_order_shapley(game, i, order, n) for i in range(n)]
        assert_close(
            mean, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12
        )


def test_every_example_has_its_own_contexts(generator, random_table):
    plan = permutation_marginals(5, 2, 3, batch=(4,), generator=generator)
    assert plan.masks.shape == (4, 18, 5)
    tables = random_table(5, 4)
    marginals = read(plan, tables)
    assert marginals.shape == (4, 3, 5)
    assert len({tuple(codes.tolist()) for codes in masks_to_codes(plan.masks)}) == 4
    outputs = torch.stack([tables, -2 * tables], dim=1)  # (4, 2, 32)
    codes = masks_to_codes(plan.masks).unsqueeze(1).expand(-1, 2, -1)
    both = plan.marginals(outputs.gather(-1, codes))
    assert_close(both, torch.stack([marginals, -2 * marginals], dim=1))


def test_bernoulli_contexts_are_nested_and_never_contain_the_player(generator):
    plan = bernoulli_marginals(6, [0, 1, 3], 2, n_contexts=50, generator=generator)
    absent, present = contexts(plan)
    sizes = torch.zeros(3)
    for before, after in zip(absent, present, strict=True):
        assert before[0] == frozenset()
        assert before[0] <= before[1] <= before[2]
        for column in range(3):
            assert after[column] == before[column] | {2}
            assert 2 not in before[column]
            sizes[column] += len(before[column])
    assert sizes[1] < sizes[2]


def test_bernoulli_shares(generator):
    plan = bernoulli_marginals(5, [2], 0, n_contexts=4000, generator=generator)
    share = plan.masks[plan.absent[:, 0]].double().mean(0)
    # 2/5 with a standard error of 0.0077.
    assert_close(share[1:], torch.full((4,), 0.4).double(), rtol=0, atol=0.035)
    assert share[0] == 0


def test_seeds_decide_and_the_global_state_stays():
    state = torch.get_rng_state()
    for draw in (
        lambda g: permutation_marginals(6, 3, 4, (2,), g),
        lambda g: bernoulli_marginals(6, [3], 1, 4, (2,), g),
    ):
        first = draw(torch.Generator().manual_seed(1)).masks
        assert torch.equal(first, draw(torch.Generator().manual_seed(1)).masks)
        assert not torch.equal(first, draw(torch.Generator().manual_seed(2)).masks)
    assert torch.equal(torch.get_rng_state(), state)


def test_bad_plans():
    with pytest.raises(ValueError, match=r"`order` must be a context size in 0\.\.2"):
        permutation_marginals(3, 3, 1)
    with pytest.raises(ValueError, match="`n_contexts` must be a positive integer"):
        permutation_marginals(3, 1, 0)
