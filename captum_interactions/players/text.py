"""Words and tokens as players: from a tokenizer's output to a feature mask.

Special tokens are present in every coalition. A special token shares the player of a
neighboring token, and its baseline is its own id, so that it never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from captum_interactions._checks import bad_type, bad_value
from captum_interactions._signature import checked, checked_methods

__all__ = ["TextPlayers", "text_players"]

Level = Literal["words", "tokens"]


@checked_methods
@dataclass(frozen=True)
class TextPlayers:
    """What a call needs to play a game on the words of a batch of sentences.

    Attributes:
        input_ids: Token ids, ``(batch, length)``: the inputs.
        feature_mask: The player of each token, ``(batch, length)`` int64. Sentences
            number their players from 0, so shorter ones lack the highest ids.
        baselines: Token ids of absent players, ``(batch, length)``; special tokens
            keep their own.
        words: The text of each player, sentence by sentence.
    """

    input_ids: Tensor
    feature_mask: Tensor
    baselines: Tensor
    words: tuple[tuple[str, ...], ...]


@checked
def text_players(
    encoding: Any,
    texts: Sequence[str],
    baseline_id: int,
    level: Level = "words",
    word_ids: Sequence[Sequence[int | None]] | None = None,
    fixed: Sequence[str] = (),
) -> TextPlayers:
    """Read players from the output of a fast tokenizer.

    Args:
        encoding: What a fast tokenizer of Hugging Face returns for a batch with
            ``return_offsets_mapping=True, return_special_tokens_mask=True,
            padding=True``; or any mapping with ``"input_ids"``, ``"offset_mapping"``
            (first and last character of each token) and ``"special_tokens_mask"`` (1
            for special tokens, padding among them), one row per sentence; or one
            ``tokenizers.Encoding``, or a list of them.
        texts: The sentences that were tokenized.
        baseline_id: Token id that stands for an absent word, such as
            ``tokenizer.mask_token_id`` or ``tokenizer.pad_token_id``.
        level: ``"words"`` or ``"tokens"``, where each token is a player. Words are
            those of the tokenizer, which set punctuation apart, where the encoding
            knows them; in a plain mapping, and if the tokenizer's words contain white
            space, what white space parts.
        word_ids: The word of each token, ``None`` for special tokens, one row per
            sentence; overrides what the encoding says.
        fixed: Passages, such as chat markers, whose tokens are never absent, wherever
            they occur in a text.

    Returns:
        The inputs, feature mask, baselines and words.

    Raises:
        TypeError: If the encoding is none of these.
        ValueError: If an entry is missing, shapes do not fit, the level is unknown, or
            a sentence has nothing but special tokens.

    Example:
        >>> encoding = {  # [CLS] not go ##od [SEP]
        ...     "input_ids": [[101, 2025, 2175, 7716, 102]],
        ...     "offset_mapping": [[(0, 0), (0, 3), (4, 6), (6, 8), (0, 0)]],
        ...     "special_tokens_mask": [[1, 0, 0, 0, 1]],
        ... }
        >>> players = text_players(encoding, ["not good"], baseline_id=103)
        >>> players.words, players.feature_mask.tolist()
        ((('not', 'good'),), [[0, 0, 1, 1, 1]])
        >>> players.baselines.tolist()
        [[101, 103, 103, 103, 102]]
    """
    if level not in get_args(Level):
        bad_value("level", f"one of {get_args(Level)}", repr(level), "pick one")
    encoding, own = _as_mapping(encoding)
    ids, offsets, special = _entries(encoding, texts)
    special = special | _inside(fixed, texts, offsets)
    words_given = own if word_ids is None and level == "words" else word_ids
    masks, words = [], []
    for row, text in enumerate(texts):
        spans = offsets[row].tolist()
        kept = (~special[row]).nonzero()[:, 0].tolist()
        if not kept:
            bad_value("texts", "sentences with a word each", repr(text), "drop it")
        if words_given is None and level == "tokens":
            groups = list(range(len(kept)))
        else:
            given = [words_given[row][k] for k in kept] if words_given else None
            groups = _word_numbers([spans[k] for k in kept], text, given)
            if given and word_ids is None and _has_space(kept, groups, spans, text):
                groups = _word_numbers([spans[k] for k in kept], text, None)
        mask, ends = _number(kept, groups, spans, ids.shape[1])
        masks.append(mask)
        words.append(tuple(text[a:b].strip() for a, b in ends))
    return TextPlayers(
        input_ids=ids,
        feature_mask=torch.stack(masks),
        baselines=torch.where(special, ids, baseline_id),
        words=tuple(words),
    )


def _entries(
    encoding: Mapping[str, Any], texts: Sequence[str]
) -> tuple[Tensor, Tensor, Tensor]:
    names = ("input_ids", "offset_mapping", "special_tokens_mask")
    missing = [name for name in names if name not in encoding]
    if missing:
        bad_value(
            "encoding",
            f"a mapping with {', '.join(names)}",
            f"one without {', '.join(missing)}",
            "tokenize with return_offsets_mapping=True and "
            "return_special_tokens_mask=True",
        )
    try:
        ids, offsets, special = (torch.as_tensor(encoding[name]) for name in names)
    except (TypeError, ValueError):
        bad_value(
            "encoding",
            "made of rows of equal length",
            "sentences of different length",
            "tokenize with padding=True",
        )
    shape = (len(texts), ids.shape[-1])
    if (
        ids.shape != shape or offsets.shape != (*shape, 2) or special.shape != shape
    ) or isinstance(texts, str):
        bad_value(
            "texts",
            f"the {len(ids)} sentences of the encoding",
            repr(texts) if isinstance(texts, str) else f"{len(texts)}",
            "pass a list with one text per row of input_ids",
        )
    return ids, offsets, special.bool()


def _inside(fixed: Sequence[str], texts: Sequence[str], offsets: Tensor) -> Tensor:
    """Which tokens begin inside a passage that is always there."""
    if isinstance(fixed, str) or not all(fixed):
        bad_value("fixed", "a list of passages", repr(fixed), "leave empty ones out")
    inside = torch.zeros(offsets.shape[:2], dtype=torch.bool)
    for row, text in enumerate(texts):
        for passage in fixed:
            at = text.find(passage)
            while at >= 0:
                end = at + len(passage)
                for token, (start, stop) in enumerate(offsets[row].tolist()):
                    # The blank before a word is part of its token.
                    word = text[start:stop]
                    first = start + len(word) - len(word.lstrip())
                    inside[row, token] |= stop > start and at <= first < end
                at = text.find(passage, end)
    return inside


def _as_mapping(
    encoding: Any,
) -> tuple[Mapping[str, Any], list[Sequence[int | None]] | None]:
    """Return an encoding of any kind as a mapping, and the words it knows of."""
    if isinstance(encoding, Mapping) or hasattr(encoding, "keys"):
        fast = getattr(encoding, "encodings", None)
        return encoding, [one.word_ids for one in fast] if fast else None
    several = encoding if isinstance(encoding, (list, tuple)) else [encoding]
    if not several or not all(hasattr(one, "offsets") for one in several):
        bad_type(
            "encoding",
            "what a fast tokenizer returns, a mapping or tokenizers.Encoding",
            several[0] if several else encoding,
            "tokenize first",
        )
    entries = {
        "input_ids": [one.ids for one in several],
        "offset_mapping": [one.offsets for one in several],
        "special_tokens_mask": [one.special_tokens_mask for one in several],
    }
    return entries, [one.word_ids for one in several]


def _word_numbers(
    spans: Sequence[Sequence[int]],
    text: str,
    given: Sequence[int | None] | None,
) -> list[int]:
    """Number the words of consecutive tokens: as given, or parted by white space.

    The bytes of one character are tokens with the same span, and a token may be empty:
    a word begins only where spans advance.
    """
    numbers: list[int] = []
    number, last = -1, -1
    for position, (start, end) in enumerate(spans):
        if given is not None:
            new = position == 0 or given[position] != given[position - 1]
        else:
            # Byte-level tokenizers count the space before a word as part of its token.
            spaced = end > start and text[start : start + 1].isspace()
            new = number < 0 or start > last or (start == last and spaced)
        number += new
        numbers.append(number)
        last = max(last, end)
    return numbers


def _has_space(
    kept: Sequence[int],
    groups: Sequence[int],
    spans: Sequence[Sequence[int]],
    text: str,
) -> bool:
    """Whether a word contains white space: some tokenizers know of no words."""
    ends: dict[int, list[int]] = {}
    for token, group in zip(kept, groups, strict=True):
        ends.setdefault(group, []).extend(spans[token])
    words = (text[min(at) : max(at)].strip() for at in ends.values())
    return any(any(map(str.isspace, word)) for word in words)


def _number(
    kept: Sequence[int],
    groups: Sequence[int],
    spans: Sequence[Sequence[int]],
    length: int,
) -> tuple[Tensor, list[tuple[int, int]]]:
    """Give every token a player: its group's, or for special tokens a neighbor's."""
    players: dict[int, int] = {}
    ends: list[tuple[int, int]] = []
    mask = torch.full((length,), -1)
    for token, group in zip(kept, groups, strict=True):
        start, end = spans[token]
        if group not in players:
            players[group] = len(players)
            ends.append((start, end))
        player = players[group]
        ends[player] = (min(ends[player][0], start), max(ends[player][1], end))
        mask[token] = player
    owner = mask[kept[0]]
    for token in range(length):
        owner = mask[token] if mask[token] >= 0 else owner
        mask[token] = owner
    return mask, ends
