"""What every provider of log-probabilities shares; and asking several at a time."""

from __future__ import annotations

import hashlib
import math
import threading
from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from random import Random
from typing import NoReturn, TypeAlias

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._signature import checked_methods

__all__ = [
    "Ask",
    "Provider",
    "RemoteProvider",
    "Request",
    "Transient",
    "check_log_probs",
    "check_requests",
]

Request: TypeAlias = tuple[list[int], list[int]]
Ask: TypeAlias = Callable[[list[Request]], list[list[float]]]
Work: TypeAlias = Callable[[list[tuple[bytes, Request]]], None]

# Waiting before the k-th retry: 0.1 s, doubled each time, at most half a minute; eight
# retries last about 25 s, the restart of a small server.
FIRST_WAIT = 0.1
LONGEST_WAIT = 30.0
# A rounded log-softmax may exceed 0 by an ulp of half precision near 1 (2^-8), no more.
ABOVE_ZERO = 2.0**-8
# The stand-in of OpenAI-style servers for minus infinity, which JSON can't say.
MINUS_INFINITY = -9999.0
# One for all providers: a lock of its own would keep a provider from being pickled.
_COUNTING = threading.Lock()


class Provider(ABC):
    """Where log-probabilities of a language model come from.

    Subclass it with the one method :meth:`log_probs` to explain a model that is neither
    here nor behind one of the servers that this package knows.
    """

    @abstractmethod
    def log_probs(self, requests: list[Request]) -> list[list[float]]:
        """Score responses to contexts.

        Args:
            requests: Any number of pairs (token ids of the context, token ids of the
                response). All rows of a game come at once: batching, concurrency and
                retries are the provider's.

        Returns:
            For each request the log-probability, in nats, of each token of its
            response, given the context and the response's tokens before it.

        Raises:
            TypeError: If ids are not integers.
            ValueError: If a context or a response is empty, or an answer can't be
                trusted. No value is ever made up.
            ConnectionError: If a remote model can't be reached.
        """


class Transient(Exception):
    """A failure that may pass: busy server, lost connection, timeout."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@checked_methods
class RemoteProvider(Provider):
    """A provider that asks several requests at a time, and none of them twice.

    Subclasses say how a group of requests is asked. Answers are kept by the token ids
    asked for, also when a later request fails or the call is interrupted, so that the
    next call goes on from there.

    Args:
        in_flight: Requests on their way at the same time.
        retries: How often a request that failed for a passing reason is asked again.
        per_request: Rows in one request.

    Attributes:
        n_requests: Requests sent so far, retries included.
        n_answers: Rows whose answer is kept.
    """

    def __init__(self, in_flight: int, retries: int, per_request: int = 1) -> None:
        self.in_flight = check_positive_int("in_flight", in_flight, "16 is usual")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            bad_value("retries", "an integer of at least 0", retries, "8 is usual")
        self.retries = retries
        self._per_request = per_request
        self._answers: dict[bytes, tuple[float, ...]] = {}
        self._random = Random()
        self.n_requests = 0

    @property
    def n_answers(self) -> int:
        """Rows whose answer is kept."""
        return len(self._answers)

    def log_probs(self, requests: list[Request]) -> list[list[float]]:
        """Score responses to contexts; see :meth:`Provider.log_probs`."""
        check_requests(requests)
        keys = [_digest(request) for request in requests]
        missing = {
            key: request
            for key, request in zip(keys, requests, strict=True)
            if key not in self._answers
        }
        rows = list(missing.items())
        groups = [
            rows[start : start + self._per_request]
            for start in range(0, len(rows), self._per_request)
        ]
        self._prepare([request for _, request in rows])
        run_threads(groups, self._worker, self.in_flight)
        return [list(self._answers[key]) for key in keys]

    def _prepare(self, requests: list[Request]) -> None:
        """Refuse, before the first request, what can't be asked."""

    @abstractmethod
    def _session(self) -> AbstractContextManager[Ask]:
        """Open what asks one group of requests; each thread has its own.

        It raises :class:`Transient` for what may pass.
        """

    @contextmanager
    def _worker(self, stop: threading.Event) -> Iterator[Work]:
        with self._session() as ask:

            def work(group: list[tuple[bytes, Request]]) -> None:
                requests = [request for _, request in group]
                values = self._persistently(ask, requests, stop)
                for (key, request), row in zip(group, values, strict=True):
                    check_log_probs(row, request[1])
                    self._answers[key] = tuple(row)

            yield work

    def _persistently(
        self,
        ask: Ask,
        requests: list[Request],
        stop: threading.Event,
    ) -> list[list[float]]:
        for attempt in range(self.retries + 1):
            with _COUNTING:
                self.n_requests += 1
            try:
                return ask(requests)
            except Transient as failure:
                last = failure
            wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
            # Jitter, so that requests refused together don't come back together.
            wait *= self._random.uniform(0.5, 1.5)
            if last.wait is not None:
                wait = min(max(wait, last.wait), LONGEST_WAIT)
            if attempt == self.retries or stop.wait(wait):
                break
        raise ConnectionError(
            f"{self!r} failed {attempt + 1} times on one request, at last: {last}; "
            f"{self.n_answers} answers are kept, call again to go on"
        ) from last


def run_threads(
    jobs: Sequence[list[tuple[bytes, Request]]],
    worker: Callable[[threading.Event], AbstractContextManager[Work]],
    n_threads: int,
) -> None:
    """Work through jobs in threads; the first error stops all and is raised.

    An interruption is raised at once. The threads then finish the job they are at, but
    nobody waits for them.
    """
    queue = deque(jobs)
    stop = threading.Event()
    errors: list[BaseException] = []

    def taken() -> Iterator[list[tuple[bytes, Request]]]:
        while not stop.is_set():
            try:
                yield queue.popleft()
            except IndexError:
                return

    def loop() -> None:
        try:
            with worker(stop) as work:
                for job in taken():
                    work(job)
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [
        threading.Thread(target=loop, daemon=True)
        for _ in range(min(n_threads, len(queue)))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
    if errors:
        raise errors[0]


def check_requests(requests: object) -> None:
    """Refuse requests that can't be scored.

    Raises:
        TypeError: If they are not pairs of lists of integers.
        ValueError: If a context or a response is empty, or an id is negative.
    """
    if not isinstance(requests, (list, tuple)):
        bad_type("requests", "a list of pairs", requests, "pass [(context, response)]")
    for i, request in enumerate(requests):
        if not isinstance(request, (list, tuple)) or len(request) != 2:
            bad_type(
                f"requests[{i}]",
                "a pair (context token ids, response token ids)",
                request,
                "pass two lists of integers",
            )
        for name, ids in zip(("context", "response"), request, strict=True):
            _check_ids(f"{name} of requests[{i}]", ids)


def _check_ids(name: str, ids: object) -> None:
    if not isinstance(ids, (list, tuple)) or any(type(t) is not int for t in ids):
        bad_type(
            name, "a list of token ids (int)", ids, "pass tokenizer(...).input_ids"
        )
    if not ids:
        bad_value(
            name,
            "at least one token",
            "none",
            "without a token before it nothing predicts the response: keep a fixed "
            "piece (a header, or the BOS token) in front, and pass a target that "
            "tokenizes to something",
        )
    if min(ids) < 0:
        bad_value(name, "token ids of at least 0", min(ids), "pass the tokenizer's ids")


def check_log_probs(row: Sequence[float], response: Sequence[int]) -> None:
    """Refuse an answer that can't be the log-probabilities of a response.

    Raises:
        ValueError: If it has another length, or is not finite, or is above 0.
    """
    if len(row) != len(response):
        raise ValueError(
            f"the provider must return one log-probability per token of the response "
            f"({len(response)}), got {len(row)}; nothing of this answer is used"
        )
    for value in row:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value > ABOVE_ZERO:
            _bad_log_prob(value)
        if value == MINUS_INFINITY:
            _bad_log_prob(f"{value}, which servers write for minus infinity")


def _bad_log_prob(received: object) -> NoReturn:
    raise ValueError(
        "the provider must return finite log-probabilities of at most 0, got "
        f"{received}; explain a response that the model can give on every coalition"
    )


def _digest(request: Request) -> bytes:
    """Return 32 bytes in place of the ids of a long prompt."""
    context, response = request
    ids = array("q", [len(context), *context, *response])
    return hashlib.sha256(ids.tobytes()).digest()
