"""Pictures: what is on them, and that nothing else happens."""

from __future__ import annotations

import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from captum_interactions import AndOrInteraction
from captum_interactions.results import Interaction
from captum_interactions.visualization import NEGATIVE, POSITIVE, plot_strongest
from captum_interactions.visualization._style import signed
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
    figure, axes = result.plot_sorted_interactions(1, thresholds=(0.05, 0.5))
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
    figure, axes = result.plot_size_strength(0)
    up, down = result.signed_size_strength()
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
    figure, axes = result.plot_and_or_graph(k=9)
    shown = texts(axes)
    assert set(result.players.names) <= set(shown)
    for term in result.top_k(9)[0]:
        sign = "∧" if term.kind == "and" else "\N{LOGICAL OR}"
        number = f"{term.value:+.2f}".replace("-", "\N{MINUS SIGN}")
        assert f"{sign}\n{number}" in shown  # as many decimals in all nodes
    assert len(shown) == 5 + 9 + 1
    members = sum(len(term.players) for term in result.top_k(9)[0])
    assert len(axes.lines) == members + 9
    again = result.plot_and_or_graph(k=9)[1]
    places = [[t.get_position() for t in a.texts] for a in (axes, again)]
    assert places[0] == places[1]
    figure.canvas.draw()


def test_graph_of_everything_has_no_limit(result):
    terms = len(result.top_k(10_000)[0])
    axes = result.plot_and_or_graph(k=10_000)[1]
    assert len(axes.texts) == 5 + terms + 1


def test_axes_can_be_given(result):
    figure = Figure()
    first, second, third, fourth = figure.subplots(4)
    for plot, ax in (
        (result.plot_sorted_interactions, first),
        (result.plot_size_strength, second),
        (result.plot_and_or_graph, third),
        (result.plot_coalitions_on_text, fourth),
    ):
        assert plot(ax=ax) == (figure, ax)


def test_image_shows_the_members_as_they_are_and_outlines_them(image_result):
    image, result = image_result
    figure, axes = result.plot_coalitions_on_image(image[1], k=3, example=1)
    assert len(axes) == 3
    original = (255 * image[1, 0]).round()
    for ax, term in zip(axes, result.top_k(3)[1], strict=True):
        kind = term.kind.upper() if len(term.players) > 1 else "alone"
        assert ax.get_title() == f"{kind} {signed(term.value)}"
        shown = torch.tensor(ax.images[0].get_array()).double()[..., 0]
        mask = result.players.masks[0].reshape(4, 6)
        inside = torch.isin(mask, torch.tensor(term.players))
        assert torch.equal(shown[inside], original[inside])
        # What is dimmed keeps a quarter of its contrast, near white.
        assert (shown[~inside] >= 0.74 * 255).all()
        outline = ax.collections[-1]
        color = POSITIVE if term.value > 0 else NEGATIVE
        assert tuple(outline.get_colors()[0]) == to_rgba(color)
        assert (outline.get_linestyle()[0][1] is None) == (term.kind == "and")
        ends = torch.tensor([line.tolist() for line in outline.get_segments()])
        length = (ends[:, 0] - ends[:, 1]).abs().sum().item()
        padded = torch.nn.functional.pad(inside, (1, 1, 1, 1))
        borders = (padded[1:] != padded[:-1]).sum() + (
            padded[:, 1:] != padded[:, :-1]
        ).sum()
        assert length == pytest.approx(int(borders))
    figure.canvas.draw()


def test_image_panels_can_be_given(image_result):
    image, result = image_result
    axes = Figure().subplots(2)
    assert result.plot_coalitions_on_image(image[0], k=2, ax=axes)[1] == list(axes)
    with pytest.raises(ValueError, match="`ax` must be 3 axes, one per panel, got 2"):
        result.plot_coalitions_on_image(image[0], k=3, ax=axes)


def test_text_rows_color_the_members(result):
    figure, axes = result.plot_coalitions_on_text(k=2)
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
        (lambda r: r.plot_size_strength(2), "`example, output` must be an index"),
        (lambda r: r.plot_size_strength(0, (0,)), r"an index into \(2,\)"),
        (
            lambda r: r.plot_sorted_interactions(thresholds=(1.0,)),
            r"`thresholds` must be inside \(0, 1\)",
        ),
        (lambda r: r.plot_and_or_graph(k=0), "`k` must be a positive integer"),
        (
            lambda r: plot_strongest(r.top_k(3)),
            "`terms` must be the interactions of one example, got a list of lists",
        ),
        (
            lambda r: r.plot_coalitions_on_text(names=["one"]),
            "`names` must be 5 texts, one per player, got 1",
        ),
        (
            lambda r: r.plot_coalitions_on_text(names="abcde"),
            "`names` must be a sequence of texts or None, got str",
        ),
        (
            lambda r: r.plot_coalitions_on_image(torch.zeros(1, 4, 4)),
            r"`image` must be the one that was explained, of shape \(5,\)",
        ),
        (
            lambda r: r.plot_coalitions_on_image(torch.zeros(4, 4)),
            r"`image` must be of shape \(channels, height, width\)",
        ),
    ],
)
def test_bad_requests(result, call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(result)
