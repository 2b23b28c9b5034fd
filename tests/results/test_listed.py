"""Listed coalitions of games too large for a table."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch.testing import assert_close

import captum_interactions as ci
from tests import reference

NAMES = [f"p{i}" for i in range(24)]


def planted(x):
    """A few ANDs among 24 players; two outputs."""
    first = 3 * x[:, 0] * x[:, 5] - 2 * x[:, [1, 2, 9]].prod(1) + x[:, 3:6].sum(1)
    return torch.stack([first, x[:, 20] * x[:, 23] - x[:, 0]], 1)


def explained(method, **options):
    x = torch.ones(1, 24).double()
    draws = torch.Generator().manual_seed(0)
    return method(planted).interactions(x, n_samples=900, generator=draws, **options)


@pytest.fixture(scope="module")
def found():
    return explained(ci.AndInteraction).named(NAMES)


def test_the_strongest_coalitions_are_found(found):
    first, second = found.top_k(3)[0]
    assert [one.players for one in first[:2]] == [(0, 5), (1, 2, 9)]
    assert first[0].value == pytest.approx(3, abs=0.05)
    assert second[0].names in (("p0",), ("p20", "p23"))
    assert found.n_evaluations <= 900
    assert "interactions listed; R²" in repr(found)


def test_values_are_and_interactions_with_errors(found):
    truth = {(0, 5): 3.0, (1, 2, 9): -2.0, (3,): 1.0, (4,): 1.0, (5,): 1.0}
    expected = torch.tensor([truth.get(c, 0.0) for c in found.coalitions])
    gap = (found.values[0, 0] - expected).abs()
    assert bool((gap <= 5 * found.std_error[0, 0] + 0.02).all())
    assert set(combinations(range(24), 1)) <= set(found.coalitions)


def test_any_coalition_by_name(found):
    values, errors = found.and_interactions([["p0", "p5"], [], [9, 1, 2], [7, 8]])
    assert_close(
        values[0, 0], torch.tensor([3.0, 0, -2, 0]).double(), atol=0.05, rtol=0
    )
    assert errors.shape == values.shape
    v, _ = found.predict([NAMES, ["p0", "p5"]])
    assert_close(v[0, 0], torch.tensor([4.0, 4]).double(), atol=0.05, rtol=0)
    with pytest.raises(ValueError, match="`player` must be"):
        found.and_interactions([[24]])


def test_sizes_are_chosen(found):
    assert all(len(one.players) == 3 for one in found.top_k(2, 3, 3)[0][0])
    with pytest.raises(ValueError, match="`max_size` must be"):
        found.top_k(2, 9)


def test_it_is_kept(found, tmp_path):
    assert ci.load(found.save(tmp_path / "r")) == found
    table = found.to_dataframe() if _pandas() else None
    assert table is None or {"std_error", "names"} <= set(table.columns)


def _pandas():
    try:
        import pandas  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("max_size", [1, 2, 3])
def test_shapley_taylor_of_many_players(max_size):
    result = explained(ci.ShapleyTaylorInteraction, max_size=max_size)

    def game(coalition):
        x = torch.zeros(1, 24).double()
        x[0, sorted(coalition)] = 1
        return planted(x)[0, 0].item()

    row = dict(zip(result.coalitions, result.values[0, 0].tolist(), strict=True))
    assert max(map(len, row)) == max_size
    assert len(row) == sum(
        1 for s in range(1, max_size + 1) for _ in combinations(range(24), s)
    )
    # Other players add to no derivative: contexts among those that act suffice.
    acting = [0, 1, 2, 3, 4, 5, 9]
    small = {old: new for new, old in enumerate(acting)}
    for coalition in [(0,), (0, 5), (1, 2), (1, 2, 9)]:
        if len(coalition) <= max_size:
            slow = reference.shapley_taylor(
                lambda s: game({acting[i] for i in s}),
                frozenset(small[i] for i in coalition),
                len(acting),
                max_size,
            )
            assert row[coalition] == pytest.approx(slow, abs=0.05)
    total = result.values.sum(-1) - (result.info.v_full - result.info.v_empty)
    assert total.abs().max() < 0.05


def test_too_many_to_list():
    with pytest.raises(ValueError, match="`max_size` must be so small"):
        explained(ci.ShapleyTaylorInteraction, max_size=7)
