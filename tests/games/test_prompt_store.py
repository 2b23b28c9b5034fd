"""Prompts in a store: what was evaluated is kept, and a broken run goes on."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.testing import assert_close

from captum_interactions import LLMInteraction, ShapleyInteraction
from captum_interactions.games import PromptGame, evaluation, store_info
from captum_interactions.games._language_model import LocalModel
from captum_interactions.players import PromptPlayers
from tests.games.test_prompt_game import TOLERANCE, Provider, few_shot
from tests.language_models import language_model, tokenizer


def game(model=None, target=" white!", players=None, **options):
    model = model or language_model("llama")
    return PromptGame(model, tokenizer(), players or few_shot(), target, **options)


@pytest.mark.parametrize("name", ["llama", "mamba", "t5"])
@pytest.mark.filterwarnings("ignore:this model returns other values")
def test_a_second_run_asks_the_model_nothing(name, tmp_path):
    model = language_model(name)
    plain = game(model).table()
    with evaluation(store=tmp_path / "run", block=4):
        first, second = game(model), game(model)
        table = first.table()
        assert_close(table, plain, rtol=0, atol=TOLERANCE)
        assert first.n_forwards > 0
        assert torch.equal(second.table(), table)
        assert second.n_forwards == 0
        assert second.n_evaluations == 16
        other = game(model, " red")
        other.table()
        assert other.n_forwards > 0
    assert [e.shape[-1] for e in store_info(tmp_path / "run").entries] == [16, 16]


@pytest.mark.parametrize(("after", "kept"), [(3, 0), (9, 1), (15, 2)])
def test_a_broken_run_goes_on_and_arrives_at_the_same_bits(
    after, kept, tmp_path, monkeypatch
):
    with evaluation(store=tmp_path / "whole", block=4):
        whole = game()
        expected = whole.table()
    calls, call = [], LocalModel._call

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt
        return call(*args, **kwargs)

    with evaluation(store=tmp_path / "broken", block=4):
        with monkeypatch.context() as patch:
            patch.setattr(LocalModel, "_call", interrupted)
            message = f"{kept} of 4 blocks of this evaluation"
            with pytest.raises(KeyboardInterrupt, match=message):
                game().table()
        again = game()
        assert torch.equal(again.table(), expected)
    assert again.n_forwards <= whole.n_forwards - 3 * kept


def test_blocks_are_branches_of_the_tree(tmp_path):
    plain = game()
    plain.table()
    with evaluation(store=tmp_path / "run", block=8):
        blocks = game()
        blocks.table()
    header = len(few_shot().pieces[0].ids) + len(few_shot().pieces[1].ids)
    assert plain.n_tokens <= blocks.n_tokens <= plain.n_tokens + 2 * header


def test_another_model_is_refused_and_providers_keep_to_themselves(tmp_path):
    players = few_shot(n=2)
    changed = copy.deepcopy(language_model("llama"))
    with evaluation(store=tmp_path / "run"):
        game(players=players).table()
    with torch.no_grad():
        changed.lm_head.weight[5] += 1
    with evaluation(store=tmp_path / "run"):
        with pytest.raises(ValueError, match="other parameters"):
            game(changed, players=players).table()
        provider = Provider()
        game(provider, players=players).table()
        assert provider.asked == 4
    assert len(store_info(tmp_path / "run").entries) == 1


def test_methods_at_a_budget_use_it(tmp_path):
    words = "The key is in the red box It is in the kitchen , ah !"
    players = PromptPlayers.from_text(tokenizer(), words, header="Review:")

    def run():
        explain = LLMInteraction(
            ShapleyInteraction(language_model("llama")), tokenizer()
        )
        generator = torch.Generator().manual_seed(0)
        return explain.interactions(
            players, " white", n_samples=60, generator=generator
        )

    with evaluation(store=tmp_path / "run", block=16):
        first, again = run(), run()
    assert first.game.n_forwards > 0
    assert again.game.n_forwards == 0
    assert torch.equal(first.sequence().values, again.sequence().values)
