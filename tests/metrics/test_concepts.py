"""Concepts over a data set and over two models, against loops over sets."""

from __future__ import annotations

import pytest
import torch

from captum_interactions import AndOrInteraction
from captum_interactions.functional import coalition_members
from captum_interactions.metrics import ConceptFrequency, ConceptTransfer
from tests.contracts.attribution import Mlp, double
from tests.contracts.metric import MetricContract


@pytest.fixture(scope="module")
def results():
    x = double(6, 4)
    noisy = Mlp()
    with torch.no_grad():
        for parameter in noisy.parameters():
            parameter += 0.1
    return (
        AndOrInteraction(Mlp()).interactions(x),
        AndOrInteraction(noisy).interactions(x),
    )


def concepts(result, threshold=0.05, k=None):
    """Sets of (kind, coalition) for every example and output."""
    rows = result.parts.flatten(0, 1)
    found = []
    for row in rows:
        entries = {
            (kind, frozenset(coalition_members(code))): abs(row[kind, code].item())
            for kind in range(2)
            for code in range(1, 16)
        }
        if k is None:
            level = threshold * max(entries.values())
            found.append({e for e, v in entries.items() if v > level})
        else:
            best = set()
            for kind in range(2):
                own = [e for e in entries if e[0] == kind and entries[e] > 0]
                best |= set(sorted(own, key=lambda e: -entries[e])[:k])
            found.append(best)
    return found


def test_frequency_counts_examples(results):
    metric = ConceptFrequency(0.2)
    metric.update(results[0])
    rows = concepts(results[0], 0.2)
    shares = metric.compute()
    assert shares.shape == (2, 16)
    for kind in range(2):
        for code in range(16):
            entry = (kind, frozenset(coalition_members(code)))
            expected = sum(entry in row for row in rows) / len(rows)
            assert shares[kind, code].item() == pytest.approx(expected)
    recurring = metric.recurring(0.3)
    assert len(recurring) == int((shares >= 0.3).sum()) > 0
    assert [c.share for c in recurring] == sorted(
        (c.share for c in recurring), reverse=True
    )
    first = recurring[0]
    kind = ("and", "or").index(first.kind)
    code = sum(1 << i for i in first.players)
    mean = results[0].parts[:, :, kind, code].mean().item()
    assert first.mean == pytest.approx(mean)


@pytest.mark.parametrize("k", [None, 3])
def test_transfer_is_what_loops_count(results, k):
    metric = ConceptTransfer(0.1, k)
    metric.update(*results)
    ours, theirs = concepts(results[0], 0.1, k), concepts(results[1], 0.1, k)
    got, chance = metric.compute(), metric.chance()
    for kind in range(2):
        for size in range(5):

            def of(row, kind=kind, size=size):
                return {e for e in row if e[0] == kind and len(e[1]) == size}

            have = sum(len(of(row)) for row in ours)
            pairs = list(zip(ours, theirs, strict=True))
            shared = sum(len(of(a) & of(b)) for a, b in pairs)
            if have == 0:
                assert got[kind, size].isnan()
                continue
            assert got[kind, size].item() == pytest.approx(shared / have)
            total = [1, 4, 6, 4, 1][size]
            expected = sum(len(of(a)) * len(of(b)) / total for a, b in pairs) / have
            assert chance[kind, size].item() == pytest.approx(expected)


def test_a_model_shares_everything_with_itself(results):
    metric = ConceptTransfer()
    metric.update(results[0], results[0])
    shared = metric.compute()
    assert (shared[~shared.isnan()] == 1).all()
    assert (~shared.isnan()).any()


class TestConceptFrequency(MetricContract):
    each = 2  # outputs
    n_players = 4
    factory = staticmethod(ConceptFrequency)

    def feed(self, metric, x):
        metric.update(AndOrInteraction(Mlp()).interactions(x))
        return metric


class TestConceptTransfer(TestConceptFrequency):
    factory = staticmethod(ConceptTransfer)
    results_per_update = 2

    def feed(self, metric, x):
        first = AndOrInteraction(Mlp()).interactions(x)
        metric.update(first, AndOrInteraction(Mlp()).interactions(x + 0.1))
        return metric


class TestStrongestTransfer(TestConceptTransfer):
    factory = staticmethod(lambda: ConceptTransfer(k=3))


def test_bad_input(results):
    with pytest.raises(ValueError, match=r"`threshold` must be inside \(0, 1\)"):
        ConceptFrequency(1.0)
    with pytest.raises(ValueError, match="`k` must be a positive integer, got 0"):
        ConceptTransfer(k=0)
    with pytest.raises(ValueError, match="`other` must be a metric with"):
        ConceptFrequency(0.1).merge(ConceptFrequency(0.2))
    other = AndOrInteraction(Mlp(3)).interactions(double(6, 3))
    with pytest.raises(ValueError, match="`second` must be interactions of shape"):
        ConceptTransfer().update(results[0], other)
    metric = ConceptFrequency()
    metric.update(results[0])
    with pytest.raises(ValueError, match="`result` must be of 4 players"):
        metric.update(other)
    with pytest.raises(ValueError, match=r"`share` must be inside \(0, 1\)"):
        metric.recurring(0.0)
