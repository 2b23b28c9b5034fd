"""Prompts are cut at the tokenizer's own tokens, and only ever lose some."""

from __future__ import annotations

import pytest
from captum.attr import TextTemplateInput, TextTokenInput
from hypothesis import given, settings
from hypothesis import strategies as st

from captum_interactions.players import PromptPlayers
from tests.language_models import tokenizer

KINDS = [("byte", False), ("byte", True), ("blank", False), ("blank", True)]
kinds = pytest.mark.parametrize(("kind", "added"), KINDS)
WORDS = [
    "The",
    " movie",
    " was ",
    "not",
    " good.",
    "\n",
    " Café",
    " 🙂",
    "hot -> ",
    " ",
]
CHAT = [
    {"role": "system", "content": "You are kind. "},
    {"role": "user", "content": "What is it?"},
    {"role": "assistant", "content": "a box"},
    {"role": "user", "content": "The red box?"},
]


def own_ids(tok, text):
    """What the tokenizer makes of a text, without what it puts behind."""
    ids = tok(text)["input_ids"]
    return ids[:-1] if ids[-1:] == [tok.eos_token_id] else ids


def everyone(players):
    return players.row([True] * len(players))


def nobody(players):
    return players.row([False] * len(players))


@kinds
@settings(max_examples=25, deadline=None)
@given(
    parts=st.lists(
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), max_size=5
    ),
    header=st.sampled_from(["", "Review: "]),
)
def test_rows_are_the_tokenizers_own_and_segments_only_drop(kind, added, parts, header):
    tok = tokenizer(kind, added, added)
    # A visible character each, so that nobody is without a token.
    segments = [f"x{i}" + "".join(part) for i, part in enumerate(parts)] or ["x"]
    try:
        players = PromptPlayers.from_segments(tok, segments, header, " Answer:")
    except ValueError as error:
        if "without any" in str(error):  # a token of two segments is the first's
            return
        raise
    full = header + "".join(segments) + " Answer:"
    assert list(everyone(players)) == own_ids(tok, full)
    assert players.ending == ((tok.eos_token_id,) if added else ())
    for i in range(len(players)):
        mask = [j != i for j in range(len(players))]
        left = [
            token for piece in players.pieces for token in piece.ids if piece.owner != i
        ]
        assert list(players.row(mask)) == left


def test_a_blank_belongs_to_the_word_behind_it():
    tok = tokenizer()
    before = PromptPlayers.from_segments(tok, ["The", " movie", " was"], "Review: ")
    behind = PromptPlayers.from_segments(tok, ["The ", "movie ", "was"], "Review: ")
    assert [p.ids for p in before.pieces] == [p.ids for p in behind.pieces]
    assert before.text([True, False, True]) == "Review: The was"


def test_special_tokens_come_once_and_are_fixed():
    tok = tokenizer("byte", True)
    players = PromptPlayers.from_segments(tok, ["hot ->", " cold"])
    assert nobody(players) == (tok.bos_token_id,)
    plain = PromptPlayers.from_segments(tokenizer(), ["hot ->", " cold"], bos=True)
    assert everyone(plain) == everyone(players)
    assert everyone(PromptPlayers.from_segments(tok, ["hot"], bos=True)).count(1) == 1


@kinds
@pytest.mark.parametrize("level", ["words", "sentences", "tokens"])
def test_levels_of_a_text(kind, added, level):
    tok = tokenizer(kind, added)
    text = "The movie was not good. Café 🙂 it is!\nOh"
    players = PromptPlayers.from_text(tok, text, level, "Review: ", " Sentiment:")
    assert list(everyone(players)) == own_ids(tok, f"Review: {text} Sentiment:")
    assert list(nobody(players)) != list(everyone(players))
    if level == "words":
        assert players.names == tuple(text.split())
    if level == "sentences":
        assert players.names == ("The movie was not good.", "Café 🙂 it is!", "Oh")


def test_fixed_passages_and_chosen_segments():
    tok = tokenizer()
    text = "The movie was not good."
    held = PromptPlayers.from_text(tok, text, fixed=["movie was"])
    assert held.names == ("The", "not", "good.")
    assert held.text([False] * 3) == " movie was"
    chosen = PromptPlayers.from_text(tok, text, segments=["movie", "not good"])
    assert chosen.names == ("movie", "not good")
    assert chosen.text([False, True]) == "The was not good."
    with pytest.raises(ValueError, match="'film', which does not occur"):
        PromptPlayers.from_text(tok, text, segments=["film"])
    with pytest.raises(ValueError, match="after those before it"):
        PromptPlayers.from_text(tok, text, segments=["not", "movie"])


@kinds
def test_templates(kind, added):
    tok = tokenizer(kind, added)
    values = {"a": "red", "b": "kitchen"}
    players = PromptPlayers.from_template(tok, "The {a} box {{in}} the {b}.", values)
    text = "The red box {in} the kitchen."
    assert list(everyone(players)) == own_ids(tok, text)
    assert players.names == ("red", "kitchen")
    twice = PromptPlayers.from_template(tok, "The {a} and {b} and {a} box", values)
    assert [p.owner for p in twice.pieces if p.owner is not None] == [0, 1, 0]
    assert "red" not in twice.text([False, True])
    assert PromptPlayers.from_template(tok, "x {} {}", ["a", "b"]).names == ("a", "b")
    with pytest.raises(ValueError, match="the field 'c'"):
        PromptPlayers.from_template(tok, "{c}", values)
    with pytest.raises(ValueError, match="without any"):
        PromptPlayers.from_template(tok, "only {a}", values)


def test_replacements_and_functions():
    tok = tokenizer()
    players = PromptPlayers.from_template(
        tok, "The {a} box is {b}", {"a": "red", "b": "not"}, {"a": "old", "b": ""}
    )
    assert tok.decode(everyone(players)) == "The red box is not"
    assert "old" in players.text([False, True])

    def write(a, b):
        return "The" + (f" {a}" if a else "") + (f" and {b}" if a and b else b)

    free = PromptPlayers.from_template(tok, write, {"a": "red", "b": "kitchen"})
    assert free.text([True, True]) == "The red and kitchen"
    assert free.text([True, False]) == "The red"
    assert free.merge([0, 1]).text([False]) == "The"


@kinds
def test_chat(kind, added):
    tok = tokenizer(kind, added, added)
    text = tok.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    ids = tok(text, add_special_tokens=False)["input_ids"]
    content = PromptPlayers.from_chat(tok, CHAT)
    assert content.names == ("What is it?", "a box", "The red box?")
    assert list(everyone(content)) == ids
    assert "kind" in content.text([False] * 3)  # the system message is fixed
    for marker in ("<|user|>", "<|assistant|>", "<|end|>"):
        assert content.text([False] * 3).count(marker) == text.count(marker)
    turns = PromptPlayers.from_chat(tok, CHAT, "turns")
    assert list(everyone(turns)) == ids
    assert turns.text([False] * 3).count("<|user|>") == 0
    assert turns.text([True, False, False]).count("<|user|>") == 1
    assert PromptPlayers.from_chat(tok, CHAT, [0, 3]).names == (
        "You are kind.",
        "The red box?",
    )
    for wrong in ([], ["What is it?"]):
        with pytest.raises(TypeError, match=r"`messages` must be a (list|sequence) of"):
            PromptPlayers.from_chat(tok, wrong)
    with pytest.raises(TypeError, match="with a chat template"):
        PromptPlayers.from_chat(_Slow(), CHAT)
    with pytest.raises(ValueError, match="an empty one"):
        PromptPlayers.from_chat(tok, [{"role": "user", "content": " "}])


def test_what_a_template_writes_before_the_first_turn_is_fixed():
    tok = tokenizer()
    from copy import deepcopy

    tok = deepcopy(tok)
    tok.chat_template = (
        "{% if messages[0]['role'] != 'system' %}<|system|>\nYou are kind.<|end|>\n"
        "{% endif %}" + tok.chat_template
    )
    players = PromptPlayers.from_chat(tok, CHAT[1:], "turns")
    assert players.text([False] * 3).startswith("<|system|>\nYou are kind.<|end|>\n<|a")
    tok.chat_template = tok.chat_template.replace("| trim", "| upper")
    with pytest.raises(ValueError, match="'What is it\\?', which does not occur"):
        PromptPlayers.from_chat(tok, CHAT[1:])


def test_captum_inputs():
    tok = tokenizer()
    values = ["red", "kitchen", "box"]
    inp = TextTemplateInput("The {} {} {} is", values, mask=["x", "y", "x"])
    players = PromptPlayers.from_captum(inp, tok)
    assert players.names == ("red + box", "kitchen")
    assert list(everyone(players)) == tok.encode(inp.to_model_input())
    keyed = TextTemplateInput("The {a}", {"a": "red"}, baselines={"a": "old"})
    assert "old" in PromptPlayers.from_captum(keyed, tok).text([False])
    function = TextTemplateInput(lambda a: f"The {a}.", ["red"])
    assert PromptPlayers.from_captum(function, tok).text([False]) == "The ."
    tokens = TextTokenInput("The red box", tok, skip_tokens=tok.encode("The"))
    players = PromptPlayers.from_captum(tokens, tok)
    assert players.n_players == tokens.n_itp_features
    assert players.text([False] * len(players)) == "The"
    kept = PromptPlayers.from_captum(tokens, tok, keep_baseline=True)
    zero = tokens.to_model_input(0 * tokens.to_tensor())[0].tolist()
    assert list(nobody(kept)) == zero
    random = TextTemplateInput("{}", ["red"], baselines=lambda: ["old"])
    with pytest.raises(ValueError, match="a function"):
        PromptPlayers.from_captum(random, tok)
    with pytest.raises(TypeError, match="TextTemplateInput"):
        PromptPlayers.from_captum("The red box", tok)


def test_merging_holding_naming():
    tok = tokenizer()
    players = PromptPlayers.from_text(tok, "The box the box is red")
    merged = players.merge([1, 3], [0, "red"], names=["box", "ends"])
    assert merged.names == ("ends", "box", "the", "is")
    assert merged.text([False, True, False, False]) == " box box"
    held = players.hold("box", 0)
    assert held.names == ("the", "is", "red")
    assert held.text([False] * 3) == "The box box"
    assert players.named(["a"] * 6).names == ("a",) * 6  # labels may repeat
    for wrong in (lambda: players.merge([0, 1], [1]), lambda: players.merge([])):
        with pytest.raises(ValueError, match="apart from each other"):
            wrong()
    for wrong in (lambda: players.hold(9), lambda: players.hold("nobody")):
        with pytest.raises(ValueError, match=r"an index in 0\.\.5"):
            wrong()
    with pytest.raises(ValueError, match="6 names"):
        players.named(["a"])
    with pytest.raises(ValueError, match="6 entries"):
        players.row([True])


def test_a_token_that_begins_within_a_character_is_one_player_with_it():
    """Byte-level tokenizers cut ï in two, and may join its rest to what follows."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"Ã": 0, "¯": 1, "v": 2, "n": 3, "¯v": 4, "Ġ": 5}
    made = Tokenizer(models.BPE(vocabulary, [("¯", "v")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tok = PreTrainedTokenizerFast(tokenizer_object=made)
    players = PromptPlayers.from_text(tok, "nïvn", "tokens", header="n ")
    assert players.names == ("n", "ïv", "n")
    assert list(players.row([False, True, False])) == [3, 5, 0, 4]


def test_retokenized_rows_are_texts_tokenized_anew():
    tok = tokenizer()
    players = PromptPlayers.from_segments(tok, ["The ", "movie ", "is"], "Review: ")
    anew = players.retokenized()
    assert anew.row([True] * 3) == players.row([True] * 3)
    assert list(anew.row([True, False, False])) == tok.encode("Review: The ")
    assert anew.row([True, False, False]) != players.row([True, False, False])


def test_what_can_not_be_cut():
    tok = tokenizer()
    with pytest.raises(ValueError, match="`segments` must be a list of texts"):
        PromptPlayers.from_segments(tok, ["a", ""])
    with pytest.raises(ValueError, match="`values` must be texts that are not empty"):
        PromptPlayers.from_template(tok, "{a}", {"a": ""})
    with pytest.raises(ValueError, match="`level`"):
        PromptPlayers.from_text(tok, "a", level="letters")
    with pytest.raises(ValueError, match="a text with words"):
        PromptPlayers.from_text(tok, "  ")
    with pytest.raises(ValueError, match="it has no beginning-of-text token"):
        PromptPlayers.from_segments(_Slow(fast=True), ["a"], bos=True)
    with pytest.raises(ValueError, match="a fast tokenizer"):
        PromptPlayers.from_segments(_Slow(), ["a"])
    with pytest.raises(TypeError, match="`tokenizer`"):
        PromptPlayers.from_segments(None, ["a"])
    with pytest.raises(ValueError, match="one player at least"):
        PromptPlayers.from_ids([[1]], [None])
    with pytest.raises(ValueError, match="numbered from 0"):
        PromptPlayers.from_ids([[1]], [1])


class _Slow:
    """A tokenizer that does not say where its tokens lie, or one without BOS."""

    bos_token_id = None

    def __init__(self, fast=False):
        self.is_fast = fast

    def __call__(self, text, **options):
        return {
            "input_ids": [3] * len(text),
            "offset_mapping": [(i, i + 1) for i in range(len(text))],
            "special_tokens_mask": [0] * len(text),
        }
