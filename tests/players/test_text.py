"""Players from the output of a fast tokenizer."""

from __future__ import annotations

import pytest
import torch

from captum_interactions import AndInteraction, InteractionTree
from captum_interactions.players import text_players

TEXTS = ["It's unbelievable!", "good"]
ENCODING = {  # as BERT's tokenizer pads and splits these two
    "input_ids": [
        [101, 2009, 1005, 1055, 4895, 8671, 999, 102],
        [101, 2204, 102, 0, 0, 0, 0, 0],
    ],
    "offset_mapping": [
        [(0, 0), (0, 2), (2, 3), (3, 4), (5, 7), (7, 17), (17, 18), (0, 0)],
        [(0, 0), (0, 4)] + [(0, 0)] * 6,
    ],
    "special_tokens_mask": [[1, 0, 0, 0, 0, 0, 0, 1], [1, 0, 1, 1, 1, 1, 1, 1]],
}


def test_words_are_what_white_space_parts():
    players = text_players(ENCODING, TEXTS, baseline_id=103)
    assert players.words == (("It's", "unbelievable!"), ("good",))
    assert players.feature_mask.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1], [0] * 8]


def test_tokens():
    players = text_players(ENCODING, TEXTS, baseline_id=103, level="tokens")
    assert players.words[0] == ("It", "'", "s", "un", "believable", "!")
    assert players.feature_mask[0].tolist() == [0, 0, 1, 2, 3, 4, 5, 5]


def test_the_tokenizers_own_words():
    word_ids = [[None, 0, 1, 2, 3, 3, 4, None], [None, 0] + [None] * 6]
    players = text_players(ENCODING, TEXTS, baseline_id=103, word_ids=word_ids)
    assert players.words[0] == ("It", "'", "s", "unbelievable", "!")
    assert players.feature_mask[0].tolist() == [0, 0, 1, 2, 3, 3, 4, 4]


def test_special_tokens_and_padding_never_change():
    players = text_players(ENCODING, TEXTS, baseline_id=103)
    ids = torch.tensor(ENCODING["input_ids"])
    special = torch.tensor(ENCODING["special_tokens_mask"]).bool()
    assert torch.equal(players.baselines[special], ids[special])
    assert set(players.baselines[~special].tolist()) == {103}


def test_byte_level_tokens_begin_with_their_space():
    encoding = {
        "input_ids": [[7, 8, 9]],
        "offset_mapping": [[(0, 3), (3, 7), (7, 9)]],
        "special_tokens_mask": [[0, 0, 0]],
    }
    players = text_players(encoding, ["not good!!"[:9]], baseline_id=0)
    assert players.words == (("not", "good!"),)
    assert players.feature_mask.tolist() == [[0, 1, 1]]


def test_a_model_sees_all_special_tokens_in_every_coalition():
    texts = [TEXTS[0], "good movie"]
    encoding = {key: list(rows) for key, rows in ENCODING.items()}
    encoding["input_ids"][1] = [101, 2204, 3185, 102, 0, 0, 0, 0]
    encoding["offset_mapping"][1] = [(0, 0), (0, 4), (5, 10)] + [(0, 0)] * 5
    encoding["special_tokens_mask"][1] = [1, 0, 0, 1, 1, 1, 1, 1]
    players = text_players(encoding, texts, baseline_id=103)
    special = torch.tensor(encoding["special_tokens_mask"]).bool()
    seen = []

    def model(ids):
        seen.append(ids)
        return (ids != 103).sum(1).double() ** 2

    result = InteractionTree(model).interactions(
        players.input_ids, players.baselines, feature_mask=players.feature_mask
    )
    for ids in seen:
        rows = ids.view(-1, 2, 8)
        assert bool((rows == players.input_ids)[:, special].all())
    _, axes = result.plot_tree(example=1, names=players.words[1])
    assert "movie" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("change", "texts", "message"),
    [
        ({"offset_mapping": None}, TEXTS, "`encoding` must be a mapping with input_id"),
        ({"input_ids": [[1, 2], [1]]}, TEXTS, "rows of equal length"),
        ({}, TEXTS[:1], "`texts` must be the 2 sentences of the encoding, got 1"),
        (
            {"special_tokens_mask": [[1] * 8, [1] * 8]},
            TEXTS,
            "`texts` must be sentences with a word each",
        ),
    ],
)
def test_bad_encodings(change, texts, message):
    encoding = {k: v for k, v in {**ENCODING, **change}.items() if v is not None}
    with pytest.raises(ValueError, match=message):
        text_players(encoding, texts, baseline_id=103)


def test_unknown_level():
    with pytest.raises(ValueError, match=r"`level` must be one of .*'letters'"):
        text_players(ENCODING, TEXTS, baseline_id=103, level="letters")


def test_fixed_passages_are_never_absent():
    text = "<u> not a <u> good film"
    encoding = {
        "input_ids": [[1, 5, 6, 7, 5, 8, 9, 2]],
        "offset_mapping": [
            [(0, 0), (0, 3), (3, 7), (7, 9), (9, 13), (13, 18), (18, 23), (0, 0)]
        ],
        "special_tokens_mask": [[1, 0, 0, 0, 0, 0, 0, 1]],
    }
    players = text_players(encoding, [text], 103, fixed=["<u>", "film"])
    assert players.words == (("not", "a", "good"),)
    assert players.baselines.tolist() == [[1, 5, 103, 103, 5, 103, 9, 2]]
    assert players.feature_mask.tolist() == [[0, 0, 0, 1, 1, 2, 2, 2]]
    with pytest.raises(TypeError, match="`fixed` must be a sequence of texts"):
        text_players(encoding, [text], 103, fixed="<u>")


def byte_level_tokenizer():
    """A tokenizer that knows bytes alone, so that an emoji is many tokens."""
    tokenizers = pytest.importorskip("tokenizers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    numbers = {letter: i for i, letter in enumerate(alphabet)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(numbers, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=False
    )
    return tokenizer


TEXT = "so good 🙂 so good!"


@pytest.mark.parametrize("plain", [True, False])
def test_the_bytes_of_an_emoji_are_one_word(plain):
    encoding = byte_level_tokenizer().encode(TEXT)
    if plain:  # offsets alone: white space parts
        encoding = {
            "input_ids": [encoding.ids],
            "offset_mapping": [encoding.offsets],
            "special_tokens_mask": [encoding.special_tokens_mask],
        }
    players = text_players(encoding, [TEXT], baseline_id=0)
    end = ("good!",) if plain else ("good", "!")
    assert players.words == (("so", "good", "🙂", "so", *end),)
    counts = players.feature_mask[0].bincount().tolist()
    assert counts[:4] == [2, 5, 5, 3]  # spaces belong to the word after them


def test_encodings_of_tokenizers_alone_or_in_a_list():
    tokenizer = byte_level_tokenizer()
    encodings = [tokenizer.encode(text) for text in ("a cat", "a dog")]
    players = text_players(encodings, ["a cat", "a dog"], baseline_id=0)
    assert players.words == (("a", "cat"), ("a", "dog"))
    with pytest.raises(TypeError, match="`encoding`"):
        text_players([1, 2], ["a"], baseline_id=0)


def test_batches_of_transformers_bring_their_words():
    transformers = pytest.importorskip("transformers")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_level_tokenizer(), pad_token="[PAD]"
    )
    fast.padding_side = "left"
    texts = ["good, good", "no"]
    batch = fast(
        texts,
        padding=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_tensors="pt",
    )
    players = text_players(batch, texts, baseline_id=0)
    assert players.words == (("good", ",", "good"), ("no",))
    assert players.feature_mask[1].tolist() == [0] * 10
    tokens = text_players(batch, texts, baseline_id=0, level="tokens")
    assert len(tokens.words[0]) == 10


def test_tokenizers_that_know_no_words_are_parted_by_white_space():
    tokenizers = pytest.importorskip("tokenizers")
    numbers = {"▁": 0, "c": 1, "a": 2, "t": 3}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(numbers, merges=[]))
    tokenizer.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    encoding = tokenizer.encode("a cat")
    assert set(encoding.word_ids) == {0}  # one word, it says
    assert text_players(encoding, ["a cat"], baseline_id=0).words == (("a", "cat"),)


def test_a_repeated_word_is_two_players_of_one_name():
    encoding = byte_level_tokenizer().encode(TEXT)
    players = text_players(encoding, [TEXT], baseline_id=0)

    def model(ids):  # how many letters stay, squared
        return (ids != 0).sum(1).double() ** 2

    result = AndInteraction(model).interactions(
        players.input_ids, players.baselines, feature_mask=players.feature_mask
    )
    named = result.named(players.words[0])
    assert named.players.names.count("good") == 2
    assert "{good, 🙂}" in str(named.top_k(20)[0])
    with pytest.raises(ValueError, match="by its index where names repeat"):
        named.players.index("good")
    assert named.players.index("!") == 5
