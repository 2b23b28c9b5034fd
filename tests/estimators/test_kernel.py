"""Kernel posteriors against the Gaussian process written out over all coalitions."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import comb, exp, prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions.estimators import _kernel_coalitions as coalitions
from captum_interactions.estimators import _kernel_evidence as evidences
from captum_interactions.estimators import _kernel_fit as fit
from captum_interactions.estimators import _kernel_points as points
from captum_interactions.estimators import _kernel_posterior as posteriors
from captum_interactions.estimators import _kernel_readings as readings
from captum_interactions.estimators import _mixtures as mixtures
from captum_interactions.estimators import evaluate, kernel_plan
from captum_interactions.estimators._explicit_terms import ExplicitTerms
from captum_interactions.estimators._kernel_prior import KernelPrior
from captum_interactions.estimators._lbfgs import minimize
from captum_interactions.estimators.kernel_plan import (
    complement_pairs,
    smallest_pair_budget,
)
from tests import reference
from tests.contracts.estimate import EstimateContract

LIKE = torch.zeros((), dtype=torch.float64)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def uniform(generator, *shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def sign(coalition, i):
    return 1.0 if coalition >> i & 1 else -1.0


def covariance(prior, n, s, t):
    """The prior's covariance of v(S) and v(T) from its definition."""
    out = 1.0
    for i in range(n):
        rho = float(prior.relevance[0, i])
        out *= (1 + rho * sign(s, i) * sign(t, i)) / (1 + rho)
    signs = sum(sign(s, i) * sign(t, i) for i in range(n))
    sizes = bin(s).count("1") - bin(t).count("1")
    out += float(prior.slope) / n * signs + 100.0
    out += float(prior.size) * exp(-0.5 * (sizes / (0.15 * n)) ** 2)
    for term, players in enumerate(prior.terms.players.tolist()):
        kind = int(prior.terms.kind[term])
        both = float(prior.terms.variance[0, term])
        for coalition in (s, t):
            chi = [sign(coalition, i) for i in range(n) if players[i]]
            half = {1: 0.5, 2: -0.5}.get(kind, 0.0)
            both *= (
                prod(chi)
                if kind == 0
                else 0.5 * (min(chi) == 1) + half * (max(chi) == -1)
            )
        out += both
    out += float(prior.nugget) * (s == t)
    ends = (bin(s).count("1") + bin(t).count("1")) / n - 1
    return out * exp(float(prior.tilt) * ends)


class Dense:
    """Mean and covariance of all 2^n values, and the package's posterior beside."""

    def __init__(self, n, pairs, seed):
        generator = seeded(seed)
        self.n = n
        # A game has a tilt or terms of its own.
        tilt = (seed % 2) * torch.randn(1, generator=generator, dtype=torch.float64)
        players = (uniform(generator, 6, n) < 0.6) & (tilt == 0)
        some = players.any(-1)
        self.prior = KernelPrior(
            0.05 + 0.7 * uniform(generator, 1, n),
            uniform(generator, 1),
            uniform(generator, 1),
            0.05 + uniform(generator, 1),
            ExplicitTerms(
                players[some],
                torch.tensor([0, 1, 2, 0, 1, 2])[some],
                uniform(generator, 1, int(some.sum())),
            ),
            torch.zeros(1, 2, dtype=torch.float64),
            tilt,
            (seed % 2) * uniform(generator, 1, n),
        )
        every = range(1 << n)
        gram = torch.tensor(
            [[covariance(self.prior, n, s, t) for t in every] for s in every],
            dtype=torch.float64,
        )
        half = torch.randperm(1 << (n - 1), generator=generator)[:pairs]
        full = (1 << n) - 1
        known = torch.cat([half, full - half])
        v = uniform(generator, 1 << n)
        inverse = torch.linalg.inv(gram[known][:, known])
        every = torch.tensor([[sign(s, i) for i in range(n)] for s in every])
        main = every.double() @ self.prior.main[0]
        self.mean = main + gram[:, known] @ inverse @ (v - main)[known]
        self.covariance = gram - gram[:, known] @ inverse @ gram[known]
        masks = half[:, None] >> torch.arange(n) & 1 == 1
        here, there = v[half], v[full - half]
        found = posteriors.solve(
            self.prior,
            2 * masks.double() - 1,
            (here + there) / 2,
            (here - there) / 2,
            torch.arange(pairs),
        )
        one = torch.ones((), dtype=torch.float64)
        self.posterior = replace(found, deviations=(one, one))

    def check(self, found, read, rounding=1e-8):
        """``read(game)`` is a list of the index's values, in the order of ``found``."""
        value, error = found
        rows = [
            read(reference.as_game(row.tolist()))
            for row in torch.eye(1 << self.n, dtype=torch.float64)
        ]
        linear = torch.tensor(rows, dtype=torch.float64).mT
        assert_close(value, linear @ self.mean, atol=rounding, rtol=rounding)
        variance = ((linear @ self.covariance) * linear).sum(-1)
        # Differences of prior variances of up to 100.
        rounding = 10 * rounding
        variance = variance.clamp(min=0)
        assert_close(error**2, variance, atol=rounding, rtol=rounding)


def upper(found):
    n = len(found[0])
    i, j = torch.triu_indices(n, n, 1)
    assert all(bool((part == part.mT).all()) for part in found)
    assert all(bool((part.diagonal() == 0).all()) for part in found)
    return [part[i, j] for part in found]


games = given(st.integers(2, 4), st.integers(1, 7), st.integers(0, 1000))
few = settings(max_examples=8, deadline=None)


class TestPosterior:
    @few
    @games
    def test_players(self, n, pairs, seed):
        dense = Dense(n, min(pairs, 1 << (n - 1)), seed)
        for density, index in (
            ("uniform", reference.shapley_value),
            ("half", reference.banzhaf_value),
        ):
            mixture = mixtures.density_mixture(n - 1, density, LIKE)
            dense.check(
                readings.read_players(dense.posterior, mixture),
                lambda game, index=index: [index(game, i, n) for i in range(n)],
            )
        for m in range(n):
            dense.check(
                readings.read_players(
                    dense.posterior, mixtures.order_mixture(n - 1, m, LIKE)
                ),
                lambda game, m=m: [
                    reference.multi_order_shapley(game, i, m, n) for i in range(n)
                ],
            )

    @few
    @games
    def test_pairs(self, n, pairs, seed):
        dense = Dense(n, min(pairs, 1 << (n - 1)), seed)
        for density, index in (
            ("uniform", reference.shapley_interaction),
            ("half", reference.banzhaf_interaction),
            ("faith", faithful_pair),
        ):
            mixture = mixtures.density_mixture(n - 2, density, LIKE)
            dense.check(
                upper(readings.read_pairs_of(dense.posterior, mixture)),
                lambda game, index=index: [
                    index(game, pair, n) for pair in map(set, combinations(range(n), 2))
                ],
            )

    @few
    @games
    def test_orders(self, n, pairs, seed):
        dense = Dense(n, min(pairs, 1 << (n - 1)), seed)
        for m in range(n - 1):
            mixture = mixtures.order_mixture(n - 2, m, LIKE)
            dense.check(
                upper(readings.read_pairs_of(dense.posterior, mixture)),
                lambda game, m=m: [
                    reference.multi_order_interaction(game, i, j, m, n)
                    for i, j in combinations(range(n), 2)
                ],
            )

    @few
    @games
    def test_single_coalitions(self, n, pairs, seed):
        dense = Dense(n, min(pairs, 1 << (n - 1)), seed)
        masks = torch.arange(1 << n)[:, None] >> torch.arange(n) & 1 == 1
        everyone = [frozenset(i for i in range(n) if s >> i & 1) for s in range(1 << n)]
        dense.check(
            points.read_values(dense.posterior, 2 * masks.double() - 1),
            lambda game: [game(s) for s in everyone],
        )
        dense.check(
            coalitions.read_and(dense.posterior, masks[1:]),
            lambda game: [reference.and_interaction(game, s) for s in everyone[1:]],
        )
        for size in range(1, n + 1):
            own = masks.sum(-1) == size
            mixture = mixtures.taylor_mixture(n - size, size, LIKE)
            dense.check(
                coalitions.read_coalitions(dense.posterior, masks[own], mixture),
                lambda game, own=own, size=size: [
                    reference.shapley_taylor(game, everyone[s], n, size)
                    for s in own.nonzero()[:, 0].tolist()
                ],
            )

    @pytest.mark.parametrize("density", ["uniform", "faith", "half"])
    def test_sum_over_a_players_pairs(self, density):
        dense = Dense(4, 3, 0)
        index = {
            "uniform": reference.shapley_interaction,
            "faith": faithful_pair,
            "half": reference.banzhaf_interaction,
        }[density]

        def read(game):
            return [
                sum(index(game, {i, j}, 4) for j in range(4) if j != i)
                for i in range(4)
            ]

        mixture = mixtures.row_sum_mixture(2, density, LIKE)
        dense.check(
            readings.read_players(dense.posterior, mixture), read, rounding=1e-5
        )

    def test_pairs_left_out_in_turn(self):
        dense = Dense(4, 5, 3)
        posterior, h = dense.posterior, 5
        masks = posterior.signs > 0
        here = dense.mean[(masks * (1 << torch.arange(4))).sum(-1)]
        there = dense.mean[(~masks * (1 << torch.arange(4))).sum(-1)]
        rest = total = 0.0
        for k in range(h):
            kept = [i for i in range(h) if i != k]
            without = posteriors.solve(
                dense.prior,
                posterior.signs[kept],
                (here + there)[kept] / 2,
                (here - there)[kept] / 2,
                torch.arange(h - 1),
            )
            both = torch.stack([posterior.signs[k], -posterior.signs[k]])
            found, _ = points.read_values(without, both)
            rest += ((found - torch.stack([here[k], there[k]])) ** 2).sum() / 2
        even, odd = (here + there) / 2, (here - there) / 2
        total = ((even - even.mean()) ** 2 + odd**2).sum()
        assert_close(posterior.left_out, 1 - rest / total, atol=1e-8, rtol=0)


def faithful_pair(game, pair, n):
    """Mean of Δ over contexts where players come with probability p, p ~ 6p(1−p)."""
    weights = [
        6 * (m + 1) * (n - 1 - m) / ((n - 1) * n * (n + 1)) for m in range(n - 1)
    ]
    i, j = sorted(pair)
    return sum(
        w * reference.multi_order_interaction(game, i, j, m, n)
        for m, w in enumerate(weights)
    )


class TestMixtures:
    @given(st.integers(1, 12), st.integers(0, 100))
    def test_product_of_signs(self, others, seed):
        degree = seed % (others + 1)
        order = (seed // 7) % (others + 1)
        # Mean of Π χ over coalitions of one size: count the members among `degree`.
        expected = sum(
            comb(degree, k) * comb(others - degree, order - k) * (-1) ** (degree - k)
            for k in range(min(degree, order) + 1)
        ) / comb(others, order)
        found = mixtures.order_mixture(others, order, LIKE).moment(degree)
        assert found == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("order", [0, 3, 250, 497, 498])
    def test_many_players_lose_no_digits(self, order):
        mixture = mixtures.order_mixture(498, order, LIKE)
        assert mixture.moment(0) == pytest.approx(1, abs=1e-11)
        assert mixture.moment(1) == pytest.approx(2 * order / 498 - 1, abs=1e-11)

    @pytest.mark.parametrize("density", ["uniform", "half", 1, 2, 4, "faith"])
    def test_sizes_and_nodes_say_the_same(self, density):
        if isinstance(density, int):
            mixture = mixtures.taylor_mixture(9, density, LIKE)
        else:
            mixture = mixtures.density_mixture(9, density, LIKE)
        mean = sum(
            float(w) * mixtures.order_mixture(9, m, LIKE).moment(3)
            for m, w in enumerate(mixture.sizes)
        )
        assert mixture.sizes.sum() == pytest.approx(1)
        assert mixture.moment(3) == pytest.approx(mean, abs=1e-12)


class TestFit:
    def problem(self, n=6, seed=0, terms=True):
        generator = seeded(seed)
        signs = 2 * complement_pairs(n, 40, generator).double() - 1
        even, odd = torch.randn(
            2, 3, len(signs), generator=generator, dtype=torch.float64
        )
        players = uniform(generator, 5, n) < 0.4
        kinds = torch.tensor([0, 1, 2, 0, 0])
        chosen = ExplicitTerms(players, kinds, uniform(generator, 1, 5))
        groups = torch.tensor([0, 1, 0, 1, 1])
        if not terms:
            chosen, groups = chosen.select(torch.arange(0)), groups[:0]
        return signs, even, odd, chosen, groups

    @pytest.mark.parametrize("terms", [True, False])
    def test_gradient(self, terms):
        evidence = evidences.Evidence(*self.problem(terms=terms))
        rows = torch.tensor([2, 0])
        at = torch.randn(2, 6 + 4 + 2 * terms, generator=seeded(1), dtype=torch.float64)
        _, gradient = evidence(at, rows)
        for k in range(at.shape[-1]):
            if k == 6 and not terms:  # the slope stays where it is
                continue
            step = torch.zeros_like(at)
            step[:, k] = 1e-5
            rise = evidence(at + step, rows)[0] - evidence(at - step, rows)[0]
            assert_close(gradient[:, k], rise / 2e-5, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("terms", [True, False])
    def test_evidence_is_that_of_the_whole_system(self, terms):
        signs, even, odd, chosen, groups = self.problem(4, terms=terms)
        evidence = evidences.Evidence(signs, even, odd, chosen, groups)
        at = torch.randn(3, 4 + 4 + 2 * terms, generator=seeded(1), dtype=torch.float64)
        every = torch.arange(3)
        prior = evidence.prior(at).row(1)
        codes = ((signs > 0) * (1 << torch.arange(4))).sum(-1)
        codes = torch.cat([codes, 15 - codes]).tolist()
        gram = torch.tensor(
            [[covariance(prior, 4, s, t) for t in codes] for s in codes],
            dtype=torch.float64,
        )
        v = torch.cat([even[1] + odd[1], even[1] - odd[1]])
        m = len(codes)
        sigma2 = (v @ torch.linalg.solve(gram, v)) / m
        expected = m / 2 * sigma2.log() + torch.logdet(gram) / 2
        expected += evidence._hyper_prior(at)[0][1]
        # Both blocks are half of what the orthogonal transform gives.
        expected -= m / 2 * torch.tensor(2.0).log()
        assert_close(evidence(at, every)[0][1], expected, atol=1e-6, rtol=1e-6)

    def test_evidence_of_blocks_adds_up(self):
        signs, even, odd, terms, groups = self.problem()
        parts = [
            evidences.Evidence(signs[some], even[:, some], odd[:, some], terms, groups)
            for some in torch.arange(len(signs)).split(7)
        ]
        rows = torch.tensor([2, 0])
        at = torch.randn(2, 6 + 4 + 2, generator=seeded(1), dtype=torch.float64)
        found = evidences.together(parts)(at, rows)
        penalty = parts[0]._hyper_prior(at)
        for which in (0, 1):
            own = sum(part(at, rows)[which] - penalty[which] for part in parts)
            assert_close(found[which], own + penalty[which])

    def test_finds_who_matters(self):
        generator = seeded(0)
        chosen = complement_pairs(10, 300, generator)
        signs = 2 * chosen.double() - 1
        even = signs[:, 0] * signs[:, 1]
        odd = signs[:, 2] + signs[:, 0] * signs[:, 1] * signs[:, 2]
        prior = fit.fit_priors(signs, even[None], odd[None], generator=generator)
        assert prior.relevance[0, :3].min() > 3 * prior.relevance[0, 3:].max()

    def test_descent_of_several_valleys(self):
        def rosenbrock(x, rows):
            a = 1.0 + rows
            b = x[:, 1] - x[:, 0] ** 2
            value = (a - x[:, 0]) ** 2 + 10 * b**2
            first = -2 * (a - x[:, 0]) - 40 * b * x[:, 0]
            return value, torch.stack([first, 20 * b], -1)

        found = minimize(rosenbrock, torch.zeros(3, 2).double(), 200, 1e-14)
        expected = torch.tensor([[1.0, 1], [2, 4], [3, 9]]).double()
        assert_close(found, expected, atol=1e-4, rtol=1e-4)


class TestPlan:
    @given(st.integers(1, 40), st.integers(0, 3000), st.integers(0, 100))
    @settings(max_examples=60, deadline=None)
    def test_distinct_pairs_within_the_budget(self, n, extra, seed):
        budget = smallest_pair_budget(n) + extra
        chosen = complement_pairs(n, budget, seeded(seed))
        both = torch.cat([chosen, ~chosen])
        assert len(both.unique(dim=0)) == len(both)
        assert len(both) == min(budget // 2 * 2, 1 << n)
        assert not chosen[0].any()

    def test_ends_are_enumerated_while_they_fit(self):
        sizes = complement_pairs(14, 1200, seeded(0)).sum(-1).bincount().tolist()
        assert sizes == [1, 14, 91, 110, 110, 109, 110, 55]
        # Where pairs of players take a fifth or more, sizes count as s, the middle
        # one half of that. Where they would take two thirds they are like others.
        sizes = complement_pairs(14, 700, seeded(0)).sum(-1).bincount().tolist()
        assert sizes == [1, 14, 91, 34, 45, 57, 68, 40]
        sizes = complement_pairs(14, 320, seeded(0)).sum(-1).bincount().tolist()
        assert sizes == [1, 14, 12, 19, 25, 30, 37, 22]
        sizes = complement_pairs(64, 640, seeded(0)).sum(-1).bincount().tolist()
        assert sizes[:2] == [1, 64]
        assert max(sizes[2:32]) - min(sizes[2:32]) <= 1

    @pytest.mark.parametrize("n", [6, 22])
    def test_every_coalition_of_a_size_is_equally_likely(self, n):
        hits = torch.zeros(n)
        drawn = 0
        for seed in range(200):
            chosen = complement_pairs(n, 60, seeded(seed))
            both = torch.cat([chosen, ~chosen])
            middle = both[both.sum(-1) == n // 2].double()
            hits, drawn = hits + middle.sum(0), drawn + len(middle)
        deviation = (drawn / 4) ** 0.5
        assert (hits - drawn / 2).abs().max() < 4 * deviation

    def test_too_small_a_budget(self):
        with pytest.raises(ValueError, match="`n_samples` must be at least 62 with 30"):
            complement_pairs(30, 61)


def estimate(game, n, budget, seed=0):
    return evaluate(kernel_plan(n, budget, generator=seeded(seed)), game)


def planted(masks):
    x = masks.double()
    return 2 * x[:, 0] * x[:, 1] - x[:, 2] * x[:, 3] * x[:, 4] + x[:, 5] - 3


class TestEstimate:
    def test_planted_game_of_thirty_players(self):
        found = estimate(planted, 30, 600)
        assert found.r2 > 0.99
        values = found.shapley_values()
        expected = torch.zeros(30).double()
        expected[:6] = torch.tensor([1.0, 1, -1 / 3, -1 / 3, -1 / 3, 1])
        assert_close(values.value, expected, atol=0.03, rtol=0)
        assert ((values.value - expected).abs() < 4 * values.std_error + 1e-7).all()
        assert_close(values.value.sum(), torch.tensor(2.0).double(), atol=1e-8, rtol=0)
        pairs = found.pair_index("SII").value
        assert pairs[0, 1] == pytest.approx(2, abs=0.1)
        assert pairs[2, 3] == pytest.approx(-0.5, abs=0.1)
        strongest = found.strongest_coalitions(0, 3, 20)
        held = torch.zeros(30, dtype=torch.bool)
        held[2:5] = True
        found_and = found.and_interactions(strongest).value
        assert found_and.abs().topk(3).values.min() > 0.5
        assert (strongest == held).all(-1).any()

    @pytest.mark.parametrize("index", ["k-SII", "STII", "FSII", "FBII"])
    def test_indices_that_explain_the_output(self, index):
        found = estimate(planted, 8, 120)
        reading = found.pair_index(index)
        values = reading.value
        shares = values.diagonal().sum() + values.triu(1).sum()
        if index != "FBII":  # Banzhaf shares need not add up
            assert shares == pytest.approx(2.0, abs=1e-6)
        assert (reading.std_error >= 0).all()

    def test_faithful_pairs_fit_by_least_squares(self):
        # Uniform weights over all coalitions: the faithful Banzhaf index of order 2.
        n, generator = 5, seeded(0)
        v = torch.randn(1 << n, generator=generator, dtype=torch.float64)
        masks = torch.arange(1 << n)[:, None] >> torch.arange(n) & 1 == 1
        found = estimate(lambda m: v[(m * (1 << torch.arange(n))).sum(-1)], n, 1 << n)
        x = masks.double()
        i, j = torch.triu_indices(n, n, 1)
        design = torch.cat([torch.ones(1 << n, 1), x, x[:, i] * x[:, j]], -1).double()
        fitted = torch.linalg.lstsq(design, v[:, None]).solution[:, 0]
        values = found.pair_index("FBII").value
        assert_close(values.diagonal(), fitted[1 : n + 1], atol=1e-6, rtol=0)
        assert_close(values[i, j], fitted[n + 1 :], atol=1e-6, rtol=0)

    def test_orders_average_to_the_shapley_interaction_index(self):
        found = estimate(planted, 7, 60)
        orders = found.multi_order(range(6)).value
        assert_close(orders.mean(0), found.pair_index().value, atol=1e-8, rtol=0)

    def test_evaluated_values_are_kept(self):
        found = estimate(planted, 9, 60)
        masks = complement_pairs(9, 60, seeded(0))
        reading = found.predict(torch.cat([masks, ~masks]))
        expected = planted(torch.cat([masks, ~masks]))
        assert_close(reading.value, expected, atol=1e-6, rtol=0)
        assert reading.std_error.max() < 1e-4

    def test_examples_do_not_see_each_other(self):
        def two(masks):
            x = masks.double()
            return torch.stack([planted(masks), x[:, 1] * x[:, 6] - x[:, 2]])

        both = estimate(two, 8, 100)
        alone = [estimate(lambda m, k=k: two(m)[k], 8, 100) for k in range(2)]
        for k in range(2):
            for read in ("shapley_values", "pair_index"):
                together, single = getattr(both, read)(), getattr(alone[k], read)()
                assert_close(together.value[k], single.value, atol=1e-6, rtol=0)

    def test_scale_and_shift_change_nothing_else(self):
        plain = estimate(planted, 8, 100).pair_index()
        moved = estimate(lambda m: 1e4 - 1e-3 * planted(m), 8, 100).pair_index()
        assert_close(moved.value, -1e-3 * plain.value, atol=1e-8, rtol=1e-4)

    def test_constant_games(self):
        found = estimate(lambda m: torch.full((2, len(m)), 7.0), 30, 200)
        assert (found.pair_index().value == 0).all()
        assert (found.shapley_values().std_error == 0).all()
        assert (found.predict(torch.ones(1, 30, dtype=torch.bool)).value == 7).all()

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_few_players_are_exact(self, n):
        v = torch.randn(1 << n, generator=seeded(n), dtype=torch.float64)
        found = estimate(lambda m: v[(m * (1 << torch.arange(n))).sum(-1)], n, 1 << n)
        game = reference.as_game(v.tolist())
        expected = [reference.shapley_value(game, i, n) for i in range(n)]
        assert found.shapley_values().value.tolist() == pytest.approx(expected)
        assert found.shapley_values().std_error.max() < 1e-4
        pairs = found.pair_index().value
        assert pairs.shape == (n, n)
        if n > 1:
            expected = reference.shapley_interaction(game, {0, 1}, n)
            assert float(pairs[0, 1]) == pytest.approx(expected)

    def test_sparse_game_is_found_exactly(self):
        # 15 ANDs of two to four of thirty players, from 600 of 10^9 coalitions.
        generator = seeded(0)
        sets = [
            torch.randperm(30, generator=generator)[: 2 + k % 3].sort().values
            for k in range(15)
        ]
        weights = 1 + uniform(generator, 15)

        def game(masks):
            held = [masks[:, s].all(-1).double() for s in sets]
            return sum(w * x for w, x in zip(weights, held, strict=True))

        found = estimate(game, 30, 1000)
        coalitions = torch.zeros(15, 30, dtype=torch.bool)
        for row, members in enumerate(sets):
            coalitions[row, members] = True
        values = found.and_interactions(coalitions).value
        assert_close(values, weights, atol=0.01, rtol=0)


class TestContract(EstimateContract):
    def make(self, table):
        def game(masks):
            return table[..., (masks * (1 << torch.arange(self.n))).sum(-1)]

        return estimate(game, self.n, 40)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_nearly_additive_games_stay_finite(seed, weight):
    """Their likelihood asks for ever more of the additive part."""
    x = torch.rand(30, generator=torch.Generator().manual_seed(seed))

    def game(masks):  # in float32, as a model answers
        rows = masks * x
        return (weight * rows[:, 0] * rows[:, 1] + rows.sum(1)).double()[None]

    generator = torch.Generator().manual_seed(seed)
    found = evaluate(kernel_plan(30, 600, generator=generator), game, 600)
    expected = x.double().clone()
    expected[:2] += weight * x[0] * x[1] / 2
    assert_close(found.shapley_values().value[0], expected, rtol=0, atol=1e-4)
    pairs = found.pair_index("SII").value[0]
    product = weight * float(x[0] * x[1])
    assert pairs[0, 1].item() == pytest.approx(product, rel=0.05, abs=1e-4)


def test_errors_of_many_pairs_are_those_of_fewer_coalitions(monkeypatch):
    """Never below the errors that all coalitions give, and near them."""
    found = estimate(planted, 12, 300)
    error = found.pair_index("SII").std_error
    module = "captum_interactions.estimators._kernel_posterior."
    monkeypatch.setattr(module + "_MOST_SOLVED", 66 * 120**2)
    monkeypatch.setattr(module + "_FEWEST_SOLVED", 1)
    thinned = found.pair_index("SII").std_error
    off = ~torch.eye(12, dtype=torch.bool)
    ratio = thinned[off] / error[off]
    assert ratio.min() > 1 - 1e-6
    assert 1.01 < ratio.max() < 10
