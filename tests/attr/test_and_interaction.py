"""AndInteraction: the contract, its own readings, Captum's own figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from captum_interactions import AndInteraction, ShapleyInteraction
from captum_interactions.functional import coalition_members
from captum_interactions.results import AndInteractionResult, ShapleyInteractionResult
from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double, slow_game


class TestAndInteraction(AttributionContract):
    method = AndInteraction


@pytest.fixture
def case():
    x, model = double(2, 4), Mlp()
    result = AndInteraction(model).interactions(x, target=1)
    games = [
        slow_game(
            model, (x,), (torch.zeros(1, 4).double(),), (torch.arange(4)[None],), b,
            output=(1,),
        )
        for b in range(2)
    ]  # fmt: skip
    return result, games


def test_values_are_the_definition(case):
    result, games = case
    assert result.values.shape == (2, 16)
    for example, game in enumerate(games):
        for code in range(16):
            expected = reference.and_interaction(
                game, frozenset(coalition_members(code))
            )
            got = result.values[example, code].item()
            assert got == pytest.approx(expected, abs=1e-9)


def test_pair_indices_are_the_definitions(case):
    result, games = case
    for index, value in [
        ("SII", reference.shapley_interaction),
        ("BII", reference.banzhaf_interaction),
        ("STII", reference.shapley_taylor),
    ]:
        got = result.interaction_index(index)
        assert got.shape == (2, 4, 4)
        for example, game in enumerate(games):
            expected = value(game, frozenset({1, 3}), 4)
            assert got[example, 1, 3].item() == pytest.approx(expected, abs=1e-9)


def test_multi_order_interactions_are_the_definition(case):
    result, games = case
    every = result.multi_order()
    assert every.shape == (2, 3, 4, 4)
    for example, game in enumerate(games):
        for m in range(3):
            contexts = [s for s in reference.subsets({0, 2}) if len(s) == m]
            deltas = [reference.delta(game, 1, 3, s) for s in contexts]
            got = every[example, m, 1, 3].item()
            assert got == pytest.approx(sum(deltas) / len(deltas), abs=1e-9)
    assert torch.equal(result.multi_order([2]), every[:, [2]])


def test_reconstruction_is_exact(case):
    result, games = case
    masks = torch.tensor([[True, False, True, False], [False] * 4, [True] * 4])
    got = result.reconstruct(masks)
    for example, game in enumerate(games):
        for row, value in zip(masks, got[example], strict=True):
            coalition = frozenset(row.nonzero()[:, 0].tolist())
            assert value.item() == pytest.approx(game(coalition), abs=1e-9)


def test_top_k_ranks_by_strength_and_respects_orders(case):
    result, _ = case
    best = result.named(["a", "b", "c", "d"]).top_k(3)
    assert len(best) == 2
    strengths = [abs(i.value) for i in best[0]]
    assert strengths == sorted(strengths, reverse=True)
    expected = result.values[0, 1:].abs().max().item()
    assert strengths[0] == pytest.approx(expected)
    for interaction in result.top_k(100, min_size=2, max_size=3)[1]:
        assert 2 <= len(interaction.players) <= 3
    assert len(result.top_k(100, min_size=2, max_size=3)[1]) == 10
    assert set(best[0][0].names) <= {"a", "b", "c", "d"}


def test_salient_and_sparse_reconstruction():
    x = torch.tensor([[1.0, 2.0, 3.0]]).double()
    result = AndInteraction(lambda x: x[:, 0] * x[:, 1] + 0.01 * x[:, 2]).interactions(
        x
    )
    assert result.salient(0.05).nonzero()[:, 1].tolist() == [3]
    everything = torch.ones(1, 3, dtype=torch.bool)
    assert_close(result.reconstruct(everything, 0.05), torch.tensor([[2.0]]).double())
    strength = result.size_strength()
    assert_close(strength, torch.tensor([[0.0, 0.03, 2.0, 0.0]]).double())


def test_outputs_nest_top_k():
    result = AndInteraction(Mlp()).interactions(double(2, 4))
    best = result.top_k(1)
    assert result.values.shape == (2, 2, 16)
    assert best[1][0][0].value == pytest.approx(
        max(result.values[1, 0, 1:].tolist(), key=abs)
    )
    assert "x (2,) outputs" in repr(result)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.top_k(0), "`k` must be a positive integer, got 0"),
        (lambda r: r.top_k(2, min_size=3, max_size=2), "`min_size, max_size` must"),
        (lambda r: r.salient(1.0), "`threshold` must be inside .0, 1., got 1.0"),
        (lambda r: r.interaction_index("SI"), "`index` must be one of"),
        (lambda r: r.named(["a"]), "`names` must be 4 names"),
        (lambda r: r.to_shapiq(example=5), "`example, output` must be an index into"),
    ],
)
def test_bad_questions_to_a_result(case, call, message):
    with pytest.raises(ValueError, match=message):
        call(case[0])


def test_loading_another_kind_of_result(case, tmp_path):
    case[0].save(tmp_path / "and.npz")
    with pytest.raises(ValueError, match=r"call AndInteractionResult\.load"):
        ShapleyInteractionResult.load(tmp_path / "and.npz")
    assert isinstance(
        AndInteractionResult.load(tmp_path / "and.npz"), AndInteractionResult
    )


@pytest.mark.shapiq
def test_shapiq_agrees(case):
    shapiq = pytest.importorskip("shapiq")
    result, games = case
    table = np.array(reference.table(games[0], 4))

    class Judge(shapiq.Game):
        def value_function(self, coalitions):
            return table[coalitions @ (1 << np.arange(4))]

    judge = shapiq.ExactComputer(n_players=4, game=Judge(n_players=4, normalize=False))
    ours = result.to_shapiq(example=0)
    theirs = judge("Moebius", 4)
    pairs = ShapleyInteraction(Mlp()).interactions(double(2, 4), target=1).to_shapiq()
    sii = judge("SII", 2)
    for coalition in reference.subsets(range(4)):
        members = tuple(sorted(coalition))
        assert ours[members] == pytest.approx(theirs[members], abs=1e-9)
        if 1 <= len(members) <= 2:
            assert pairs[members] == pytest.approx(sii[members], abs=1e-9)
    for index, name in [("STII", "STII"), ("k-SII", "k-SII"), ("BII", "BII")]:
        expected = judge(name, 2)
        got = result.interaction_index(index)[0]
        for i, j in [(0, 1), (2, 3), (1, 3)]:
            assert got[i, j].item() == pytest.approx(expected[(i, j)], abs=1e-9)
        if index != "BII":
            assert got[2, 2].item() == pytest.approx(expected[(2,)], abs=1e-9)
