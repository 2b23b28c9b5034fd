"""One exchange with a completions server that scores prompts (vLLM's form)."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

from captum_interactions._checks import bad_value
from captum_interactions.games._remote import Request, Transient

__all__ = ["Completions"]

# Asked again: request timeout, too early, too many requests; and every 5xx but "not
# implemented" and "version not supported", which stay.
RETRIED = {408, 425, 429}
FINAL = {501, 505}


class Completions:
    """A kept connection to ``<url>/completions``, for one thread.

    Args:
        url: Base address with its version, as ``http://host:8000/v1``.
        model: Name under which the server serves the model.
        timeout: Seconds for a whole exchange.
        api_key: Sent as a bearer token, if given.
    """

    def __init__(
        self, url: str, model: str, timeout: float, api_key: str | None
    ) -> None:
        parts = check_url(url)
        self._path = f"{parts.path.rstrip('/')}/completions"
        self._model = model
        self._timeout = timeout
        self._headers = {"Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        host = parts.hostname or ""
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                host, parts.port, timeout=timeout, context=ssl.create_default_context()
            )
        else:
            self._connection = http.client.HTTPConnection(
                host, parts.port, timeout=timeout
            )

    def __enter__(self) -> Completions:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def __call__(self, requests: list[Request]) -> list[list[float]]:
        """Score requests in one exchange.

        Raises:
            Transient: If it may succeed later.
            ValueError: If the server refuses, or its answer is not to be trusted.
        """
        prompts = [[*context, *response] for context, response in requests]
        body = {
            "model": self._model,
            "prompt": prompts,
            "max_tokens": 1,  # servers refuse 0
            "temperature": 0.0,
            "prompt_logprobs": 0,  # the tokens of the prompt alone
        }
        try:
            status, headers, content = self._exchange(json.dumps(body).encode())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next exchange opens a new one
            raise Transient(f"{type(error).__name__}: {error}") from error
        if status != 200:
            _refuse(status, headers, content)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Transient(f"an answer that is not JSON ({error})") from error
        return read_answer(answer, self._model, requests)

    def _exchange(self, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            sock = self._connection.sock
            if sock is not None:
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

        # The timeout of a socket is that of a single read: a server that drips would
        # never run into it.
        timer = threading.Timer(self._timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException) as error:
            if late.is_set():
                raise TimeoutError(f"no whole answer in {self._timeout} s") from error
            raise
        finally:
            timer.cancel()


def check_url(url: str) -> Any:
    """Return the parts of a base address.

    Raises:
        ValueError: If it has no http scheme or no host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        bad_value("url", "an http(s) address", repr(url), 'pass "http://host:8000/v1"')
    return parts


def _refuse(status: int, headers: http.client.HTTPMessage, content: bytes) -> NoReturn:
    said = content[:500].decode(errors="replace").strip()
    message = f"HTTP {status} {http.client.responses.get(status, '')}: {said}"
    if status in RETRIED or (status >= 500 and status not in FINAL):
        raise Transient(message, _retry_after(headers.get("Retry-After")))
    raise ValueError(
        f"the server refused the request with {message}; check `url` (it ends with the "
        "version, as /v1), `model`, `api_key`, and the length of the prompt"
    )


def _retry_after(value: str | None) -> float | None:
    """Read the header's two forms, seconds or a date."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def read_answer(answer: Any, model: str, requests: list[Request]) -> list[list[float]]:
    """Return the log-probabilities in a server's answer, once everything fits.

    Raises:
        ValueError: If it speaks of another model, or of other tokens, or lacks some.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        _distrust("choices", "something else", "is this a completions server?")
    if answer.get("model") != model:
        _distrust(
            f"the model {model!r}",
            f"model {answer.get('model')!r}",
            "pass as `model` the name that the server gives it (GET /models)",
        )
    choices = {
        choice.get("index"): choice
        for choice in answer["choices"]
        if isinstance(choice, dict)
    }
    if sorted(choices, key=str) != sorted(range(len(requests)), key=str):
        _distrust(
            f"{len(requests)} choices, one for each prompt",
            f"choices with the indices {list(choices)}",
            "set `prompts_per_request` to 1",
        )
    return [
        _read_choice(choices[i].get("prompt_logprobs"), context, response)
        for i, (context, response) in enumerate(requests)
    ]


def _read_choice(entries: Any, context: list[int], response: list[int]) -> list[float]:
    ids = [*context, *response]
    if not isinstance(entries, list):
        _distrust(
            "prompt_logprobs",
            f"{type(entries).__name__} in their place",
            "the server must be able to score prompts, as vLLM's completions are",
        )
    if len(entries) != len(ids):
        _distrust(
            f"one entry for each of {len(ids)} tokens",
            f"{len(entries)}",
            "the server may have cut the prompt, or put a BOS token before it",
        )
    # Nothing predicts the first token. Tokens of the context are checked as well: a
    # server with another tokenizer, or one that mixed up prompts, shows there.
    values = [
        _read_token(entry, token)
        for entry, token in zip(entries[1:], ids[1:], strict=True)
    ]
    return values[len(context) - 1 :]


def _read_token(entry: Any, token: int) -> float:
    said = entry.get(str(token)) if isinstance(entry, dict) else None
    if not isinstance(said, dict) or "logprob" not in said:
        received = list(entry) if isinstance(entry, dict) else entry
        _distrust(
            f"the log-probability of token {token}",
            f"entries for {received}",
            "is it the model of this tokenizer?",
        )
    value = said["logprob"]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _distrust("a number", repr(value), "nothing of this answer is used")
    return float(value)


def _distrust(expected: str, received: str, remedy: str) -> NoReturn:
    raise ValueError(
        f"the server must answer with {expected}, got {received}; {remedy}"
    )
