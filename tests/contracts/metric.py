"""The contract every metric keeps: how a data set was cut changes nothing."""

from __future__ import annotations

import copy
import pickle

import pytest
from torch.testing import assert_close

from captum_interactions import AndInteraction
from tests.contracts.attribution import Mlp, double


class MetricContract:
    """A subclass says how its metric is made and fed.

    Override :meth:`factory` and :meth:`feed`, and ``each``: what an example counts.
    """

    each = 1
    n_players = 5

    @staticmethod
    def factory():
        raise NotImplementedError

    def feed(self, metric, x):
        """Update a metric with results of inputs ``(batch, n_players)``; return it."""
        raise NotImplementedError

    def test_any_split_gives_the_same_figures(self):
        x = double(6, self.n_players)
        whole = self.feed(self.factory(), x)
        for cut in ([6], [1, 5], [2, 2, 2], [1, 1, 1, 1, 1, 1]):
            parts = x.split(cut)
            updated, merged = self.factory(), self.factory()
            for part in parts:
                self.feed(updated, part)
                merged.merge(self.feed(self.factory(), part))
            for metric in (updated, merged):
                self.same(metric.compute(), whole.compute(), atol=1e-12)
                assert metric.count == whole.count == 6 * self.each

    def same(self, figures, expected, atol=0.0):
        assert_close(figures, expected, rtol=0, atol=atol, equal_nan=True)

    def test_merge_leaves_the_other_alone(self):
        x = double(4, self.n_players)
        first = self.feed(self.factory(), x[:1])
        second = self.feed(self.factory(), x[1:])
        before = second.compute().clone()
        self.feed(first.merge(second), x[:2])
        self.same(second.compute(), before)
        empty = self.factory().merge(second)
        self.feed(empty, x[:2])
        self.same(second.compute(), before)

    def test_reset_copy_and_pickle(self):
        x = double(2, self.n_players)
        metric = self.feed(self.factory(), x)
        figures = metric.compute()
        self.same(pickle.loads(pickle.dumps(metric)).compute(), figures)
        self.same(copy.deepcopy(metric).compute(), figures)
        metric.reset()
        with pytest.raises(ValueError, match="must be called after update"):
            metric.compute()
        self.same(self.feed(metric, x).compute(), figures)

    def test_bad_input(self):
        metric = self.feed(self.factory(), double(2, self.n_players))
        with pytest.raises(TypeError, match="`other` must be a "):
            metric.merge(42)
        other = self.feed(self.factory(), double(2, self.n_players))
        other.n_players = 3
        with pytest.raises(ValueError, match=f"`result` must be of {self.n_players} p"):
            metric.merge(other)
        wrong = AndInteraction(Mlp(5)).interactions(double(1, 5), target=0)
        with pytest.raises(TypeError, match=r"must be an? .*InteractionResult"):
            metric.update(*(wrong,) * self.results_per_update)
        assert f"{2 * self.each} summed" in repr(metric)

    results_per_update = 1
