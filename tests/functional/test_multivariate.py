"""B([A]), T([A]) and their partitions against brute force and published values."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captum_interactions import functional as F
from captum_interactions.functional.coalition_readings import (
    partition_extremes,
    read_coalition,
)
from captum_interactions.functional.coalitions import relabel_players
from captum_interactions.functional.multivariate import coalition_values
from captum_interactions.functional.partitions import (
    MAX_PARTITIONED_PLAYERS,
    check_partitioned,
    partition_blocks,
)
from tests import reference

EXACT = 1e-10


def table_of(game, n):
    return torch.tensor(
        reference.table(lambda s: game(*(float(i in s) for i in range(n))), n),
        dtype=torch.float64,
    )


def any_of(*terms):
    return float(any(terms))


GAMES = {
    "add-multiply": (7, lambda a, b, c, d, e, f, g: a + b * c + d * e + f + g),
    "and-or": (7, lambda a, b, c, d, e, f, g: any_of(a, b * c, d * e, f, g)),
    "power": (6, lambda a, b, c, d, e, f: a**b + c**d + e + f),
    "and": (3, lambda a, b, c: a * b * c),
    "difference": (4, lambda a, b, c, d: a * b - c * d),
    "or3": (3, any_of),
    "or4": (4, any_of),
    "xor": (3, lambda a, b, c: (a + b + c) % 2),
    "mixed": (
        4,
        lambda a, b, c, d: 3 * a * b - 2 * b * c + 4 * a * b * d - a * c * d + d,
    ),
}

VALUES = [  # game, A, B, B_max, B_min, T, Σ φ_A(i)
    ("add-multiply", [1, 2], 1, 1, 0, 1, 0),
    ("add-multiply", [1, 2, 3, 4], 2, 2, 0, 2, 0),
    ("add-multiply", [0, 1], 0, 0, 0, 0, 1.5),
    ("and-or", [1, 2], 7 / 30, 7 / 30, 0, 7 / 30, 0),
    ("and-or", [0, 1, 2], 0, 0.3, 0, 0.3, 0.3),
    ("and-or", [1, 2, 3, 4], 0.25, 0.5, 0, 0.5, 0),
    ("and-or", list(range(7)), -2, 2, -2, 4, 3),
    ("power", [0, 1], 1, 1, 0, 1, -1),
    ("power", [0, 1, 2, 3], 2, 2, 0, 2, -2),
    ("and", [0, 1], 0.5, 0.5, 0, 0.5, 0),
    ("difference", [0, 1, 2, 3], 0, 1, -1, 2, 0),
    ("or3", [0, 1, 2], -2, 0, -2, 2, 3),
    ("or4", [0, 1], -1 / 3, 0, -1 / 3, 1 / 3, 2 / 3),
    ("xor", [0, 1, 2], -2, 0, -2, 2, 3),
    ("mixed", [0, 1, 2], 2.5, 5, -2, 7, 0),
]


@pytest.mark.parametrize("partitions", ["contiguous", "all"])
@pytest.mark.parametrize(
    ("name", "coalition", "b", "b_max", "b_min", "t", "singles"), VALUES
)
def test_ground_truth_values(name, coalition, b, b_max, b_min, t, singles, partitions):
    n, game = GAMES[name]
    v = table_of(game, n)
    reading = read_coalition(v, coalition, partitions)
    components = F.elementary_components(v, coalition)
    got = [
        reading.b,
        reading.largest.value,
        reading.smallest.value,
        reading.significance,
        components[[1 << k for k in range(len(coalition))]].sum(),
    ]
    assert torch.stack(got).tolist() == pytest.approx(
        [b, b_max, b_min, t, singles], abs=EXACT
    )


def test_contiguous_and_all_partitions_can_differ():
    v = table_of(lambda a, b, c: a * c - a * b - b * c, 3)
    runs = read_coalition(v, [0, 1, 2])
    sets = read_coalition(v, [0, 1, 2], "all")
    assert (runs.largest.value, runs.smallest.value) == (0, -1)
    assert (sets.largest.value, sets.significance) == (1, 2)
    assert sets.largest.labels.tolist() == [0, 1, 0]


def test_published_regression_value():
    v = np.random.default_rng(1).normal(size=64)
    v = torch.from_numpy(v - v[0])
    b = F.multivariate_interaction(v, [1, 2, 4])
    assert b.item() == pytest.approx(0.5572134638853785, abs=1e-12)
    assert F.elementary_components(v, [1, 2, 4])[7].item() == pytest.approx(
        0.31160873501254, abs=1e-12
    )


@pytest.mark.parametrize("coalition", [[3], [0, 4], [4, 1, 2], [0, 1, 2, 3, 4]])
def test_closed_forms_match_the_definition(random_table, coalition):
    v = random_table(5)
    game = reference.as_game(v.tolist())
    values = coalition_values(v, coalition)
    members = sorted(coalition)
    for c in range(1 << len(members)):
        block = {members[k] for k in F.coalition_members(c)}
        expected = reference.block_value(game, block, coalition, 5)
        assert values[c].item() == pytest.approx(expected, abs=EXACT)
    assert F.multivariate_interaction(v, coalition).item() == pytest.approx(
        reference.multivariate(game, coalition, 5), abs=EXACT
    )


def test_components_match_the_dividends(random_table):
    v = random_table(6)
    game = reference.as_game(v.tolist())
    members = (1, 2, 4)
    components = F.elementary_components(v, members)
    for c in range(1, 8):
        inside = frozenset(members[k] for k in F.coalition_members(c))
        expected = sum(
            reference.and_interaction(game, inside | outside) / (len(outside) + 1)
            for outside in reference.subsets({0, 3, 5})
        )
        assert components[c].item() == pytest.approx(expected, abs=EXACT)


def test_two_players_give_the_pairwise_index(random_table):
    v = random_table(6, 2)
    index = F.shapley_interaction_index(v)
    for i, j in combinations(range(6), 2):
        torch.testing.assert_close(
            F.multivariate_interaction(v, [j, i]), index[:, i, j], atol=EXACT, rtol=0
        )


@pytest.mark.shapiq
def test_shapiq_agrees_on_pairs_and_top_component(random_table):
    shapiq = pytest.importorskip("shapiq")
    v = random_table(5)

    def game(coalitions):
        return v[F.masks_to_codes(torch.from_numpy(coalitions))].numpy()

    index = shapiq.ExactComputer(game, n_players=5)("SII", order=3)
    for members in [(0, 3), (1, 2), (0, 2, 4), (1, 2, 3)]:
        top = F.elementary_components(v, members)[-1].item()
        assert top == pytest.approx(index[members], abs=1e-8)


@pytest.mark.parametrize(
    ("family", "enumerate_partitions"),
    [("contiguous", reference.run_partitions), ("all", reference.set_partitions)],
)
@pytest.mark.parametrize("coalition", [[2], [1, 3], [0, 1, 4], [0, 1, 2, 3, 4]])
def test_extremes_are_attained_and_best(
    random_table, coalition, family, enumerate_partitions
):
    v = random_table(5)
    game = reference.as_game(v.tolist())
    values = [
        reference.partition_value(game, partition, 5)
        for partition in enumerate_partitions(coalition)
    ]
    reading = read_coalition(v, coalition, family)
    for optimum, expected in (
        (reading.largest, max(values)),
        (reading.smallest, min(values)),
    ):
        assert optimum.value.item() == pytest.approx(expected, abs=EXACT)
        blocks = partition_blocks(optimum.labels, tuple(sorted(coalition)))
        assert sorted(player for block in blocks for player in block) == coalition
        assert F.partition_interaction(v, blocks).item() == pytest.approx(
            expected, abs=EXACT
        )


def test_reading_is_batched_and_differentiable(random_table):
    v = random_table(4, 2, 3)
    for family in ("contiguous", "all"):
        reading = read_coalition(v, [0, 1, 3], family)
        for row in range(2):
            alone = read_coalition(v[row], [0, 1, 3], family)
            torch.testing.assert_close(reading.b[row], alone.b)
            for ours, theirs in zip(reading[1:], alone[1:], strict=True):
                torch.testing.assert_close(ours.value[row], theirs.value)
                assert torch.equal(ours.labels[row], theirs.labels)
    w = random_table(4).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda t: read_coalition(t, [0, 1, 3]).significance, w
    )


def test_float32_and_integer_tables(random_table):
    v = random_table(4)
    assert coalition_values(v.float(), [0, 2]).dtype == torch.float32
    whole = (v * 8).round()
    torch.testing.assert_close(
        F.multivariate_interaction(whole.long(), [0, 1, 2]),
        F.multivariate_interaction(whole, [0, 1, 2]),
    )


def test_ties_are_splits_whatever_the_constant():
    additive = 0.1 * F.all_masks(8).double() @ torch.arange(1.0, 9).double() + 1.0
    for family in ("contiguous", "all"):
        reading = read_coalition(additive, range(8), family)
        assert reading.largest.labels.tolist() == list(range(8))
        assert reading.smallest.labels.tolist() == list(range(8))


tables = st.lists(st.integers(-8, 8), min_size=32, max_size=32).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)
coalitions = st.sets(st.integers(0, 4), min_size=1).map(sorted)


@given(tables, tables, coalitions)
def test_linearity(u, w, coalition):
    total = F.multivariate_interaction(u + w, coalition)
    parts = F.multivariate_interaction(u, coalition) + F.multivariate_interaction(
        w, coalition
    )
    torch.testing.assert_close(total, parts, atol=EXACT, rtol=0)


@given(tables, st.integers(-5, 5), coalitions.filter(lambda a: a[-1] < 4))
def test_dummy_player_adds_nothing(v, worth, coalition):
    half = v[:16] - v[0]  # the premise at S = ∅ forces v(∅) = 0
    v = torch.cat([half, half + worth])
    torch.testing.assert_close(
        F.multivariate_interaction(v, [*coalition, 4]),
        F.multivariate_interaction(v, coalition),
        atol=EXACT,
        rtol=0,
    )


@given(tables, st.sets(st.integers(0, 2)).map(sorted))
def test_symmetric_players_interact_alike(v, coalition):
    v = (v + relabel_players(v, [0, 1, 2, 4, 3])) / 2
    torch.testing.assert_close(
        F.multivariate_interaction(v, [*coalition, 3]),
        F.multivariate_interaction(v, [*coalition, 4]),
        atol=EXACT,
        rtol=0,
    )


@given(tables, coalitions)
def test_bounds_of_the_extremes(v, coalition):
    for family in ("contiguous", "all"):
        reading = read_coalition(v, coalition, family)
        assert reading.largest.value >= max(0, reading.b) - EXACT
        assert reading.smallest.value <= min(0, reading.b) + EXACT
        assert reading.significance >= reading.b.abs() - EXACT


@given(tables)
def test_whole_game_gives_v_minus_singles(v):
    expected = v[31] - v[[1, 2, 4, 8, 16]].sum() + 4 * v[0]
    b = F.multivariate_interaction(v, range(5))
    torch.testing.assert_close(b, expected, atol=EXACT, rtol=0)


OPERATORS = {
    "multiply": {"": "+*"},
    "and-or": {"": "|&"},
    "power": {"": "+*^", "*": "+*", "^": "+"},  # keyed by the operator before
}


def chain(generator, family, n):
    """A chain a0 op a1 op … of 0/1 inputs: its table, and the boundaries it joins."""
    grammar, ops = OPERATORS[family], [""]
    while len(ops) < n:
        choices = grammar.get(ops[-1], grammar[""])
        ops.append(choices[torch.randint(len(choices), (), generator=generator)])
    x = F.all_masks(n).double().unbind(-1)
    terms = [x[0]]
    for op, a in zip(ops[1:], x[1:], strict=True):
        if op in "+|":
            terms.append(a)
        else:
            terms[-1] = terms[-1] ** a if op == "^" else terms[-1] * a
    stacked = torch.stack(terms)
    table = stacked.amax(0) if family == "and-or" else stacked.sum(0)
    return table, [op not in "+|" for op in ops[1:]]


def chain_segment(generator, family):
    """φ_A of a random segment of a random chain, and the boundaries joined in it."""
    n = int(torch.randint(8, 13, (), generator=generator))
    m = int(torch.randint(2, min(n // 2, 6) + 1, (), generator=generator))
    start = int(torch.randint(n - m + 1, (), generator=generator))
    table, joined = chain(generator, family, n)
    values = coalition_values(table, range(start, start + m))
    return values, joined[start : start + m - 1]


@pytest.mark.parametrize(("family", "count"), [(f, 334) for f in OPERATORS])
def test_chains_attain_the_extremes_and_split_ties(family, count):
    generator = torch.Generator().manual_seed(5200)
    for _ in range(count):
        values, joined = chain_segment(generator, family)
        m = len(joined) + 1
        sums = [
            sum(values[F.coalition_code(block)].item() for block in partition)
            for partition in reference.run_partitions(range(m))
        ]
        singles = values[[1 << k for k in range(m)]].sum().item()
        largest, smallest = partition_extremes(values)
        assert largest.value.item() == pytest.approx(max(sums) - singles, abs=EXACT)
        assert smallest.value.item() == pytest.approx(min(sums) - singles, abs=EXACT)
        assert (largest.labels.diff() == 0).tolist() == joined


@pytest.mark.parametrize(
    ("coalition", "error", "message"),
    [
        ([], ValueError, r"`coalition` must be one player or more, got \[\]"),
        ([0, 1, 0], ValueError, r"free of repetitions, got \[0, 1, 0\]; name each"),
        ([1, 3], ValueError, r"made of players 0..2, got \[1, 3\]"),
        ([-1], ValueError, r"made of players 0..2"),
        ([0.5], TypeError, r"`coalition` must be a sequence of integers"),
    ],
)
def test_bad_coalitions(coalition, error, message):
    with pytest.raises(error, match=message):
        F.multivariate_interaction(torch.zeros(8), coalition)


def test_bad_partitions():
    with pytest.raises(ValueError, match=r"`partitions` must be one of .*got 'runs'"):
        read_coalition(torch.zeros(8), [0], "runs")
    with pytest.raises(ValueError, match=r"`partition` must be made of blocks with"):
        F.partition_interaction(torch.zeros(8), [[0], []])
    with pytest.raises(ValueError, match=r"at most 12 players for all partitions"):
        partition_extremes(torch.zeros(1 << 13), "all")


def test_gains_of_single_players_count():
    from captum_interactions.functional.partitions import best_set_partition

    gains = torch.tensor([0.0, 2.0, 3.0, 4.0])  # ∅, {0}, {1}, {0, 1}
    best = best_set_partition(gains)
    assert best.value.item() == 5.0
    assert best.labels[0] != best.labels[1]


def test_the_largest_coalition_whose_partitions_are_all_looked_at():
    check_partitioned(MAX_PARTITIONED_PLAYERS)
    with pytest.raises(ValueError, match="`coalition` must be of at most 12 players"):
        check_partitioned(MAX_PARTITIONED_PLAYERS + 1)
