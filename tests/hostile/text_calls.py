"""Valid calls of what plays on texts, prompts and tables."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captum_interactions import attr, games, players

TOKENS = 384


class Bigram(nn.Module):
    """A language model that likes what follows its last token; an encoder, too."""

    def forward(self, input_ids, attention_mask=None):
        return nn.functional.one_hot((input_ids + 1) % TOKENS, TOKENS).float()


class Counts(nn.Module):
    """A classifier of texts: how many tokens 7 and 8 it sees."""

    def forward(self, input_ids, attention_mask):
        seen = [(input_ids == k) & (attention_mask == 1) for k in (7, 8)]
        return torch.stack([s.sum(1) for s in seen], 1).float()


def prompt_calls():
    pytest.importorskip("transformers")
    from tests.language_models import tokenizer

    words = tokenizer("word")
    segments = {"tokenizer": words, "segments": ["a b", " c", " d"]}
    made = players.PromptPlayers
    cut = made.from_segments(**segments)
    chat = [{"role": "user", "content": c} for c in ("a b", "c")]
    return {
        "PromptPlayers.from_segments": (made.from_segments, segments),
        "PromptPlayers.from_text": (
            made.from_text,
            {"tokenizer": words, "text": "a b c d"},
        ),
        "PromptPlayers.from_template": (
            made.from_template,
            {"tokenizer": words, "template": "{x} and {y}"}
            | {"values": {"x": "a", "y": "b"}},
        ),
        "PromptPlayers.from_chat": (
            made.from_chat,
            {"tokenizer": words, "messages": chat},
        ),
        "PromptPlayers.from_ids": (
            made.from_ids,
            {"pieces": [[1, 2], [3]], "owners": [0, 1]},
        ),
        "PromptPlayers.named": (cut.named, {"names": list("abc")}),
        "PromptPlayers.row": (cut.row, {"mask": torch.ones(3).bool()}),
        "PromptPlayers.text": (cut.text, {"mask": torch.ones(3).bool()}),
    }


def language_calls():
    pytest.importorskip("transformers")
    from tests.language_models import tokenizer

    cut = players.PromptPlayers.from_ids([[1], [4], [5, 2]], [None, 0, 1])
    words = tokenizer("word")
    asked = {"model": Bigram(), "tokenizer": words, "players": cut, "target": [3, 5]}
    game, text = games.PromptGame(**asked), games.TextGame(Counts(), cut, target=0)
    masks = {"masks": torch.eye(2).bool()}
    explain = attr.LLMInteraction(attr.AndInteraction(Bigram()), words)
    options = {"inp": cut, "target": [3, 5]}
    return {
        "PromptGame": (games.PromptGame, asked),
        "PromptGame.__call__": (game.__call__, masks),
        "PromptGame.token": (game.token, {"token": 0}),
        "PromptGame.span": (game.span, {"start": 0, "stop": 1}),
        "TextGame": (games.TextGame, {"model": Counts(), "players": cut, "target": 0}),
        "TextGame.__call__": (text.__call__, masks),
        "evaluate_together": (games.evaluate_together, {"games": [text]}),
        "LLMInteraction": (
            attr.LLMInteraction,
            {"attr_method": attr.AndInteraction(Bigram()), "tokenizer": words},
        ),
        "LLMInteraction.interactions": (explain.interactions, options),
        "LLMInteraction.attribute": (explain.attribute, options),
        "text_players": (
            players.text_players,
            {
                "encoding": {
                    "input_ids": [[1, 5, 6, 2]],
                    "offset_mapping": [[(0, 0), (0, 3), (4, 8), (0, 0)]],
                    "special_tokens_mask": [[1, 0, 0, 1]],
                },
                "texts": ["not good"],
                "baseline_id": 3,
            },
        ),
    }


def table_calls():
    pandas = pytest.importorskip("pandas")
    rows = pandas.DataFrame({"job": ["cook", "nurse"], "age": [50, 30]})
    made = players.table_players(rows, rows)
    return {
        "table_players": (players.table_players, {"rows": rows, "background": rows}),
        "TablePlayers.frame": (made.frame, {"rows": made.inputs}),
        "TablePlayers.forward": (made.forward, {"predict": len}),
    }
