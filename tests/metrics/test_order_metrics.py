"""Metrics over data sets: splits and merges, references, floors, bad input."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import MultiOrderInteraction, metrics
from captum_interactions import functional as F
from captum_interactions.games import TableGame
from tests.contracts.attribution import Mlp, double
from tests.contracts.metric import MetricContract


def results(x, **options):
    return MultiOrderInteraction(Mlp(5)).interactions(x, target=1, **options)


def update(metric, result, attacked):
    if isinstance(metric, metrics.AttackingUtility):
        metric.update(result, attacked)
    else:
        metric.update(result)


def feed(metric, x):
    update(metric, results(x), results(x + 0.3))
    return metric


class OrderMetricContract(MetricContract):
    each = 10  # pairs of five players

    def feed(self, metric, x):
        return feed(metric, x)

    def test_orders_must_fit(self):
        metric, other = (feed(self.factory(), double(2, 5)) for _ in range(2))
        other.orders = (0, 1, 2)
        with pytest.raises(ValueError, match="`result` must be of 5 players and order"):
            metric.merge(other)
        assert "4 orders, 20 summed" in repr(metric)


class TestOrderStrength(OrderMetricContract):
    factory = staticmethod(metrics.OrderStrength)


class TestDebiasedStrength(OrderMetricContract):
    factory = staticmethod(lambda: metrics.OrderStrength(debiased=True))


class TestAverageInteraction(OrderMetricContract):
    factory = staticmethod(metrics.AverageInteraction)


class TestPositiveRatio(OrderMetricContract):
    factory = staticmethod(metrics.PositiveRatio)


class TestDisentanglement(OrderMetricContract):
    factory = staticmethod(metrics.Disentanglement)


class TestDisentanglementOfMeans(OrderMetricContract):
    factory = staticmethod(lambda: metrics.Disentanglement("ratio_of_means"))


class TestAttackingUtility(OrderMetricContract):
    results_per_update = 2
    factory = staticmethod(metrics.AttackingUtility)


class TestCurvesFromTheirFormulas:
    def test_all_curves(self):
        x, n = double(4, 5), 5
        tables = torch.stack([_table(row) for row in x])
        values = F.upper_pairs(F.multi_order_interaction(tables))
        absolute = F.upper_pairs(F.mean_absolute_deltas(tables))
        strength = values.abs().mean((0, 2))
        expected = {
            metrics.OrderStrength: strength / strength.mean(),
            metrics.AverageInteraction: values.mean((0, 2)),
            metrics.PositiveRatio: values.clamp(min=0).sum((0, 2))
            / values.abs().sum((0, 2)),
            metrics.Disentanglement: (values.abs() / absolute).mean((0, 2)),
        }
        for metric, curve in expected.items():
            assert_close(feed(metric(), x).compute(), curve, rtol=0, atol=1e-10)
        both = feed(metrics.Disentanglement(), x).compute()
        means = feed(metrics.Disentanglement("ratio_of_means"), x).compute()
        expected = values.abs().sum((0, 2)) / absolute.sum((0, 2))
        assert_close(means, expected, rtol=0, atol=1e-10)
        assert (both - means).abs().max() > 1e-3  # the two readings do differ
        assert n == feed(metrics.OrderStrength(), x).n_players

    def test_a_ratio_of_sums_is_not_a_mean_of_ratios(self):
        small, large = double(1, 5), 20 * double(1, 5, seed=1)
        whole = feed(feed(metrics.PositiveRatio(), small), large).compute()
        each = [feed(metrics.PositiveRatio(), x).compute() for x in (small, large)]
        assert (whole - (each[0] + each[1]) / 2).abs().max() > 1e-3

    def test_utilities_and_solo_effects_are_the_drop_of_the_output(self):
        clean, attacked = double(3, 5), double(3, 5, seed=9)
        first, second = results(clean), results(attacked)
        metric = metrics.AttackingUtility()
        metric.update(first, second)
        solo = (first.order_shapley_values - second.order_shapley_values)[:, 0].sum(-1)
        drop = first.info.v_full - second.info.v_full
        shift = first.info.v_empty - second.info.v_empty
        total = metric.total().sum() + solo.mean() + shift.mean()
        assert_close(total, drop.mean(), rtol=0, atol=1e-10)

    def test_difference_between_data_sets(self):
        one = feed(metrics.AverageInteraction(), double(3, 5))
        two = feed(metrics.AverageInteraction(), double(3, 5, seed=7))
        change = metrics.difference(one, two)
        assert_close(change, one.compute() - two.compute())
        assert_close(metrics.difference(one, two, absolute=True), change.abs())
        with pytest.raises(TypeError, match="`second` must be a AverageInteraction"):
            metrics.difference(one, feed(metrics.PositiveRatio(), double(1, 5)))
        two.n_players = 6
        with pytest.raises(ValueError, match="`second` must be of 5 players"):
            metrics.difference(one, two)


class TestNoise:
    def test_debiased_strength_is_closer_to_the_truth(self):
        """Few contexts inflate E|I|; the debiased curve stays near the exact one."""
        x = double(30, 10)
        method = MultiOrderInteraction(Mlp(10))
        exact = metrics.OrderStrength(debiased=True)
        exact.update(method.interactions(x, target=1))
        plain, clean = metrics.OrderStrength(), metrics.OrderStrength(debiased=True)
        generator = torch.Generator().manual_seed(0)
        sampled = method.interactions(
            x, target=1, n_samples=5000, sampling="paired", generator=generator
        )
        plain.update(sampled)
        clean.update(sampled)
        raw = (clean._sums["square"] / clean.count).sqrt()
        truth, middle = exact.strength(), slice(2, 7)
        corrected = (clean.strength() / truth - 1)[middle].abs().mean()
        uncorrected = (raw / truth - 1)[middle].abs().mean()
        assert corrected < uncorrected / 2
        assert bool((plain.noise()[1:-1] > 0).all())
        assert plain.noise()[0] == 0

    def test_null_curve_belongs_to_the_players_and_orders(self):
        metric = metrics.OrderStrength()
        metric.update(results(double(1, 5), orders=[0, 3]))
        assert_close(metric.null_curve(), torch.ones(2).double())


class TestMergeOfDifferentSettings:
    def test_reductions(self):
        with pytest.raises(ValueError, match="a metric with the settings"):
            metrics.Disentanglement().merge(metrics.Disentanglement("ratio_of_means"))
        with pytest.raises(ValueError, match="a metric with the settings"):
            metrics.OrderStrength().merge(metrics.OrderStrength(debiased=True))
        with pytest.raises(ValueError, match="`reduction` must be one of"):
            metrics.Disentanglement("mean")

    def test_clean_and_adversarial_must_match(self):
        clean = results(double(1, 5))
        for other in (
            results(double(1, 5), orders=[0]),
            results(double(2, 5)),
            results(double(1, 5), pairs=[(0, 1)]),
        ):
            with pytest.raises(ValueError, match="`adversarial` must be of 10 pairs"):
                metrics.AttackingUtility().update(clean, other)


def _table(row):
    masks = F.all_masks(5)
    return Mlp(5)(torch.where(masks, row, 0.0))[:, 1].detach()


def test_strength_of_a_posterior_counts_its_spread():
    """A posterior mean is shrunk, at each order differently; its spread makes up."""
    plain, debiased, exact = (
        metrics.OrderStrength(debiased=on) for on in (False, True, True)
    )
    short = []
    for seed in range(6):
        generator = torch.Generator().manual_seed(seed)
        inner = torch.randn(10, 12, generator=generator).double()
        outer = torch.randn(12, generator=generator).double()
        game = TableGame(torch.tanh(F.all_masks(10).double() @ inner) @ outer)
        found = MultiOrderInteraction.read(game, n_samples=100, generator=generator)
        plain.update(found)
        debiased.update(found)
        exact.update(MultiOrderInteraction.read(game))
        short.append(found.pair_values().square().mean(-1)[0])
    truth = exact.strength()
    shrunk = torch.stack(short).mean(0).sqrt()
    assert bool((debiased.strength() >= shrunk).all())
    gap = (debiased.strength() - truth).abs().mean()
    assert gap < (shrunk - truth).abs().mean()
    assert_close(plain.noise() > 0, torch.ones(9, dtype=torch.bool))
