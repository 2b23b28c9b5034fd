"""Trees of known games: traces, AND-OR chains, graphs, budgets."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from captum_interactions import functional as F
from captum_interactions.estimators.agglomeration import agglomerate
from captum_interactions.estimators.forest import grown
from captum_interactions.estimators.tree_contexts import (
    ExactContexts,
    KnownContexts,
    shapley_subsets,
)
from captum_interactions.functional.coalitions import n_players
from tests import reference


def grow(v, edges=None, contexts=None, players=None, **options):
    players = range(n_players(v)) if players is None else players
    edges = tuple(pairwise(players)) if edges is None else edges
    growth = agglomerate(players, edges, contexts or ExactContexts(), **options)
    return grown(growth, lambda codes: v[codes])


def spans(tree):
    return [F.coalition_members(merge.left | merge.right) for merge in tree.merges]


def table_of(game, n):
    return game(*F.all_masks(n).double().unbind(-1))


def test_published_trees():
    v = table_of(lambda a, b, c, d: torch.maximum(a * b, c * d), 4)
    tree = grow(v)
    assert spans(tree) == [(0, 1), (2, 3), (0, 1, 2, 3)]
    assert [m.figures["t"] for m in tree.merges] == pytest.approx([1, 1, 0.5])
    v = table_of(lambda a, b, c, d: 2 * a * b + 6 * b * c * d + a - 3 * c * d, 4)
    tree = grow(v)
    assert spans(tree) == [(1, 2), (0, 1, 2), (0, 1, 2, 3)]
    assert [m.figures["t"] for m in tree.merges] == pytest.approx([1, 1, 0.5])


def and_or(ops, tight):
    """Table of a chain of ones, and the brackets of the operator that binds first."""
    blocks = [[0]]
    for player, joined in enumerate(ops, start=1):
        if joined:
            blocks[-1].append(player)
        else:
            blocks.append([player])
    x = F.all_masks(len(ops) + 1).double()
    inner, outer = (
        (torch.amin, torch.amax) if tight == "and" else (torch.amax, torch.amin)
    )
    v = outer(torch.stack([inner(x[:, block], -1) for block in blocks]), 0)
    brackets = {tuple(b) for b in blocks if 1 < len(b) < len(ops) + 1}
    return v, brackets


def recall(n, tight, **options):
    """Mean part of the brackets that the tree has; 0 for the two without brackets."""
    total = 0.0
    for ops in F.all_masks(n - 1).tolist():
        v, brackets = and_or(ops, tight)
        if brackets:
            found = brackets & set(spans(grow(v, **options)))
            total += len(found) / len(brackets)
    return total / (1 << (n - 1))


@pytest.mark.parametrize(
    ("n", "tight", "published"),
    [
        (7, "and", 0.90625),
        (7, "or", 0.92708),
        (8, "and", 0.92969),
        (8, "or", 0.96224),
        pytest.param(11, "and", 0.96597, marks=pytest.mark.slow),
        pytest.param(11, "or", 0.98970, marks=pytest.mark.slow),
    ],
)
def test_recall_of_the_published_criterion(n, tight, published):
    assert recall(n, tight) >= published - 5e-6


@pytest.mark.parametrize("tight", ["and", "or"])
@pytest.mark.parametrize(
    "n", [7, *(pytest.param(n, marks=pytest.mark.slow) for n in (8, 11))]
)
def test_dependence_finds_every_bracket(n, tight):
    strings = 1 << (n - 1)
    best = (strings - 2) / strings  # two strings have no bracket to be found
    assert recall(n, tight, criterion="dependence", beam=1) == best


def test_figures_of_the_merges_match_the_definition(random_table):
    v = random_table(5)
    game = reference.as_game(v.tolist())
    tree = grow(v)
    groups = [[i] for i in range(5)]
    for merge in tree.merges:
        a = groups.index(list(F.coalition_members(merge.left)))
        b = groups.index(list(F.coalition_members(merge.right)))
        expected = reference.merge_figures(game, groups, a, b)
        got = {name: merge.figures[name] for name in expected}
        assert got == pytest.approx(expected, abs=1e-10)
        groups[a] += groups.pop(b)
    shapley = [reference.shapley_value(game, i, 5) for i in range(5)]
    assert tree.values == pytest.approx(shapley, abs=1e-10)
    assert tree.std_error is None


def test_root_is_v_minus_singles(random_table):
    v = random_table(6)
    for criterion in ("r", "dependence", "b_between", "psi_inter"):
        root = grow(v, criterion=criterion).merges[-1]
        assert root.left | root.right == 63
        expected = v[63] - v[[1, 2, 4, 8, 16, 32]].sum() + 5 * v[0]
        assert root.figures["b"] == pytest.approx(expected.item(), abs=1e-10)
        assert root.figures["phi"] == pytest.approx((v[63] - v[0]).item(), abs=1e-10)


def test_merges_are_the_best_pairs(random_table):
    v = random_table(5)
    for criterion in ("r", "dependence", "b_between", "psi_inter"):
        codes = [1, 2, 4, 8, 16]
        for merge in grow(v, criterion=criterion).merges:
            pairs = [(k, k + 1) for k in range(len(codes) - 1)]
            score = getattr(F.merge_figures(v, codes, pairs), criterion).abs()
            best = int(score.argmax())
            assert (merge.left, merge.right) == (codes[best], codes[best + 1])
            codes[best : best + 2] = [codes[best] | codes[best + 1]]


def test_a_graph_merges_neighbors_only(random_table):
    """Four patches in a square: 0-1, 0-2, 1-3, 2-3, but no diagonals."""
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    v = table_of(lambda a, b, c, d: 5 * a * d + b * d + 0.5 * a * c, 4)
    tree = grow(v, edges=edges)
    assert spans(tree)[0] == (1, 3)
    assert len(tree.merges) == 3
    allowed = {frozenset(edge) for edge in edges}
    groups = [{i} for i in range(4)]
    for merge in tree.merges:
        left, right = (set(F.coalition_members(c)) for c in (merge.left, merge.right))
        assert any({a, b} in allowed for a in left for b in right)
        groups = [g for g in groups if g not in (left, right)] + [left | right]
    assert groups == [{0, 1, 2, 3}]


def test_players_that_take_no_part_stay_absent(random_table):
    v = random_table(5)
    tree = grow(v, players=[0, 2, 3])
    kept = F.codes_to_masks(torch.arange(8), 3).long() @ torch.tensor([1, 4, 8])
    alone = grow(v[kept])
    for ours, theirs in zip(tree.merges, alone.merges, strict=True):
        assert ours.figures == pytest.approx(theirs.figures, abs=1e-12)
    assert tree.players == (0, 2, 3)


def test_ties_do_not_depend_on_the_direction():
    """Mirrored games give mirrored trees where the search resolves the tie."""
    v, brackets = and_or([0, 1, 1, 0, 1, 1, 0, 1, 1, 1], "or")
    assert brackets <= set(spans(grow(v)))


def test_nothing_interacts():
    v = F.all_masks(6).double() @ torch.arange(1.0, 7).double()
    tree = grow(v)
    assert spans(tree) == [tuple(range(k)) for k in range(2, 7)]
    assert {m.figures["r"] for m in tree.merges} == {0.0}
    assert tree.values == pytest.approx([1, 2, 3, 4, 5, 6])


def sampled(v, pairs, seed=0):
    """A tree of known values whose contexts are a sample while they are too many."""
    joins = shapley_subsets(pairs, n_players(v), torch.Generator().manual_seed(seed))
    return grow(v, contexts=KnownContexts(joins), beam=1)


def polynomial_game(n, seed=0):
    """A smooth game with interactions of a few neighbors."""
    generator = torch.Generator().manual_seed(seed)
    x = F.all_masks(n).double()
    singles = torch.randn(n, generator=generator, dtype=torch.float64)
    pairs = torch.randn(n - 1, generator=generator, dtype=torch.float64)
    return x @ singles + (x[:, 1:] * x[:, :-1]) @ (2 * pairs)


def test_sampled_values_have_honest_errors():
    v = polynomial_game(9)
    v = v + torch.sin(3 * v)
    shapley = F.shapley_values(v)
    scores = []
    for seed in range(40):
        tree = sampled(v, 50, seed)
        error = torch.tensor(tree.values) - shapley
        scores.append(error / torch.tensor(tree.std_error))
    rms = torch.stack(scores).square().mean().sqrt()
    assert 0.7 < rms < 1.3


def test_plenty_of_samples_give_the_exact_tree():
    v = polynomial_game(8)
    exact = grow(v)
    tree = sampled(v, 125)
    assert spans(tree) == spans(exact)
    for ours, theirs in zip(tree.merges, exact.merges, strict=True):
        for name, value in theirs.figures.items():
            slack = 4 * (ours.std_error or {}).get(name, 0.0) + 0.02
            assert ours.figures[name] == pytest.approx(value, abs=slack)


@pytest.mark.parametrize(
    ("players", "edges", "message"),
    [
        ([0], [], r"`inputs` must be of at least two players for a tree, got 1"),
        ([0, 1, 2], [(0, 1)], r"connected graph.*got 2 parts \[\(0, 1\), \(2,\)\]"),
        ([0, 1], [(0, 2)], r"pairs of different players among \[0, 1\], got \(0, 2\)"),
        ([0, 1], [(1, 1)], r"pairs of different players"),
    ],
)
def test_bad_graphs(players, edges, message):
    with pytest.raises(ValueError, match=message):
        agglomerate(players, edges, ExactContexts())


def test_bad_criterion():
    with pytest.raises(ValueError, match=r"`criterion` must be one of .*got 'size'"):
        agglomerate([0, 1], [(0, 1)], ExactContexts(), "size")
