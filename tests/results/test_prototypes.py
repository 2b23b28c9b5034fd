"""The coalitions that pushed towards a wrong prediction, and against it."""

from __future__ import annotations

import pytest
import torch

from captum_interactions import MultivariateInteraction
from captum_interactions.results import (
    prototype_records,
    prototypes,
    visualize_prototypes,
)

WORDS = ["not", "bad", "but", "<dull>", "story"]


def wrong_score(x):
    """The score of the wrong class: "bad" speaks for it, "not bad" against."""
    bad, turned = x[:, 1], -3 * x[:, 0] * x[:, 1]
    return bad + turned + 2 * x[:, 3] * x[:, 4] + 0.5 * x[:, 3]


@pytest.fixture
def result():
    x = torch.ones(1, 5).double()
    return MultivariateInteraction(wrong_score).interactions(x).named(WORDS)


def test_prototypes_are_blocks_of_the_two_partitions(result):
    towards, against = prototypes(result)
    assert [(b.names, b.value) for b in towards] == [
        (("<dull>", "story"), 2.5),
        (("bad",), 1.0),
    ]
    assert [(b.names, b.value) for b in against] == [(("not", "bad"), -2.0)]


def test_records_hold_both_partitions(result):
    first, second = prototype_records(result, WORDS, "negative", "positive", 0.8)
    assert first.raw_input_ids == ["not", "bad", "but", "&lt;dull&gt; story"]
    assert second.raw_input_ids == ["not bad", "but", "&lt;dull&gt;", "story"]
    assert first.word_attributions.tolist() == pytest.approx([0, 0.4, 0, 1])
    assert second.word_attributions.tolist() == pytest.approx([-0.8, 0, 0.2, 0])
    assert (first.attr_class, second.attr_class) == ("negative", "positive")
    assert (first.attr_score, second.attr_score) == (3.5, -2.0)
    assert first.pred_class == second.pred_class == "negative"


def test_captum_draws_them(result, capsys):
    pytest.importorskip("IPython")
    html = visualize_prototypes(result, WORDS, "negative", "positive", 0.8)
    assert "not bad" in html.data
    assert "hsl(26, 75%, 68%)" in html.data
    assert "hsl(202, 75%, 50%)" in html.data
    assert "hsl(0, 75%, 6" not in html.data  # Captum's red and green
    assert "hsl(120" not in html.data
    assert capsys.readouterr().out.count("HTML object") == 1


def test_one_word_per_player(result):
    with pytest.raises(ValueError, match="`words` must be 5 texts, one per player"):
        prototype_records(result, WORDS[:4], "negative", "positive", 0.8)
