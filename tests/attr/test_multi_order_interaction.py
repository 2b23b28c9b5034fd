"""MultiOrderInteraction: the contract, exact games, budgets, bad input."""

from __future__ import annotations

import re

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import MultiOrderInteraction, ShapleyInteraction
from captum_interactions.results import MultiOrderInteractionResult
from tests import reference
from tests.contracts.attribution import AttributionContract, Mlp, double


class TestMultiOrderInteraction(AttributionContract):
    method = MultiOrderInteraction


def network(n=10, seed=0):
    return Mlp(n_in=n), double(2, n, seed=seed)


class TestExact:
    def test_values_and_order_shapley_values_from_the_definitions(self):
        model, x = network(4)
        result = MultiOrderInteraction(model).interactions(x, target=1)
        assert result.values.shape == (2, 3, 4, 4)
        assert result.order_shapley_values.shape == (2, 4, 4)
        for example in range(2):

            def v(coalition, example=example):
                kept = [float(i in coalition) for i in range(4)]
                row = x[example : example + 1] * torch.tensor(kept)
                return model(row)[0, 1].item()

            for m in range(3):
                expected = reference.multi_order_interaction(v, 0, 2, m, 4)
                assert abs(result.values[example, m, 0, 2] - expected) < 1e-12
            for m in range(4):
                expected = reference.multi_order_shapley(v, 3, m, 4)
                assert (
                    abs(result.order_shapley_values[example, m, 3] - expected) < 1e-12
                )

    def test_chosen_orders_are_rows_of_all_orders(self):
        model, x = network(6)
        method = MultiOrderInteraction(model)
        every = method.interactions(x, target=0)
        some = method.interactions(x, target=0, orders=[3, 0.0, 1.0])
        assert some.orders == (3, 0, 4)
        assert_close(some.values, every.values[:, [3, 0, 4]], rtol=0, atol=0)
        phi = every.order_shapley_values[:, [3, 0, 4]]
        assert_close(some.order_shapley_values, phi, rtol=0, atol=0)
        assert_close(some.at_order(0), every.at_order(0), rtol=0, atol=0)

    def test_attributions_of_single_orders_and_solo_effects_are_the_shapley_value(self):
        model, x = network(5)
        method = MultiOrderInteraction(model)
        parts = sum(method.attribute(x, target=0, orders=[m]) for m in range(4))
        result = method.interactions(x, target=0)
        solo = result.order_shapley_values[:, 0]
        assert_close(parts + solo, method.attribute(x, target=0), rtol=0, atol=1e-12)

    def test_mean_over_orders_is_the_shapley_interaction(self):
        model, x = network(5)
        orders = MultiOrderInteraction(model).interactions(x, target=0)
        index = ShapleyInteraction(model).interactions(x, target=0)
        assert_close(orders.values.mean(1), index.values, rtol=0, atol=1e-12)
        best = [(b.players, round(b.value, 9)) for b in orders.top_k(3)[0]]
        assert best == [(b.players, round(b.value, 9)) for b in index.top_k(3)[0]]

    def test_pairs_that_were_not_asked_for_are_nan(self):
        model, x = network(5)
        result = MultiOrderInteraction(model).interactions(x, target=0, pairs=[(3, 1)])
        known = ~result.values.isnan()
        assert known.sum() == 2 * 4 * (2 + 5)
        assert bool(known[..., 1, 3].all())
        assert result.pairs == ((1, 3),)
        with pytest.raises(ValueError, match="`attributions` must be read from"):
            result.attributions()
        with pytest.raises(ValueError, match="`order_shapley_values` must be read"):
            _ = result.order_shapley_values

    def test_no_error_where_nothing_is_sampled(self):
        model, x = network(4)
        result = MultiOrderInteraction(model).interactions(x, target=0)
        assert result.std_error is None
        assert bool((result.noise_floor < 1e-13).all())  # rounding of doubles


class TestSampled:
    @pytest.mark.parametrize("unbiased", [False, True])
    def test_budget_errors_and_truth(self, unbiased, generator):
        model, x = network(10)
        method = MultiOrderInteraction(model)
        truth = method.interactions(x, target=0)
        result = method.interactions(
            x, target=0, n_samples=300, unbiased=unbiased, generator=generator
        )
        assert result.n_evaluations == 300
        error = result.pair_values() - truth.pair_values()
        covered = error.abs() <= 1.96 * result.pair_values(result.std_error) + 1e-9
        assert covered.double().mean() > 0.85
        relative = error.square().mean() / truth.pair_values().square().mean()
        assert relative < (0.5 if unbiased else 0.01)
        assert result.efficiency_gap.abs().max() < 1e-9
        assert bool((result.noise_floor[:, 1:-1] > 0).all())

    def test_a_budget_of_everything_is_exact(self, generator):
        model, x = network(6)
        method = MultiOrderInteraction(model)
        exact = method.interactions(x, target=0)
        full = method.interactions(x, target=0, n_samples=64, generator=generator)
        assert_close(full.values, exact.values, rtol=0, atol=1e-12)
        assert full.n_evaluations == 64
        assert full.std_error is None

    def test_paired_contexts_beyond_twenty_players(self, generator):
        x = double(1, 30)

        def f(x):
            return x[:, 0] * x[:, 1] * (1 + x[:, 2:].sum(1))

        result = MultiOrderInteraction(f).interactions(
            x,
            orders=[0, 0.5, 28],
            pairs=[(0, 1), (5, 6)],
            n_samples=2000,
            generator=generator,
        )
        pair = (x[0, 0] * x[0, 1]).item()
        rest = x[0, 2:].sum().item()
        low, middle, high = result.values[0, :, 0, 1].tolist()
        assert abs(low - pair) < 1e-9
        assert abs(high - pair * (1 + rest)) < 1e-9
        expected, error = pair * (1 + rest / 2), result.std_error[0, 1, 0, 1].item()
        assert abs(middle - expected) < 4 * error
        assert result.estimate.contexts == (1, 247, 1)
        assert result.n_evaluations <= 2000
        assert bool((result.values[..., 5, 6].abs() < 1e-9).all())
        assert_close(result.absolute_deltas()[0, 0, 0, 1].item(), abs(pair))

    def test_generator_decides_everything(self):
        model, x = network(8)

        def run(seed):
            generator = torch.Generator().manual_seed(seed)
            return MultiOrderInteraction(model).interactions(
                x,
                target=0,
                n_samples=60,
                perturbations_per_eval=8,
                generator=generator,
            )

        state = torch.get_rng_state()
        first, again, other = run(0), run(0), run(1)
        assert torch.equal(first.values, again.values)
        assert torch.equal(first.std_error, again.std_error)
        assert not torch.equal(first.values, other.values)
        assert torch.equal(torch.get_rng_state(), state)

    def test_without_a_generator_the_global_state_is_followed_and_left_alone(self):
        model, x = network(8)

        def run(seed):
            torch.manual_seed(seed)
            state = torch.get_rng_state()
            result = MultiOrderInteraction(model).interactions(
                x, target=0, n_samples=60, perturbations_per_eval=8
            )
            assert torch.equal(torch.get_rng_state(), state)
            return result.values

        assert torch.equal(run(0), run(0))
        assert not torch.equal(run(0), run(1))

    def test_completed_tables_have_no_absolute_deltas(self, generator):
        model, x = network(8)
        result = MultiOrderInteraction(model).interactions(
            x, target=0, n_samples=60, sampling="reuse", generator=generator
        )
        with pytest.raises(ValueError, match="pass `sampling='paired'`"):
            result.absolute_deltas()

    def test_file_and_back(self, tmp_path, generator):
        model, x = network(8)
        result = MultiOrderInteraction(model).interactions(
            x, target=0, n_samples=60, generator=generator
        )
        result.save(tmp_path / "sampled.npz")
        loaded = MultiOrderInteractionResult.load(tmp_path / "sampled.npz")
        assert_close(loaded.std_error, result.std_error, rtol=0, atol=0)
        assert loaded.pairs == result.pairs

    def test_progress(self, capsys, generator):
        model, x = network(8)
        MultiOrderInteraction(model).interactions(
            x, target=0, n_samples=60, show_progress=True, generator=generator
        )
        assert "60/60" in capsys.readouterr().err
        MultiOrderInteraction(model).interactions(
            x,
            target=0,
            pairs=[(0, 1)],
            orders=[0, 3],
            n_samples=200,
            sampling="paired",
            show_progress=True,
            generator=generator,
        )
        assert "100%" in capsys.readouterr().err


class TestSampledShapleyInteraction:
    def test_errors_cover_the_truth(self, generator):
        model, x = network(10)
        method = ShapleyInteraction(model)
        exact = method.interactions(x, target=0)
        sampled = method.interactions(x, target=0, n_samples=300, generator=generator)
        assert sampled.n_evaluations == 300
        error = (sampled.values - exact.values).abs()
        assert (error <= 2 * sampled.std_error + 1e-12).double().mean() > 0.85
        gap = sampled.shapley_values() - exact.shapley_values()
        assert gap.abs().max() < 4 * sampled.shapley_error().max()
        assert sampled.efficiency_gap.abs().max() < 1e-9


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"orders": [9]}, "`orders` must be in 0..n-2 = 0..8, got 9"),
            ({"orders": [-1]}, "`orders` must be in 0..n-2 = 0..8, got -1"),
            ({"orders": [1.5]}, "`orders` must be fractions in"),
            ({"orders": [0, 0.0]}, "`orders` must be distinct"),
            ({"orders": []}, "`orders` must be not empty"),
            ({"pairs": [(1, 1)]}, "`pairs` must be of two different players"),
            ({"pairs": [(0, 10)]}, "`pairs` must be of players in 0..9"),
            ({"pairs": [(0, 1), (1, 0)]}, "`pairs` must be distinct"),
            ({"pairs": []}, "`pairs` must be not empty"),
            ({"n_samples": 21}, "`n_samples` must be at least 22 with 10 players"),
            ({"n_samples": 0}, "`n_samples` must be a positive integer"),
            ({"sampling": "best"}, "`sampling` must be one of"),
            (
                {"n_samples": 11, "pairs": [(0, 1)], "sampling": "paired"},
                "`n_samples` must be at least 66 for 1 pairs and 9 orders, got 11",
            ),
        ],
    )
    def test_message_before_the_first_forward(self, options, message):
        def f(x):
            raise AssertionError("evaluated")

        with pytest.raises(ValueError, match=re.escape(message)):
            MultiOrderInteraction(f).interactions(double(1, 10), **options)

    def test_the_smallest_budget_that_the_message_names_works(self, generator):
        method = MultiOrderInteraction(Mlp(10))
        x, pair = double(1, 10), [(0, 1)]
        for budget, sampling in ((66, "paired"), (22, "reuse"), (22, "auto")):
            method.interactions(
                x,
                target=0,
                pairs=pair,
                n_samples=budget,
                sampling=sampling,
                generator=generator,
            )

    def test_an_order_that_is_no_number(self):
        with pytest.raises(
            TypeError, match="`orders` must be a sequence of integers or numbers"
        ):
            MultiOrderInteraction(Mlp()).attribute(double(1, 4), orders=["low"])

    def test_reuse_beyond_twenty_players(self):
        method, x = MultiOrderInteraction(Mlp(21)), double(1, 21)
        found = method.interactions(
            x,
            target=0,
            orders=[0, 19],
            n_samples=300,
            sampling="reuse",
            generator=torch.Generator().manual_seed(0),
        )
        assert found.n_evaluations == 300
        kept = torch.zeros(4, 21, dtype=torch.bool)
        kept[:2, 0] = kept[::2, 1] = True
        rows = Mlp(21)(torch.where(kept, x, 0.0))[:, 0].detach()
        both, first, second, neither = rows
        # Three of the four values of order 0 are known.
        away = found.values[0, 0, 0, 1] - (both - first - second + neither)
        assert float(away.abs()) < 4 * float(found.std_error[0, 0, 0, 1]) + 1e-6
        everything = method.attribute(x, target=0, n_samples=300)
        whole = (Mlp(21)(x) - Mlp(21)(0 * x))[0, 0].detach()
        assert float(everything.sum()) == pytest.approx(float(whole), abs=1e-6)
        with pytest.raises(ValueError, match="`unbiased` must be False with more than"):
            method.attribute(x, target=0, n_samples=300, unbiased=True)
