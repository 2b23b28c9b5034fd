"""Log-probabilities of a language model in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.games._model_traits import check_positions
from captum_interactions.games._remote import (
    Provider,
    Request,
    check_log_probs,
    check_requests,
)
from captum_interactions.games.arguments import warn_if_training

__all__ = ["LocalProvider"]

# 300 tokens in a forward pass already cost the least per token on a CPU (3.1 ms of a
# 135M model, against 7.2 ms for one row of 20); more than 64 rows gain nothing.
TOKENS_PER_PASS = 512
ROWS_PER_PASS = 64


@checked_methods
class LocalProvider(Provider):
    """Log-probabilities of a model in this process, in batches of like length.

    Rows are padded on the right, where no token of a causal model can see, so that
    they need no attention mask of their own.

    Args:
        model: A causal language model of transformers, or any module or callable that
            maps ids ``(rows, length)`` to logits ``(rows, length, vocabulary)``, or to
            an object with those as ``.logits``.
        device: Where ids are sent; ``None`` takes that of the first parameter.

    Attributes:
        n_forwards: Calls of the model so far.

    Raises:
        TypeError: If the model is not callable.

    Example:
        >>> bigram = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
        >>> provider = LocalProvider(lambda ids: bigram[ids])
        >>> [rows] = provider.log_probs([([0, 1], [0, 1])])  # of 0 after 1, 1 after 0
        >>> [round(value, 4) for value in rows]  # log 0.25, log 0.5
        [-1.3863, -0.6931]
    """

    def __init__(
        self, model: Callable[..., Any], device: torch.device | str | None = None
    ) -> None:
        if not callable(model):
            bad_type("model", "a causal language model", model, "pass the model")
        self.model = model
        if device is None and isinstance(model, nn.Module):
            device = next((p.device for p in model.parameters()), None)
        self._device = device
        self._accepts = set(signature(getattr(model, "forward", model)).parameters)
        self.n_forwards = 0
        warn_if_training(model)

    def __repr__(self) -> str:
        return f"LocalProvider({type(self.model).__name__})"

    def log_probs(self, requests: list[Request]) -> list[list[float]]:
        """Score responses to contexts; see :meth:`Provider.log_probs`.

        Raises:
            ValueError: If an id is outside the model's vocabulary, or a request has
                more tokens than the model has learned positions.
        """
        check_requests(requests)
        self._check_vocabulary(requests)
        lengths = ((len(c) + len(r), len(c), len(r)) for c, r in requests)
        _, context, response = max(lengths, default=(0, 0, 0))
        check_positions(self.model, context, response, "requests")
        answers: list[list[float]] = [[] for _ in requests]
        with torch.no_grad():
            for indices in _batches(requests):
                scored = self._score([requests[i] for i in indices])
                for i, row in zip(indices, scored, strict=True):
                    check_log_probs(row, requests[i][1])
                    answers[i] = row
        return answers

    def _check_vocabulary(self, requests: list[Request]) -> None:
        embeddings = getattr(self.model, "get_input_embeddings", lambda: None)()
        size = getattr(embeddings, "num_embeddings", None)
        largest = max((max(*c, *r) for c, r in requests), default=0)
        if size is not None and largest >= size:
            bad_value(
                "requests",
                f"token ids below the model's vocabulary of {size}",
                largest,
                "is it the tokenizer of this model?",
            )

    def _score(self, requests: list[Request]) -> list[list[float]]:
        # The last token of a response predicts nothing that is asked for.
        rows = [[*context, *response[:-1]] for context, response in requests]
        length = max(len(row) for row in rows)
        first = min(len(context) for context, _ in requests) - 1
        ids = torch.tensor(
            [row + [row[-1]] * (length - len(row)) for row in rows], device=self._device
        )
        logits = self._logits(ids, keep=length - first)
        # As many positions as came, counted from the end.
        offset = length - logits.shape[1]
        scored = []
        for i, (context, response) in enumerate(requests):
            start = len(context) - 1 - offset
            at = logits[i, start : start + len(response)]
            at = at.to(torch.promote_types(at.dtype, torch.float32))
            chosen = at.gather(1, torch.tensor(response, device=at.device)[:, None])
            scored.append((chosen[:, 0] - at.logsumexp(-1)).tolist())
        return scored

    def _logits(self, ids: Tensor, keep: int) -> Tensor:
        options: dict[str, Any] = {"use_cache": False}
        for name in ("logits_to_keep", "num_logits_to_keep"):
            options[name] = keep
        self.n_forwards += 1
        output = self.model(
            ids, **{k: v for k, v in options.items() if k in self._accepts}
        )
        logits = getattr(output, "logits", output)
        shape = tuple(getattr(logits, "shape", ()))
        fits = len(shape) == 3 and shape[0] == len(ids)
        if not fits or not keep <= shape[1] <= ids.shape[1]:
            raise ValueError(
                f"`model` must return logits of shape ({len(ids)}, {ids.shape[1]}, "
                f"vocabulary), got {shape or type(logits).__name__}; pass a causal "
                "language model"
            )
        return logits


def _batches(requests: list[Request]) -> Iterator[list[int]]:
    """Group rows of like length, up to so many rows and tokens."""
    order = sorted(range(len(requests)), key=lambda i: sum(map(len, requests[i])))
    batch: list[int] = []
    for i in order:
        length = sum(map(len, requests[i]))
        full = (len(batch) + 1) * length > TOKENS_PER_PASS
        if batch and (full or len(batch) == ROWS_PER_PASS):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
