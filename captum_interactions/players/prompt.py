"""Pieces of a prompt as players: an absent piece is not in the prompt at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from captum_interactions._checks import bad_type, bad_value, check_tokenizer
from captum_interactions._signature import checked_methods
from captum_interactions.players._prompt_cuts import PromptCuts
from captum_interactions.players._prompt_text import (
    PromptPiece,
    Span,
    chat_spans,
    chat_text,
    cut,
    shown,
)

__all__ = ["PromptPlayers"]

ChatPlayers = Literal["content", "turns"]


@checked_methods
@dataclass(frozen=True)
class PromptPlayers(PromptCuts):
    """A prompt cut into players and fixed pieces.

    The full prompt is tokenized once and cut; a coalition only ever leaves tokens out,
    so that the row of all players is exactly what the tokenizer makes of the prompt.
    Fixed pieces (headers, separators, chat markers, the question) are nobody's and
    always there. Make one by :meth:`from_segments`, :meth:`from_template`,
    :meth:`from_chat`, :meth:`from_text`, :meth:`from_captum` or :meth:`from_ids`.

    Attributes:
        pieces: Token ids and owner of each piece, in order.
        names: One name per player; labels, which may repeat.
        tokenizer: What cut the text, and turns ids to text again.
        ending: Token ids that the tokenizer puts after a text; only encoders and
            encoder–decoders see them.
        render: Writes the prompt of a coalition where it can't be made of pieces (a
            template that is a function); every coalition is then tokenized anew.

    Example:
        >>> from captum_interactions.players import PromptPlayers
        >>> pieces = [[1], [7, 8], [9], [2]]
        >>> players = PromptPlayers.from_ids(pieces, [None, 0, 1, None])
        >>> players.n_players, players.row([True, False])
        (2, (1, 7, 8, 2))
    """

    @classmethod
    def from_ids(
        cls,
        pieces: Sequence[Sequence[int]],
        owners: Sequence[int | None],
        names: Sequence[str] | None = None,
        tokenizer: Any = None,
    ) -> PromptPlayers:
        """Take pieces that are token ids already.

        Args:
            pieces: Token ids of each piece, in order.
            owners: The player 0..n−1 of each piece, None where nobody's.
            names: One name per player; None numbers them.
            tokenizer: Needed by :meth:`text` only.

        Raises:
            ValueError: If there is not one owner per piece, owners are not 0..n−1, or a
                player has no token.
        """
        check_tokenizer(tokenizer)
        if not pieces:
            bad_value("pieces", "at least one piece", "none", "cut the prompt")
        owned = sorted({owner for owner in owners if owner is not None})
        if len(pieces) != len(owners) or owned != list(range(len(owned))):
            bad_value(
                "owners",
                "one per piece, None or a player numbered from 0 on",
                list(owners),
                "number the players 0, 1, 2, …",
            )
        made = tuple(
            PromptPiece(
                tuple(map(int, ids)),
                owner,
                "" if tokenizer is None else str(tokenizer.decode(list(ids))),
            )
            for ids, owner in zip(pieces, owners, strict=True)
        )
        labels = tuple(map(str, owned)) if names is None else tuple(names)
        return cls(made, labels[: len(owned)], tokenizer).named(labels)

    @classmethod
    def from_chat(
        cls,
        tokenizer: Any,
        messages: Sequence[Mapping[str, str]],
        players: ChatPlayers | Sequence[int] = "content",
        fixed: Sequence[str] = ("system",),
        add_generation_prompt: bool = True,
    ) -> PromptPlayers:
        """Make the messages of a conversation players.

        The chat template is applied once, to all messages: templates write other text
        for fewer messages, or refuse.

        Args:
            tokenizer: A fast tokenizer of Hugging Face with a chat template.
            messages: The conversation, ``{"role": …, "content": …}`` each.
            players: ``"content"``: what a message says comes and goes, its markers
                stay; ``"turns"``: markers come and go with it; or the indices of the
                messages whose content is a player.
            fixed: Roles whose messages are always there, unless given by index.
            add_generation_prompt: Write the marker that starts the model's answer.

        Raises:
            ValueError: If a message is empty, does not occur in what the template
                writes, or no message is left as a player.
        """
        if not messages or not all(isinstance(m, Mapping) for m in messages):
            bad_type(
                "messages",
                "a list of {'role': …, 'content': …}",
                messages,
                "give one dictionary per message",
            )
        if not callable(getattr(tokenizer, "apply_chat_template", None)):
            bad_type(
                "tokenizer",
                "one of transformers with a chat template",
                tokenizer,
                "load the tokenizer of the chat model",
            )
        if any(not str(message.get("content", "")).strip() for message in messages):
            bad_value(
                "messages", "of some content each", "an empty one", "leave it out"
            )
        by_index = not isinstance(players, str)
        if not by_index and players not in get_args(ChatPlayers):
            bad_value(
                "players",
                f"one of {get_args(ChatPlayers)} or indices",
                repr(players),
                "pick one",
            )
        text = chat_text(tokenizer, messages, add_generation_prompt)
        borders = chat_spans(tokenizer, messages, text, turns=players == "turns")
        chosen = [
            k
            for k, message in enumerate(messages)
            if (k in players if by_index else message["role"] not in fixed)
        ]
        spans = [Span(*borders[k], i) for i, k in enumerate(chosen)]
        texts = [str(messages[k]["content"]) for k in chosen]
        # The template has written the special tokens already.
        pieces, _ = cut(tokenizer, text, spans, add_special_tokens=False)
        return cls(pieces, tuple(map(shown, texts)), tokenizer)

    @classmethod
    def from_captum(
        cls, inp: Any, tokenizer: Any, keep_baseline: bool = False
    ) -> PromptPlayers:
        """Take Captum's ``TextTemplateInput`` or ``TextTokenInput``.

        Args:
            inp: The input. Baselines of a template are kept; groups of its mask are
                numbered as they first appear.
            tokenizer: A fast tokenizer of Hugging Face.
            keep_baseline: Show the baseline token of a ``TextTokenInput`` in place of
                an absent one, as Captum does; otherwise absent tokens are left out.

        Raises:
            TypeError: If it is another kind of input.
            ValueError: If its baselines are a function, or its segments get no token.
        """
        if hasattr(inp, "itp_tensor"):
            return cls._from_token_input(inp, tokenizer, keep_baseline)
        if not hasattr(inp, "template") or not hasattr(inp, "values"):
            bad_type(
                "inp",
                "PromptPlayers, TextTemplateInput or TextTokenInput",
                inp,
                "for a text PromptPlayers.from_text(tokenizer, text, header=…)",
            )
        if callable(inp.baselines):
            bad_value(
                "baselines",
                "texts",
                "a function",
                "a game has one value per coalition; call it once",
            )
        texts, absent = list(inp.values), list(inp.baselines)
        keyed = bool(inp.dict_keys)
        players = cls.from_template(
            tokenizer,
            inp.template,
            dict(zip(inp.dict_keys, texts, strict=True)) if keyed else texts,
            dict(zip(inp.dict_keys, absent, strict=True)) if keyed else absent,
        )
        if inp.mask is None:
            return players
        groups: dict[Any, list[int]] = {}
        for value, group in enumerate(inp.mask):
            groups.setdefault(group, []).append(value)
        return players.merge(*groups.values())

    @classmethod
    def _from_token_input(
        cls, inp: Any, tokenizer: Any, keep_baseline: bool
    ) -> PromptPlayers:
        ids = inp.inp_tensor[0].tolist()
        kept = [True] * len(ids) if inp.itp_mask is None else inp.itp_mask[0].tolist()
        owners, count = [], 0
        for is_player in kept:
            owners.append(count if is_player else None)
            count += bool(is_player)
        names = [
            shown(tokenizer.decode([i])) for i, k in zip(ids, kept, strict=True) if k
        ]
        players = cls.from_ids([[i] for i in ids], owners, names, tokenizer)
        if not keep_baseline:
            return players
        shown_instead = (int(inp.baselines),)
        return replace(
            players,
            pieces=tuple(
                p if p.owner is None else p._replace(absent=shown_instead)
                for p in players.pieces
            ),
        )
