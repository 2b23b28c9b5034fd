"""How many coalitions go into one forward pass."""

from __future__ import annotations

import errno
import functools
import time
import warnings

import torch

from captum_interactions._checks import user_level

__all__ = [
    "CPU_ROWS",
    "FixedBatch",
    "ProbedBatch",
    "fixed_size",
    "is_out_of_memory",
    "keep_freed_memory",
]

# Inputs and outputs of a forward pass stay below this, whatever the probe would like.
_MAX_BATCH_BYTES = 1 << 26
# The second pass is this large, if at the pace of the first it is done in this time:
# small batches waste the time of small models, large ones the patience of slow ones.
_SECOND_ROWS = 512
_SECOND_SECONDS = 0.25
# A trial of a size that turns out too large must stay a small part of the work.
_LEAST_BATCHES = 8
# On a CPU the networks measured gained little or nothing from more rows than this, and
# large ones lost; a GPU may gain.
CPU_ROWS = 1024
# Small ones gain from twice as many, where all else that a pass costs counts; trying
# that is safe where passes are timed.
_TIMED_CPU_ROWS = 2048
# A doubling must save this much of a row's time, or later ones will not either: what a
# batch costs beyond its rows halves with each.
_WORTHWHILE = 0.98
# A pass with less of its time on the processor than this waits for something else. With
# twenty busy programs on a core any would, and is then timed as ever.
_WAITING = 0.05


class FixedBatch:
    """A number of coalitions per forward pass that the user has chosen."""

    settled = True

    def __init__(self, size: int) -> None:
        self.size = self._chosen = size

    def record(self, coalitions: int, seconds: float) -> None:
        """Measurements change nothing."""

    def shrink(self) -> bool:
        """Halve the batch after memory ran out; False if it can't be halved."""
        if self.size == 1:
            return False
        if self.size == self._chosen:
            warnings.warn(
                f"memory ran out with `perturbations_per_eval` = {self.size}; fewer "
                "coalitions share a forward pass instead",
                UserWarning,
                stacklevel=user_level(),
            )
        self.size //= 2
        return True


class ProbedBatch:
    """The number of coalitions per forward pass found by timing real work.

    The largest batch that fits is up to three times slower per row than the best one,
    because its activations fall out of the cache. Sizes double from a small start as
    long as rows get faster, then the best one is used. Only passes that are needed
    anyway are timed.

    Args:
        total: Coalitions to evaluate.
        rows_per_coalition: Forward rows one coalition takes.
        bytes_per_coalition: Bytes of its masked inputs and its outputs.
        on_cpu: Whether the model runs on a CPU.
    """

    def __init__(
        self,
        total: int,
        rows_per_coalition: int,
        bytes_per_coalition: int,
        on_cpu: bool = True,
    ) -> None:
        self._first = _power_of_two_below(_SECOND_ROWS // rows_per_coalition)
        most = total // _LEAST_BATCHES
        if on_cpu:
            most = min(most, _TIMED_CPU_ROWS // rows_per_coalition)
        self._limit = min(
            _power_of_two_below(_MAX_BATCH_BYTES // max(1, bytes_per_coalition)),
            max(self._first, _power_of_two_below(most)),
        )
        self._seconds: dict[int, float] = {}  # best seconds per coalition, by size
        self._doubts = 0
        self.settled = False
        self.size = 1  # the first pass shows what the forward function returns

    def record(self, coalitions: int, seconds: float) -> None:
        """Take note of how long a pass took, and choose the next size."""
        if self.settled:
            return
        if self.size == 1 and not self._seconds:
            self._seconds[1] = float("inf")  # the first pass also warms up
            paced = _power_of_two_below(int(_SECOND_SECONDS / max(seconds, 1e-6)))
            self.size = min(self._first, self._limit, paced)
            return
        if coalitions != self.size:
            return
        each = min(seconds / coalitions, self._seconds.get(self.size, float("inf")))
        self._seconds[self.size] = each
        others = [s for size, s in self._seconds.items() if size != self.size]
        if each < min(others, default=float("inf")) * _WORTHWHILE:
            self._doubts = 0
            if 2 * self.size <= self._limit:
                self.size *= 2
            else:
                self._settle()
        elif self._doubts:
            self._settle()
        else:  # one slow pass may be the machine's fault: look twice
            self._doubts += 1

    def shrink(self) -> bool:
        """Halve the batch after memory ran out; False if it can't be halved."""
        if self.size == 1:
            return False
        self._limit = self.size = self.size // 2
        self.settled = True
        return True

    def _settle(self) -> None:
        self.size = min(self._seconds, key=lambda size: self._seconds[size])
        self.settled = True


def seconds_since(wall: float, cpu: float) -> float:
    """Return how long a pass took, without what other programs took meanwhile.

    On a busy machine the clock misled: MiniLM was left with batches of 4 rows, which
    cost 1.8 times those of 64. One thread's own time does not. A model that waits, for
    a service or a device, hardly has any, and models on more threads have theirs there.

    Args:
        wall: ``time.perf_counter()`` at the start.
        cpu: ``time.thread_time()`` at the start.
    """
    passed, own = time.perf_counter() - wall, time.thread_time() - cpu
    waits = own < _WAITING * passed
    return passed if waits or torch.get_num_threads() > 1 else own


# The largest block of memory that glibc's malloc will ever learn to keep.
_LARGEST_KEPT = 1 << 25


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library keep the memory of one pass for the next.

    glibc's malloc hands freed memory back to the system beyond a limit that it raises
    to twice the largest block it saw freed. Passes whose activations are larger get new
    pages every time: 300,000 page faults in 65,536 rows of a small CNN, 6 % of its time
    where the limit is reached now and then, 60 % where always. So one such block is
    asked for and freed, without being touched. Other allocators do nothing with it.
    """
    torch.empty(_LARGEST_KEPT - (1 << 16), dtype=torch.uint8)


def fixed_size(
    rows_per_coalition: int, bytes_per_coalition: int, on_cpu: bool = True
) -> int:
    """Return coalitions per pass from shapes alone, the same in every run."""
    size = _MAX_BATCH_BYTES // max(1, bytes_per_coalition)
    if on_cpu:
        size = min(size, CPU_ROWS // rows_per_coalition)
    return _power_of_two_below(size)


def _power_of_two_below(number: int) -> int:
    return 1 << max(0, number.bit_length() - 1)


# How libraries say that memory ran out, where they have no exception of their own:
# torch's CPU allocator, CUDA, cuBLAS, cuDNN, HIP, MPS, XLA, C++.
_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "alloc_failed",
    "failed to allocate",
    "unable to allocate",
    "bad_alloc",
    "bad alloc",
    "resource_exhausted",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory ran out, in any library's words.

    Example:
        >>> is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated"))
        True
    """
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if not isinstance(error, RuntimeError):
        return False
    message = str(error).lower()
    return any(words in message for words in _OUT_OF_MEMORY)
