"""Dense games are said to be dense."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
import torch

from captum_interactions import AndInteraction, AndOrInteraction


def subsets(members):
    members = sorted(members)
    every = (combinations(members, k) for k in range(len(members) + 1))
    return map(frozenset, chain.from_iterable(every))


def table_model(values):
    n = len(values).bit_length() - 1
    weights = 2 ** torch.arange(n)
    return lambda x: values[(x.long() * weights).sum(1)]


def r_squared_by_hand(values, k):
    """v(∅) and the k largest dividends, added up set by set."""
    n = len(values).bit_length() - 1
    v = {s: float(values[sum(1 << i for i in s)]) for s in subsets(range(n))}
    dividends = {
        s: sum((-1) ** (len(s) - len(t)) * v[t] for t in subsets(s)) for s in v if s
    }
    best = sorted(dividends, key=lambda s: -abs(dividends[s]))[:k]
    mean = sum(v.values()) / len(v)
    error = spread = 0.0
    for s, value in v.items():
        fitted = v[frozenset()] + sum(dividends[t] for t in best if t <= s)
        error += (value - fitted) ** 2
        spread += (value - mean) ** 2
    return 1 - error / spread


@pytest.mark.parametrize("k", [1, 4, 10, 30])
def test_r_squared_of_the_strongest(k):
    torch.manual_seed(k)
    values = torch.randn(32, dtype=torch.double) + torch.arange(32) % 3
    result = AndInteraction(table_model(values)).interactions(torch.ones(1, 5))
    expected = r_squared_by_hand(values, k)
    assert result.strongest_r_squared(k).item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="`k`"):
        result.strongest_r_squared(0)


@pytest.mark.parametrize("method", [AndInteraction, AndOrInteraction])
def test_dense_games_are_said_to_be_dense(method):
    torch.manual_seed(0)
    noise = torch.randn(256, dtype=torch.double)
    dense = method(table_model(noise)).interactions(torch.ones(1, 8))
    assert "dense: the 10 strongest coalitions" in repr(dense)
    assert "pairs, Shapley values" in repr(dense)
    assert dense.strongest_r_squared().item() < 0.5

    def sparse(x):
        return 3 * x[:, 0] * x[:, 1] + x[:, 2] * x[:, 5] * x[:, 7] + x[:, 3]

    result = method(sparse).interactions(torch.ones(1, 8).double())
    assert "dense" not in repr(result)
    assert result.strongest_r_squared().item() == pytest.approx(1.0, abs=1e-3)


def test_all_of_both_kinds_give_v_back():
    torch.manual_seed(1)
    values = torch.randn(16, dtype=torch.double)
    result = AndOrInteraction(table_model(values)).interactions(torch.ones(1, 4))
    assert result.strongest_r_squared(30).item() == pytest.approx(1.0, abs=1e-4)
