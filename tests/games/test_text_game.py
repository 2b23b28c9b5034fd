"""An encoder's values on texts that lack words, in every sense of lacking."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from captum_interactions.games import (
    TextGame,
    evaluate_together,
    evaluation,
    log_odds,
    store_info,
)
from captum_interactions.games._text_rows import TextRows
from captum_interactions.players import PromptPlayers
from tests.language_models import ENCODERS, classifier, tokenizer

KINDS = ["drop", "mask", "pad", "attention", "embedding"]


def coalitions(n):
    return [[bool(code >> i & 1) for i in range(n)] for code in range(2**n)]


def sentence(text="The movie was not good.", fixed=()):
    return PromptPlayers.from_text(tokenizer("byte", True, True), text, fixed=fixed)


def plain_value(model, players, mask, kind, target):
    """One row, one pass, written from what each kind of absence means."""
    tok = players.tokenizer
    ids, there = [], []
    for piece in players.pieces:
        present = piece.owner is None or mask[piece.owner]
        if kind == "drop" and not present:
            continue
        stand_in = {"mask": tok.mask_token_id, "pad": tok.pad_token_id}.get(kind)
        for token in piece.ids:
            ids.append(token if present or stand_in is None else stand_in)
            there.append(present)
    ids, there = [*ids, *players.ending], [*there, *(True for _ in players.ending)]
    row = {"input_ids": torch.tensor([ids])}
    attention = [int(t) if kind == "attention" else 1 for t in there]
    if kind == "embedding":
        vectors = model.get_input_embeddings()(row.pop("input_ids")).clone()
        for position, present in enumerate(there):
            if not present:
                vectors[0, position] = 0.0
        row["inputs_embeds"] = vectors
    with torch.no_grad():
        logits = model(**row, attention_mask=torch.tensor([attention])).logits[0]
    return float(logits[target])


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_absence(name, kind):
    players, model = sentence(), classifier(name)
    game = TextGame(model, players, target=1, absence=kind)
    expected = [plain_value(model, players, m, kind, 1) for m in coalitions(5)]
    expected = torch.tensor(expected).double()
    assert expected.std() > 0.05
    assert_close(game.table()[0], expected, rtol=0, atol=5e-5)
    assert game.n_evaluations == 32


def test_one_coalition_and_masks_of_more_examples():
    game = TextGame(classifier("bert"), sentence(), 1)
    mask = torch.tensor([[True, False, True, True, False]])
    whole = game.table()[:, 0b01101 : 0b01101 + 1]
    assert_close(game(mask), whole, rtol=0, atol=5e-5)
    assert_close(game(mask[None]), whole, rtol=0, atol=5e-5)
    with pytest.raises(ValueError, match=r"`masks` must be of shape \(C, 5\)"):
        game(mask.expand(2, 1, 5))
    with pytest.raises(TypeError, match="`masks` must be a boolean tensor"):
        game(mask.long())


def test_kinds_are_different_games():
    tables = [
        TextGame(classifier("bert"), sentence(), 1, absence=k).table() for k in KINDS
    ]
    for i, first in enumerate(tables):
        assert_close(first[..., -1], tables[0][..., -1], rtol=0, atol=5e-5)
        for second in tables[i + 1 :]:
            assert (first - second).abs().max() > 0.05


def test_special_tokens_fixed_passages_and_chat_markers_stay():
    tok = tokenizer("byte", True, True)
    players = sentence(fixed=["movie"])
    game = TextGame(classifier("bert"), players, 0, absence="mask")
    ids = game.row([False] * 4).ids
    assert (ids[0], ids[-1]) == (tok.bos_token_id, tok.eos_token_id)
    assert tok.decode(ids).count("movie") == 1
    chat = PromptPlayers.from_chat(
        tok,
        [
            {"role": "user", "content": "The red box"},
            {"role": "assistant", "content": "hot"},
        ],
    )
    ids = TextGame(classifier("bert"), chat, 0, absence="pad").row([False] * 2).ids
    assert tok.decode(ids).count("<|end|>") == 2
    assert tok.decode(ids).count("<pad>") > 3


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_any_length_share_batches(kind):
    texts = ["not good", "The movie was not good", "hot", "up -> down and big"]
    model = classifier("bert")

    def games():
        return [TextGame(model, sentence(t), 0, absence=kind) for t in texts]

    together = games()
    evaluate_together(together)
    asked = [game.n_forwards for game in together]
    assert [g.n_evaluations for g in together] == [4, 32, 2, 32]
    for game, alone in zip(together, games(), strict=True):
        assert_close(game.table(), alone.table(), rtol=0, atol=5e-5)
    assert [game.n_forwards for game in together] == asked
    evaluate_together(together)
    assert [game.n_forwards for game in together] == asked


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_evaluated_is_kept_in_a_store(kind, tmp_path):
    model = classifier("bert")
    plain = TextGame(model, sentence(), absence=kind).table()
    with evaluation(store=tmp_path / "run", block=8):
        first, again = (TextGame(model, sentence(), absence=kind) for _ in range(2))
        table = first.table()
        assert_close(table, plain, rtol=0, atol=5e-5)
        assert torch.equal(again.table(), table)
        assert first.n_forwards > 0
        assert (again.n_forwards, again.n_evaluations) == (0, 32)
        # Another question of the same rows is another entry.
        for other in (
            TextGame(model, sentence(), 1, absence=kind),
            TextGame(model, sentence(), absence=kind, value=log_odds),
            TextGame(model, sentence("The movie was so good."), absence=kind),
        ):
            other.table()
            assert other.n_forwards > 0
    assert len(store_info(tmp_path / "run").entries) == 4


@pytest.mark.parametrize(("after", "kept"), [(1, 0), (3, 2), (4, 3)])
def test_a_broken_run_goes_on_and_arrives_at_the_same_bits(
    after, kept, tmp_path, monkeypatch
):
    model = classifier("bert")

    def game():
        return TextGame(model, sentence(), 1)

    with evaluation(store=tmp_path / "whole", block=8):
        whole = game()
        expected = whole.table()
    assert whole.n_forwards == 4  # one pass a block
    asked, forward = [], TextRows.forward

    def interrupted(*args):
        asked.append(1)
        if len(asked) == after:
            raise KeyboardInterrupt
        return forward(*args)

    with evaluation(store=tmp_path / "broken", block=8):
        broken = game()
        message = f"{kept} of 4 blocks of this evaluation"
        with monkeypatch.context() as patch:
            patch.setattr(TextRows, "forward", interrupted)
            with pytest.raises(KeyboardInterrupt, match=message):
                broken.table()
        assert broken.n_evaluations == 0
        again = game()
        assert torch.equal(again.table(), expected)
        assert again.n_forwards == 4 - kept


class Counting(nn.Module):
    """Counts the rows it is shown."""

    def __init__(self):
        super().__init__()
        self.rows = 0

    def forward(self, input_ids, attention_mask):
        self.rows += len(input_ids)
        return torch.stack([(input_ids * attention_mask).sum(1)] * 2, 1).float()


def test_the_bill_is_the_sum_of_the_tables():
    model = Counting()
    texts = ["a b c d e f", "a", "a b", "a b c"]
    evaluate_together([TextGame(model, sentence(t), 0) for t in texts])
    assert model.rows == 64 + 2 + 4 + 8


def test_values_and_outputs():
    model, players = classifier("bert"), sentence("not good")
    every = TextGame(model, players).table()
    assert every.shape == (1, 3, 4)
    one = TextGame(model, players, 2).table()
    assert_close(one, every[:, 2], rtol=0, atol=0)
    odds = TextGame(model, players, 2, value=log_odds).table()
    expected = every[:, 2] - every[:, :2].logsumexp(1)
    assert_close(odds, expected)
    mean = model.get_input_embeddings().weight.mean(0)
    shown = TextGame(model, players, 2, absence="embedding", embedding=mean).table()
    zeros = TextGame(model, players, 2, absence="embedding").table()
    assert_close(shown[..., -1], zeros[..., -1])
    assert (shown - zeros).abs().max() > 0.01


def test_bad_input(capsys):
    model, players = classifier("bert"), sentence()
    with pytest.raises(TypeError, match="`model`"):
        TextGame(lambda x: x, players)
    with pytest.raises(TypeError, match="`players`"):
        TextGame(model, "text")
    with pytest.raises(TypeError, match="`target`"):
        TextGame(model, players, 1.5)
    with pytest.raises(ValueError, match="`absence` must be one of"):
        TextGame(model, players, absence="gone")
    with pytest.raises(ValueError, match="it has no mask token"):
        TextGame(model, PromptPlayers.from_ids([[1], [2]], [None, 0]), absence="mask")
    with pytest.raises(ValueError, match="takes no inputs_embeds"):
        TextGame(Counting(), players, absence="embedding")
    with pytest.raises(ValueError, match=r"of shape \(32,\)"):
        TextGame(model, players, absence="embedding", embedding=torch.zeros(3))
    game = TextGame(model, players, 7, show_progress=True)
    with pytest.raises(ValueError, match="a class below 3"):
        game.table()
    with pytest.raises(ValueError, match="`players` must be within the 256 positions"):
        TextGame(model, sentence("box " * 300), target=1)
    with pytest.raises(TypeError, match="boolean"):
        game(torch.ones(1, 5))
    with pytest.raises(ValueError, match=r"shape \(C, 5\)"):
        game(torch.ones(1, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="of one model"):
        evaluate_together([game, TextGame(Counting(), players)])
    assert game.n_evaluations == 0
    assert "0 coalitions" in repr(game)
    capsys.readouterr()
    TextGame(model, players, 1, show_progress=True).table()
    assert "100%" in capsys.readouterr().err
