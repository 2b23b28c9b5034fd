"""Multi-order interactions from their definitions, and the identities they obey."""

from __future__ import annotations

from math import comb

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions import functional as F
from captum_interactions.functional.coalitions import relabel_players
from captum_interactions.functional.orders import (
    context_variances,
    disentanglement_floor,
)
from captum_interactions.functional.pairs import resolve_orders, resolve_pairs
from captum_interactions.functional.sums import pair_sums, pair_sums_by_size
from tests import reference
from tests.toy_games import and_game, or_game

TIGHT = {"rtol": 0, "atol": 1e-10}


def close(a, b):
    a, b = (torch.as_tensor(x, dtype=torch.float64) for x in (a, b))
    assert_close(a, b, **TIGHT)


@st.composite
def tables(draw, smallest=2, largest=6):
    n = draw(st.integers(smallest, largest))
    seed = draw(st.integers(0, 10**6))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1 << n, generator=generator, dtype=torch.float64)


def players(table):
    return table.shape[-1].bit_length() - 1


def utility_sum(table):
    return F.order_utility(F.multi_order_interaction(table)).sum()


class TestDefinitions:
    @pytest.mark.parametrize("n", [2, 3, 4, 5])
    def test_interactions_and_shapley_values(self, n, random_table):
        table = random_table(n)
        game = reference.as_game(table.tolist())
        interactions = F.multi_order_interaction(table)
        assert interactions.shape == (n - 1, n, n)
        for m in range(n - 1):
            assert bool((interactions[m].diagonal() == 0).all())
            for i in range(n):
                for j in set(range(n)) - {i}:
                    expected = reference.multi_order_interaction(game, i, j, m, n)
                    close(interactions[m, i, j], expected)
        values = F.multi_order_shapley(table)
        for m in range(n):
            for i in range(n):
                close(values[m, i], reference.multi_order_shapley(game, i, m, n))

    @pytest.mark.parametrize("n", [2, 3, 5])
    def test_means_over_sizes_and_contexts(self, n, random_table):
        table = random_table(n)
        game = reference.as_game(table.tolist())
        for k, value in enumerate(F.size_means(table)):
            close(value, reference.size_mean(game, k, n))
        absolute = F.mean_absolute_deltas(table)
        variances = context_variances(table, resolve_pairs(None, n))
        for m in range(n - 1):
            for column, (i, j) in enumerate(resolve_pairs(None, n)):
                expected = reference.mean_absolute_delta(game, i, j, m, n)
                close(absolute[m, i, j], expected)
                close(absolute[m, j, i], expected)
                expected = reference.delta_variance(game, i, j, m, n)
                close(variances[m, column], expected)

    @pytest.mark.parametrize("n", [1, 2, 3, 6, 7])
    def test_pair_sums_by_size(self, n, random_table):
        table = random_table(n)
        sums = pair_sums_by_size(table)
        for s in range(n + 1):
            chosen = torch.where(F.coalition_sizes(n) == s, table, 0.0)
            close(sums[s], pair_sums(chosen))

    def test_a_single_player_has_no_pair(self, random_table):
        table = random_table(1)
        assert F.multi_order_interaction(table).shape == (0, 1, 1)
        close(F.multi_order_shapley(table), (table[1] - table[0]).view(1, 1))

    def test_leading_axes_and_dtype(self, random_table):
        batch = random_table(4, 2, 3)
        for reading in (
            F.multi_order_interaction,
            F.multi_order_shapley,
            F.multi_order_interaction_from_and,
            F.multi_order_interaction_from_or,
            F.mean_absolute_deltas,
            F.size_means,
        ):
            whole = reading(batch)
            assert whole.shape[:2] == (2, 3)
            close(whole[1, 2], reading(batch[1, 2]))
            assert reading(batch.float()).dtype == torch.float32

    def test_gradients(self, random_table):
        table = random_table(3).requires_grad_()
        for reading in (
            F.multi_order_interaction,
            F.multi_order_shapley,
            F.multi_order_interaction_from_and,
            F.multi_order_interaction_from_or,
        ):
            assert torch.autograd.gradcheck(reading, table)


class TestDividends:
    @given(tables())
    def test_and_dividends_give_the_same_orders(self, table):
        dividends = F.moebius(table)
        close(
            F.multi_order_interaction_from_and(dividends),
            F.multi_order_interaction(table),
        )

    @given(tables())
    def test_or_dividends_give_the_same_orders(self, table):
        dividends = F.or_interactions(table)
        close(
            F.multi_order_interaction_from_or(dividends),
            F.multi_order_interaction(table),
        )

    def test_terms_give_the_orders_of_their_game(self):
        n = 6
        ands, ors = {(0, 2): 1.5, (1, 2, 3, 5): -2.0}, {(0, 1): 0.5, (2, 4, 5): 3.0}
        table = and_game(n, ands) + or_game(n, ors)
        members = [*ands, *ors]
        masks = torch.zeros(4, n, dtype=torch.bool)
        for row, term in enumerate(members):
            masks[row, list(term)] = True
        coefficients = torch.tensor([*ands.values(), *ors.values()]).double()
        ands_only = coefficients * torch.tensor([1, 1, 0, 0])
        ors_only = coefficients * torch.tensor([0, 0, 1, 1])
        close(
            F.multi_order_interaction_from_terms(masks, ands_only, ors_only),
            F.multi_order_interaction(table),
        )
        close(
            F.multi_order_shapley_from_terms(masks, ands_only, ors_only),
            F.multi_order_shapley(table),
        )

    def test_closed_forms_of_twenty_players(self):
        """One AND and one OR term at n = 20, against the binomials themselves."""
        n, ands, ors = 20, (0, 3, 7, 9, 15), (0, 3, 4)
        masks = torch.zeros(2, n, dtype=torch.bool)
        masks[0, list(ands)] = True
        masks[1, list(ors)] = True
        weights = torch.eye(2).double()
        values = F.multi_order_interaction_from_terms(masks, weights[0], weights[1])
        for m in range(n - 1):
            a = comb(m, 3) / comb(18, 3)
            o = -comb(17, m) / comb(18, m)
            close(values[m, 0, 3], a + o)
            close(values[m, 3, 9], a)
            close(values[m, 0, 4], o)
            assert values[m, 1, 2] == 0
        table = torch.zeros(1 << n, dtype=torch.float64)
        codes = torch.arange(1 << n)
        first, second = F.coalition_code(ands), F.coalition_code(ors)
        table += (codes & first) == first
        table += (codes & second) != 0
        close(F.multi_order_interaction(table), values)


class TestIdentities:
    """Sections 1.1 and 1.2 of the collected formulas, at random games."""

    @given(tables(), st.floats(-2, 2))
    def test_linearity(self, table, factor):
        other = table.flip(-1).cos()
        close(
            F.multi_order_interaction(table + factor * other),
            F.multi_order_interaction(table)
            + factor * F.multi_order_interaction(other),
        )

    @given(tables())
    def test_means_over_orders(self, table):
        interactions = F.multi_order_interaction(table)
        close(interactions.mean(0), F.shapley_interaction_index(table))
        close(F.multi_order_shapley(table).mean(0), F.shapley_values(table))
        n = players(table)
        weights = torch.tensor([comb(n - 2, m) / 2 ** (n - 2) for m in range(n - 1)])
        banzhaf = torch.einsum("m,mij->ij", weights.double(), interactions)
        close(banzhaf, F.pair_index(table, "BII"))

    @given(tables())
    def test_marginal_contribution(self, table):
        n, phi = players(table), F.multi_order_shapley(table)
        mean = F.multi_order_interaction(table).sum(-1) / (n - 1)
        close(phi.diff(dim=0), mean)

    @given(tables())
    def test_accumulation(self, table):
        n, phi = players(table), F.multi_order_shapley(table)
        mean = F.multi_order_interaction(table).sum(-1) / (n - 1)
        for m in range(n):
            close(phi[m], phi[0] + mean[:m].sum(0))
        weights = torch.arange(n - 1, 0, -1).double() / n
        close(F.shapley_values(table), phi[0] + (weights[:, None] * mean).sum(0))

    def test_accumulation_as_one_deck_prints_it_is_wrong(self, random_table):
        """φ(i) = E_m E_j I^(m)(i,j) + v(i) − v(∅) lacks the inner cumulative sum."""
        table = random_table(5)
        mean = F.multi_order_interaction(table).sum(-1) / 4
        printed = mean.mean(0) + F.multi_order_shapley(table)[0]
        assert (printed - F.shapley_values(table)).abs().max() > 0.1

    @given(tables())
    def test_efficiency_over_ordered_pairs(self, table):
        total = F.multi_order_shapley(table)[0].sum() + utility_sum(table)
        close(total, table[-1] - table[0])

    def test_efficiency_over_unordered_pairs_is_wrong(self, random_table):
        table = random_table(5)
        total = F.multi_order_shapley(table)[0].sum() + utility_sum(table) / 2
        assert (total - table[-1] + table[0]).abs() > 0.1

    @given(tables())
    def test_summability(self, table):
        n, phi = players(table), F.multi_order_shapley(table)
        total = F.multi_order_interaction(table).sum((0, -1)) / (n - 1)
        close(phi[-1] - phi[0], total)
        close(F.shapley_interaction_index(table).sum(-1), total)
        full = (1 << n) - 1
        for i in range(n):  # the game of i against all others as one player
            others = full ^ (1 << i)
            merged = table[full] - table[others] - table[1 << i] + table[0]
            close(merged, total[i])

    @given(tables(smallest=3), st.integers(0, 100))
    def test_dummy(self, table, position):
        n = players(table)
        i = position % n
        without = torch.arange(1 << n) & ~(1 << i)
        present = (torch.arange(1 << n) >> i) & 1
        dummy = table[without] + 0.7 * present  # v(S∪i) − v(S) = 0.7, v(∅) ≠ 0
        close(F.multi_order_interaction(dummy)[:, i], torch.zeros(n - 1, n))

    @given(tables(smallest=3))
    def test_symmetry(self, table):
        swapped = relabel_players(table, [1, 0, *range(2, players(table))])
        interactions = F.multi_order_interaction(table + swapped)
        close(interactions[:, 0, 2:], interactions[:, 1, 2:])
        close(interactions, interactions.mT)

    @given(tables())
    def test_all_pairs_average_is_a_second_difference(self, table):
        n, means = players(table), F.size_means(table)
        pairs = F.upper_pairs(F.multi_order_interaction(table)).mean(-1)
        close(pairs, means[2:] - 2 * means[1:-1] + means[:-2])
        close(F.multi_order_shapley(table).mean(-1), means.diff())
        assert len(pairs) == n - 1

    @given(tables())
    def test_dropout_expansion(self, table):
        """v̄(k) from φ^(0) and the orders below k − 1; also where k/n is no ratio."""
        n = players(table)
        phi, means = F.multi_order_shapley(table), F.size_means(table)
        sums = F.multi_order_interaction(table).sum((-1, -2))
        for k in range(n + 1):
            below = sum((k - 1 - m) / (n * (n - 1)) * sums[m] for m in range(k - 1))
            close(means[k], table[0] + k / n * phi[0].sum() + below)
            high = sum(
                (n - 1 - m) / (n * (n - 1)) * sums[m]
                for m in range(max(0, k - 1), n - 1)
            )
            low = (n - k) / (n * (n - 1)) * sum(sums[m] for m in range(k - 1))
            close(table[-1] - means[k], (1 - k / n) * phi[0].sum() + low + high)

    @given(tables(smallest=3))
    def test_steering_weights(self, table):
        """v̄(k₂) − k₂/k₁·v̄(k₁): the ramp up to k₁ − 1, then the fall to k₂ − 2."""
        n, means = players(table), F.size_means(table)
        sums = F.multi_order_interaction(table).sum((-1, -2))
        for k1 in range(1, n):
            for k2 in range(k1 + 1, n + 1):
                total = (1 - k2 / k1) * table[0]
                for m in range(k2 - 1):
                    ramp = (m + 1) * (k2 - k1) / (k1 * n * (n - 1))
                    fall = (k2 - 1 - m) / (n * (n - 1))
                    total = total + (ramp if m <= k1 - 1 else fall) * sums[m]
                close(means[k2] - k2 / k1 * means[k1], total)

    @given(tables())
    def test_deepfake_papers_first_order_form(self, table):
        """(1/n) Σ_i φ^(m)(i) = E_{|S|=m+1}[v(S) − mean_{x∈S} v(S∖x)]."""
        n = players(table)
        game = reference.as_game(table.tolist())
        for m in range(n):
            rows = [
                game(s) - sum(game(s - {x}) for x in s) / (m + 1)
                for s in reference.contexts(n, (), m + 1)
            ]
            close(F.multi_order_shapley(table)[m].mean(), sum(rows) / len(rows))

    def test_quadratic_and_symmetric_games(self):
        n, generator = 6, torch.Generator().manual_seed(0)
        bits = F.all_masks(n).double()
        c = torch.randn(n, n, generator=generator).double().triu(1)
        b = torch.randn(n, generator=generator).double()
        table = 1.5 + bits @ b + torch.einsum("si,ij,sj->s", bits, c, bits)
        close(F.multi_order_interaction(table), (c + c.mT).expand(n - 1, n, n))
        h = torch.randn(n + 1, generator=generator).double()
        orders = F.multi_order_interaction(h[F.coalition_sizes(n)])
        close(F.upper_pairs(orders)[:, 0], h[2:] - 2 * h[1:-1] + h[:-2])

    def test_mutual_information_has_the_sign_of_the_entropy(self):
        """With v = H(Y|X_S), I^(m) is the mean interaction information; with −H not."""
        generator = torch.Generator().manual_seed(1)
        law = torch.rand(2, 2, 2, 2, generator=generator).double()  # y, x0, x1, x2
        law /= law.sum()

        def entropy(axes):
            drop = [a for a in range(4) if a not in axes]
            p = law.sum(drop) if drop else law
            return -(p * p.log()).sum()

        def conditional(inputs):  # H(Y | X_inputs)
            known = [1 + x for x in inputs]
            return entropy([0, *known]) - entropy(known)

        def information(i, given):  # MI(X_i; Y | X_given)
            return conditional(given) - conditional([*given, i])

        table = torch.stack(
            [conditional(F.coalition_members(code)) for code in range(8)]
        )
        for m, contexts in ((0, [[]]), (1, [[2]])):
            expected = sum(
                information(0, s) - information(0, [*s, 1]) for s in contexts
            ) / len(contexts)
            close(F.multi_order_interaction(table)[m, 0, 1], expected)
            assert abs(expected) > 1e-4


class TestBadInput:
    def test_utility_of_orders_that_do_not_fit(self):
        values = torch.zeros(2, 4, 4)
        with pytest.raises(ValueError, match="`orders` must be 2 context sizes in 0"):
            F.order_utility(values, [0, 1, 2])
        with pytest.raises(ValueError, match="`orders` must be 2 context sizes in 0"):
            F.order_utility(values, [0, 3])

    def test_terms(self):
        masks = torch.ones(3, 4, dtype=torch.bool)
        with pytest.raises(ValueError, match=r"`masks` must be a \(terms, n\) bool"):
            F.multi_order_interaction_from_terms(masks.int(), torch.zeros(3))
        with pytest.raises(ValueError, match="`coefficients` must be of shape"):
            F.multi_order_shapley_from_terms(masks, torch.zeros(2))

    def test_no_players(self):
        with pytest.raises(ValueError, match="`table` must be of at least 1 player"):
            F.multi_order_shapley(torch.zeros(1))


class TestCurves:
    def test_orders_as_fractions(self):
        assert resolve_orders([0.29, 1.0, 0], 102) == [29, 100, 0]
        authors = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0]
        sizes = [25, 50, 76, 101, 127, 152, 177, 203, 215, 228, 241, 254]
        assert resolve_orders(authors, 256) == sizes

    def test_strength_of_a_noise_game_follows_the_null_curve(self):
        n, generator = 8, torch.Generator().manual_seed(0)
        games = torch.randn(1000, 1 << n, generator=generator, dtype=torch.float64)
        strength = F.upper_pairs(F.multi_order_interaction(games)).abs().mean((0, -1))
        null = F.null_strength(n, range(n - 1))
        assert (F.order_strength(strength) / null - 1).abs().max() < 0.05
        values = F.upper_pairs(F.multi_order_interaction(games))
        ratio = F.positive_ratio(
            values.clamp(min=0).sum((0, -1)), values.abs().sum((0, -1))
        )
        assert (ratio - 0.5).abs().max() < 0.05

    def test_null_curve_of_256_players_is_finite(self):
        curve = F.null_strength(256, range(255))
        assert bool(curve.isfinite().all())
        assert abs(curve.mean().item() - 1) < 1e-12
        close(curve, curve.flip(-1))

    def test_disentanglement_of_gaussian_deltas_is_at_its_floor(self):
        generator = torch.Generator().manual_seed(0)
        for contexts in (25, 100, 400):
            delta = torch.randn(4000, contexts, generator=generator).double()
            ratio = F.disentanglement_ratios(delta.mean(-1), delta.abs().mean(-1))
            assert abs(ratio.mean() / disentanglement_floor(contexts) - 1) < 0.05

    @given(tables())
    @settings(max_examples=20)
    def test_disentanglement_lies_between_0_and_1(self, table):
        ratio = F.disentanglement_ratios(
            F.upper_pairs(F.multi_order_interaction(table)),
            F.upper_pairs(F.mean_absolute_deltas(table)),
        )
        assert bool(((ratio >= 0) & (ratio <= 1 + 1e-12)).all())

    def test_disentanglement_where_nothing_happens(self):
        mean, absolute = torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0])
        assert F.disentanglement_ratios(mean, absolute).tolist() == [0.0, 0.5]
        mean, absolute = torch.tensor([1e-7, 1e6]), torch.tensor([1e-7, 1e6])
        assert F.disentanglement_ratios(mean, absolute).tolist() == [0.0, 1.0]
        zero = torch.zeros(2)
        assert F.disentanglement_ratios(zero, zero).tolist() == [0.0, 0.0]
