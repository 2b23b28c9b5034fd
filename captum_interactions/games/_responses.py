"""The responses a prompt is explained by, and what is read of their tokens."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value, user_level
from captum_interactions.games._model_traits import (
    check_positions,
    is_encoder_decoder,
)
from captum_interactions.players import PromptPlayers

__all__ = ["Reading", "Responses", "encoded_target", "make_responses"]

# One output of the game: from log p of all response tokens (C, Σ r) to values (C,).
Reading = Callable[[Tensor], Tensor]


def encoded_target(tokenizer: Any, target: object) -> tuple[int, ...]:
    """Return the token ids of a response given as text or ids.

    Raises:
        TypeError: If it is neither.
        ValueError: If it has no token.
    """
    if isinstance(target, str):
        if not callable(tokenizer):
            bad_type(
                "tokenizer",
                "the model's tokenizer",
                tokenizer,
                "a response given as text needs it; or give token ids",
            )
        ids = tokenizer(target, add_special_tokens=False)["input_ids"]
    elif isinstance(target, Tensor):
        if target.is_floating_point() or target.numel() != target.shape[-1:].numel():
            bad_value(
                "target",
                "the token ids of one response",
                f"a tensor of {target.dtype}, shape {tuple(target.shape)}",
                "pass integers, (r,) or (1, r)",
            )
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
    if min(ids) < 0:
        bad_value("target", "token ids of at least 0", min(ids), "see the tokenizer")
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


def make_responses(
    model: Any,
    tokenizer: Any,
    prompt: PromptPlayers,
    target: Any,
    *,
    contrast: bool,
    probability: bool,
    max_new_tokens: int,
) -> Responses:
    """Read a target in any of its forms, or let the model answer.

    Raises:
        TypeError: If it has none of the forms.
        ValueError: If a response has no token, a contrast does not have two, or the
            model can't answer.
    """
    several = (
        isinstance(target, (list, tuple))
        and len(target) > 0
        and not all(isinstance(t, int) for t in target)
    )
    targets = list(target) if several else [target]
    if contrast and len(targets) != 2:
        bad_value(
            "target", "two responses to contrast", len(targets), "give a list of two"
        )
    if not several and target is None:
        ids = [_answer(model, tokenizer, prompt, max_new_tokens)]
    else:
        ids = [encoded_target(tokenizer, t) for t in targets]
        _check_vocabulary(model, [prompt.row([True] * len(prompt)), *ids])
        longest = _longest(model, prompt)
        check_positions(model, longest, 0, "players")
        check_positions(model, longest, max(map(len, ids)), "target")
        _warn_of_moved_border(model, tokenizer, prompt, targets)
    return Responses(
        ids=tuple(ids),
        texts=tuple(
            t if isinstance(t, str) else _decoded(tokenizer, i)
            for t, i in zip(targets, ids, strict=True)
        ),
        tokens=tuple(_decoded(tokenizer, [token]) for token in ids[0]),
        contrast=contrast,
        probability=probability,
    )


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    if tokenizer is None:
        return " ".join(map(str, ids))
    return str(tokenizer.decode(list(ids)))


def _longest(model: Any, prompt: PromptPlayers) -> int:
    """Tokens of the longest row that coalitions can make."""
    if prompt.render is not None:
        return len(prompt.row([True] * len(prompt)))
    ending = len(prompt.ending) if is_encoder_decoder(model) else 0
    return ending + sum(
        len(p.ids) if p.owner is None else max(len(p.ids), len(p.absent))
        for p in prompt.pieces
    )


def _check_vocabulary(model: Any, rows: Sequence[Sequence[int]]) -> None:
    """Refuse ids that the model does not know: those of another model's tokenizer."""
    embeddings = getattr(model, "get_input_embeddings", lambda: None)()
    size = getattr(embeddings, "num_embeddings", None)
    largest = max(max(row, default=0) for row in rows)
    if size is not None and largest >= size:
        bad_value(
            "tokenizer",
            f"the model's own, whose ids are below {size}",
            f"one that made the id {largest}",
            "load model and tokenizer of the same name",
        )


def _answer(
    model: Any, tokenizer: Any, prompt: PromptPlayers, max_new_tokens: int
) -> tuple[int, ...]:
    """Let the model answer the full prompt, greedily."""
    if not callable(getattr(model, "generate", None)):
        bad_value(
            "target",
            "given for a model that can't generate",
            "None",
            "pass the response to explain",
        )
    row = prompt.row([True] * len(prompt))
    _check_vocabulary(model, [row])
    longest = _longest(model, prompt)
    check_positions(model, longest, 0, "players")
    check_positions(model, longest, max_new_tokens, "max_new_tokens")
    two_parts = is_encoder_decoder(model)
    if two_parts:
        row += prompt.ending
    ids = torch.tensor([row], device=next(model.parameters()).device)
    pad = getattr(tokenizer, "pad_token_id", None)
    end = getattr(tokenizer, "eos_token_id", None)
    with torch.no_grad():
        output = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=end if pad is None else pad,
        )[0].tolist()
    answer = output[1:] if two_parts else output[len(row) :]
    # How a turn ends is the template's business, not what was said.
    special = set(getattr(tokenizer, "all_special_ids", ()))
    while answer and answer[-1] in special:
        answer.pop()
    if not answer:
        bad_value(
            "target",
            "given here",
            "None",
            "the model's own answer to the full prompt is empty",
        )
    return tuple(answer)


def _warn_of_moved_border(
    model: Any, tokenizer: Any, prompt: PromptPlayers, targets: Sequence[Any]
) -> None:
    """Warn where the tokenizer would join the prompt's end and the response."""
    if tokenizer is None or prompt.tokenizer is None or is_encoder_decoder(model):
        return
    full = prompt.text([True] * len(prompt))
    for target in targets:
        if not isinstance(target, str):
            continue
        response = list(encoded_target(tokenizer, target))
        joined = tokenizer(full + target, add_special_tokens=False)["input_ids"]
        if joined[-len(response) :] != response:
            warnings.warn(
                f"the tokenizer splits {target!r} otherwise after this prompt, so that "
                "the model may never have seen these tokens there; a response that "
                "follows a prompt without a blank usually begins with one",
                UserWarning,
                stacklevel=user_level(),
            )
