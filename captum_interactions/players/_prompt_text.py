"""Where the segments of a text lie, and which of its tokens belong to each."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any, NamedTuple

from captum_interactions._checks import bad_type, bad_value

__all__ = [
    "PromptPiece",
    "Span",
    "chat_spans",
    "chat_text",
    "cut",
    "found_spans",
    "level_spans",
    "shown",
    "template_spans",
    "token_spans",
]


class Span(NamedTuple):
    """Characters ``[start, stop)`` of a text, and whose they are (None: nobody's)."""

    start: int
    stop: int
    owner: int | None


class PromptPiece(NamedTuple):
    """Consecutive tokens of a prompt with one owner.

    Attributes:
        ids: Their token ids.
        owner: The player they belong to; None where they are always there.
        text: Their text.
        absent: The token ids that replace them where their player is absent.
        absent_text: The text of those.
    """

    ids: tuple[int, ...]
    owner: int | None
    text: str
    absent: tuple[int, ...] = ()
    absent_text: str = ""


def shown(text: str, width: int = 40) -> str:
    """Return a text on one line of at most ``width`` characters, to name a player."""
    line = " ".join(text.split()) or repr(text)
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def encode_with_offsets(
    tokenizer: Any, text: str, add_special_tokens: bool
) -> tuple[list[int], list[tuple[int, int]], list[bool]]:
    """Return ids, first and last character, and whether the tokenizer added it."""
    if not callable(tokenizer):
        bad_type("tokenizer", "a tokenizer of transformers", tokenizer, "load one")
    if not getattr(tokenizer, "is_fast", False):
        bad_value(
            "tokenizer",
            "one that knows the characters of each token (a fast tokenizer)",
            type(tokenizer).__name__,
            "load it with use_fast=True, or take `PromptPlayers.from_ids`",
        )
    encoding = tokenizer(
        text,
        add_special_tokens=add_special_tokens,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    offsets = [(int(a), int(b)) for a, b in encoding["offset_mapping"]]
    added = [
        bool(special) and a == b
        for special, (a, b) in zip(
            encoding["special_tokens_mask"], offsets, strict=True
        )
    ]
    return [int(i) for i in encoding["input_ids"]], offsets, added


def cut(
    tokenizer: Any, text: str, spans: Sequence[Span], add_special_tokens: bool = True
) -> tuple[tuple[PromptPiece, ...], tuple[int, ...]]:
    """Tokenize a text once and give every token to the span it begins in.

    A token that straddles a border belongs where its first character that is no space
    lies, so that it does not matter on which side of a border a blank was typed.

    Returns:
        The pieces in order, and the tokens that the tokenizer puts after any text.
    """
    spans = _filled(spans, len(text))
    ids, offsets, added = encode_with_offsets(tokenizer, text, add_special_tokens)
    body = [k for k, is_added in enumerate(added) if not is_added]
    first, last = (body[0], body[-1] + 1) if body else (len(ids), len(ids))
    starts = [span.start for span in spans]
    runs: list[tuple[int | None, list[int]]] = [(-1, ids[:first])] if first else []
    for k in range(first, last):
        start, stop = offsets[k]
        blank = len(text[start:stop]) - len(text[start:stop].lstrip())
        at = start if blank == stop - start else start + blank
        place = max(0, bisect_right(starts, at) - 1)
        if runs and runs[-1][0] == place:
            runs[-1][1].append(ids[k])
        else:
            runs.append((place, [ids[k]]))
    pieces = [
        PromptPiece(tuple(tokens), *_owner_and_text(spans, place, text))
        for place, tokens in runs
    ]
    return _joined(pieces), tuple(ids[last:])


def _owner_and_text(
    spans: Sequence[Span], place: int | None, text: str
) -> tuple[int | None, str]:
    if place is None or place < 0:
        return None, ""
    span = spans[place]
    return span.owner, text[span.start : span.stop]


def _joined(pieces: Sequence[PromptPiece]) -> tuple[PromptPiece, ...]:
    """Make one piece of neighbors that nobody owns."""
    out: list[PromptPiece] = []
    for piece in pieces:
        if out and piece.owner is None and out[-1].owner is None:
            last = out.pop()
            piece = PromptPiece(last.ids + piece.ids, None, last.text + piece.text)
        out.append(piece)
    return tuple(out)


def _filled(spans: Sequence[Span], length: int) -> list[Span]:
    """Add the fixed spans between the given ones, so that they cover the text."""
    out, at = [], 0
    for span in sorted(spans):
        if span.start < at or span.stop > length:
            bad_value(
                "spans",
                f"apart from each other and within the text's {length} characters",
                tuple(span[:2]),
                "give each character to one player at most",
            )
        if span.start > at:
            out.append(Span(at, span.start, None))
        out.append(span)
        at = span.stop
    if at < length or not out:
        out.append(Span(at, length, None))
    return out


def template_spans(
    template: str, values: Mapping[str, str] | Sequence[str]
) -> tuple[str, list[Span], list[str]]:
    """Fill a format string and say where its fields went.

    Returns:
        The text, the span of each field (owner: the index of its value), and the keys
        of the values.
    """
    keys = (
        list(values)
        if isinstance(values, Mapping)
        else list(map(str, range(len(values))))
    )
    named = (
        values if isinstance(values, Mapping) else dict(zip(keys, values, strict=True))
    )
    text, spans, counted = "", [], 0
    for literal, field, spec, conversion in Formatter().parse(template):
        text += literal
        if field is None:
            continue
        if field == "":
            field, counted = str(counted), counted + 1
        if field not in named or spec or conversion:
            bad_value(
                "template",
                f"made of the fields {{{'}, {'.join(keys)}}}",
                f"the field {field!r}",
                "give a value for every field; write {{ for a brace",
            )
        start, text = len(text), text + named[field]
        spans.append(Span(start, len(text), keys.index(field)))
    return text, spans, keys


def found_spans(text: str, segments: Sequence[str], argument: str) -> list[Span]:
    """Find segments in a text, one after the other.

    Raises:
        ValueError: If one does not occur after those before it.
    """
    spans, at = [], 0
    for number, segment in enumerate(segments):
        start = text.find(segment, at) if segment else -1
        if start < 0:
            bad_value(
                argument,
                "passages of the text, in its order",
                f"{shown(segment)!r}, which does not occur"
                + (" after those before it" if number else ""),
                "copy them from the text",
            )
        at = start + len(segment)
        spans.append(Span(start, at, number))
    return spans


def level_spans(text: str, level: str) -> list[tuple[int, int]]:
    """Borders of the words or sentences of a text, blanks left to the next."""
    # A sentence ends with . ! or ? before a blank, or with a line.
    pattern = {"words": r"\S+", "sentences": r"\S.*?(?:[.!?]+(?=\s|$)|(?=\n)|$)"}[level]
    return [m.span() for m in re.finditer(pattern, text, flags=re.MULTILINE)]


def token_spans(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """Borders of the tokens of a text; tokens of one character share its border."""
    _, offsets, added = encode_with_offsets(tokenizer, text, False)
    spans: list[tuple[int, int]] = []
    for (start, stop), is_added in zip(offsets, added, strict=True):
        if spans and start < spans[-1][1]:  # the rest of a character, and more
            spans[-1] = spans[-1][0], max(stop, spans[-1][1])
        elif not is_added and stop > start:
            spans.append((start, stop))
    return spans


def chat_text(
    tokenizer: Any, messages: Sequence[Mapping[str, str]], generation: bool
) -> str:
    """Write a conversation as the model's template does."""
    text = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=generation
    )
    return str(text)


def chat_spans(
    tokenizer: Any, messages: Sequence[Mapping[str, str]], text: str, turns: bool
) -> list[tuple[int, int]]:
    """Borders of the messages in a conversation's text.

    Args:
        tokenizer: Has the template.
        messages: The conversation.
        text: The conversation as the template writes it.
        turns: Whether the markers around a message are part of it.

    Raises:
        ValueError: If the template leaves a message out or changes it.
    """
    # Many templates strip what a message begins and ends with.
    contents = [str(message["content"]).strip() for message in messages]
    inner = [span[:2] for span in found_spans(text, contents, "messages")]
    if not turns:
        return inner
    starts = [
        _turn_start(tokenizer, messages, text, k, inner) for k in range(len(inner))
    ]
    whole = chat_text(tokenizer, messages, False)
    end = len(whole) if text.startswith(whole) else inner[-1][1]
    return list(zip(starts, [*starts[1:], end], strict=True))


def _turn_start(
    tokenizer: Any,
    messages: Sequence[Mapping[str, str]],
    text: str,
    k: int,
    inner: Sequence[tuple[int, int]],
) -> int:
    """Where the markers before message k begin."""
    if k > 0:
        before = chat_text(tokenizer, messages[:k], False)
        fits = text.startswith(before) and inner[k - 1][1] <= len(before) <= inner[k][0]
        return len(before) if fits else inner[k][0]
    # What is written before any message (a beginning-of-text token, a default system
    # message) is not part of the first turn: the marker alone, as it comes again when
    # the first message does.
    first, other = dict(messages[0]), dict(messages[1 % len(messages)])
    if other["role"] == first["role"]:
        other = {"role": "assistant", "content": "."}
    try:
        once = chat_text(tokenizer, [first, other], False)
        again = chat_text(tokenizer, [first, other, first], False)
    except Exception:  # a template's own refusal, of any kind
        return 0
    marker = again[len(once) :].split(str(first["content"]).strip())[0]
    start = inner[0][0] - len(marker)
    return start if start >= 0 and text[start : inner[0][0]] == marker else 0
