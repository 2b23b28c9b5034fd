"""InteractionTree: the contract, exact and sampled trees, readings, drawing."""

from __future__ import annotations

import json
import math

import matplotlib
import pytest
import torch
from torch.testing import assert_close

from captum_interactions import InteractionTree
from captum_interactions import functional as F
from captum_interactions.games import TableGame
from captum_interactions.players import neighbor_pairs
from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double, slow_game

matplotlib.use("agg")


class TestInteractionTree(AttributionContract):
    method = InteractionTree

    def test_one_player_gets_everything(self):
        """A tree needs two players: one is refused, before the first forward."""
        with pytest.raises(ValueError, match="at least two players for a tree, got 1"):
            InteractionTree(lambda x: pytest.fail("called")).attribute(
                double(2, 4), feature_mask=torch.zeros(1, 1, dtype=torch.long)
            )


class TestEnoughSamples(TestInteractionTree):
    options = {"n_samples": 64}  # noqa: RUF012


def or_of_ands(x):
    return torch.maximum(x[:, 0] * x[:, 1], x[:, 2] * x[:, 3])


def spans(node):
    return [n.span for n in node if n.children]


def test_nodes_carry_the_figures_of_the_definition():
    x, model = double(1, 4), Mlp()
    game = slow_game(
        model, (x,), (torch.zeros(1, 4).double(),), (torch.arange(4)[None],), 0,
        output=(1,),
    )  # fmt: skip
    result = InteractionTree(model).interactions(x, target=1)
    groups = [[i] for i in range(4)]
    merged = [n for n in result.root() if n.children]
    assert len(merged) == 3
    for codes in result.merges[0].tolist():
        left, right = (list(F.coalition_members(c)) for c in codes)
        node = next(n for n in merged if n.span == tuple(sorted(left + right)))
        a, b = groups.index(left), groups.index(right)
        expected = reference.merge_figures(game, groups, a, b)
        for name in ("phi", "b", "b_between", "psi_inter", "psi_intra"):
            assert getattr(node, name) == pytest.approx(expected[name], abs=1e-9)
        groups[a] += groups.pop(b)
    for leaf in (n for n in result.root() if not n.children):
        value = reference.shapley_value(game, leaf.span[0], 4)
        assert leaf.phi == pytest.approx(value, abs=1e-9)
        assert (leaf.b, leaf.b_between, leaf.r) == (0, 0, 0)


def test_published_tree():
    result = InteractionTree(or_of_ands).interactions(torch.ones(1, 4).double())
    root = result.roots[0]
    assert spans(root) == [(0, 1), (2, 3), (0, 1, 2, 3)]
    assert [n.r for n in root if n.children] == pytest.approx([0.5333333, 0.6, 0])
    assert root.phi == pytest.approx(1)
    assert root.t == pytest.approx(0.5)
    assert result.n_evaluations == 16


class Sentence(torch.nn.Module):
    """A small recurrent scorer of 12 token ids, in float32."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Embedding(50, 8)
        self.lstm = torch.nn.LSTM(8, 8, batch_first=True)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, ids):
        return self.head(self.lstm(self.embed(ids))[0].amax(1))


def tokens(batch, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 50, (batch, length), generator=generator)


def test_twelve_words_take_4096_evaluations_and_repeat():
    ids, method = tokens(3, 12), InteractionTree(Sentence().eval())
    first = method.interactions(ids, target=0)
    again = method.interactions(ids, target=0)
    turned = method.interactions(ids[[2, 0, 1]], target=0)
    assert first.n_evaluations == 4096
    assert torch.equal(first.merges, again.merges)
    assert torch.equal(first.merges[[2, 0, 1]], turned.merges)
    assert_close(first.figures[[2, 0, 1]], turned.figures, atol=1e-4, rtol=0)


def test_sampled_trees_repeat_and_do_not_depend_on_the_batch():
    ids, method = tokens(3, 15, seed=1), InteractionTree(Sentence().eval())
    first = method.interactions(ids, target=0, n_samples=800)
    again = method.interactions(ids, target=0, n_samples=800)
    turned = method.interactions(ids[[2, 0, 1]], target=0, n_samples=800)
    assert 700 < first.n_evaluations <= 800
    assert torch.equal(first.merges, again.merges)
    assert torch.equal(first.merges[[2, 0, 1]], turned.merges)
    root = first.root(1)
    assert root.std_error["b_between"] > 0
    assert all(leaf.std_error["phi"] > 0 for leaf in root if not leaf.children)
    other = method.interactions(
        ids, target=0, n_samples=800, generator=torch.Generator().manual_seed(5)
    )
    assert not torch.equal(first.leaves, other.leaves)


def planted(x):
    """16 players in pairs that strongly cooperate, on a smooth background."""
    pairs = (x[:, ::2] * x[:, 1::2]) @ torch.arange(1.0, 9).double()
    return pairs + (x @ torch.linspace(-1, 1, 16).double()).tanh()


def test_sampled_trees_find_what_is_planted():
    x = torch.ones(1, 16).double()
    result = InteractionTree(planted).interactions(x, n_samples=1500)
    assert {(k, k + 1) for k in range(0, 16, 2)} <= set(spans(result.root()))
    exact = F.shapley_values(planted(F.all_masks(16).double()))
    error = (result.leaves[0] - exact).abs()
    assert bool((error < 5 * result.leaf_errors[0] + 1e-9).all())
    gap = result.shapley_values().sum() - 36
    assert_close(result.efficiency_gap, gap.reshape(1))


def test_trees_of_more_players_than_a_table_holds():
    n = 24
    weights = torch.linspace(2, -3, n // 2).double()

    def model(x):
        return (x[:, ::2] * x[:, 1::2]) @ weights + (0.3 * x.sum(1)).tanh()

    x = torch.ones(1, n).double()
    draws = torch.Generator().manual_seed(0)
    result = InteractionTree(model).interactions(x, n_samples=600, generator=draws)
    assert result.n_evaluations <= 600
    assert {(k, k + 1) for k in range(0, n, 2)} <= set(spans(result.root()))
    # Shapley values: half of each pair, and an equal share of the rest.
    shares = weights.repeat_interleave(2) / 2 + math.tanh(0.3 * n) / n
    error = (result.leaves[0] - shares).abs()
    assert bool((error <= 5 * result.leaf_errors[0] + 1e-6).all())
    assert result.leaf_errors.max() < 0.1


@pytest.mark.slow  # draws of 2^20 values
def test_a_sentence_of_twenty_words_within_2000_rows():
    x = torch.ones(1, 20).double()

    def model(x):
        pairs = (x[:, ::2] * x[:, 1::2]) @ torch.linspace(2, -3, 10).double()
        return pairs + x @ torch.linspace(-1, 1, 20).double()

    draws = torch.Generator().manual_seed(0)
    result = InteractionTree(model).interactions(x, n_samples=2000, generator=draws)
    assert result.n_evaluations <= 2000
    assert {(k, k + 1) for k in range(0, 20, 2)} <= set(spans(result.root()))
    exact = torch.linspace(-1, 1, 20).double()
    exact += torch.linspace(2, -3, 10).double().repeat_interleave(2) / 2
    error = (result.leaves[0] - exact).abs()
    assert bool((error <= 5 * result.leaf_errors[0] + 1e-6).all())
    for node in result.root():
        if len(node.span) == 2 and node.span[0] % 2 == 0:
            pair = 2 - 5 * (node.span[0] // 2) / 9
            slack = 5 * node.std_error["b_between"] + 1e-6
            assert node.b_between == pytest.approx(pair, abs=slack)


@pytest.mark.parametrize("seed", range(3))
def test_posterior_errors_are_honest(seed):
    generator = torch.Generator().manual_seed(seed)
    table = F.all_masks(12).double() @ torch.randn(12, 16, generator=generator).double()
    table = torch.tanh(table / 3) @ torch.randn(16, generator=generator).double()
    found = InteractionTree.read(TableGame(table), n_samples=400, generator=generator)
    scores = (found.leaves[0] - F.shapley_values(table)) / found.leaf_errors[0]
    assert 0.3 < scores.square().mean().sqrt() < 2


def test_sampled_with_several_outputs_shares_the_budget():
    ids, method = tokens(2, 15, seed=2), InteractionTree(Sentence().eval())
    result = method.interactions(ids, n_samples=800)
    assert result.merges.shape == (2, 2, 14, 2)
    assert result.n_evaluations <= 800
    assert len(result.roots) == 2
    assert len(result.roots[0]) == 2


def test_sampled_scalar_per_batch():
    x = torch.ones(2, 15).double()

    def total(x):
        return planted(torch.nn.functional.pad(x, (0, 1))).sum()

    result = InteractionTree(total).interactions(x, n_samples=600)
    assert result.merges.shape == (1, 14, 2)


def test_sentences_of_different_length_in_one_batch():
    """An id that an example lacks is no part of its tree."""
    ids = tokens(2, 6)
    mask = torch.tensor([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 3, 3]])
    model = Sentence().eval()
    for n_samples in (None, 200):
        result = InteractionTree(model).interactions(
            ids, target=0, feature_mask=mask, n_samples=n_samples
        )
        long, short = result.roots
        assert long.span == (0, 1, 2, 3, 4, 5)
        assert short.span == (0, 1, 2, 3)
        assert result.values[1].isnan().tolist() == [False] * 3 + [True] * 2
        assert len(result.top_k()[1]) == 3
        assert result.attributions().shape == ids.shape
    alone = InteractionTree(model).interactions(
        ids[1:], target=0, feature_mask=mask[1:]
    )
    exact = InteractionTree(model).interactions(ids, target=0, feature_mask=mask)
    assert spans(alone.root()) == spans(exact.root(1))


def test_rounding_of_float32_is_no_interaction():
    """float32 values around 100 are off by 1e-5; nothing interacts here."""
    weight = torch.tensor([0.1, 0.2, 0.3, 0.7, 0.9, 1.1])
    result = InteractionTree(lambda x: 100 + x @ weight).interactions(torch.ones(1, 6))
    root = result.root()
    assert {(n.b_between, n.r, n.t) for n in root} == {(0, 0, 0)}
    assert spans(root) == [tuple(range(k)) for k in range(2, 7)]


def test_patches_of_an_image():
    image = torch.ones(1, 1, 6, 6).double()
    mask = (torch.arange(6) // 2)[:, None] * 3 + torch.arange(6) // 2

    def model(x):
        patches = torch.nn.functional.avg_pool2d(x, 2).flatten(1)
        return patches[:, 0] * patches[:, 3] + 2 * patches[:, 5] * patches[:, 8]

    result = InteractionTree(model).interactions(
        image, feature_mask=mask, neighbors=neighbor_pairs(3, 3, diagonal=False)
    )
    assert {(0, 3), (5, 8)} <= set(spans(result.root()))


def result_with_names():
    x = torch.ones(2, 4).double()
    result = InteractionTree(or_of_ands).interactions(x)
    return result.named(["not", "bad", "it's", "good"])


def test_to_dict_is_json():
    tree = json.loads(json.dumps(result_with_names().to_dict()))
    assert tree["names"] == ["not", "bad", "it's", "good"]
    assert tree["children"][0]["span"] == [0, 1]
    assert tree["children"][0]["b_between"] == pytest.approx(2 / 3)
    assert tree["children"][0]["children"][0]["children"] == []


def test_to_newick():
    assert result_with_names().to_newick(1) == (
        "(('not','bad')'+0.6667',('it''s','good')'+0.5')'+0';"
    )


def test_to_networkx():
    networkx = pytest.importorskip("networkx")
    graph = result_with_names().to_networkx()
    assert networkx.is_arborescence(graph)
    assert len(graph) == 7
    assert set(graph.successors((0, 1, 2, 3))) == {(0, 1), (2, 3)}
    assert graph.nodes[(2, 3)]["names"] == ("it's", "good")
    assert graph.nodes[(2, 3)]["b_between"] == pytest.approx(0.5)


def test_top_k_are_the_strongest_merges():
    best = result_with_names().top_k(2)[0]
    assert [(b.names, round(b.value, 4)) for b in best] == [
        (("not", "bad"), 0.6667),
        (("it's", "good"), 0.5),
    ]


def test_plot_writes_the_sentence_below_and_merges_above():
    _, axes = result_with_names().plot_tree(names=["not", "bad", "not", "good"])
    texts = {t.get_text(): t.get_position() for t in axes.texts}
    shown = [t.get_text() for t in axes.texts if t.get_position()[1] < 0]
    assert shown == ["not", "bad", "not", "good"]
    assert texts["+0.667"][1] > texts["good"][1]
    assert len(axes.lines) == 3
    x = [t.get_position()[0] for t in axes.texts if t.get_position()[1] < 0]
    assert x == sorted(x)
    with pytest.raises(ValueError, match="`names` must be at least 4 texts, one"):
        result_with_names().plot_tree(names=["too", "few"])


def test_plot_colors_tell_the_sign():
    x = torch.ones(1, 4).double()
    result = InteractionTree(
        lambda x: x[:, 0] * x[:, 1] - 2 * x[:, 2] * x[:, 3]
    ).interactions(x)
    _, axes = result.plot_tree()
    drawn = {
        tuple(line.get_xdata()): (line.get_color(), line.get_linewidth())
        for line in axes.lines
    }
    # From left to right: the first pair, the root from its middle, the second pair.
    (good, narrow), _, (bad, wide) = (drawn[x] for x in sorted(drawn))
    assert good != bad
    assert wide > narrow


@pytest.mark.parametrize(
    ("n", "options", "error", "message"),
    [
        (15, {}, ValueError, "15 players, and exact enumeration stops at 14"),
        (15, {"n_samples": 30}, ValueError, "`n_samples` must be at least 32 with 15"),
        (21, {"n_samples": 10}, ValueError, "`n_samples` must be at least .* with 21"),
        (70, {"n_samples": 10**6}, ValueError, "at most 62 players for a tree, got 70"),
        (4, {"n_samples": 0}, ValueError, "`n_samples` must be a positive integer"),
        (4, {"criterion": "size"}, ValueError, "`criterion` must be one of"),
        (4, {"neighbors": [(0, 1), (2, 3)]}, ValueError, "connected graph.*2 parts"),
        (4, {"neighbors": [(0, 9)]}, ValueError, "pairs of different players among"),
        (4, {"neighbors": 3}, TypeError, "`neighbors` must be a sequence of"),
        (4, {"neighbors": [1, 2]}, TypeError, "`neighbors` must be a sequence of"),
    ],
)
def test_bad_input_is_refused_before_the_first_forward(n, options, error, message):
    with pytest.raises(error, match=message):
        InteractionTree(lambda x: pytest.fail("called")).interactions(
            double(1, n), **options
        )


def test_an_example_with_one_player():
    mask = torch.tensor([[0, 1, 2], [1, 1, 1]])
    with pytest.raises(ValueError, match="at least two players for a tree, got 1"):
        InteractionTree(lambda x: pytest.fail("called")).interactions(
            double(2, 3), feature_mask=mask
        )
