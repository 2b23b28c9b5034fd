"""Plans, completed tables, contexts and chains on games with known answers."""

from __future__ import annotations

from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from captum_interactions import estimators
from captum_interactions import functional as F
from captum_interactions.estimators import walsh
from captum_interactions.estimators._completion import complete_table
from captum_interactions.estimators._stratified import stratified_codes
from captum_interactions.estimators.paired import paired_contexts
from captum_interactions.estimators.walsh import (
    Completion,
    WalshPrior,
    walsh_transform,
)
from captum_interactions.functional.orders import context_variances
from captum_interactions.functional.pairs import read_pairs, resolve_pairs
from tests.toy_games import and_game, or_game


def evaluate(table):
    def game(masks):
        game.count += len(masks)
        return table[..., F.masks_to_codes(masks)]

    game.count = 0
    return game


def sample_table(game, n, budget, **options):
    plan = estimators.table_plan(n, budget, **options)
    found = estimators.evaluate(plan, game, budget)
    if isinstance(found, estimators.KernelEstimate):
        return estimators.completed_table(found, options.get("generator"))
    return found


def sample_pairs(game, n, pairs, orders, contexts, **options):
    plan = estimators.pair_plan(n, pairs, orders, contexts, **options)
    return estimators.evaluate(plan, game)


def sample_orders(game, n, pairs, orders, budget, **options):
    plan = estimators.order_plan(n, pairs, orders, budget, **options)
    return estimators.evaluate(plan, game, budget)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def smooth_table(n, seed=0, lead=()):
    """Walsh terms of low degree, as trained networks have them, and a little dust."""
    scale = 0.15 ** F.coalition_sizes(n).double()
    noise = torch.randn(*lead, 1 << n, generator=seeded(seed), dtype=torch.float64)
    return walsh_transform(scale * noise)


def pairs_of(values):
    return F.upper_pairs(F.multi_order_interaction(values))


def and_or_table(n):
    generator = seeded(2)
    table = torch.zeros(1 << n, dtype=torch.float64)
    for term in range(10):
        size = int(torch.randint(1, n, (), generator=generator))
        members = tuple(torch.randperm(n, generator=generator)[:size].tolist())
        make = and_game if term % 2 else or_game
        table += make(n, {members: float(torch.randn((), generator=generator))})
    return table


class TestPlans:
    @given(st.integers(2, 11), st.integers(0, 2000), st.integers(0, 100))
    def test_distinct_within_budget_and_ends_complete(self, n, extra, seed):
        budget = estimators.smallest_budget(n) + extra
        codes = stratified_codes(n, budget, seeded(seed))
        assert len(codes) == len(codes.unique()) == min(budget, 1 << n)
        counts = torch.bincount(F.coalition_sizes(n)[codes], minlength=n + 1).tolist()
        for size in {0, 1, n - 1, n}:
            assert counts[size] == comb(n, size)
        open_sizes = [s for s in range(3, n - 2) if counts[s] < comb(n, s)]
        if open_sizes:  # level, up to the last coalition of an uneven division
            levels = [counts[s] for s in open_sizes]
            assert max(levels) - min(levels) <= len(open_sizes)

    def test_every_coalition_of_a_size_is_equally_likely(self):
        n, hits = 6, torch.zeros(64)
        for seed in range(400):
            hits[stratified_codes(n, 30, seeded(seed))] += 1
        sizes = F.coalition_sizes(n)
        for size in (2, 3, 4):
            frequency = hits[sizes == size] / 400
            deviation = (frequency.mean() * (1 - frequency.mean()) / 400) ** 0.5
            assert (frequency - frequency.mean()).abs().max() < 4 * deviation

    def test_too_small_a_budget_names_the_smallest(self):
        with pytest.raises(ValueError, match="`n_samples` must be at least 18 with 8 "):
            stratified_codes(8, 17)


class TestWalshPrior:
    def make(self, n, seed=0):
        relevance = torch.rand(n, generator=seeded(seed), dtype=torch.float64) / 2
        slope, size, nugget = torch.tensor([0.3, 0.2, 0.05]).double()
        return WalshPrior(relevance + 0.01, slope, size, nugget)

    def test_transform_from_its_definition(self):
        table = torch.randn(32, generator=seeded(0), dtype=torch.float64)
        expected = [
            sum((-1) ** bin(s & t).count("1") * table[t] for t in range(32))
            for s in range(32)
        ]
        assert_close(walsh_transform(table), torch.stack(expected))

    def test_kernel_is_the_spectrum_and_the_sizes(self):
        prior, n = self.make(5), 5
        masks = F.all_masks(n)
        basis = walsh_transform(torch.eye(32, dtype=torch.float64))
        sizes = F.coalition_sizes(n)
        expected = basis @ torch.diag(prior.spectrum()) @ basis
        expected += prior.size * (sizes[:, None] == sizes)
        assert_close(prior.kernel(masks, masks), expected, rtol=0, atol=1e-10)

    def test_kernel_from_its_formula(self):
        prior = self.make(3)
        masks = F.all_masks(3)
        for s in range(8):
            for t in range(8):
                value, dot = 1.0, 0
                for i in range(3):
                    same = (s >> i) & 1 == (t >> i) & 1
                    rho = prior.relevance[i].item()
                    value *= 1.0 if same else (1 - rho) / (1 + rho)
                    dot += 1 if same else -1
                value += 0.3 * dot / 3 + 100.0
                value += 0.2 * (bin(s).count("1") == bin(t).count("1"))
                got = prior.kernel(masks[s : s + 1], masks[t : t + 1]).item()
                assert abs(got - value) < 1e-6

    def test_gradient_of_the_evidence(self):
        masks = F.all_masks(4)[:11]
        values = torch.randn(11, generator=seeded(0), dtype=torch.float64)
        start = torch.tensor([-1.0, -2.0, 0.5, 0.0, 0.3, -1.0, -2.0]).double()

        def value(parameters):
            return walsh._evidence(walsh._prior_from(parameters, 4), masks, values)

        parameters = start.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(parameters)[1], parameters)
        for k in range(7):
            step = torch.zeros(7).double()
            step[k] = 1e-5
            difference = value(start + step)[0] - value(start - step)[0]
            assert abs(difference / 2e-5 - gradient[k]) < 1e-5

    @pytest.mark.parametrize("direct", [True, False])
    def test_completion_is_the_gaussian_posterior(self, direct, monkeypatch):
        if not direct:
            module = "captum_interactions.estimators.walsh."
            monkeypatch.setattr(module + "_DIRECT_ROWS", 0)
            monkeypatch.setattr(module + "_PRECONDITIONER_RANK", 20)
        prior, n = self.make(7), 7
        codes = stratified_codes(n, 60, seeded(1))
        values = torch.randn(2, 60, generator=seeded(2), dtype=torch.float64)
        masks = F.all_masks(n)
        known = masks[codes]
        covariance = prior.kernel(known, known)
        covariance += prior.nugget * torch.eye(60).double()
        weights = torch.linalg.solve(covariance, values.mT)
        expected = (prior.kernel(masks, known) @ weights).mT.clone()
        expected[:, codes] = values
        completion = Completion(prior, codes)
        assert_close(completion.table(values), expected, rtol=0, atol=1e-6)
        errors = completion.errors(4000, seeded(3))
        assert bool((errors[:, codes] == 0).all())
        cross = torch.linalg.solve(covariance, prior.kernel(known, masks))
        variance = prior.kernel(masks, masks) + prior.nugget * torch.eye(128).double()
        variance = (variance - prior.kernel(masks, known) @ cross).diagonal()
        unknown = torch.ones(128, dtype=torch.bool)
        unknown[codes] = False
        ratio = errors[:, unknown].square().mean(0) / variance[unknown]
        assert (ratio - 1).abs().max() < 0.15  # 4000 draws: 2 % standard deviation


class TestCompletedTables:
    def test_known_values_are_kept_and_a_full_budget_is_exact(self):
        table = smooth_table(7, lead=(2,))
        codes = stratified_codes(7, 40, seeded(0))
        done = complete_table(codes, table[:, codes], 7, generator=seeded(0))
        assert_close(done.table[:, codes], table[:, codes], rtol=0, atol=0)
        assert bool((done.errors[..., codes] == 0).all())
        full = sample_table(evaluate(table), 7, 128, generator=seeded(0))
        assert_close(full.table, table, rtol=0, atol=0)
        assert full.exact
        assert full.read(F.shapley_values).std_error is None

    def test_enumerated_borders_make_the_end_orders_exact(self):
        n, table = 9, smooth_table(9)
        budget = 2 * (1 + n + comb(n, 2)) + 80
        done = sample_table(evaluate(table), n, budget, ends=True, generator=seeded(0))
        estimate, error = done.read(pairs_of)
        ends = [0, n - 2]
        assert_close(estimate[ends], pairs_of(table)[ends], rtol=0, atol=1e-10)
        assert error[ends].max() < 1e-10
        assert error[1:-1].min() > 0

    @pytest.mark.parametrize("n", [10])
    def test_smooth_games_are_found(self, n):
        table = smooth_table(n)
        done = sample_table(evaluate(table), n, 250, generator=seeded(0))
        estimate, truth = pairs_of(done.table), pairs_of(table)
        assert (estimate - truth).square().mean() < 0.05 * truth.square().mean()

    def test_constant_and_additive_games(self):
        flat = torch.full((256,), 3.0, dtype=torch.float64)
        done = sample_table(evaluate(flat), 8, 60, generator=seeded(0))
        assert_close(done.table, flat)
        additive = F.all_masks(8).double() @ torch.arange(8).double()
        done = sample_table(evaluate(additive), 8, 60, generator=seeded(0))
        assert_close(done.table, additive, rtol=0, atol=1e-3)

    def test_symmetric_games_are_found_whatever_their_curve(self):
        """Paired sampling is exact on v = h(|S|); so is the free function of size."""
        h = torch.randn(10, generator=seeded(3), dtype=torch.float64)
        table = h[F.coalition_sizes(9)]
        done = sample_table(evaluate(table), 9, 150, generator=seeded(0))
        assert (done.table - table).abs().max() < 0.02 * h.abs().max()

    def test_unstructured_games_shrink_instead_of_adding_noise(self):
        table = torch.randn(1 << 9, generator=seeded(0), dtype=torch.float64)
        done = sample_table(evaluate(table), 9, 200, generator=seeded(0))
        truth = pairs_of(table)
        assert (pairs_of(done.table) - truth).square().mean() < truth.square().mean()

    @pytest.mark.parametrize("unbiased", [False, True])
    def test_standard_errors_cover(self, unbiased):
        shares = []
        for seed in range(4):
            table = smooth_table(8, seed)
            done = sample_table(
                evaluate(table), 8, 110, unbiased=unbiased, generator=seeded(seed)
            )
            estimate, error = done.read(lambda v: pairs_of(v)[1:-1])
            inside = (estimate - pairs_of(table)[1:-1]).abs() <= 1.96 * error
            shares.append(inside.double().mean())
        assert 0.88 <= torch.stack(shares).mean() <= 0.995

    def test_unbiased_is_right_on_average_whatever_the_surrogate(self, monkeypatch):
        """Every entry of the corrected table, over 600 draws of the coalitions."""
        n, runs = 5, 600
        table = torch.randn(32, generator=seeded(0), dtype=torch.float64)
        wrong = torch.randn(32, generator=seeded(1), dtype=torch.float64)

        def surrogate(codes, values, n, draws, generator):
            out = wrong.clone()
            out[codes] = values
            return out, out.new_zeros(draws, 32)

        monkeypatch.setattr(
            "captum_interactions.estimators._completion._posterior", surrogate
        )
        tables = torch.stack(
            [
                sample_table(
                    evaluate(table), n, 20, unbiased=True, generator=seeded(seed)
                ).table
                for seed in range(runs)
            ]
        )
        deviation = tables.std(0) / runs**0.5
        sampled = deviation > 0
        assert sampled.sum() == 20
        score = (tables.mean(0) - table)[sampled] / deviation[sampled]
        assert score.abs().max() < 4
        assert score.std() > 0.5
        assert_close(tables.mean(0)[~sampled], table[~sampled])

    def test_budgets_are_counted_in_distinct_coalitions(self):
        game = evaluate(smooth_table(8))
        sample_table(game, 8, 100, generator=seeded(0))
        assert game.count == 100

    def test_bad_input(self):
        with pytest.raises(ValueError, match="`codes` must be one distinct coalition"):
            complete_table(torch.tensor([1, 1]), torch.zeros(2), 2)
        with pytest.raises(ValueError, match="enough for two coalitions of every size"):
            sample_table(evaluate(smooth_table(9)), 9, 22, unbiased=True)


class TestPairedContexts:
    def test_all_contexts_are_exact(self):
        n, table = 6, smooth_table(6)
        pairs = resolve_pairs(None, n)
        contexts = [comb(n - 2, m) for m in range(n - 1)]
        got = sample_pairs(evaluate(table), n, pairs, range(n - 1), contexts)
        assert_close(got.mean, pairs_of(table), rtol=0, atol=1e-12)
        absolute = F.upper_pairs(F.mean_absolute_deltas(table))
        assert_close(got.mean_absolute, absolute, rtol=0, atol=1e-12)
        assert bool((got.error == 0).all())

    def test_means_are_unbiased_and_errors_honest(self):
        n, table = 9, and_or_table(9)
        pairs, orders = [(0, 1), (4, 8), (2, 7)], [2, 3, 5]
        truth = read_pairs(F.multi_order_interaction(table)[orders], pairs)
        got = sample_pairs(
            evaluate(table), n, pairs, orders, [3000] * 3, generator=seeded(0)
        )
        deviations = (got.mean - truth) / got.error.clamp(min=1e-12)
        assert deviations.abs().max() < 4
        expected = context_variances(table, pairs)[orders] / 3000
        moving = expected > 1e-6
        assert bool(moving.any())
        ratio = (got.error.square() / expected.clamp(min=1e-12))[moving]
        assert (ratio - 1).abs().max() < 0.3

    def test_a_control_takes_out_what_it_explains(self):
        n, table = 8, and_or_table(8)
        spread = context_variances(table, resolve_pairs(None, n))[3]
        pairs, orders = [resolve_pairs(None, n)[int(spread.argmax())]], [3]
        near = table + 0.01 * torch.randn(256, generator=seeded(0)).double()
        arguments = (evaluate(table), n, pairs, orders, [15])
        plain = sample_pairs(*arguments, generator=seeded(1))
        known = read_pairs(F.multi_order_interaction(near)[orders], pairs)
        helped = sample_pairs(
            *arguments, control=(evaluate(near), known), generator=seeded(1)
        )
        assert helped.error.item() < plain.error.item() / 5
        truth = read_pairs(F.multi_order_interaction(table)[orders], pairs)
        assert (helped.mean - truth).abs() < 4 * helped.error
        assert_close(helped.mean_absolute, plain.mean_absolute)
        noise = 100 * torch.randn(256, generator=seeded(0)).double()
        ignored = sample_pairs(
            *arguments, control=(evaluate(noise), known), generator=seeded(1)
        )
        assert_close(ignored.mean, plain.mean, rtol=0, atol=0)

    def test_blocks_do_not_change_the_contexts_that_were_drawn(self, monkeypatch):
        n, table = 8, smooth_table(8)
        arguments = (evaluate(table), n, resolve_pairs(None, n), [2, 4], [7, 9])
        whole = sample_pairs(*arguments, generator=seeded(0))
        monkeypatch.setattr("captum_interactions.estimators.paired._BLOCK", 4 * 9 * 3)
        parts = sample_pairs(*arguments, generator=seeded(0))
        assert_close(parts.mean, whole.mean, rtol=0, atol=1e-12)

    def test_contexts_follow_the_budget(self):
        assert paired_contexts(256, 200, [0, 127, 254], 81600) == [1, 100, 1]
        with pytest.raises(ValueError, match="at least 40 for 2 pairs and 3 orders"):
            paired_contexts(8, 2, [0, 1, 2], 39)


class TestPilot:
    def run(self, table, n, pairs, orders, sampling, seed, budget=400):
        got = sample_orders(
            evaluate(table),
            n,
            pairs,
            orders,
            budget,
            sampling=sampling,
            generator=seeded(seed),
        )
        if not isinstance(got, estimators.PairedEstimate):
            return read_pairs(got.multi_order(orders).value, pairs), True
        return got.mean, False

    def test_reuse_for_all_pairs_of_a_smooth_game(self):
        n, table = 10, smooth_table(10)
        pairs = resolve_pairs(None, n)
        _, reused = self.run(table, n, pairs, [0, 4, 8], "auto", 0, budget=900)
        assert reused

    def test_paired_for_one_pair_of_a_rough_game(self):
        """Rough everywhere but smooth around one pair: made to defeat reuse."""
        n, generator = 10, seeded(0)
        rough = torch.randn(1 << 8, generator=generator, dtype=torch.float64)
        codes = torch.arange(1 << n)
        table = rough[codes >> 2] + ((codes & 3) == 3)  # Δv(0, 1, ·) is 1 everywhere
        _, reused = self.run(table, n, [(0, 1)], [4], "auto", 0)
        assert not reused

    @pytest.mark.parametrize("make", [smooth_table, and_or_table])
    def test_never_much_worse_than_paired(self, make):
        n, table = 8, make(8)
        for pairs, orders in (([(0, 1)], [3]), ([(0, 1), (2, 5), (3, 7)], [2, 4])):
            truth = read_pairs(F.multi_order_interaction(table)[orders], pairs)
            error = dict.fromkeys(("auto", "paired"), 0.0)
            for seed in range(6):
                for sampling in error:
                    got, _ = self.run(table, n, pairs, orders, sampling, seed, 120)
                    error[sampling] += (got - truth).square().mean().item()
            assert error["auto"] <= 1.2 * error["paired"] + 1e-12
