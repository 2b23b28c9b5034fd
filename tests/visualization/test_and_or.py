"""Pictures: what is on them, and that nothing else happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from captum_interactions import AndOrInteraction
from captum_interactions.results import Interaction
from captum_interactions.visualization import (
    plot_and_or_graph,
    plot_coalitions_on_image,
    plot_coalitions_on_text,
    plot_order_strength,
    plot_sorted_interactions,
    plot_strongest,
)
from captum_interactions.visualization._style import NEGATIVE, POSITIVE, signed
from tests.contracts.attribution import Mlp, double


@pytest.fixture(scope="module")
def result():
    return (
        AndOrInteraction(Mlp(5))
        .interactions(double(2, 5), target=1)
        .named(["age", "height", "weight", "income", "city"])
    )


@pytest.fixture(scope="module")
def image_result():
    image = double(2, 1, 4, 6).sigmoid()
    mask = (torch.arange(4) // 2)[:, None] * 3 + torch.arange(6) // 2

    def model(x):
        corners = x[:, 0, ::2, ::2].flatten(1)
        return corners[:, :3].prod(1) - corners[:, 3:].amax(1)

    return image, AndOrInteraction(model).interactions(image, feature_mask=mask)


def texts(axes):
    return [t.get_text() for t in axes.texts]


def test_sorted_curve_shows_every_interaction_and_its_thresholds(result):
    figure, axes = plot_sorted_interactions(result, 1, thresholds=(0.05, 0.5))
    heights = axes.lines[0].get_ydata()
    strength = result.parts[1, :, 1:].abs().flatten()
    expected = strength[strength > 0].sort(descending=True).values
    assert heights == pytest.approx(expected.numpy())
    above = [int((strength > t * strength.max()).sum()) for t in (0.05, 0.5)]
    assert texts(axes)[:2] == [
        f"0.05 of the largest: {above[0]} above",
        f"0.5 of the largest: {above[1]} above",
    ]
    assert axes.get_yscale() == "log"
    figure.canvas.draw()


def test_order_bars_carry_signs(result):
    figure, axes = plot_order_strength(result, 0)
    up, down = result.signed_order_strength()
    heights = [bar.get_height() for bar in axes.patches]
    colors = {bar.get_edgecolor() for bar in axes.patches if bar.get_height() < 0}
    assert colors == {to_rgba(NEGATIVE)}
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False] * 10 + [True] * 10
    expected = [
        *up[0, 0, 1:].tolist(),
        *down[0, 0, 1:].tolist(),
        *up[0, 1, 1:].tolist(),
        *down[0, 1, 1:].tolist(),
    ]
    assert heights == pytest.approx(expected)
    figure.canvas.draw()


def test_strongest_bars_say_sign_kind_and_members(result):
    terms = result.top_k(6)[1]
    figure, axes = plot_strongest(terms)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(
        [term.value for term in terms]
    )
    for bar, term in zip(axes.patches, terms, strict=True):
        color = POSITIVE if term.value > 0 else NEGATIVE
        assert bar.get_edgecolor() == to_rgba(color)
        assert bool(bar.get_hatch()) == (term.kind == "or")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    for label, term in zip(labels, terms, strict=True):
        sign = " ∧ " if term.kind == "and" else " \N{LOGICAL OR} "
        assert label == sign.join(term.names)
    figure.canvas.draw()


def test_long_labels_say_how_many_members_there_are():
    long = Interaction((0, 1, 2), ("a" * 20, "b" * 12, "c" * 12), 1.0)
    _, axes = plot_strongest([long])
    label = axes.get_yticklabels()[0].get_text()
    assert label == f"{'a' * 20} ∧ … (3)"


def test_graph_has_all_nodes_and_the_same_layout_twice(result):
    figure, axes = plot_and_or_graph(result, k=9)
    shown = texts(axes)
    assert set(result.players.names) <= set(shown)
    for term in result.top_k(9)[0]:
        sign = "∧" if term.kind == "and" else "\N{LOGICAL OR}"
        assert f"{sign}\n{signed(term.value)}" in shown
    assert len(shown) == 5 + 9 + 1
    members = sum(len(term.players) for term in result.top_k(9)[0])
    assert len(axes.lines) == members + 9
    again = plot_and_or_graph(result, k=9)[1]
    places = [[t.get_position() for t in a.texts] for a in (axes, again)]
    assert places[0] == places[1]
    figure.canvas.draw()


def test_graph_of_everything_has_no_limit(result):
    terms = len(result.top_k(10_000)[0])
    axes = plot_and_or_graph(result, k=10_000)[1]
    assert len(axes.texts) == 5 + terms + 1


def test_axes_can_be_given(result):
    figure = Figure()
    first, second, third, fourth = figure.subplots(4)
    for plot, ax in (
        (plot_sorted_interactions, first),
        (plot_order_strength, second),
        (plot_and_or_graph, third),
        (plot_coalitions_on_text, fourth),
    ):
        assert plot(result, ax=ax) == (figure, ax)


def test_image_overlay_paints_the_members(image_result):
    image, result = image_result
    figure, axes = plot_coalitions_on_image(result, image[1], k=3, example=1)
    assert len(axes) == 3
    for ax, term in zip(axes, result.top_k(3)[1], strict=True):
        assert ax.get_title() == f"{term.kind.upper()} {signed(term.value)}"
        painted = torch.tensor(ax.images[-1].get_array().data)
        mask = result.players.masks[0].reshape(4, 6)
        inside = torch.isin(mask, torch.tensor(term.players))
        assert (painted[inside] != 0).all()
        assert (painted[~inside] == 0).all()
    figure.canvas.draw()


def test_small_interactions_are_painted_like_large_ones(image_result):
    image, result = image_result
    small = replace(result, parts=1e-9 * result.parts)
    pictures = [
        plot_coalitions_on_image(r, image[0], k=2)[1][0].images[-1]
        for r in (result, small)
    ]
    assert torch.equal(*(torch.tensor(p.get_array().data) for p in pictures))
    assert pictures[0].get_clim() == pytest.approx(pictures[1].get_clim())


def test_image_panels_can_be_given(image_result):
    image, result = image_result
    axes = Figure().subplots(2)
    assert plot_coalitions_on_image(result, image[0], k=2, ax=axes)[1] == list(axes)
    with pytest.raises(ValueError, match="`ax` must be 3 axes, one per panel, got 2"):
        plot_coalitions_on_image(result, image[0], k=3, ax=axes)


def test_text_rows_color_the_members(result):
    figure, axes = plot_coalitions_on_text(result, k=2)
    shown = texts(axes)
    assert shown.count("income") == 3
    assert "Shapley values" in shown
    boxes = [t.get_bbox_patch().get_alpha() for t in axes.texts if t.get_bbox_patch()]
    term = result.top_k(2)[0][1]
    for player, alpha in enumerate(boxes[10:]):
        assert alpha == pytest.approx(0.6 if player in term.players else 0)
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: plot_order_strength(r, 2), "`example, output` must be an index"),
        (lambda r: plot_order_strength(r, 0, (0,)), r"an index into \(2,\)"),
        (
            lambda r: plot_sorted_interactions(r, thresholds=(1.0,)),
            r"`thresholds` must be inside \(0, 1\)",
        ),
        (lambda r: plot_and_or_graph(r, k=0), "`k` must be a positive integer"),
        (
            lambda r: plot_strongest(r.top_k(3)),
            "`interactions` must be the interactions of one example, got a list of",
        ),
        (lambda r: plot_strongest([]), "`interactions` must be .* got none"),
        (
            lambda r: plot_coalitions_on_text(r, words=["one"]),
            "`names` must be 5 texts, one per player, got 1",
        ),
        (
            lambda r: plot_coalitions_on_text(r, words="abcde"),
            "`names` must be 5 texts, one per player, got 'abcde'",
        ),
        (
            lambda r: plot_coalitions_on_image(r, torch.zeros(1, 4, 4)),
            r"`image` must be the one that was explained, of shape \(5,\)",
        ),
        (
            lambda r: plot_coalitions_on_image(r, torch.zeros(4, 4)),
            r"`image` must be of shape \(channels, height, width\)",
        ),
    ],
)
def test_bad_requests(result, call, message):
    with pytest.raises(ValueError, match=message):
        call(result)
