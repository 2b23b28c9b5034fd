"""Sparsity and faithfulness readings against loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captum_interactions.functional import (
    explained_ratio,
    moebius,
    net_explained_ratio,
    noise_floor,
    or_interactions,
    r_squared,
    salient_interactions,
    terms_for_share,
)
from captum_interactions.functional.sparsity import signed_order_strength


def test_shares_of_many_games_are_those_of_each():
    x = torch.tensor([[6.0, 2.0, -2.0], [0.0, 1.0, 3.0]])
    chosen = torch.tensor([[True, False, False], [True, True, False]])
    for share in (explained_ratio, net_explained_ratio):
        each = [share(row, mask) for row, mask in zip(x, chosen, strict=True)]
        assert torch.equal(share(x, chosen), torch.stack(each))


effects = st.lists(st.integers(-9, 9), min_size=1, max_size=20)


@given(effects, st.data())
def test_ratios(values, data):
    chosen = data.draw(
        st.lists(st.booleans(), min_size=len(values), max_size=len(values))
    )
    kept = sum(abs(v) for v, c in zip(values, chosen, strict=True) if c)
    rest = [v for v, c in zip(values, chosen, strict=True) if not c]
    total = sum(map(abs, values))
    x, mask = torch.tensor(values, dtype=torch.float64), torch.tensor(chosen)
    strict, net = explained_ratio(x, mask).item(), net_explained_ratio(x, mask).item()
    assert strict == pytest.approx(kept / total if total else 1)
    whole = kept + abs(sum(rest))
    assert net == pytest.approx(kept / whole if whole else 1)
    assert net >= strict - 1e-12 or total == 0


@given(effects, st.sampled_from([0.5, 0.9, 0.95]))
def test_terms_for_share_is_the_smallest_count(values, share):
    ranked = sorted((abs(v) for v in values), reverse=True)
    count = 0
    while sum(ranked[:count]) < share * sum(ranked):
        count += 1
    x = torch.tensor(values, dtype=torch.float64)
    assert terms_for_share(x, share).item() == count
    assert terms_for_share(torch.stack([x, -x]), share).tolist() == [count, count]


def test_r_squared():
    v = torch.tensor([[0.0, 1.0, 2.0], [3.0, 3.0, 3.0], [3.0, 3.0, 3.0]])
    fitted = torch.tensor([[0.0, 1.0, 3.0], [3.0, 3.0, 3.0], [3.0, 3.0, 4.0]])
    assert r_squared(v, fitted).tolist() == [0.5, 1.0, -float("inf")]


def test_signed_order_strength(random_table):
    values = random_table(4, 2)
    up, down = signed_order_strength(values)
    for size in range(5):
        codes = [c for c in range(16) if bin(c).count("1") == size]
        part = values[:, codes]
        assert torch.allclose(up[:, size], part.clamp_min(0).sum(-1))
        assert torch.allclose(down[:, size], part.clamp_max(0).sum(-1))


@pytest.mark.parametrize("transform", [moebius, or_interactions])
def test_noise_floor_is_the_standard_deviation_of_noise(transform):
    # Independent unit noise: rows of the transform squared and summed, exactly.
    rows = transform(torch.eye(32, dtype=torch.float64)).mT
    floor = noise_floor(torch.tensor(1.0, dtype=torch.float64), 5)
    expected = rows.square().sum(-1).sqrt()
    assert torch.allclose(expected[1:], floor[1:])


def test_salient_is_above_threshold_and_floor():
    values = torch.tensor([[10.0, 1.0, 0.4, -2.0], [1e-9, -1e-9, 0.0, 0.0]])
    found = salient_interactions(values, 0.05)
    assert found[0].tolist() == [True, True, False, True]
    assert found[1].tolist() == [True, True, False, False]
    floor = torch.tensor([1e-6, 3.0, 1e-6, 1e-6])
    found = salient_interactions(values, 0.05, floor)
    assert found[0].tolist() == [True, False, False, True]
    assert not found[1].any()


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_fractions_lie_inside_zero_and_one(bad):
    with pytest.raises(
        ValueError, match=r"`threshold` must be (inside \(0, 1\)|a number)"
    ):
        salient_interactions(torch.ones(3), bad)
    with pytest.raises(ValueError, match=r"`share` must be (inside \(0, 1\)|a number)"):
        terms_for_share(torch.ones(3), bad)
