"""Fair timing: in turns, warmed up, CPU time of one thread, medians."""

from __future__ import annotations

import platform
import statistics
import time

import captum
import torch


def in_turns(calls, rounds):
    """Time several calls in turns and return seconds per call, one list each.

    CPU time of a single thread is what a busy machine disturbs least. Taking turns
    lets both sides of a ratio see the same machine.
    """
    seconds = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return seconds


def ratio(numerator, denominator):
    """Return the median of the pairwise ratios."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def milliseconds(seconds):
    """Return the median in milliseconds."""
    return statistics.median(seconds) * 1e3


def describe():
    """One line about versions and machine."""
    return (
        f"torch {torch.__version__}, captum {captum.__version__}, Python "
        f"{platform.python_version()}, {torch.get_num_threads()} thread(s), CPU"
    )
