"""Prompts are drawn whole, wrapped, and colored by sign."""

from __future__ import annotations

import pytest
import torch
from matplotlib.colors import to_hex

from captum_interactions.visualization import (
    NEGATIVE,
    POSITIVE,
    plot_prompt,
    plot_response_tokens,
    prompt_html,
)

TEXTS = ["Facts:\n", "the key is here. ", "$x$ & <b> costs. ", "Why? "]
OWNERS = [None, 0, 1, None]
VALUES = torch.tensor([2.0, -1.0])
PAIRS = torch.tensor([[0.0, -3.0], [-3.0, 0.0]])


@pytest.mark.parametrize("width", [12, 90])
def test_the_prompt_is_whole_and_colored(width):
    _, axes = plot_prompt(TEXTS, OWNERS, VALUES, PAIRS, width=width)
    words = [t.get_text() for t in axes.texts if t.get_family() == ["monospace"]]
    assert " ".join(words).split() == "".join(TEXTS).split()
    assert all(
        t.get_position()[0] + len(t.get_text()) <= width + 1
        for t in axes.texts
        if t.get_family() == ["monospace"]
    )
    boxes = [p for p in axes.patches if p.get_fill()]
    assert {to_hex(p.get_facecolor()) for p in boxes} == {POSITIVE, NEGATIVE}
    [arc] = [p for p in axes.patches if not p.get_fill()]
    assert to_hex(arc.get_edgecolor()) == NEGATIVE
    if width == 90:
        assert len(boxes) == 2
        strong, weak = (p.get_alpha() for p in boxes)
        assert strong == pytest.approx(2 * weak)


def test_columns():
    values = torch.tensor([[2.0, -1.0], [0.5, 0.0]])
    _, axes = plot_response_tokens(values, ["a", "b"], [" kitchen", "\n"])
    shown = [t.get_text() for t in axes.texts]
    assert shown == ["+2.00", "+0.50", "-1.00", "+0.00"]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [" kitchen", "\\n"]


def test_html_escapes_and_lists():
    page = prompt_html(
        TEXTS, OWNERS, VALUES[None], ["<k>", "c"], ["a&b"], [((0, 1), -3.0)]
    )
    minus_three = "\N{MINUS SIGN}3"
    for text in ("&lt;b&gt;", "&lt;k&gt;", "a&amp;b", minus_three, "+2.00", "-1.00"):
        assert text in page
    assert "<b>" not in page
    assert "<script" not in page
    assert page.count("the key is here.") == 2  # in the prompt, and in context
    plain = prompt_html(TEXTS, OWNERS, VALUES[None], ["k", "c"], ["a"])
    assert plain.count("the key is here.") == 1


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="one per text"):
        plot_prompt(TEXTS, OWNERS[:2], VALUES)
    with pytest.raises(ValueError, match=r"`values` must be of shape \(2,\)"):
        plot_prompt(TEXTS, OWNERS, VALUES[:1])
    with pytest.raises(ValueError, match="`pairs` must be of shape"):
        plot_prompt(TEXTS, OWNERS, VALUES, PAIRS[:1])
    for draw in (
        lambda: plot_response_tokens(VALUES[None], ["a"], ["b"]),
        lambda: prompt_html(TEXTS, OWNERS, VALUES[None], ["a"], ["b"]),
    ):
        with pytest.raises(ValueError, match=r"of shape \(1, 1\)"):
            draw()
