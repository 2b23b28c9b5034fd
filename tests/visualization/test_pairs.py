"""Pairs: what is read off results, and where it ends up in the picture."""

from __future__ import annotations

import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from captum_interactions import (
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    ShapleyInteraction,
)
from captum_interactions.visualization import (
    plot_network,
    plot_pairs,
    plot_pairs_on_image,
    plot_tree,
)
from captum_interactions.visualization._style import NEGATIVE, POSITIVE, signed
from tests.contracts.attribution import Mlp, double

NAMES = ["age", "height", "weight", "income", "city"]


@pytest.fixture(scope="module")
def result():
    return ShapleyInteraction(Mlp(5)).interactions(double(2, 5), target=1).named(NAMES)


@pytest.fixture(scope="module")
def orders():
    return MultiOrderInteraction(Mlp(5)).interactions(double(2, 5), target=1)


def shown(axes):
    return torch.tensor(axes.images[0].get_array().filled(torch.nan))


def numbers(axes):
    return {text.get_position(): text.get_text() for text in axes.texts}


def test_cells_are_the_pairs(result):
    figure, axes = result.plot_pairs(1)
    assert torch.allclose(shown(axes), result.values[1].double())
    assert [t.get_text() for t in axes.get_yticklabels()] == NAMES
    assert [t.get_text() for t in axes.get_xticklabels()] == NAMES
    assert numbers(axes)[0, 3] == numbers(axes)[3, 0]
    assert (2, 2) not in numbers(axes)
    low, high = axes.images[0].get_clim()
    assert -low == high == pytest.approx(result.values[1].abs().max().item())
    figure.canvas.draw()


def test_single_players_go_on_the_diagonal(result):
    singles = result.shapley_values()[0]
    _, axes = result.plot_pairs(singles=True)
    assert torch.allclose(shown(axes).diagonal(), singles.double())
    assert (2, 2) in numbers(axes)


@pytest.mark.parametrize("method", [AndInteraction, AndOrInteraction])
def test_results_of_coalitions_show_their_shapley_index(method, result):
    coalitions = method(Mlp(5)).interactions(double(2, 5), target=1)
    _, axes = coalitions.plot_pairs()
    assert torch.allclose(shown(axes), result.values[0].double(), atol=1e-6)


def test_one_order_or_the_mean_over_orders(orders, result):
    _, axes = orders.plot_pairs(1, order=2)
    assert torch.allclose(shown(axes), orders.at_order(2)[1].double())
    assert axes.figure.axes[1].get_ylabel() == "I(i,j), context size m = 2"
    _, axes = orders.plot_pairs(1)
    assert torch.allclose(shown(axes), result.values[1].double())


def test_sampled_pairs_near_zero_are_crossed_and_missing_ones_are_blank():
    sampled = MultiOrderInteraction(Mlp(8)).interactions(
        double(1, 8),
        target=1,
        n_samples=60,
        generator=torch.Generator().manual_seed(0),
    )
    _, axes = sampled.plot_pairs(order=3)
    unsure = sampled.at_order(3)[0].abs() < 2 * sampled.std_error[0, 3]
    expected = {(j, i) for i, j in unsure.nonzero().tolist() if i != j}
    assert 0 < len(expected) < 56
    line = axes.lines[0]
    assert set(zip(line.get_xdata(), line.get_ydata(), strict=True)) == expected
    assert not expected & set(numbers(axes))
    some = MultiOrderInteraction(Mlp(5)).interactions(
        double(1, 5), target=1, pairs=[(0, 1)]
    )
    _, axes = some.plot_pairs()
    assert shown(axes).isnan().sum() == 18
    assert len(some.plot_network()[1].lines) == 1


def test_numbers_stop_where_they_are_no_longer_legible():
    assert len(plot_pairs(torch.ones(8, 8))[1].texts) == 56
    assert len(plot_pairs(torch.ones(9, 9))[1].texts) == 0


def test_names_are_thinned_out_where_they_would_overlap():
    _, axes = plot_pairs(torch.zeros(41, 41))
    assert list(axes.get_xticks()) == list(axes.get_yticks()) == list(range(0, 41, 2))
    assert axes.get_xticklabels()[1].get_text() == "2"


def edges(axes):
    """Color, width and end points of what joins two players."""
    return [
        (line.get_color(), line.get_linewidth(), line.get_xydata()[[0, -1]].tolist())
        for line in axes.lines
    ]


def test_network_draws_the_strongest_pairs_by_sign_and_strength():
    matrix = torch.zeros(4, 4)
    for i, j, value in ((0, 1, 4.0), (1, 2, -2.0), (2, 3, 1.0), (0, 3, 0.5)):
        matrix[i, j] = matrix[j, i] = value
    figure, axes = plot_network(matrix, k=3)
    nodes = axes.collections[0].get_offsets().tolist()
    weak, against, strong = edges(axes)
    assert strong[0] == weak[0] == POSITIVE
    assert against[0] == NEGATIVE
    assert strong[1] - 0.6 == pytest.approx(2 * (against[1] - 0.6))
    assert strong[1] - 0.6 == pytest.approx(4 * (weak[1] - 0.6))
    for (_, _, ends), (i, j) in zip(
        (strong, against, weak), ((0, 1), (1, 2), (2, 3)), strict=True
    ):
        assert ends == [pytest.approx(nodes[i]), pytest.approx(nodes[j])]
    assert nodes[0] == pytest.approx([0, 1])  # the first on top, then clockwise
    assert nodes[1] == pytest.approx([1, 0])
    assert len(plot_network(matrix, k=100)[1].lines) == 4
    figure.canvas.draw()


def test_sentence_puts_blue_arcs_above_the_words_and_others_below():
    matrix = torch.tensor([[0.0, 2, 0], [2, 0, -1], [0, -1, 0]])
    words = ["not", "very", "good"]
    singles = torch.tensor([-2.0, 0.0, 1.0])
    figure, axes = plot_network(matrix, layout="sentence", names=words, singles=singles)
    at = {t.get_text(): t.get_position()[0] for t in axes.texts}
    assert list(at) == words
    assert sorted(at.values()) == list(at.values())
    for color, _, (start, end) in edges(axes):
        above = color == POSITIVE
        assert (start[1] > 0) == above
        pair = ("not", "very") if above else ("very", "good")
        assert [start[0], end[0]] == pytest.approx([at[word] for word in pair])
    boxes = [text.get_bbox_patch() for text in axes.texts]
    assert [box.get_alpha() for box in boxes] == [0.5, 0, 0.25]
    assert boxes[0].get_facecolor()[:3] == to_rgba(NEGATIVE)[:3]
    figure.canvas.draw()


@pytest.fixture(scope="module")
def on_image():
    """Two images whose players stand elsewhere: by columns, then by rows."""
    rows = (torch.arange(4) // 2)[:, None].expand(4, 6)
    columns = (torch.arange(6) // 3).expand(4, 6)
    mask = torch.stack([columns, rows + 2])[:, None]
    x = torch.ones(2, 3, 4, 6).double()

    def model(x):
        sums = x.sum((1, 3))
        halves = x.sum((1, 2))
        return sums[:, 0] * sums[:, 3] - halves[:, 0] * halves[:, 5]

    return x, ShapleyInteraction(model).interactions(x, feature_mask=mask)


def test_players_stand_at_the_middle_of_their_pixels(on_image):
    x, result = on_image
    for example, places in ((0, [[1, 1.5], [4, 1.5]]), (1, [[2.5, 0.5], [2.5, 2.5]])):
        figure, axes = result.plot_network(example=example, image=x[example])
        assert axes.collections[0].get_offsets().tolist() == places
        lines = [line for line in axes.lines if line.get_color() != "white"]
        assert [line.get_xydata().tolist() for line in lines] == [places]
        figure.canvas.draw()


def test_a_standardized_image_is_brought_into_range(on_image):
    _, result = on_image
    image = torch.linspace(-2, 3, 24).view(1, 4, 6)
    pixels = result.plot_network(image=image)[1].images[0].get_array()
    assert pixels.min() == pytest.approx(0.3 * 255, abs=1)  # pale, below lines
    assert pixels.max() == 255


def test_partners_are_painted_on_one_scale_and_the_player_is_framed(on_image):
    x, result = on_image
    figure, panels = result.plot_pairs_on_image(x[1], example=1, players=[2, 0])
    first = torch.tensor(panels[1].images[0].get_array()).double() / 255
    gray = first[0, 0]
    assert gray.unique().numel() == 1  # the player itself is not painted
    assert first[:2].unique(dim=0).shape[0] == 1
    value = result.values[1, 2, 3].item()
    color = torch.tensor(to_rgba(POSITIVE if value > 0 else NEGATIVE)[:3]).double()
    share = 0.85 * abs(value) / result.values[1].abs().max().item()
    expected = gray * (1 - share) + color * share
    assert torch.allclose(first[3, 5], expected, atol=1 / 255)
    # Twelve pixels in two rows have a border of four straight lines.
    assert [len(lines.get_segments()) for lines in panels[1].collections] == [4, 4]
    assert [panel.get_title() for panel in panels] == [
        "",
        f"1: strongest {signed(value)}",
        "2: strongest 0",
    ]
    assert [text.get_text() for text in panels[0].texts] == ["1"]  # 0 is elsewhere
    assert figure.axes[-1].get_ylabel() == "I(i,j) with the framed one"
    figure.canvas.draw()


def test_what_sampling_cannot_tell_from_0_looks_like_it():
    matrix, errors = torch.zeros(3, 3), torch.ones(3, 3)
    for i, j, value in ((0, 1, 2.5), (1, 2, -1.5)):
        matrix[i, j] = matrix[j, i] = value
    _, axes = plot_network(matrix, errors=errors)
    assert [line.get_linestyle() for line in axes.lines] == [":", "-"]
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words[-1] == "within two standard errors of 0"
    image, mask = torch.full((1, 1, 3), 0.5), torch.arange(3)[None]
    _, panels = plot_pairs_on_image(matrix, image, mask, players=[1], errors=errors)
    left, _, right = torch.tensor(panels[1].images[0].get_array())[0]
    assert left[0] != left[2]
    assert right[0] == right[1] == right[2]
    _, panels = plot_pairs_on_image(matrix, image, mask, players=[1])
    right = torch.tensor(panels[1].images[0].get_array())[0, 2]
    assert right[0] != right[2]


def test_results_pass_their_errors_on(on_image):
    x, result = on_image
    method = ShapleyInteraction(Mlp(8))
    sampled = method.interactions(
        double(1, 8), target=1, n_samples=60, generator=torch.Generator().manual_seed(0)
    )
    far = (sampled.values.abs() > 2 * sampled.std_error)[0].triu(1)
    styles = [line.get_linestyle() for line in sampled.plot_network(k=28)[1].lines]
    assert styles.count("-") == far.sum() < 28
    exact = result.plot_network(image=x[0])[1]
    assert {line.get_linestyle() for line in exact.lines} == {"-"}


def test_the_k_strongest_players_are_shown_unless_some_are_named(on_image):
    x, result = on_image
    named = result.named(["left", "right", "top", "bottom"])
    _, panels = named.plot_pairs_on_image(x[0], k=2)
    titles = [panel.get_title() for panel in panels[1:]]
    assert [title.partition(":")[0] for title in titles] == ["1 left", "2 right"]


def test_players_outside_the_image_stand_below_it_with_their_names():
    """An image and words in one game: edges to words stay, and say to which."""
    image, words = torch.ones(1, 1, 4, 4).double(), torch.ones(1, 2).double()

    def model(image, words):
        half = image[:, 0, :, 0].sum(1)
        return half * words[:, 0] - 2 * half * words[:, 1]

    masks = (torch.arange(4) // 2, torch.tensor([2, 3]))
    result = ShapleyInteraction(model).interactions((image, words), feature_mask=masks)
    result = result.named(["left", "right", "blue", "car"])
    figure, axes = result.plot_network(image=image[0])
    strong, weak = (e for e in reversed(edges(axes)) if e[0] != "white")
    assert [strong[0], weak[0]] == [NEGATIVE, POSITIVE]
    at = {text.get_text(): list(text.xy) for text in axes.texts}
    assert set(at) == {"blue", "car"}
    assert strong[2][1] == pytest.approx(at["car"])
    assert min(y for _, y in at.values()) > 3.5  # below the last row of pixels
    figure.canvas.draw()


def test_tree_is_drawn_by_its_result():
    result = InteractionTree(Mlp(4)).interactions(double(1, 4), target=1)
    (figure, axes), (_, own) = plot_tree(result.to_dict()), result.plot_tree()
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        line.get_xydata().tolist() for line in own.lines
    ]
    figure.canvas.draw()
    with pytest.raises(TypeError, match="`root` must be a dict, got Tensor"):
        plot_tree(torch.zeros(3, 3))


def test_axes_can_be_given(result, on_image):
    x, pairs = on_image
    figure = Figure()
    ax = figure.subplots(4)
    assert result.plot_pairs(ax=ax[0]) == (figure, ax[0])
    assert result.plot_network(ax=ax[1]) == (figure, ax[1])
    assert result.plot_network(layout="sentence", ax=ax[2]) == (figure, ax[2])
    assert pairs.plot_network(image=x[0], ax=ax[3]) == (figure, ax[3])


def test_nothing_to_draw_is_no_error():
    assert plot_pairs(torch.zeros(2, 2))[1].images[0].get_clim() == (-1, 1)
    plot_pairs(torch.zeros(1, 1))[0].canvas.draw()
    axes = plot_network(torch.zeros(2, 2))[1]
    assert not axes.lines
    assert axes.get_legend() is None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda r, x: plot_pairs([1]),
            TypeError,
            "`values` must be a tensor",
        ),
        (lambda r, x: plot_pairs(r), TypeError, "a result draws itself: `result.plot"),
        (lambda r, x: plot_pairs(torch.ones(2, 3)), ValueError, r"got shape \(2, 3\)"),
        (
            lambda r, x: plot_pairs(torch.tensor([[0.0, 1], [2, 0]])),
            ValueError,
            "`values` must be symmetric, got differences up to 1",
        ),
        (lambda r, x: r.plot_pairs(2), ValueError, r"an index into \(2,\)"),
        (lambda r, x: r.plot_pairs(order=9), ValueError, "`order` must be one of"),
        (
            lambda r, x: (
                MultiOrderInteraction(Mlp(4))
                .interactions(double(1, 4), target=1)
                .plot_pairs(order=3)
            ),
            ValueError,
            r"`order` must be one of \[0, 1, 2\], got 3",
        ),
        (lambda r, x: r.plot_pairs(names=["a"]), ValueError, "`names` must be 4 text"),
        (
            lambda r, x: plot_pairs(x.new_ones(4, 4), singles=torch.ones(2, 4)),
            ValueError,
            r"`singles` must be of shape \(4,\), one value per player, got shape \(2,",
        ),
        (
            lambda r, x: plot_pairs(x.new_ones(4, 4), singles=[1.0]),
            TypeError,
            "`singles` must be a te",
        ),
        (lambda r, x: r.plot_network(k=0), ValueError, "`k` must be a positive integ"),
        (
            lambda r, x: r.plot_network(layout="spring"),
            ValueError,
            "`layout` must be one of .*, got 'spring'",
        ),
        (
            lambda r, x: r.plot_network(layout="image"),
            ValueError,
            "`image` must be gi",
        ),
        (
            lambda r, x: plot_network(torch.ones(4, 4), image=x[0]),
            ValueError,
            "`feature_mask` must be given with an image",
        ),
        (
            lambda r, x: r.plot_network(image=x),
            ValueError,
            r"`image` must be of shape \(channels, height, width\)",
        ),
        (
            lambda r, x: r.plot_pairs_on_image(x[0, :, :3]),
            ValueError,
            r"the one that was explained, of shape \(3, 4, 6\), got shape \(3, 3, 6\)",
        ),
        (
            lambda r, x: r.plot_pairs_on_image(x[0], position=1),
            ValueError,
            r"`position` must be an index in 0..0",
        ),
        (
            lambda r, x: r.plot_pairs_on_image(x[0], players=[4]),
            ValueError,
            r"`players` must be indices in 0..3, got \[4\]",
        ),
        (lambda r, x: r.plot_pairs_on_image(x[0], k=0), ValueError, "`k` must be a p"),
    ],
)
def test_bad_requests(on_image, call, error, message):
    x, result = on_image
    with pytest.raises(error, match=message):
        call(result, x)
