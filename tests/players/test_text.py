"""Players from the output of a fast tokenizer."""

from __future__ import annotations

import pytest
import torch

from captum_interactions import InteractionTree
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
    _, axes = result.plot(example=1, words=players.words[1])
    assert "movie" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("change", "texts", "message"),
    [
        ({"offset_mapping": None}, TEXTS, "`encoding` must be a mapping with input_id"),
        ({"input_ids": [[1, 2], [1]]}, TEXTS, "rows of equal length"),
        ({}, TEXTS[:1], "`texts` must be the 2 sentences of the encoding, got 1"),
        ({}, "good", "`texts` must be the 2 sentences of the encoding, got 'good'"),
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
    with pytest.raises(ValueError, match="`fixed` must be a list of passages"):
        text_players(encoding, [text], 103, fixed="<u>")
