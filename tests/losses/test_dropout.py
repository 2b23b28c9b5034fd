"""Why dropout lowers interactions: the decompositions behind the interaction loss.

Zhang et al. (ICLR 2021), Eq. 4 to 6 and Appendix D; q is the number of players besides
the pair in an AND term, s the size of a context, r what dropout leaves of it.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions.functional import (
    moebius,
    multi_order_interaction,
    pair_index,
    zeta,
)
from tests import reference

CLOSE = {"rtol": 0, "atol": 1e-12}


@st.composite
def games(draw):
    n = draw(st.integers(3, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    return n, torch.randn(1 << n, generator=generator, dtype=torch.float64)


def contexts(n, size):
    return [frozenset(s) for s in combinations(range(2, n), size)]


def mean_dividends(table, n):
    """J^(q) of the pair {0, 1}: the mean dividend of T ∪ {0, 1} over |T| = q."""
    dividends = moebius(table)
    return [
        torch.stack([dividends[3 + reference.code(t)] for t in contexts(n, q)]).mean()
        for q in range(n - 1)
    ]


@given(games())
def test_residues_of_pairs_are_dividends(case):
    n, table = case
    game, found = reference.as_game(table.tolist()), {}
    for size in range(n - 1):
        for t in contexts(n, size):
            inside = sum(found[s] for s in found if s < t)
            found[t] = reference.delta(game, 0, 1, t) - inside
    dividends = moebius(table)
    for t, residue in found.items():
        assert_close(dividends[3 + reference.code(t)].item(), residue, **CLOSE)


@given(games())
def test_orders_are_binomial_sums_of_mean_dividends(case):
    n, table = case
    orders, means = multi_order_interaction(table)[:, 0, 1], mean_dividends(table, n)
    for s in range(n - 1):
        expected = sum(comb(s, q) * means[q] for q in range(s + 1))
        assert_close(orders[s], expected, **CLOSE)


@given(games(), st.floats(0, 1))
def test_dropout_weighs_large_terms_down(case, keep):
    n, table = case
    game, means = reference.as_game(table.tolist()), mean_dividends(table, n)
    s = n - 2  # the whole context, and what dropout leaves of it
    expected = sum(
        keep ** len(kept)
        * (1 - keep) ** (s - len(kept))
        * reference.delta(game, 0, 1, kept)
        for r in range(s + 1)
        for kept in contexts(n, r)
    )
    closed_form = sum(comb(s, q) * keep**q * means[q] for q in range(s + 1))
    assert_close(closed_form.item(), expected, **CLOSE)
    # By the number of players left: that of the lower order, Eq. 5.
    orders = multi_order_interaction(table)[:, 0, 1]
    by_size = sum(
        comb(s, r) * keep**r * (1 - keep) ** (s - r) * orders[r] for r in range(s + 1)
    )
    assert_close(by_size.item(), expected, **CLOSE)


@given(games())
def test_a_rate_of_one_half_is_banzhafs(case):
    n, table = case
    means = mean_dividends(table, n)
    closed_form = sum(comb(n - 2, q) * 0.5**q * means[q] for q in range(n - 1))
    assert_close(pair_index(table, "BII")[0, 1], closed_form, **CLOSE)


@given(games(), st.floats(0, 1))
def test_terms_of_one_sign_interact_less_under_dropout(case, keep):
    n, table = case
    means = mean_dividends(zeta(table.abs()), n)
    whole = sum(comb(n - 2, q) * means[q] for q in range(n - 1))
    dropped = sum(comb(n - 2, q) * keep**q * means[q] for q in range(n - 1))
    assert 0 <= dropped <= whole + 1e-12


def test_terms_of_both_signs_need_not():
    # v = 1.0·[{0,1}] − 1.0·[{0,1,2}]: the pair cancels in full, not under dropout.
    dividends = torch.zeros(8, dtype=torch.float64)
    dividends[3], dividends[7] = 1.0, -1.0
    means = mean_dividends(zeta(dividends), 3)
    assert sum(means).item() == pytest.approx(0)
    assert (means[0] + 0.5 * means[1]).item() == pytest.approx(0.5)
