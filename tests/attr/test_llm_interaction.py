"""Every method explains prompts, and Captum's pictures of it work."""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import pytest
import torch
from captum.attr import (
    LLMAttribution,
    ShapleyValues,
    TextTemplateInput,
    TextTokenInput,
)
from torch.testing import assert_close

from captum_interactions import (
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    LLMInteraction,
    MultiOrderInteraction,
    MultivariateInteraction,
    ShapleyInteraction,
    TruncatedAndInteraction,
)
from captum_interactions.games import PromptGame
from captum_interactions.players import PromptPlayers
from tests import reference
from tests.comparison.test_page import CHROMIUM, Page, browse
from tests.games.test_prompt_game import Provider, few_shot, plain_log_probs
from tests.language_models import language_model, tokenizer

METHODS = [
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    MultivariateInteraction,
    ShapleyInteraction,
    TruncatedAndInteraction,
]
TEMPLATE = "Review:\n{}{}{}black ->"
SHOTS = ["hot -> cold\n", "big -> small\n", "up -> down\n"]


def explained(method=AndInteraction, target=" white!", players=None, **options):
    explain = LLMInteraction(method(language_model("llama")), tokenizer())
    return explain.interactions(players or few_shot(n=3), target, **options)


def plain_value(players, response):
    """log p of some tokens of the response, as a function of the coalition."""
    model = language_model("llama")

    def value(start, stop):
        def v(coalition):
            row = players.row([i in coalition for i in range(len(players))])
            return sum(plain_log_probs(model, row, response)[start:stop])

        return v

    return value


@pytest.mark.parametrize("method", METHODS)
def test_every_method_reads_every_output(method):
    result = explained(method)
    game = result.game
    evaluated = game.n_tokens
    for part, expected in (
        (result.sequence(), game.sequence()),
        (result.token(1), game.token(1)),
        (result.span(0, 2), game.span(0, 2)),
    ):
        table = expected.table()
        assert_close(part.info.v_full, table[..., -1], rtol=0, atol=1e-6)
        assert part.players.names == few_shot(n=3).names
    assert game.n_tokens == evaluated
    assert result.token(1) is result.token(1)
    attributions = result.attributions()
    assert attributions.seq_attr.shape == (3,)
    assert attributions.token_attr.shape == (len(game.output_tokens), 3)
    assert "white" in repr(result)


def test_readings_are_those_of_the_definition():
    result, players = explained(), few_shot(n=3)
    value = plain_value(players, result.game.responses.ids[0])
    r = len(result.output_tokens)
    for part, v in (
        (result.sequence(), value(0, r)),
        (result.token(0), value(0, 1)),
        (result.span(1, r), value(1, r)),
    ):
        for members in reference.subsets(range(3)):
            expected = reference.and_interaction(v, set(members))
            got = part.values[0, sum(1 << i for i in members)]
            assert float(got) == pytest.approx(expected, abs=2e-4)
        for i in range(3):
            expected = reference.shapley_value(v, i, 3)
            assert float(part.shapley_values()[0, i]) == pytest.approx(
                expected, abs=1e-4
            )


def test_same_attributions_as_captums_shapley_values():
    model, tok = language_model("llama"), tokenizer()
    inp = TextTemplateInput(TEMPLATE, SHOTS)
    ours = LLMInteraction(AndInteraction(model), tok).attribute(inp, " white!")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        captums = LLMAttribution(ShapleyValues(model), tok).attribute(
            inp, target=" white!", forward_in_tokens=False
        )
    assert_close(ours.seq_attr, captums.seq_attr.float(), rtol=0, atol=1e-4)
    assert_close(ours.token_attr, captums.token_attr.float(), rtol=0, atol=1e-4)
    assert ours.input_tokens == captums.input_tokens
    figure, _ = ours.plot_token_attr()
    plt.close(figure)
    figure, _ = ours.plot_seq_attr()
    plt.close(figure)
    assert list(ours.seq_attr_dict) == SHOTS


def test_groups_of_captums_inputs_share_their_attribution():
    tok, model = tokenizer(), language_model("llama")
    inp = TextTemplateInput(TEMPLATE, SHOTS, mask=["b", "a", "b"])
    found = LLMInteraction(AndInteraction(model), tok).attribute(inp, " white")
    assert found.seq_attr[0] == found.seq_attr[2] != found.seq_attr[1]
    words = TextTokenInput("The red box", tok, skip_tokens=tok.encode("The"))
    found = LLMInteraction(AndInteraction(model), tok).attribute(words, " is")
    assert found.input_tokens == words.values


def test_contrast_and_probability():
    tok, model = tokenizer(), language_model("llama")
    explain = LLMInteraction(ShapleyInteraction(model), tok, attr_target="prob")
    players = few_shot(n=3)
    found = explain.interactions(players, [" white", " red"], contrast=True)
    game = PromptGame(
        model, tok, players, [" white", " red"], contrast=True, attr_target="prob"
    )
    assert_close(found.sequence().info.v_full, game.table()[..., -1])
    plain = found.attributions()
    assert plain.token_attr is None
    assert plain.output_tokens == [" white minus  red"]
    assert found._repr_html_().count("<tr>") > 3


@pytest.mark.parametrize("method", [ShapleyInteraction, MultiOrderInteraction])
def test_many_segments_by_samples(method):
    tok = tokenizer()
    text = "The key is in the red box It is in the kitchen , ah !"
    players = PromptPlayers.from_text(tok, text, header="Review:", footer=" ->")
    assert len(players) == 15
    budget = 150
    options = {"n_samples": budget, "generator": torch.Generator().manual_seed(0)}
    found = explained(method, players=players, **options)
    assert found.n_evaluations <= budget
    first = found.sequence().attributions()
    found.token(0)
    assert found.n_evaluations <= budget
    options["generator"] = torch.Generator().manual_seed(0)
    again = explained(method, players=players, **options)
    assert_close(again.sequence().attributions(), first)


def test_providers():
    tok = tokenizer()
    explain = LLMInteraction(AndInteraction(Provider()), tok)
    local = LLMInteraction(AndInteraction(language_model("gpt2")), tok)
    players = few_shot(n=3)
    assert_close(
        explain.attribute(players, " white").seq_attr,
        local.attribute(players, " white").seq_attr,
        rtol=0,
        atol=1e-4,
    )


def test_pictures():
    found = explained(ShapleyInteraction)
    _, axes = found.plot(k=2)
    shown = " ".join(text.get_text() for text in axes.texts)
    for word in ("hot", "small", "black", "Review:"):
        assert word in shown
    assert len(axes.patches) == 3 + 2  # a box for each shot, two arcs
    _, axes = found.plot_tokens()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[1:] == [repr(t)[1:-1] for t in found.output_tokens]
    assert explained(TruncatedAndInteraction).plot()[0] is not None
    page = found._repr_html_()
    for text in ("hot -&gt; cold", "black -&gt;", "rgba("):
        assert text in page
    free = PromptPlayers.from_template(
        tokenizer(), lambda a: "The" + a, {"a": " red box"}
    )
    assert explained(players=free)._repr_html_() is None
    assert 'data-player="0"' in explained(players=free).to_html()


@pytest.mark.parametrize("method", METHODS)
def test_the_page_shows_prompt_arcs_and_a_column_per_token(method, tmp_path):
    found = explained(method, players=few_shot(n=3, header="A <b>review:\n"))
    text = found.to_html()
    page = Page(text)
    assert ("span", "A <b>review:\n") in page.texts  # as it was written, escaped
    assert text.count('<span data-player="') == 3
    tokens = next(t for t in page.tables if t[0][0] == "part")
    assert len(tokens[0]) == 2 + len(found.output_tokens)
    values, _ = found._columns()
    for i, row in enumerate(tokens[1:]):
        shown = [float(cell.replace("\N{MINUS SIGN}", "-")) for cell in row[1:]]
        assert shown == pytest.approx(values[:, i].tolist(), rel=0.01, abs=1e-6)
    arcs = text.count(" 0 0 1 ")  # arcs of an ellipse; nothing else has them
    assert arcs == (3 if hasattr(found.sequence(), "_strongest_pairs") else 0)
    if method is AndInteraction and CHROMIUM is not None:
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        assert "CONSOLE" not in browse(path, "--dump-dom").stderr


def test_bad_input():
    tok, model = tokenizer(), language_model("llama")
    with pytest.raises(TypeError, match="a method that reads any game"):
        LLMInteraction(ShapleyValues(model), tok)
    with pytest.raises(ValueError, match=r"`attr_target` must be one of"):
        LLMInteraction(AndInteraction(model), tok, attr_target="logit")
    explain = LLMInteraction(AndInteraction(model), tok)
    with pytest.raises(TypeError, match="PromptPlayers, TextTemplateInput"):
        explain.interactions("The red box", " is")
    with pytest.raises(ValueError, match="at least one token"):
        explain.interactions(few_shot(n=2), "")
    with pytest.raises(TypeError, match="unexpected"):
        explain.interactions(few_shot(n=2), " is", speed=3)
    found = explain.interactions(few_shot(n=2), " is")
    with pytest.raises(ValueError, match="a position in"):
        found.token("x")
    with pytest.raises(ValueError, match="start < stop"):
        found.span(2, 1)
