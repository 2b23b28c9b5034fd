"""What a user writes for each kind of prompt is a dozen lines, and runs."""

from __future__ import annotations

import pytest

from tests.language_models import language_model, tokenizer

FEW_SHOT = """
from captum_interactions import AndOrInteraction, LLMInteraction
from captum_interactions.players import PromptPlayers
shots = ["hot -> cold\\n", "big -> small\\n", "up -> down\\n", "day -> night\\n"]
players = PromptPlayers.from_segments(tokenizer, shots, header="In", footer="black ->")
explain = LLMInteraction(AndOrInteraction(model), tokenizer)
result = explain.interactions(players, " white")
print(result.top_k(5))
"""
RAG = """
from captum_interactions import AndInteraction, LLMInteraction
from captum_interactions.players import PromptPlayers
passages = {"a": "The key is in the red box. ", "b": "The red box is in the kitchen. "}
template = "Facts: {a}{b}Question: Where is the key? Answer: in the"
players = PromptPlayers.from_template(tokenizer, template, passages)
explain = LLMInteraction(AndInteraction(model), tokenizer)
result = explain.interactions(players, " kitchen.")
print(result.game.prompt.text([True, False]), result.token(0).top_k(3))
result.attributions().plot_token_attr()
page = result.to_html()
"""
CHAT = """
from captum_interactions import LLMInteraction, ShapleyInteraction
from captum_interactions.players import PromptPlayers
chat = [
    {"role": "system", "content": "You are kind."},
    {"role": "user", "content": "The key is in the red box."},
    {"role": "assistant", "content": "What is it?"},
    {"role": "user", "content": "Where is the key?"},
]
players = PromptPlayers.from_chat(tokenizer, chat, fixed=())
result = LLMInteraction(ShapleyInteraction(model), tokenizer).interactions(players)
print(result.sequence().top_k(3))
"""
WORDS = """
from captum_interactions import AndInteraction
from captum_interactions.games import PromptGame
from captum_interactions.players import PromptPlayers
players = PromptPlayers.from_text(tokenizer, "The movie was not good", footer=". It is")
game = PromptGame(model, tokenizer, players, [" red", " great"], contrast=True)
result = AndInteraction.read(game)
print(game.cost(), result.top_k(3))
"""


@pytest.mark.parametrize(
    ("script", "players"), [(FEW_SHOT, 4), (RAG, 2), (CHAT, 4), (WORDS, 5)]
)
def test_a_script_has_at_most_twelve_lines(script, players, capsys):
    assert len(script.strip().splitlines()) <= 12
    assert all(len(line) <= 88 for line in script.splitlines())
    found = {"model": language_model("gpt2"), "tokenizer": tokenizer()}
    exec(script, found)
    assert capsys.readouterr().out.strip()
    if "explain" in found:
        method = type(found["explain"].attr_method).__name__
        said = f"LLMInteraction({method}(GPT2LMHeadModel), 'log_prob')"
        assert repr(found["explain"]) == said
    game = found["result"]
    evaluated = game.game if hasattr(game, "game") else found["game"]
    assert evaluated.n_evaluations == 2**players
