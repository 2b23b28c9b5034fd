"""A prompt's values are the model's own log-probabilities, row by row."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from captum_interactions.games import PromptGame
from captum_interactions.games._model_traits import PASS_ON
from captum_interactions.players import PromptPlayers
from tests.language_models import (
    ARCHITECTURES,
    ENCODER_DECODERS,
    language_model,
    tokenizer,
)

SHOTS = ["hot -> cold\n", "big -> small\n", "up -> down\n", "day -> night, I say\n"]
TOLERANCE = 5e-5  # nats, in float32


def few_shot(kind="byte", n=4, header="Review:\n", footer="black ->"):
    return PromptPlayers.from_segments(tokenizer(kind), SHOTS[:n], header, footer)


def coalitions(n):
    """All subsets in the order of their codes, from the definition of a code."""
    return [[bool(code >> i & 1) for i in range(n)] for code in range(2**n)]


def plain_log_probs(model, row, response):
    """log p of each response token: one row, one pass, a full softmax."""
    ids = torch.tensor([[*row, *response]])
    with torch.no_grad():
        if model.config.is_encoder_decoder:
            start = model.config.decoder_start_token_id
            logits = model(
                input_ids=torch.tensor([list(row)]),
                decoder_input_ids=torch.tensor([[start, *response[:-1]]]),
            ).logits[0]
            return [
                math.log(logits[t].double().softmax(-1)[token])
                for t, token in enumerate(response)
            ]
        logits = model(input_ids=ids).logits[0].double()
    first = len(row) - 1
    return [
        math.log(logits[first + t].softmax(-1)[token])
        for t, token in enumerate(response)
    ]


def plain_table(model, players, response):
    """The sum and every token for all coalitions, ``(1 + r, 2**n)``."""
    rows = [
        plain_log_probs(model, players.row(mask), response)
        for mask in coalitions(len(players))
    ]
    tokens = torch.tensor(rows, dtype=torch.float64).T
    return torch.cat([tokens.sum(0, keepdim=True), tokens])


def tree_formula(lengths, header, footer, response):
    """h + Σ_k 2^(k−1) l_k + 2^n (f + r − 1)."""
    levels = sum(2**k * length for k, length in enumerate(lengths))
    return header + levels + 2 ** len(lengths) * (footer + response - 1)


@pytest.mark.filterwarnings("ignore:this model returns other values")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures(name):
    model, players = language_model(name), few_shot()
    game = PromptGame(model, tokenizer(), players, " white!")
    response = game.responses.ids[0]
    expected = plain_table(model, players, response)
    assert expected.std() > 0.1  # coalitions differ by far more than the tolerance
    table = game.table()
    assert table.shape == (1, 1 + len(response), 16)
    assert_close(table[0], expected, rtol=0, atol=TOLERANCE)
    if name != "mamba":  # all others share beginnings
        lengths = [len(p.ids) for p in players.pieces]
        shared = tree_formula(lengths[1:-1], lengths[0], lengths[-1], len(response))
        assert game.n_tokens == shared
    for path in ("batches", "rows"):
        again = PromptGame(model, tokenizer(), players, " white!", path=path)
        assert_close(again.table()[0], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("width", [1, 2, 3, 8, 32, None])
@pytest.mark.parametrize("footer", ["black ->", ""])
def test_tokens_are_those_of_the_formula_at_every_width(width, footer):
    model, players = language_model("llama"), few_shot(footer=footer)
    game = PromptGame(model, tokenizer(), players, " white!", path="tree", width=width)
    cost = game.cost()
    lengths = [len(p.ids) for p in players.pieces]
    r, tail = len(game.output_tokens), lengths[-1] if footer else 0
    formula = tree_formula(lengths[1:5], lengths[0], tail, r)
    if not footer:
        formula += 2**3  # half of the leaves read the logits of a token once more
    assert cost.tree_tokens == formula
    assert cost.rows == 16
    assert cost.tokens == sum(len(players.row(mask)) + r - 1 for mask in coalitions(4))
    game.table()
    assert game.n_tokens == formula
    assert game.cost().rows == 0


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_prompt_any_coalitions(data):
    """Players that come twice, replacements, no header or footer, empty pieces."""
    n = data.draw(st.integers(1, 4))
    owners = data.draw(st.permutations([*range(n), None, None, 0]))
    size = st.integers(0, 3)
    lengths = [max(data.draw(size), o is None) for o in owners]
    first = {o: k for k, o in reversed(list(enumerate(owners)))}
    lengths = [
        max(length, first[o] == k)
        for k, (o, length) in enumerate(zip(owners, lengths, strict=True))
    ]
    ids = [list(range(10 * k + 20, 10 * k + 20 + m)) for k, m in enumerate(lengths)]
    players = PromptPlayers.from_ids(ids, owners)
    if data.draw(st.booleans()):
        from dataclasses import replace

        players = replace(
            players,
            pieces=tuple(
                p if p.owner is None else p._replace(absent=(7, 8)[: data.draw(size)])
                for p in players.pieces
            ),
        )
    targets = data.draw(
        st.sampled_from([[[5]], [[5, 6, 7]], [[5], [6]], [[5, 9, 4], [6, 3]]])
    )
    target = targets[0] if len(targets) == 1 else targets
    width = data.draw(st.sampled_from([1, 2, 5, None]))
    name = data.draw(st.sampled_from(["llama", "mistral"]))
    model = language_model(name)
    game = PromptGame(model, None, players, target, path="tree", width=width)
    sums = [plain_table(model, players, r)[0] for r in targets]
    table = game.table()[0]
    got = table[:1] if len(targets) == 1 else table
    assert_close(got, torch.stack(sums), rtol=0, atol=TOLERANCE)
    distinct = {players.row(mask) for mask in coalitions(n)}
    if len(distinct) == 2**n:
        new = PromptGame(model, None, players, target, path="tree", width=width)
        assert new.cost().tree_tokens == game.n_tokens
        masks = torch.tensor(coalitions(n))
        assert new.cost(masks).tree_tokens == game.n_tokens
        assert new.cost(masks).tokens == new.cost().tokens


def test_the_store_stays_in_its_bytes():
    model, players = language_model("llama"), few_shot()
    keys_and_values = 2 * 2 * 2 * 8 * 4  # layers, kv heads, both, head size, float32
    lengths = [len(p.ids) for p in players.pieces]
    for width in (1, 2, 4):
        budget = keys_and_values * (lengths[0] + width * sum(lengths[1:4]))
        game = PromptGame(
            model, tokenizer(), players, " white!", path="tree", cache_bytes=budget
        )
        game.table()
        assert 0 < game._evaluation.store_bytes <= budget
    wide = PromptGame(model, tokenizer(), players, " white!", path="tree")
    wide.table()
    levels = lengths[0] + sum(2**k * m for k, m in enumerate(lengths[1:4]))
    assert wide._evaluation.store_bytes == keys_and_values * levels


@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_encoder_decoders(name):
    tok = tokenizer("byte", eos=True)
    players = PromptPlayers.from_segments(tok, SHOTS, footer="black ->")
    model = language_model(name)
    game = PromptGame(model, tok, players, [" white!", " red"], contrast=True)

    def value(mask, response):
        row = players.row(mask) + players.ending
        return sum(plain_log_probs(model, row, response))

    first, second = game.responses.ids
    expected = [value(m, first) - value(m, second) for m in coalitions(4)]
    assert_close(
        game.table()[0], torch.tensor(expected).double(), rtol=0, atol=TOLERANCE
    )


def test_outputs():
    model, players, tok = language_model("gpt2"), few_shot(n=3), tokenizer()
    game = PromptGame(model, tok, players, " white!")
    names = game.output_names
    assert names[0] == " white!"
    assert "".join(names[1:]) == " white!"
    table = game.table()[0]
    before = game.n_tokens
    assert_close(game.sequence().table()[0], table[0])
    assert_close(game.token(1).table()[0], table[2])
    assert_close(game.token(names[1]).table()[0], table[1])
    assert_close(game.token(-1).table()[0], table[-1])
    assert_close(game.span(0, 2).table()[0], table[1] + table[2])
    both = PromptGame(model, tok, players, [" white!", " red"])
    contrast = PromptGame(model, tok, players, [" white!", " red"], contrast=True)
    assert both.output_names == (" white!", " red")
    difference = both.table()[:, 0] - both.table()[:, 1]
    assert_close(contrast.table(), difference)
    assert_close(contrast.token(0).table()[0], table[1])
    prob = PromptGame(model, tok, players, " white!", attr_target="prob")
    assert_close(prob.table()[0], table.exp())
    assert_close(prob.span(0, 2).table()[0], (table[1] + table[2]).exp())
    assert game.n_tokens == before
    ids = PromptGame(model, tok, players, list(game.responses.ids[0]))
    assert ids.output_names == game.output_names


def test_rows_are_evaluated_once():
    tok = tokenizer()
    players = PromptPlayers.from_segments(tok, [" red", " red", " box"], "The")
    model = language_model("llama")
    game = PromptGame(model, tok, players, " is")
    masks = torch.tensor(coalitions(3))
    assert game.cost(masks[:3]).rows == 2  # one red is as good as another
    first = game(masks[:3])
    assert_close(first[..., 1], first[..., 2], rtol=0, atol=0)
    assert game.n_evaluations == 3
    rest = game.table()
    assert_close(rest[..., :3], first, rtol=0, atol=TOLERANCE)
    tokens, forwards = game.n_tokens, game.n_forwards
    assert_close(game(masks[None]), rest, rtol=0, atol=0)
    assert_close(game(masks.flip(0)), rest.flip(-1), rtol=0, atol=0)
    assert (game.n_tokens, game.n_forwards) == (tokens, forwards)
    assert game.n_evaluations == 8


def test_sparse_coalitions_share_where_it_pays():
    generator = torch.Generator().manual_seed(0)
    tok = tokenizer()
    segments = [f"{word} of it -> {i}\n" for i, word in enumerate(["box", "hot"] * 5)]
    model = language_model("llama")
    for footer, shares in (("black ->", True), ("The red box is in it. " * 12, False)):
        players = PromptPlayers.from_segments(tok, segments, "Review:", footer)
        masks = torch.rand(150, 10, generator=generator) < 0.5
        masks = masks.unique(dim=0)
        game = PromptGame(model, tok, players, " white")
        cost = game.cost(masks)
        values = game(masks)[0, 0]
        assert (game.n_tokens < 0.8 * cost.tokens) == shares
        if not shares:
            assert game.n_tokens == cost.tokens
        for k in (0, 7, 100):
            row = players.row(masks[k])
            expected = sum(plain_log_probs(model, row, game.responses.ids[0]))
            assert abs(values[k] - expected) < TOLERANCE


class Forgetful(nn.Module):
    """A model with a cache argument that it does not heed."""

    def __init__(self, heeds_mask):
        super().__init__()
        self.inner = language_model("llama")
        self.config = self.inner.config
        self.heeds_mask = heeds_mask

    def forward(self, input_ids, attention_mask=None, cache=None, use_cache=None):
        if self.heeds_mask:
            positions = (attention_mask[:, -input_ids.shape[1] :].cumsum(1) - 1).clamp(
                0
            )
            mask = attention_mask[:, -input_ids.shape[1] :]
            output = self.inner(input_ids, mask, positions, use_cache=use_cache)
        else:
            output = self.inner(input_ids, use_cache=use_cache)
        return output


@pytest.mark.parametrize(("heeds_mask", "way"), [(True, "batches"), (False, "rows")])
def test_a_model_that_would_be_wrong_is_found_out(heeds_mask, way):
    players = few_shot(n=3)
    model = Forgetful(heeds_mask)
    game = PromptGame(model, tokenizer(), players, " white!")
    with pytest.warns(UserWarning, match="other values with shared beginnings"):
        table = game.table()[0]
    expected = plain_table(model.inner, players, game.responses.ids[0])
    assert_close(table, expected, rtol=0, atol=TOLERANCE)
    assert game._evaluation.chosen == way
    wrong = PromptGame(model, tokenizer(), players, " white!", path="batches")
    assert ((wrong.table()[0] - expected).abs().max() < 1e-3) == heeds_mask


def test_unequal_lengths_over_a_sliding_window_would_be_wrong(monkeypatch):
    """What the equal lengths of leaf batches protect from."""
    monkeypatch.setitem(PASS_ON, True, 1000)  # however much padding that makes
    model, players = language_model("mistral"), few_shot()
    game = PromptGame(model, tokenizer(), players, " white!", path="tree")
    game._evaluation._model.windowed = False
    expected = plain_table(model, players, game.responses.ids[0])
    assert (game.table()[0] - expected).abs().max() > 0.01
    unaware = PromptGame(model, tokenizer(), players, " white!")
    unaware._evaluation._model.windowed = False
    with pytest.warns(UserWarning, match="other values with shared beginnings"):
        assert_close(unaware.table()[0], expected, rtol=0, atol=TOLERANCE)


def test_half_precision_agrees_up_to_its_rounding():
    players = few_shot(n=3)
    half = language_model("llama", torch.bfloat16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        game = PromptGame(half, tokenizer(), players, " white!")
        table = game.table()
    assert game.value_dtype == torch.bfloat16
    assert game.reading_dtype == torch.float32
    assert game._evaluation.chosen == "tree"
    expected = plain_table(language_model("llama"), players, game.responses.ids[0])
    assert (table[0] - expected).abs().max() < 1


def test_the_models_own_answer():
    players, model, tok = few_shot(n=2), language_model("gpt2"), tokenizer()
    game = PromptGame(model, tok, players, max_new_tokens=4)
    row, answer = list(players.row([True, True])), []
    for _ in range(4):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row + answer])).logits[0, -1]
        answer.append(int(logits.argmax()))
    while answer and answer[-1] in tok.all_special_ids:
        answer.pop()
    assert list(game.responses.ids[0]) == answer


def test_an_answer_of_nothing_is_refused():
    class Silent(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def generate(self, input_ids, **options):
            return torch.cat([input_ids, torch.tensor([[2]])], 1)  # ends the text

    with pytest.raises(ValueError, match="answer to the full prompt is empty"):
        PromptGame(Silent(), tokenizer(), few_shot(n=2))


class Provider:
    """Answers from a local model, and can be told to misbehave."""

    def __init__(self, spoil=lambda answers: answers):
        self.asked = 0
        self.spoil = spoil

    def log_probs(self, requests):
        self.asked += len(requests)
        model = language_model("gpt2")
        return self.spoil([plain_log_probs(model, row, y) for row, y in requests])


def test_providers():
    players, tok = few_shot(n=3), tokenizer()
    provider = Provider()
    game = PromptGame(provider, tok, players, " white!")
    local = PromptGame(language_model("gpt2"), tok, players, " white!")
    assert_close(game.table(), local.table(), rtol=0, atol=TOLERANCE)
    assert provider.asked == 8
    game.table()
    assert provider.asked == 8
    two = PromptGame(provider, tok, players, [" white!", " red"], contrast=True)
    same = PromptGame(
        language_model("gpt2"), tok, players, [" white!", " red"], contrast=True
    )
    assert_close(two.table(), same.table(), rtol=0, atol=TOLERANCE)
    with pytest.raises(ValueError, match="can't generate"):
        PromptGame(provider, tok, players)
    for spoil, message in (
        (lambda a: a[:-1], "all 8 requests, got 7"),
        (lambda a: None, "all 8 requests, got None"),
        (lambda a: [*a[:-1], a[-1][:-1]], "one log-probability per token"),
        (lambda a: [*a[:-1], [math.nan] * len(a[-1])], "finite log-probabilities"),
        (lambda a: [*a[:-1], [0.5] * len(a[-1])], "of at most 0, got 0.5"),
    ):
        broken = PromptGame(Provider(spoil), tok, players, " white!")
        with pytest.raises(ValueError, match=message):
            broken.table()
        assert broken.n_evaluations == 0
        broken._evaluation._provider = Provider()
        assert_close(broken.table(), game.table())


def test_functions_of_a_template_are_tokenized_anew():
    tok, model = tokenizer(), language_model("llama")
    players = PromptPlayers.from_template(
        tok, lambda a, b: "The" + a + (" and" if a and b else "") + b, [" red", " box"]
    )
    game = PromptGame(model, tok, players, " is")
    assert game.cost().rows == 4
    expected = plain_table(model, players, game.responses.ids[0])
    assert_close(game.table()[0], expected, rtol=0, atol=TOLERANCE)
    with pytest.raises(ValueError, match="`path` must be 'batches'"):
        PromptGame(model, tok, players, " is", path="tree")


def test_bad_input_costs_nothing():
    tok, model, players = tokenizer(), language_model("llama"), few_shot(n=2)

    def game(*args, model=model, players=players, **kwargs):
        return PromptGame(model, tok, players, *args, **kwargs)

    with pytest.raises(TypeError, match="no `log_probs`"):
        game("a", model=lambda x: x)
    with pytest.raises(TypeError, match="`players` must be a PromptPlayers"):
        game("a", players=["hot"])
    with pytest.raises(ValueError, match="at least one token"):
        game("")
    with pytest.raises(TypeError, match="`target` must be a text"):
        game(3.0)
    with pytest.raises(ValueError, match="token ids of at least 0, got -4"):
        game([-4])
    for ids in (torch.tensor([1.5]), torch.tensor([[1, 2], [3, 4]])):
        with pytest.raises(ValueError, match="the token ids of one response"):
            game(ids)
    with pytest.raises(TypeError, match="`tokenizer` must be the model's tokenizer"):
        PromptGame(model, None, players, " a")
    for other in (Provider(), language_model("t5"), language_model("mamba")):
        with pytest.raises(ValueError, match="`path` must be 'auto' or 'batches'"):
            game(" a", model=other, path="tree")
    with pytest.raises(ValueError, match="two responses to contrast"):
        game(" a", contrast=True)
    with pytest.raises(ValueError, match="`attr_target`"):
        game(" a", attr_target="logit")
    with pytest.raises(ValueError, match="`path`"):
        game(" a", path="forest")
    for name in ("width", "cache_bytes", "max_new_tokens"):
        with pytest.raises(ValueError, match=f"`{name}`"):
            game(" a", **{name: 0})
    bare = PromptPlayers.from_segments(tok, SHOTS)
    with pytest.raises(ValueError, match="a fixed token before the response"):
        game(" a", players=bare)
    ready = game(" white!")
    with pytest.raises(TypeError, match="boolean"):
        ready(torch.ones(1, 2))
    with pytest.raises(ValueError, match=r"shape \(C, 2\)"):
        ready(torch.ones(1, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="a position in"):
        ready.token("x")
    with pytest.raises(ValueError, match="start < stop"):
        ready.span(1, 1)
    assert ready.n_forwards == 0
    alien = PromptPlayers.from_ids([[9999], [1]], [None, 0])
    with pytest.raises(ValueError, match="whose ids are below 384"):
        game([5], players=alien)
    many = PromptPlayers.from_text(tok, "red " * 30, header="x")
    with pytest.raises(ValueError, match="30 players"):
        game(" a", players=many).table()


@pytest.mark.parametrize(
    ("name", "longest"),
    [("gpt2", 256), ("opt", 256), ("bart", 256), ("llama", None), ("bloom", None)],
)
def test_prompts_longer_than_learned_positions_are_refused(name, longest):
    """One token more is refused by name, before a pass; the most allowed runs."""
    model, response = language_model(name), [5, 6, 7]
    two_parts = name == "bart"
    most = 256 if two_parts else 254  # the response's last token is never shown

    def game(tokens, **options):
        players = PromptPlayers.from_ids([[4], [9] * (tokens - 1)], [None, 0])
        return PromptGame(model, tokenizer(), players, response, path="rows", **options)

    fits = game(most)
    assert fits.table().isfinite().all()
    assert fits.n_forwards == 2
    if longest is None:
        assert game(300).table().isfinite().all()
        return
    asked = []
    hook = model.register_forward_pre_hook(lambda *args: asked.append(1))
    blamed = "players" if two_parts else "target"
    message = f"`{blamed}` must be within the 256 positions .* got 257 tokens"
    with pytest.raises(ValueError, match=message):
        game(most + 1)
    with pytest.raises(ValueError, match=r"`players` .* 256 positions"):
        game(300)
    if not two_parts:
        response = None
        with pytest.raises(ValueError, match="`max_new_tokens` must be within the 256"):
            game(250, max_new_tokens=8)
    hook.remove()
    assert not asked


@pytest.mark.filterwarnings("ignore:this model returns other values")
def test_values_that_are_not_finite():
    class Broken(nn.Module):
        def forward(self, input_ids):
            return torch.full((*input_ids.shape, 384), math.nan)

    game = PromptGame(Broken(), tokenizer(), few_shot(n=2), " white")
    with pytest.raises(ValueError, match="NaN or infinity"):
        game.table()


def test_a_moved_border_and_train_mode_are_told():
    tok, model = tokenizer(), language_model("llama")
    players = few_shot(n=2, footer="The re")
    with pytest.warns(UserWarning, match="splits 'd box' otherwise"):
        PromptGame(model, tok, players, "d box")
    try:
        model.train()
        training = PromptGame(model, tok, few_shot(n=2), " white")
        assert model.training
        training.table()
        assert model.training
    finally:
        model.eval()


def test_progress(capsys):
    game = PromptGame(
        language_model("llama"),
        tokenizer(),
        few_shot(n=2),
        " white",
        show_progress=True,
    )
    game.table()
    assert "100%" in capsys.readouterr().err
    assert "4 coalitions evaluated" in repr(game)
    assert "white" in repr(game.sequence())
