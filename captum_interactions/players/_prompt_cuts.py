"""Prompts cut out of one text: segments, templates, words, sentences, tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked_methods
from captum_interactions.players._prompt_pieces import PromptPieces
from captum_interactions.players._prompt_text import (
    PromptPiece,
    Span,
    cut,
    found_spans,
    level_spans,
    shown,
    template_spans,
    token_spans,
)

__all__ = ["PromptCuts"]

Level = Literal["words", "sentences", "tokens"]
C = TypeVar("C", bound="PromptCuts")


@checked_methods
@dataclass(frozen=True)
class PromptCuts(PromptPieces):
    """What :class:`PromptPlayers` are that were cut out of a text."""

    @classmethod
    def from_segments(
        cls: type[C],
        tokenizer: Any,
        segments: Sequence[str],
        header: str = "",
        footer: str = "",
        names: Sequence[str] | None = None,
        bos: bool = False,
    ) -> C:
        """Make each segment of a prompt a player.

        The prompt is ``header + "".join(segments) + footer``: blanks and line ends are
        part of the segments.

        Args:
            tokenizer: A fast tokenizer of Hugging Face.
            segments: The texts of the players, in order.
            header: What comes before and is always there.
            footer: What comes after and is always there.
            names: One name per player; None takes their texts.
            bos: Put the beginning-of-text token in front, where the tokenizer itself
                does not.

        Raises:
            ValueError: If a segment is empty or gets no token, or the tokenizer does
                not know where its tokens lie.
        """
        if isinstance(segments, str) or not all(segments) or not len(segments):
            bad_value(
                "segments",
                "a list of texts that are not empty",
                repr(segments),
                "leave empty ones out",
            )
        text, spans = header, []
        for number, segment in enumerate(segments):
            spans.append(Span(len(text), len(text) + len(segment), number))
            text += segment
        return cls._of(tokenizer, text + footer, spans, list(segments), names, bos)

    @classmethod
    def from_template(
        cls: type[C],
        tokenizer: Any,
        template: str | Callable[..., str],
        values: Mapping[str, str] | Sequence[str],
        absent: Mapping[str, str] | Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        bos: bool = False,
    ) -> C:
        """Make each value of a template a player.

        Args:
            tokenizer: A fast tokenizer of Hugging Face.
            template: A format string such as ``"{a} and {b}"``; a field that comes
                twice is one player. Or a function of the values that returns the
                prompt: what it writes depends on who is there, so that each coalition
                is tokenized by itself.
            values: The text of each field, by key or in order.
            absent: What replaces each value where it is absent; None for nothing.
            names: One name per player; None takes their texts.
            bos: Put the beginning-of-text token in front, where the tokenizer itself
                does not.

        Raises:
            ValueError: If template and values don't fit, a value is empty or gets no
                token, or the tokenizer does not know where its tokens lie.
        """
        keys = list(values) if isinstance(values, Mapping) else range(len(values))
        texts = [values[key] for key in keys]  # type: ignore[index]
        if not texts or not all(texts):
            bad_value(
                "values", "texts that are not empty", repr(values), "leave them out"
            )
        if absent is not None and not _covers(absent, keys):
            bad_value("absent", "one text for each value", repr(absent), "name all")
        replacements = (
            [""] * len(texts) if absent is None else [absent[key] for key in keys]  # type: ignore[index]
        )
        if callable(template):
            as_keywords = isinstance(values, Mapping)
            labels = list(map(str, keys))

            def render(present: Sequence[bool]) -> str:
                chosen = [
                    text if there else other
                    for there, text, other in zip(
                        present, texts, replacements, strict=True
                    )
                ]
                if as_keywords:
                    return template(**dict(zip(labels, chosen, strict=True)))
                return template(*chosen)

            players = cls((), tuple(map(shown, texts)), tokenizer, (), render)
            return players if names is None else players.named(names)
        text, spans, _ = template_spans(template, values)
        players = cls._of(tokenizer, text, spans, texts, names, bos)
        if not any(replacements):
            return players
        return players._with_absent(replacements)

    @classmethod
    def from_text(
        cls: type[C],
        tokenizer: Any,
        text: str,
        level: Level = "words",
        header: str = "",
        footer: str = "",
        segments: Sequence[str] | None = None,
        fixed: Sequence[str] = (),
        bos: bool = False,
    ) -> C:
        """Make the words, sentences or tokens of a text players.

        Args:
            tokenizer: A fast tokenizer of Hugging Face.
            text: The text.
            level: ``"words"`` (between blanks, punctuation included), ``"sentences"``
                or ``"tokens"``.
            header: What comes before and is always there.
            footer: What comes after and is always there.
            segments: Passages of the text that are the players instead; all else is
                fixed.
            fixed: Passages of the text that are always there, in its order.
            bos: Put the beginning-of-text token in front, where the tokenizer itself
                does not.

        Raises:
            ValueError: If the level is unknown, passages do not occur, there is no
                player, or the tokenizer does not know where its tokens lie.
        """
        if level not in get_args(Level):
            bad_value("level", f"one of {get_args(Level)}", repr(level), "pick one")
        if not isinstance(text, str) or not text.strip():
            bad_value("text", "a text with words", repr(text), "pass the prompt")
        whole, shift = header + text + footer, len(header)
        if segments is not None:
            borders = [s[:2] for s in found_spans(text, segments, "segments")]
        elif level == "tokens":
            borders = [
                (max(a, shift) - shift, b - shift)
                for a, b in token_spans(tokenizer, whole)
                if b > shift and a < shift + len(text)
            ]
        else:
            borders = level_spans(text, level)
            # The blank before a word is its own.
            ends = [0, *(stop for _, stop in borders)]
            borders = [(ends[k], stop) for k, (_, stop) in enumerate(borders)]
        kept = found_spans(text, fixed, "fixed")
        borders = [
            (a, b)
            for a, b in borders
            if not any(a < s.stop and s.start < b for s in kept)
        ]
        spans = [Span(a + shift, b + shift, i) for i, (a, b) in enumerate(borders)]
        return cls._of(
            tokenizer, whole, spans, [text[a:b] for a, b in borders], None, bos
        )

    @classmethod
    def _of(
        cls: type[C],
        tokenizer: Any,
        text: str,
        spans: Sequence[Span],
        texts: Sequence[str],
        names: Sequence[str] | None,
        bos: bool,
    ) -> C:
        """Cut a text, and name the players by their texts."""
        pieces, ending = cut(tokenizer, text, spans)
        if bos:
            first = getattr(tokenizer, "bos_token_id", None)
            if first is None:
                bad_value(
                    "bos",
                    "False with this tokenizer",
                    "True",
                    "it has no beginning-of-text token; give a header",
                )
            if not pieces or pieces[0].ids[:1] != (first,):
                pieces = (
                    PromptPiece((first,), None, str(tokenizer.bos_token)),
                    *pieces,
                )
        labels = tuple(map(shown, texts))
        players = cls(pieces, labels, tokenizer, ending)
        return players if names is None else players.named(names)


def _covers(absent: Mapping[str, str] | Sequence[str], keys: Sequence[Any]) -> bool:
    if isinstance(absent, Mapping):
        return all(key in absent for key in keys)
    return all(isinstance(key, int) and key < len(absent) for key in keys)
