"""Log-probabilities of a language model: one here, one behind a server, or Captum's."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from captum.attr import RemoteLLMProvider

from captum_interactions._checks import bad_type, bad_value, check_positive_int
from captum_interactions._signature import checked_methods
from captum_interactions.games._completions import Completions, check_url
from captum_interactions.games._local_provider import LocalProvider
from captum_interactions.games._remote import (
    Ask,
    Provider,
    RemoteProvider,
    Request,
    Transient,
)

__all__ = ["CaptumProvider", "HTTPProvider", "LocalProvider", "Provider"]


@checked_methods
class HTTPProvider(RemoteProvider):
    """Log-probabilities from a completions server that scores prompts, as vLLM's does.

    Prompts are sent as token ids to ``<url>/completions`` with ``prompt_logprobs``, so
    that no border moves and no BOS is doubled; many requests are on their way at the
    same time. Busy servers (408, 425, 429, 5xx), lost connections and timeouts are
    asked again, after a pause that doubles, or after ``Retry-After``. Every answer is
    checked against what was asked: the model's name, the number of tokens, each token's
    id, finite values. What is answered is kept, so that a second call asks only for
    what is missing, also after Ctrl-C.

    Note:
        vLLM computes requests with ``prompt_logprobs`` without its prefix cache, so
        long shared prefixes are paid for in every row.

    Args:
        url: Base address with its version, as ``"http://host:8000/v1"``.
        model: Name under which the server serves the model.
        in_flight: Requests on their way at the same time.
        prompts_per_request: Rows in one request; more than 1 saves round trips.
        retries: How often a request that failed for a passing reason is asked again.
        timeout: Seconds for one whole exchange.
        api_key: Sent as a bearer token; never shown.

    Attributes:
        n_requests: Requests sent so far, retries included.
        n_answers: Rows whose answer is kept.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If it has a wrong value. From :meth:`log_probs`: if the server
            refuses, or answers something that can't be trusted.
        ConnectionError: From :meth:`log_probs`, if all retries failed.

    Example:
        >>> HTTPProvider("http://localhost:8000/v1", "my-model")
        HTTPProvider('http://localhost:8000/v1', 'my-model', 0 answers kept)
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        in_flight: int = 16,
        prompts_per_request: int = 1,
        retries: int = 8,
        timeout: float = 60.0,
        api_key: str | None = None,
    ) -> None:
        check_url(url)
        if not isinstance(model, str):
            bad_type("model", "the name of a served model", model, "see GET /models")
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            bad_type("timeout", "a number of seconds", timeout, "60 is usual")
        if not 0 < timeout < threading.TIMEOUT_MAX:
            bad_value("timeout", "a positive number of seconds", timeout, "60 is usual")
        super().__init__(
            in_flight,
            retries,
            check_positive_int("prompts_per_request", prompts_per_request, "1 is safe"),
        )
        self.url = url
        self.model = model
        self.timeout = timeout
        self._api_key = api_key

    def __repr__(self) -> str:
        return (
            f"HTTPProvider({self.url!r}, {self.model!r}, {self.n_answers} answers kept)"
        )

    def _session(self) -> AbstractContextManager[Ask]:
        return Completions(self.url, self.model, self.timeout, self._api_key)


@checked_methods
class CaptumProvider(RemoteProvider):
    """Log-probabilities from a provider of Captum, as its ``VLLMProvider``.

    Captum's providers take text. Each row is therefore turned into text, and refused
    before anything is asked if the tokenizer would read that text as other tokens than
    the row has; :class:`HTTPProvider`, which sends token ids, has no such rows.

    Args:
        provider: A ``captum.attr.RemoteLLMProvider``; from a ``RemoteLLMAttribution``
            it is ``attribution.provider``.
        tokenizer: The tokenizer of the served model.
        in_flight: Requests on their way at the same time.
        retries: How often a request that failed for a passing reason is asked again.

    Attributes:
        n_requests: Requests sent so far, retries included.
        n_answers: Rows whose answer is kept.

    Raises:
        TypeError: If ``provider`` is none of Captum's. From :meth:`log_probs` as for
            :class:`HTTPProvider`.

    Example:
        >>> from captum.attr import RemoteLLMProvider
        >>> class Uniform(RemoteLLMProvider):
        ...     def generate(self, prompt, **options): ...
        ...     def get_logprobs(self, prompt, target, tokenizer=None):
        ...         return [-1.0] * len(target)
        >>> class Letters:
        ...     def encode(self, text, add_special_tokens=True):
        ...         return [ord(letter) for letter in text]
        ...     def decode(self, ids, **options):
        ...         return "".join(map(chr, ids))
        >>> provider = CaptumProvider(Uniform(), Letters())
        >>> provider.log_probs([([65, 66], [67, 68])])
        [[-1.0, -1.0]]
    """

    def __init__(
        self,
        provider: RemoteLLMProvider,
        tokenizer: Any,
        *,
        in_flight: int = 16,
        retries: int = 2,
    ) -> None:
        if not isinstance(provider, RemoteLLMProvider):
            bad_type(
                "provider",
                "a captum.attr.RemoteLLMProvider",
                provider,
                "of a RemoteLLMAttribution, pass its `.provider`",
            )
        super().__init__(in_flight, retries)
        self.provider = provider
        self.tokenizer = tokenizer
        # What the tokenizer puts before every text, and so the server does.
        self._special = list(tokenizer.encode(""))

    def __repr__(self) -> str:
        name = type(self.provider).__name__
        return f"CaptumProvider({name}, {self.n_answers} answers kept)"

    def _prepare(self, requests: list[Request]) -> None:
        for request in requests:
            self._texts(request)

    def _session(self) -> AbstractContextManager[Ask]:
        return nullcontext(
            lambda requests: [self._ask(*self._texts(r)) for r in requests]
        )

    def _texts(self, request: Request) -> tuple[str, str]:
        """Return context and response as text that is read as exactly these ids."""
        context, response = request
        skip = len(self._special)
        if context[:skip] != self._special:
            skip = 0
        prompt = self._decode(context[skip:])
        whole = self._decode([*context[skip:], *response])
        # Not the response decoded alone: some tokenizers drop its leading space then.
        target = whole[len(prompt) :]
        encode = self.tokenizer.encode
        if (
            not whole.startswith(prompt)
            or list(encode(whole)) != [*context, *response]
            or len(encode(target, add_special_tokens=False)) != len(response)
        ):
            bad_value(
                "requests",
                "tokens that survive the way through text, as Captum's providers need",
                f"{whole!r}, which the tokenizer reads as other tokens",
                "use HTTPProvider, which sends token ids",
            )
        return prompt, target

    def _decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    def _ask(self, prompt: str, target: str) -> list[float]:
        try:
            return list(self.provider.get_logprobs(prompt, target, self.tokenizer))
        except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError):
            raise  # an answer of the wrong form stays wrong
        except Exception as error:  # Captum wraps all others in a bare Exception
            raise Transient(f"{type(error).__name__}: {error}") from error
