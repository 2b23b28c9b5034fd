"""Valid calls, generated: right within their noise floor, or one clear word.

The judge is brute force: one coalition per pass, fresh tensors, plain loops.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.judged import run
from tests.fuzz.models import HARMLESS, NO_FUNCTION, ONE_PER_PASS

FAULTS = {"silently wrong", "changed", "obscure"}
# What is known to be wrong without a word, of 4,000 calls: rows of a pass that depend
# on each other are found by two control coalitions, and these may happen not to be
# touched (a scale over the batch that is that of both, rows that change places). It was
# none and one here, four and none in 6,000 others.
MISSED = {"mixed": 1, "chance": 2}
# Calls of 240 with fewer than 2^n evaluations whose error is beyond 8 standard errors.
BEYOND = 10


def faults(outcomes):
    return [one for one in outcomes if one.kind in FAULTS]


def test_two_hundred_calls():
    outcomes = [run(seed) for seed in range(200, 400)]
    wrong = faults(outcomes)
    assert not wrong, wrong
    assert sum(one.kind == "right" for one in outcomes) > 140
    assert {one.habit for one in outcomes} >= {"plain", *NO_FUNCTION}


@pytest.mark.slow
def test_four_thousand_calls():
    outcomes = [run(seed) for seed in range(4000)]
    wrong = faults(outcomes)
    by_habit = Counter(one.habit for one in wrong)
    assert not set(by_habit) & set(HARMLESS), wrong
    assert sum(by_habit[habit] for habit in ONE_PER_PASS) <= MISSED["mixed"], wrong
    assert sum(by_habit[habit] for habit in NO_FUNCTION) <= MISSED["chance"], wrong
    assert sum(one.kind.startswith("beyond") for one in outcomes) <= BEYOND
    for one in outcomes:  # a call without a bad habit is refused for what it asks
        if one.kind == "refused" and one.habit in HARMLESS:
            assert "`perturbations_per_eval`" in one.said or "`n_samples`" in one.said
