"""Pair detection on the four functions of the Archipelago benchmark."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from captum_interactions import functional as F
from captum_interactions.estimators.corner_pairs import plan_corner_pairs
from tests import reference

Q = 10
P = 4 * Q


def conjunction(x, positive, negative=()):
    holds = (x[:, list(positive)] == 1).all(-1)
    holds &= (x[:, list(negative)] == -1).all(-1) if negative else True
    return torch.where(holds, 1.0, -1.0).double()


def product_sums(x):
    first, second, third = (x[:, k * Q : (k + 1) * Q].sum(-1) for k in range(3))
    return first * first + second * third


FUNCTIONS = {  # function of x in {-1, +1}, and its interacting groups
    "F1": (
        product_sums,
        [range(Q)],
        [(i, j) for i in range(Q, 2 * Q) for j in range(2 * Q, 3 * Q)],
    ),
    "F2": (
        lambda x: conjunction(x, range(2 * Q)) + conjunction(x, range(Q, 3 * Q)),
        [range(2 * Q), range(Q, 3 * Q)],
        [],
    ),
    "F3": (
        lambda x: conjunction(x, [], range(2 * Q)) + conjunction(x, range(Q, 3 * Q)),
        [range(2 * Q), range(Q, 3 * Q)],
        [],
    ),
    "F4": (
        lambda x: conjunction(x, [0, 1], [2]) + conjunction(x, range(Q, 3 * Q)),
        [range(3), range(Q, 3 * Q)],
        [],
    ),
}


def roc_auc(scores, labels):
    """The chance that a positive outranks a negative, ties counting half."""
    positive, negative = scores[labels], scores[~labels]
    gap = positive.unsqueeze(-1) - negative
    return ((gap > 0).double() + (gap == 0).double() / 2).mean().item()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_pairs_are_found_within_the_evaluations_of_archdetect(name):
    function, groups, pairs = FUNCTIONS[name]
    truth = torch.zeros(P, P, dtype=torch.bool)
    for i, j in [pair for group in groups for pair in combinations(group, 2)] + pairs:
        truth[i, j] = True
    plan = plan_corner_pairs(P)
    x = torch.where(plan.masks, 1.0, -1.0).double()
    strength = plan.strength(function(x) + x.sum(-1))
    upper = torch.ones(P, P).triu(1).bool()
    assert roc_auc(strength[upper], truth[upper]) == 1.0
    arch_detect = 2 * (1 + P + P * (P - 1) // 2)
    assert len(plan.masks) <= arch_detect


def test_auc_of_ties_and_of_the_wrong_order_is_low():
    labels = torch.tensor([True, True, False, False])
    assert roc_auc(torch.zeros(4), labels) == 0.5
    assert roc_auc(torch.tensor([0.0, 0, 1, 1]), labels) == 0.0


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_derivatives_match_the_definition(random_table, n):
    v = random_table(n)
    game = reference.as_game(v.tolist())
    plan = plan_corner_pairs(n)
    delta = plan.read(v[F.masks_to_codes(plan.masks)])
    for i, j in combinations(range(n), 2):
        rest = frozenset(range(n)) - {i, j}
        for k, context in enumerate((frozenset(), rest)):
            expected = reference.delta(game, i, j, context)
            assert delta[k, i, j].item() == pytest.approx(expected, abs=1e-12)
            assert delta[k, j, i].item() == pytest.approx(expected, abs=1e-12)
    assert len(plan.masks) == len(plan.masks.unique(dim=0))
    assert len(plan.masks) <= n * n + n + 2


def test_one_player_has_no_pairs():
    with pytest.raises(ValueError, match=r"`n_players` must be at least 2, got 1"):
        plan_corner_pairs(1)
