"""The split against a linear-programming solver and against planted games."""

from __future__ import annotations

import math

import pytest
import torch

from captum_interactions.functional import (
    all_masks,
    and_or_split,
    coalition_sizes,
    moebius,
    or_interactions,
    or_reconstruction,
    zeta,
)
from captum_interactions.functional._and_or import halpern
from captum_interactions.functional._and_or.certificate import dual_point, excess
from captum_interactions.functional._and_or.scaling import (
    Scaling,
    kronecker_blocks,
    kronecker_product,
)
from captum_interactions.functional._and_or.sgd import or_adjoint
from captum_interactions.functional._and_or.state import check, first_state, repair
from captum_interactions.functional._and_or.sweep import Sweep
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


@pytest.mark.parametrize("n", [5, 7])
def test_single_precision_between_checks_leaves_the_certificate_true(n, monkeypatch):
    monkeypatch.setattr(halpern, "_FLOAT32_PLAYERS", 1)
    for table in games(n):
        best = linear_program(table)
        for tolerance in (1e-4, 1e-8):
            split = and_or_split(table, tolerance=tolerance)
            assert split.gap <= tolerance
            assert split.objective.item() >= best * (1 - 1e-9)
            assert split.lower_bound.item() <= best * (1 + 1e-9)


@pytest.mark.parametrize("n", [8, 10])
def test_small_gaps_are_reached(n):
    split = and_or_split(network_table(n, n), tolerance=1e-6)
    assert split.gap <= 1e-6
    loose = and_or_split(network_table(n, n), tolerance=1e-3)
    assert loose.gap > 1e-6  # so that the tolerance is what did it
    assert loose.lower_bound <= split.objective


@pytest.mark.parametrize("n", [1, 3, 6])
@pytest.mark.parametrize("bound", [0.0, 0.1])
def test_weighted_objective_is_that_of_a_linear_program(n, bound):
    generator = torch.Generator().manual_seed(n)
    weights = 0.5 + torch.rand(2, 1 << n, generator=generator, dtype=torch.float64)
    table = network_table(n, 2)
    best = linear_program(table, bound, weights)
    # Another unit of the weights is another unit of the objective.
    for unit in (1.0, 1e-3):
        split = and_or_split(table, weights=unit * weights, noise_bound=bound)
        assert split.objective.item() == pytest.approx(
            unit * best, rel=1.001e-4, abs=unit * 1e-12
        )
        assert split.lower_bound.item() <= unit * (best * (1 + 1e-9) + 1e-15)
        assert (reconstruct(split) - table - split.noise).abs().max() < 1e-10


def test_weights_differ_between_games_and_default_to_one():
    tables = torch.stack([network_table(5, 0), network_table(5, 0)])
    weights = torch.ones(2, 1, 32, dtype=torch.float64)
    weights[1, 0, coalition_sizes(5) > 2] = 100.0
    split = and_or_split(tables, weights=weights)
    plain = and_or_split(tables)
    assert torch.equal(split.and_values[0], plain.and_values[0])
    large = coalition_sizes(5) > 2
    assert (
        split.and_values[1, large].abs().sum() + split.or_values[1, large].abs().sum()
        < plain.and_values[1, large].abs().sum() + plain.or_values[1, large].abs().sum()
    )


def test_repair_brings_a_true_bound_nearer():
    table = network_table(7, 0)
    best = linear_program(table)
    state = first_state(table.unsqueeze(0) - table[0], torch.ones(1, 2, 128).double())
    state.costs[..., 0] = 0
    # A multiplier that is optimal up to an error, from a short run's point.
    for _ in range(300):
        found = check(state, 1e-12)
        state.point = found.near + found.inner
    noise = torch.randn(1, 2, 128, generator=torch.Generator().manual_seed(0)).double()
    w = found.inner / state.step + 0.01 * (noise - state.scaling.project(noise))
    w = dual_point(w)
    value = (w[:, 1] * state.offset).sum(-1)
    divided = (value / excess(w, state.costs)).item()
    repaired = repair(state, w, torch.tensor([torch.inf]).double()).item()
    assert divided < repaired <= best * (1 + 1e-9)
    assert best - repaired < 0.7 * (best - divided)


def test_progress_rises_to_one():
    tables = torch.stack([network_table(6, seed) for seed in range(3)])
    some = torch.tensor([0.1, 0.0, 0.1])
    for options in (
        {},
        {"noise_bound": 0.1},
        {"noise_bound": some},  # those with noise come after those without
        {"solver": "sgd", "max_iterations": 500},
    ):
        shares = []
        and_or_split(tables, on_progress=shares.append, **options)
        assert len(shares) > 4, options
        assert shares == sorted(shares)
        assert 0 <= shares[0] < 0.9
        assert shares[-1] == pytest.approx(1)


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


@pytest.mark.parametrize("noise_bound", [0.0, 0.1])
def test_constant_game_has_no_interactions(noise_bound):
    split = and_or_split(torch.full((16,), 2.5), noise_bound=noise_bound)
    assert split.and_values.tolist() == [2.5] + [0.0] * 15
    assert split.or_values.tolist() == [0.0] * 16
    assert split.gap.item() == 0
    assert split.n_iterations.item() <= 25  # the first check


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


def testor_adjoint_is_the_transpose(random_table):
    x, y = random_table(4), random_table(4)
    assert (or_interactions(x) @ y).item() == pytest.approx((x @ or_adjoint(y)).item())


@pytest.mark.parametrize("n", [1, 2, 7, 13])
def test_kronecker_product_is_the_dense_one(n, random_table):
    factor = torch.tensor([[1.0, 2.0], [-0.5, 0.3]], dtype=torch.float64)
    x = random_table(n, 2, 3)
    expected = x
    for _ in range(n):  # one player at a time, rotating the axes
        expected = expected.reshape(2, 3, 2, -1)
        expected = torch.einsum("ij,abjk->abki", factor, expected)
    blocks = kronecker_blocks(factor.expand(1, n, 2, 2))
    found = kronecker_product(blocks, x.flatten(0, 1)).view(x.shape)
    assert torch.allclose(found, expected.reshape(2, 3, -1))


def random_scaling(n, games, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return Scaling.of(normal(games, 2), normal(games, 2, n))


@pytest.mark.parametrize("n", [1, 4, 6])
def test_projection_is_the_nearest_point_of_the_scaled_subspace(n, random_table):
    scaling = random_scaling(n, 3)
    point = random_table(n, 3, 2)
    near = scaling.project(point)
    # On the subspace: a chosen, b = P a what is taken from the OR part.
    a, b = (near / scaling.sizes).unbind(1)
    assert torch.allclose(b[:, 1:], or_interactions(-zeta(a))[:, 1:])
    # Nearest: the way there is normal to every direction inside the subspace.
    assert torch.allclose(scaling.project(near), near)
    inside = scaling.project(random_table(n, 3, 2))
    across = ((point - near) * inside).sum((-2, -1))
    assert across.abs().max() < 1e-9 * point.abs().max() * inside.abs().max()


def test_scaling_fits_sizes_that_are_products_of_its_factors():
    scaling = random_scaling(5, 2)
    fitted = Scaling.fitted(3 / scaling.sizes)
    assert torch.allclose(fitted.sizes, scaling.sizes / 3)
    chosen = torch.tensor([False, True])
    mixed = fitted.where(chosen, scaling)
    assert torch.equal(mixed.sizes[1], fitted.sizes[1])
    assert torch.equal(mixed.keep(chosen).sizes, fitted.keep(chosen).sizes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 9])
def test_sweep_is_the_iteration_written_out(n, dtype, random_table):
    scaling = random_scaling(n, 2)
    y, anchor, shift = (random_table(n, 2, 2) for _ in range(3))
    limit = random_table(n, 2, 2).abs()
    age = torch.tensor([0, 7])
    found = Sweep(scaling, dtype).run(y, limit, anchor, shift, age, 3)
    expected = y
    for step in range(1, 4):
        u = torch.maximum(torch.minimum(expected, limit), -limit)
        x = scaling.project(expected - 2 * u) + shift
        ahead = 2 * (x + u) - expected
        share = ((age + step).double() / (age + step + 1)).view(2, 1, 1)
        expected = anchor + share * (ahead - anchor)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    assert (found - expected).abs().max() < tolerance * expected.abs().max()
    assert found.dtype == torch.float64


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


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(3), r"`weights` must be broadcastable to \(\*batch, 2, 4\).*rows"),
        (torch.ones(3, 4), r"`weights` must be broadcastable to \(\*batch, 2, 4\)"),
        (torch.ones(3, 2, 4), r"`weights` must be broadcastable to \(2, 4\).*two rows"),
        (torch.ones(4, dtype=torch.int64), "`weights` must be positive floating"),
        (torch.tensor([1.0, 0.0, 1.0, 1.0]), "`weights` must be positive floating"),
        (torch.tensor([1.0, math.inf, 1.0, 1.0]), "`weights` must be finite"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        and_or_split(torch.zeros(4), weights=weights)


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


def test_the_split_does_not_heed_the_default_dtype():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(64, dtype=torch.float64, generator=generator)
    expected = and_or_split(table).and_values
    for dtype in (torch.float64, torch.float16):
        torch.set_default_dtype(dtype)
        try:
            found = and_or_split(table).and_values
        finally:
            torch.set_default_dtype(torch.float32)
        assert torch.equal(found, expected)
