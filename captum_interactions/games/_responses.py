"""The responses a prompt is explained by, and what is read of their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value

__all__ = ["Reading", "Responses", "encoded_target"]

# One output of the game: from log p of all response tokens (C, Σ r) to values (C,).
Reading = Callable[[Tensor], Tensor]


def encoded_target(tokenizer: Any, target: object) -> tuple[int, ...]:
    """Return the token ids of a response given as text or ids.

    Raises:
        TypeError: If it is neither.
        ValueError: If it has no token.
    """
    if isinstance(target, str):
        ids = tokenizer(target, add_special_tokens=False)["input_ids"]
    elif isinstance(target, Tensor):
        ids = target.flatten().tolist()
    elif isinstance(target, Sequence) and all(isinstance(i, int) for i in target):
        ids = list(target)
    else:
        bad_type(
            "target",
            "a text, a list of token ids, a list of texts, or None",
            target,
            "None lets the model answer",
        )
    if not len(ids):
        bad_value(
            "target",
            "of at least one token",
            f"{target!r}, which has none",
            "give the response that is to be explained",
        )
    return tuple(int(i) for i in ids)


@dataclass(frozen=True)
class Responses:
    """Token ids of the responses, and which outputs they make.

    Attributes:
        ids: Token ids of each response.
        texts: Its text.
        tokens: The text of each token of the first response.
        contrast: Whether the only output is first minus second.
        probability: Whether outputs are probabilities instead of their logarithms.
    """

    ids: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    tokens: tuple[str, ...]
    contrast: bool
    probability: bool

    @property
    def names(self) -> tuple[str, ...]:
        """One name per output."""
        if self.contrast:
            return (f"{self.texts[0]} minus {self.texts[1]}",)
        if len(self.ids) > 1:
            return self.texts
        return (self.texts[0], *self.tokens)

    def span(self, response: int, start: int, stop: int) -> Reading:
        """Read log p, or p, of the tokens ``start..stop`` of a response."""
        before = sum(map(len, self.ids[:response]))
        probability = self.probability

        def read(log_probs: Tensor) -> Tensor:
            total = log_probs[:, before + start : before + stop].sum(1)
            return total.exp() if probability else total

        return read

    def whole(self, response: int) -> Reading:
        """Read a whole response."""
        return self.span(response, 0, len(self.ids[response]))

    def sequence(self) -> Reading:
        """Read the first output: the response, or the contrast of two."""
        if not self.contrast:
            return self.whole(0)
        first, second = self.whole(0), self.whole(1)
        return lambda log_probs: first(log_probs) - second(log_probs)

    def outputs(self, log_probs: Tensor) -> Tensor:
        """Return all outputs, ``(outputs, C)``, or ``(C,)`` of a contrast."""
        if self.contrast:
            return self.sequence()(log_probs)
        if len(self.ids) > 1:
            readings = [self.whole(k) for k in range(len(self.ids))]
        else:
            tokens = range(len(self.ids[0]))
            readings = [self.whole(0), *(self.span(0, t, t + 1) for t in tokens)]
        return torch.stack([read(log_probs) for read in readings])

    def place(self, token: int | str) -> int:
        """Return the position of a token given by position or text.

        Raises:
            ValueError: If the response has no such token, or several.
        """
        count = len(self.tokens)
        if isinstance(token, int) and -count <= token < count:
            return token % count
        if isinstance(token, str) and self.tokens.count(token) == 1:
            return self.tokens.index(token)
        return bad_value(
            "token",
            f"a position in 0..{count - 1}, or a text that is one of {self.tokens}",
            repr(token),
            "give the position where a text comes twice",
        )
