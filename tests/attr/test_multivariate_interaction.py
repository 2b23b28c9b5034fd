"""MultivariateInteraction: the contract, B([A]) and its partitions."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import MultivariateInteraction
from captum_interactions import functional as F
from captum_interactions.games import ModelGame
from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double, slow_game


class TestMultivariateInteraction(AttributionContract):
    method = MultivariateInteraction


class TestLearned(AttributionContract):
    method = MultivariateInteraction
    options = {"method": "learned"}  # noqa: RUF012


def game_of(model, x, target=0):
    n = x.shape[1]
    zero, ids = torch.zeros(1, n).double(), torch.arange(n)[None]
    return slow_game(model, (x,), (zero,), (ids,), 0, output=(target,))


COALITIONS = [[1], [0, 3], [1, 2, 4], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("partitions", "listed"),
    [("contiguous", reference.run_partitions), ("all", reference.set_partitions)],
)
@pytest.mark.parametrize("coalition", COALITIONS)
@pytest.mark.parametrize("n_samples", [None, 1000])
def test_values_are_the_definition(coalition, partitions, listed, n_samples):
    x, model = double(1, 5), Mlp(5)
    game = game_of(model, x)
    result = MultivariateInteraction(model).interactions(
        x, target=0, coalition=coalition, partitions=partitions, n_samples=n_samples
    )
    every = [reference.partition_value(game, p, 5) for p in listed(coalition)]
    b = reference.multivariate(game, coalition, 5)
    assert result.values.tolist() == pytest.approx([b], abs=1e-9)
    assert result.b_max.tolist() == pytest.approx([max(every)], abs=1e-9)
    assert result.b_min.tolist() == pytest.approx([min(every)], abs=1e-9)
    t = max(every) - min(every)
    assert result.significance.tolist() == pytest.approx([t], abs=1e-9)
    assert result.std_error is None
    for blocks, expected in (
        (result.max_partition(), max(every)),
        (result.min_partition(), min(every)),
    ):
        players = sorted(p for block in blocks for p in block.players)
        assert players == sorted(coalition)
        inside = sum(block.interaction for block in blocks)
        assert inside == pytest.approx(expected, abs=1e-9)
        for block in blocks:
            value = reference.block_value(game, block.players, coalition, 5)
            assert block.value == pytest.approx(value, abs=1e-9)


def test_attributions_share_what_the_coalition_contributes():
    """Owen values: the Shapley values of the game that A's members play."""
    x, model = double(1, 5), Mlp(5)
    game, coalition = game_of(model, x), [0, 2, 3]

    def inner(block):
        players = {coalition[k] for k in block}
        return reference.block_value(game, players, coalition, 5)

    got = MultivariateInteraction(model).attribute(x, target=0, coalition=coalition)
    expected = torch.zeros(1, 5).double()
    for k, player in enumerate(coalition):
        expected[0, player] = reference.shapley_value(inner, k, 3)
    assert_close(got, expected, rtol=0, atol=1e-9)


def test_two_players_are_the_pairwise_index():
    x, model = double(3, 5), Mlp(5)
    index = F.shapley_interaction_index(ModelGame(model, x).table())
    result = MultivariateInteraction(model).interactions(x, coalition=[1, 3])
    assert_close(result.values, index[..., 1, 3], rtol=0, atol=1e-10)


def test_players_by_name_and_index():
    x, mask = double(1, 4), torch.tensor([[7, 7, 9, 30]])
    method = MultivariateInteraction(Mlp())
    by_name = method.interactions(x, feature_mask=mask, coalition=["30", "7"])
    by_index = method.interactions(x, feature_mask=mask, coalition=[0, 2])
    assert by_name.coalition == (0, 2)
    assert_close(by_name.values, by_index.values)


class Wide(torch.nn.Module):
    """A smooth function of 14 players."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", double(14, 6, seed=5))

    def forward(self, x):
        return (x @ self.weight).tanh().pow(2).sum(1)


def test_sampled_values_converge_within_their_errors():
    x, model, coalition = double(1, 14, seed=6), Wide(), [4, 5, 6, 7]
    method = MultivariateInteraction(model)
    exact = method.interactions(x, coalition=coalition)
    scores = []
    for seed in range(25):
        result = method.interactions(
            x,
            coalition=coalition,
            n_samples=600,
            generator=torch.Generator().manual_seed(seed),
        )
        assert result.n_evaluations <= 600
        error = result.values - exact.values
        scores.append(error / result.std_error["values"])
        assert (
            abs(result.significance - exact.significance)
            < 5 * (result.std_error["significance"])
        )
    scores = torch.cat(scores)
    assert scores.mean().abs() < 3 / 5
    assert 0.5 < scores.square().mean().sqrt() < 1.4


def test_owen_values_of_sampled_contexts_converge():
    x, model, coalition = double(1, 14, seed=6), Wide(), [4, 5, 6, 7]
    method = MultivariateInteraction(model)
    exact = method.attribute(x, coalition=coalition)
    got = torch.stack(
        [
            method.attribute(
                x,
                coalition=coalition,
                n_samples=600,
                generator=torch.Generator().manual_seed(seed),
            )
            for seed in range(25)
        ]
    )
    error = got.mean(0) - exact
    assert bool((error.abs() <= 4 * got.std(0) / 5 + 1e-12).all())


def test_samples_do_not_depend_on_the_batch():
    x, model = double(3, 14, seed=2), Wide()
    method = MultivariateInteraction(model)

    def call(rows):
        return method.interactions(
            x[rows],
            coalition=[0, 1, 2],
            n_samples=200,
            perturbations_per_eval=1,
            generator=torch.Generator().manual_seed(0),
        )

    whole, turned = call([0, 1, 2]), call([2, 0, 1])
    assert_close(whole.values[[2, 0, 1]], turned.values, rtol=0, atol=1e-12)
    assert torch.equal(whole.labels[[2, 0, 1]], turned.labels)


def test_a_whole_sentence_needs_one_context():
    """30 players: 2**30 coalitions are out of reach, 466 give B and T exactly."""
    x = torch.ones(1, 30).double()

    def model(x):
        return (x[:, 1:] * x[:, :-1]).sum(1) - 2 * x[:, 4] * x[:, 5] * x[:, 6]

    result = MultivariateInteraction(model).interactions(x, n_samples=600)
    assert result.values.item() == pytest.approx(27)
    assert result.b_min.item() == pytest.approx(0)
    assert result.b_max.item() == pytest.approx(28)
    assert result.std_error.keys() == {"shapley_values"}  # orders are sampled still
    assert result.n_evaluations <= 600
    assert result.efficiency_gap.abs().max() < 1e-9


def test_learned_partition_finds_the_blocks():
    x = torch.ones(1, 5).double()

    def model(x):
        return x[:, 0] * x[:, 1] - x[:, 2] * x[:, 3] + x[:, 4]

    result = MultivariateInteraction(model).interactions(
        x, method="learned", generator=torch.Generator().manual_seed(0)
    )
    assert [b.players for b in result.max_partition()] == [(0, 1), (2,), (3,), (4,)]
    assert [b.players for b in result.min_partition()] == [(0,), (1,), (2, 3), (4,)]
    assert result.probabilities.shape == (1, 2, 4)
    assert (result.b_max, result.b_min) == (1, -1)


def test_top_k_lists_blocks_of_both_partitions():
    x = torch.ones(1, 5).double()

    def model(x):
        return x[:, 0] * x[:, 1] - 3 * x[:, 2] * x[:, 3] + x[:, 4]

    result = MultivariateInteraction(model).interactions(x)
    best = result.named(list("abcde")).top_k()[0]
    assert [(b.names, b.value) for b in best] == [(("c", "d"), -3), (("a", "b"), 1)]
    assert len(result.top_k(1)[0]) == 1
    assert "[0 1] +1 (inside +1)" in repr(result.max_partition())


def test_sampled_file_and_back(tmp_path):
    x = double(2, 14)
    result = MultivariateInteraction(Wide()).interactions(
        x, coalition=[1, 2, 3], n_samples=100
    )
    result.save(tmp_path / "b.npz")
    loaded = type(result).load(tmp_path / "b.npz")
    assert loaded.coalition == (1, 2, 3)
    for name, error in result.std_error.items():
        assert torch.equal(error, loaded.std_error[name])
    assert loaded.max_partition(1) == result.max_partition(1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"coalition": []}, ValueError, "`coalition` must be one player or more"),
        ({"coalition": [1, 1]}, ValueError, "free of repetitions"),
        ({"coalition": [0, 4]}, ValueError, r"made of players 0\.\.3, got \[0, 4\]"),
        ({"coalition": ["x"]}, ValueError, "one of the names .*got 'x'"),
        ({"coalition": "0"}, TypeError, "`coalition` must be a sequence of integers"),
        ({"coalition": 2}, TypeError, "`coalition` must be a sequence of integers"),
        ({"partitions": "some"}, ValueError, "`partitions` must be one of"),
        ({"method": "guess"}, ValueError, "`method` must be one of"),
        ({"method": "exact", "n_samples": 9}, ValueError, "`n_samples` must be None"),
        ({"method": "sampled"}, ValueError, "`n_samples` must be a budget"),
        ({"n_samples": 5}, ValueError, "`n_samples` must be at least 15"),
        ({"n_samples": 0}, ValueError, "`n_samples` must be a positive integer"),
        (
            {"method": "learned", "partitions": "all"},
            ValueError,
            "`partitions` must be 'contiguous' for learned",
        ),
    ],
)
def test_bad_input_is_refused_before_the_first_forward(options, error, message):
    def never(x):
        pytest.fail("called")

    with pytest.raises(error, match=message):
        MultivariateInteraction(never).interactions(double(1, 4), **options)


def test_all_partitions_past_the_cap():
    with pytest.raises(ValueError, match="at most 12 players for all partitions"):
        MultivariateInteraction(lambda x: x.sum(1)).interactions(
            double(1, 13), partitions="all"
        )


def test_rounding_of_float32_is_a_tie():
    """1 + 0.1·x leaves float32 noise of 1e-7; boundaries stay splits."""
    x = torch.ones(1, 6)
    weight = torch.tensor([0.1, 0.2, 0.3, 0.7, 0.9, 1.1])
    result = MultivariateInteraction(lambda x: 100 + x @ weight).interactions(x)
    assert result.values.abs().item() < 1e-4
    for name in ("max_partition", "min_partition"):
        assert [b.players for b in getattr(result, name)()] == [(i,) for i in range(6)]


def test_contiguous_runs_skip_players_outside():
    """Members 0, 2 and 4 are consecutive in A, although not among all players."""
    x = torch.ones(1, 5).double()
    result = MultivariateInteraction(lambda x: x[:, 0] * x[:, 2]).interactions(
        x, coalition=[4, 2, 0]
    )
    assert [b.players for b in result.max_partition()] == [(0, 2), (4,)]
    assert list(pairwise(result.coalition)) == [(0, 2), (2, 4)]


def test_a_budget_of_all_coalitions_is_exact():
    x = torch.ones(1, 4).double()
    f = lambda z: z.prod(1) + 2 * z[:, 0] * z[:, 3] - 3 * z[:, 3] + z[:, 1]  # noqa: E731
    method = MultivariateInteraction(f)
    exact = method.interactions(x)
    for n_samples in (16, 17, 10**6, 2**40):
        result = method.interactions(x, n_samples=n_samples)
        assert result.std_error is None
        assert result.n_evaluations == 16
        assert_close(result.shapley_values(), exact.shapley_values())
        assert_close(result.significance, exact.significance)


def test_sampled_shares_have_honest_errors():
    x, model = double(1, 14, seed=6), Wide()
    method = MultivariateInteraction(model)
    cases = [([4, 5, 6, 7], 600), (None, 150), (None, 1000), ([2, 3, 9], 300)]
    for coalition, budget in cases:
        exact = method.interactions(x, coalition=coalition)
        members = list(exact.coalition)
        scores = []
        for seed in range(25):
            result = method.interactions(
                x,
                coalition=coalition,
                n_samples=budget,
                generator=torch.Generator().manual_seed(seed),
            )
            assert result.n_evaluations <= budget
            error = result.shapley_values() - exact.shapley_values()
            scores.append((error / result.std_error["shapley_values"])[:, members])
        spread = torch.cat(scores).square().mean().sqrt()
        assert 0.3 < spread < 1.7, (coalition, budget)


def test_a_large_budget_is_quick_to_plan():
    from captum_interactions.estimators.coalition import plan_coalition

    plan = plan_coalition(64, range(64), 2**40, generator=torch.Generator())
    assert len(plan.masks) < 4096 * 64
