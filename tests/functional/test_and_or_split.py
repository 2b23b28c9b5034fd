"""The split against a linear-programming solver and against planted games."""

from __future__ import annotations

import math

import pytest
import torch

from captum_interactions.functional import (
    all_masks,
    and_or_split,
    moebius,
    or_interactions,
    or_reconstruction,
    zeta,
)
from captum_interactions.functional.and_or_problems import KroneckerPower, SplitProblem
from captum_interactions.functional.and_or_split import _or_adjoint
from tests import reference
from tests.planted import linear_program, planted_table, planted_terms

PLANTED = [(6, 6), (8, 8), (10, 10), (12, 12)]


def reconstruct(split):
    return zeta(split.and_values) + or_reconstruction(split.or_values)


def network_table(n, seed):
    """A small random network on the vertices of a cube: a dense game."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x = all_masks(n).double() * normal(n)
    hidden = (x @ normal(n, 16) + normal(16)).relu()
    return (hidden @ normal(16, 8)).tanh() @ normal(8)


def games(n):
    yield planted_table(n, *planted_terms(n, 6, seed=n))
    yield network_table(n, seed=n)
    generator = torch.Generator().manual_seed(n)
    yield torch.randn(1 << n, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7])
def test_objective_is_that_of_a_linear_program(n):
    tables = [network_table(n, n), *games(n)] if n >= 4 else [network_table(n, n)]
    for table in tables:
        best = linear_program(table)
        split = and_or_split(table)
        assert split.gap <= 1e-4
        assert split.objective.item() == pytest.approx(best, rel=1.001e-4)
        # The certificate holds: nothing goes below it, HiGHS's optimum included.
        assert split.lower_bound.item() <= best * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 9])
def test_objective_is_that_of_a_linear_program_on_larger_games(n):
    for table in (planted_table(n, *planted_terms(n, 9, n)), network_table(n, n)):
        found = and_or_split(table).objective.item()
        assert found == pytest.approx(linear_program(table), rel=1.001e-4)


@pytest.mark.parametrize("n", [4, 6])
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_objective_with_noise_term_is_that_of_a_linear_program(n, share):
    for table in games(n):
        bound = share * (table[-1] - table[0]).abs().item()
        split = and_or_split(table, noise_bound=bound)
        best = linear_program(table, bound)
        assert split.objective.item() == pytest.approx(best, rel=1.001e-4)
        assert split.lower_bound.item() <= best * (1 + 1e-9)
        assert split.noise.abs().max() <= bound
        assert (reconstruct(split) - table - split.noise).abs().max() < 1e-10


@pytest.mark.parametrize(("n", "n_terms"), PLANTED)
@pytest.mark.parametrize("seed", [0, 1])
def test_finds_planted_terms_and_no_others(n, n_terms, seed):
    and_terms, or_terms = planted_terms(n, n_terms, seed)
    split = and_or_split(planted_table(n, and_terms, or_terms))
    for found, planted in (
        (split.and_values, and_terms),
        (split.or_values, or_terms),
    ):
        expected = torch.zeros(1 << n, dtype=torch.float64)
        for members, weight in planted.items():
            expected[reference.code(members)] = weight
        largest = max(map(abs, [*and_terms.values(), *or_terms.values()]))
        salient = found.abs() > 0.05 * largest
        assert torch.equal(salient, expected.abs() > 0.05 * largest)
        # Few terms fit exactly: their weights don't depend on the tolerance.
        assert (found - expected).abs().max() < 1e-10 * largest


def test_test_vector_of_one_game_in_both_forms():
    v = torch.tensor([0.0, 1, 2, 5, 0, 1, 4, 10], dtype=torch.float64)
    assert moebius(v).tolist() == [0, 1, 2, 2, 0, 0, 2, 3]
    assert or_interactions(v).tolist() == [0, 6, 9, -5, 5, -3, -5, 3]
    # AND({0}) + 2·AND({1}) + … has l1 norm 10; no split can beat v(N) − v(∅) = 10.
    assert and_or_split(v).objective.item() == pytest.approx(10, rel=1e-4)


@pytest.mark.parametrize("solver", ["admm", "sgd"])
@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("iterations", [1, 7, 60])
def test_reconstruction_is_exact_however_far_it_went(
    random_table, solver, merge, iterations
):
    table = 100 * random_table(7, 3)
    split = and_or_split(table, solver, merge=merge, max_iterations=iterations)
    assert (reconstruct(split) - table).abs().max() < 1e-10
    assert (split.n_iterations == iterations).all()


def test_batch_equals_one_by_one():
    tables = torch.stack(
        [
            planted_table(6, *planted_terms(6, 6, 0)),
            network_table(6, 1),
            torch.full((64,), 3.0, dtype=torch.float64),
            1e6 * network_table(6, 2),
            1e-6 * network_table(6, 3),
            torch.zeros(64, dtype=torch.float64),
        ]
    ).reshape(2, 3, 64)
    together = and_or_split(tables)
    assert together.objective.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            alone = and_or_split(tables[i, j])
            scale = tables[i, j].abs().max() + 1e-300
            for part in ("and_values", "or_values"):
                gap = getattr(alone, part) - getattr(together, part)[i, j]
                assert gap.abs().max() <= 1e-10 * scale
            assert alone.n_iterations == together.n_iterations[i, j]


def test_split_scales_with_the_game_and_ignores_constants():
    table = network_table(5, 0)
    split = and_or_split(table)
    moved = and_or_split(1000 * table + 7)
    assert torch.allclose(moved.or_values, 1000 * split.or_values, atol=1e-6)
    assert moved.and_values[0].item() == pytest.approx(1000 * table[0].item() + 7)


def test_constant_game_has_no_interactions():
    split = and_or_split(torch.full((16,), 2.5))
    assert split.and_values.tolist() == [2.5] + [0.0] * 15
    assert split.or_values.tolist() == [0.0] * 16
    assert split.gap.item() == 0
    assert split.n_iterations.item() <= 10


def test_merging_leaves_no_or_interaction_of_one_player():
    table = network_table(5, 3)
    singles = [1 << i for i in range(5)]
    assert and_or_split(table).or_values[[0, *singles]].abs().max() == 0
    unmerged = and_or_split(table, merge=False)
    assert unmerged.or_values[singles].abs().max() > 0
    assert unmerged.or_values[0] == 0
    assert unmerged.objective.item() == pytest.approx(
        and_or_split(table).objective.item(), rel=1e-4
    )


def test_noise_term_is_per_game_and_recovers_terms_under_noise():
    and_terms, or_terms = planted_terms(6, 6, seed=3)
    clean = planted_table(6, and_terms, or_terms)
    generator = torch.Generator().manual_seed(0)
    noise = 0.2 * (torch.rand(64, generator=generator, dtype=torch.float64) - 0.5)
    bounds = torch.tensor([0.1, 0.0], dtype=torch.float64)
    split = and_or_split(
        (clean + noise).expand(2, -1), noise_bound=bounds, tolerance=1e-4
    )
    assert (split.noise[1] == 0).all()
    assert split.objective[0] < split.objective[1]
    # Without noise term, the noise is explained by interactions; with it, none is.
    values = torch.cat([split.and_values, split.or_values], dim=-1)
    values[:, 0] = 0
    terms = [*and_terms.values(), *or_terms.values()]
    largest = max(map(abs, terms))
    counts = (values.abs() > 0.05 * largest).sum(-1).tolist()
    assert counts[0] == sum(abs(w) > 0.05 * largest for w in terms)
    assert counts[1] > 3 * counts[0]


def test_sgd_follows_the_authors_steps():
    # Three steps by hand: p from 0, momentum 0.9, rates 1e-2·(1, 10^−½, 10^−1).
    table = network_table(3, 0)
    p = torch.zeros(8, dtype=torch.float64, requires_grad=True)
    speed = torch.zeros(8, dtype=torch.float64)
    for step in range(3):
        loss = moebius(table / 2 + p).abs().sum()
        loss = loss + or_interactions(table / 2 - p).abs().sum()
        (slope,) = torch.autograd.grad(loss, p)
        speed = 0.9 * speed + slope
        p = (p - 1e-2 * 10 ** (-step / 2) * speed).detach().requires_grad_()
    expected = moebius(table / 2 + p).detach()
    split = and_or_split(
        table, "sgd", merge=False, max_iterations=3, learning_rate=1e-2
    )
    assert torch.allclose(split.and_values[1:], expected[1:], atol=1e-12)
    assert split.lower_bound.item() == -math.inf


def test_sgd_clamps_its_noise_term_and_stays_above_the_optimum():
    table = planted_table(5, *planted_terms(5, 6, 0))
    split = and_or_split(
        table, "sgd", noise_bound=0.1, max_iterations=300, learning_rate=1e-2
    )
    assert 0 < split.noise.abs().max() <= 0.1
    assert (reconstruct(split) - table - split.noise).abs().max() < 1e-10
    plain = and_or_split(table, "sgd", max_iterations=300, learning_rate=1e-3)
    assert plain.objective > 1.01 * and_or_split(table).objective


def test_or_adjoint_is_the_transpose(random_table):
    x, y = random_table(4), random_table(4)
    assert (or_interactions(x) @ y).item() == pytest.approx((x @ _or_adjoint(y)).item())


@pytest.mark.parametrize("n", [1, 2, 7, 13])
def test_kronecker_power_is_the_dense_one(n, random_table):
    factor = torch.tensor([[1.0, 2.0], [-0.5, 0.3]], dtype=torch.float64)
    x = random_table(n, 2, 3)
    expected = x
    for _ in range(n):  # one player at a time, rotating the axes
        expected = expected.reshape(2, 3, 2, -1)
        expected = torch.einsum("ij,abjk->abki", factor, expected)
    assert torch.allclose(KroneckerPower(factor, n)(x), expected.reshape(2, 3, -1))


def test_projection_is_the_nearest_point(random_table):
    table = random_table(4)
    problem = SplitProblem(table.unsqueeze(0))
    point = random_table(4, 1, 2)
    near = problem.project(point)
    # On the subspace: a chosen, b what is left of the game.
    left = or_interactions(table - zeta(near[0, 0]))
    assert torch.allclose(near[0, 1, 1:], left[1:])
    # Nearest: the way there is normal to every direction inside the subspace.
    assert torch.allclose(problem.project(near), near)
    inside = problem.project(random_table(4, 1, 2)) - near
    assert ((point - near) * inside).sum().item() == pytest.approx(0, abs=1e-9)


def test_leaves_the_random_state_alone_and_needs_no_graph():
    table = network_table(4, 0).requires_grad_()
    state = torch.get_rng_state()
    split = and_or_split(table)
    assert torch.equal(torch.get_rng_state(), state)
    assert not split.and_values.requires_grad


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "adam"}, "`solver` must be one of .*'adam'.*pick one"),
        ({"noise_bound": -0.1}, "`noise_bound` must be finite and at least 0"),
        ({"tolerance": 0.0}, "`tolerance` must be positive, got 0.0"),
        ({"learning_rate": -1.0}, "`learning_rate` must be positive"),
        ({"max_iterations": 0}, "`max_iterations` must be a positive integer, got 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        and_or_split(torch.zeros(4), **options)


def test_bad_tables():
    with pytest.raises(ValueError, match="`table` must be finite, got 1 entries"):
        and_or_split(torch.tensor([0.0, torch.nan, 1.0, 1.0]))
    with pytest.raises(ValueError, match="last axis holds all"):
        and_or_split(torch.zeros(5))
    with pytest.raises(TypeError, match="`table` must be a floating-point tensor"):
        and_or_split(torch.zeros(4, dtype=torch.int64))
    huge = torch.zeros(1).expand(1 << 20)
    with pytest.raises(ValueError, match=r"at most 18 players.*MiB of work space.* s"):
        and_or_split(huge)
    with pytest.raises(ValueError, match=r"dense 2\*\*n x 2\*\*n matrix \(512 MiB\)"):
        and_or_split(torch.zeros(1 << 13), noise_bound=0.1)
