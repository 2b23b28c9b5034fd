"""Every picture of every result: zeros, one sign, several outputs, hostile names."""

from __future__ import annotations

import inspect
import io

import matplotlib as mpl
import pytest
import torch

from captum_interactions import (
    AndInteraction,
    AndOrInteraction,
    InteractionTree,
    MultiOrderInteraction,
    MultivariateInteraction,
    ShapleyInteraction,
    TruncatedAndInteraction,
)
from captum_interactions import visualization as pictures
from captum_interactions.results import Interaction
from captum_interactions.visualization._style import literal

METHODS = {
    "and": AndInteraction,
    "and_or": AndOrInteraction,
    "shapley": ShapleyInteraction,
    "orders": MultiOrderInteraction,
    "multivariate": MultivariateInteraction,
    "tree": InteractionTree,
    "truncated": TruncatedAndInteraction,
}
OPTIONS = {"multivariate": {"partitions": "all"}, "truncated": {"max_size": 2}}
GAMES = {
    "zero": lambda x: 0 * x.sum(1),
    "adds": lambda x: x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3],
    "takes": lambda x: -x[:, 0] * x[:, 1] - x[:, 2] * x[:, 3],
    "two outputs": lambda x: torch.stack([x.prod(1), -x[:, 0] * x[:, 3]], 1),
}
# Mathematics, an unclosed brace, half a surrogate pair, control characters, nothing,
# a very long name, a comma, a line end.
HOSTILE = ["$", "_{", "\ud83d", "a\0b\x07", "", "x" * 500, "$\\frac{$", "\n"]
# All pictures that any result has, but those over an image.
PICTURES = {
    "shapley_values",
    "strongest",
    "waterfall",
    "summary",
    "coalitions_on_text",
    "and_or_graph",
}
PAIRS = {"pairs", "network"}
ORDERS = {"orders", "order_strength"}
SIZES = {"size_strength", "sorted_interactions"}
EXPECTED = {
    "and": PICTURES | PAIRS | ORDERS | SIZES,
    "and_or": PICTURES | PAIRS | ORDERS | SIZES,
    "shapley": PICTURES | PAIRS | ORDERS,
    "orders": PICTURES | PAIRS | ORDERS,
    "multivariate": PICTURES,
    "tree": PICTURES | {"tree"},
    "truncated": PICTURES | PAIRS | ORDERS | SIZES,
}


def plots(result):
    """The names of the pictures that completion by tab shows, without ``plot_``."""
    return {name.removeprefix("plot_") for name in dir(result) if "plot_" in name}


def interactions(name, game, n=4):
    x = torch.ones(3, n).double()
    return METHODS[name](GAMES[game]).interactions(x, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", METHODS)
def test_tab_lists_what_there_is(name):
    shown = plots(interactions(name, "adds"))
    on_images = {"coalitions_on_image", "pairs_on_image"}
    assert EXPECTED[name] <= shown
    assert {plot for plot in shown if plot not in on_images} >= EXPECTED[name]


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("name", METHODS)
def test_draws(name, game):
    result = interactions(name, game).named(HOSTILE[:4])
    several = {"output": (1,)} if game == "two outputs" else {}
    for plot in sorted(EXPECTED[name]):
        figure, _ = getattr(result, f"plot_{plot}")(**several)
        figure.canvas.draw()


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"tree"}))  # takes two
def test_draws_one_player(name):
    result = METHODS[name](lambda x: x[:, 0]).interactions(
        torch.ones(2, 1).double(), **({"max_size": 1} if name == "truncated" else {})
    )
    for plot in sorted(EXPECTED[name] - ORDERS):
        getattr(result, f"plot_{plot}")()[0].canvas.draw()


@pytest.mark.parametrize("start", range(0, len(HOSTILE), 3))
def test_any_name_can_be_drawn(start):
    names = (HOSTILE[start:] + HOSTILE)[:3]
    name, n = names[0], 3
    matrix = torch.ones(n, n) - torch.eye(n)
    terms = [
        Interaction((0, 1), (*names[:2],), 1.0),
        Interaction((2,), (names[2],), -1.0),
    ]
    leaf = {"phi": 1.0, "b_between": 0.0}
    leaves = [{**leaf, "span": [i], "names": [names[i]]} for i in range(2)]
    root = {**leaf, "span": [0, 1], "names": names[:2], "children": leaves}
    drawn = [
        pictures.plot_pairs(matrix, names),
        *(
            pictures.plot_network(matrix, names=names, layout=layout)
            for layout in ("circle", "sentence")
        ),
        pictures.plot_strongest(terms),
        pictures.plot_waterfall(terms, 0.0, 1.0),
        pictures.plot_summary(torch.ones(2, n), names),
        pictures.plot_coalitions_on_text(terms, names),
        pictures.plot_and_or_graph(terms, names),
        pictures.plot_orders({name: torch.ones(3)}, references={name: torch.ones(3)}),
        pictures.plot_tree(root),
        pictures.plot_coalitions_on_image(
            [Interaction((1,), (name,), 1.0)],
            torch.rand(1, 1, 2),
            torch.tensor([[0, 0]]),
        ),
    ]
    for figure, _ in drawn:
        figure.canvas.draw()
        figure.savefig(io.BytesIO(), format="svg")  # text has to be encoded


def test_names_stay_as_they_are_where_they_can():
    assert literal("naïve — “x”") == "naïve — “x”"
    assert literal("日本") == "日本"
    assert literal("a b") == "a b"


def test_waterfall_of_pairs_adds_up():
    """k-SII: Shapley values less half of their pairs, and the pairs."""
    x = torch.tensor([[1.0, 2.0, -1.0, 0.5]]).double()
    model = lambda x: x[:, 0] * x[:, 1] * x[:, 2] + x[:, 3] * x[:, 0]  # noqa: E731
    result = ShapleyInteraction(model).interactions(x)
    figure, axes = result.plot_waterfall(k=100)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "all absent"
    assert labels[-1] == "all present"
    assert "all others" not in labels
    total = sum(bar.get_width() for bar in axes.patches)
    assert total == pytest.approx(float(model(x)))
    _, axes = result.plot_waterfall(k=2)
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(total)
    figure.canvas.draw()


def test_summary_shows_every_example():
    x = torch.tensor([[1.0, 2.0, 1.0], [1.0, -3.0, 1.0], [0.0, 1.0, 1.0]]).double()
    result = AndInteraction(lambda x: x[:, 0] * x[:, 1]).interactions(x)
    _, axes = result.named(["dose", "age", "sex"]).plot_summary(k=1)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dose ∧ age"]
    dots = {
        tuple(c.get_facecolor()[0][:3]): c.get_offsets()[:, 0].tolist()
        for c in axes.collections
        if len(c.get_offsets())
    }
    up, down = (mpl.colors.to_rgb(c) for c in (pictures.POSITIVE, pictures.NEGATIVE))
    assert dots[up] == [2.0]
    assert dots[down] == [-3.0]
    assert sum(map(len, dots.values())) == 3


def test_signatures_of_functions_ask_for_data_only():
    """No function of ``visualization`` takes a result."""
    for name in pictures.__all__:
        if name.startswith("plot_"):
            parameters = inspect.signature(getattr(pictures, name)).parameters
            assert not {"result", "example", "output"} & set(parameters)
