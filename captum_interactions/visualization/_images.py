"""Pictures over an image: coalitions that are lit, partners that are painted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._signature import checked
from captum_interactions.visualization._inputs import (
    Term,
    check_image,
    membership,
    read_names,
    read_pairs,
    read_terms,
)
from captum_interactions.visualization._pixels import frame, paint, show, show_members
from captum_interactions.visualization._pixels import in_range as image_in_range
from captum_interactions.visualization._style import diverging, sign_color, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_coalitions_on_image", "plot_pairs_on_image"]

# Beyond this many names a title no longer fits above its panel.
_TITLE_NAMES = 3
# OR is dashed wherever AND is drawn through.
_STYLES = {"and": "solid", "or": "dashed"}


def panels_for(count: int, ax: Sequence[Axes] | None) -> tuple[Figure, list[Axes]]:
    """Up to four panels in a row; those too many are switched off."""
    from matplotlib.figure import Figure

    if ax is not None:
        if len(ax) != count:
            bad_value("ax", f"{count} axes, one per panel", len(ax), "or None")
        figure: Any = ax[0].figure
        return figure, list(ax)
    columns = min(4, max(1, count))
    rows = max(1, -(-count // columns))
    figure = Figure(figsize=(2.4 * columns, 2.7 * rows))
    figure.set_layout_engine("constrained", h_pad=0.08)
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in grid[count:]:
        axes.axis("off")
    return figure, grid[:count]


@checked
def plot_coalitions_on_image(
    terms: Sequence[Any],
    image: Tensor,  # (channels, height, width)
    feature_mask: Tensor,  # (channels, height, width) or (height, width)
    ax: Sequence[Axes] | None = None,
) -> tuple[Figure, list[Axes]]:
    """One panel per interaction: its players as they are, the rest of the image dimmed.

    The outline is blue where the interaction adds to the output and vermilion where it
    takes away, drawn through for AND and dashed for OR. Players that are not in the
    image are named in the title.

    Args:
        terms: One example's interactions, such as ``result.top_k(4)[0]``.
        image: The image to show, values in 0..1 (others are brought there).
        feature_mask: The index of the player of every element.
        ax: As many axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and one axes per interaction.

    Raises:
        ValueError: If the image and its feature mask differ, or there are not as many
            axes.

    Example:
        >>> from captum_interactions.results import Interaction
        >>> mask = torch.tensor([[0, 0], [1, 2]])
        >>> corner = Interaction((0, 2), ("top", "corner"), 1.5)
        >>> _, axes = plot_coalitions_on_image([corner], torch.rand(1, 2, 2), mask)
        >>> axes[0].get_title()
        'AND +1.5'
    """
    check_image(image)
    shown = read_terms(terms)
    if not feature_mask.numel() or not bool(feature_mask.isfinite().all()):
        bad_value("feature_mask", "players of elements", "none", "see players.masks")
    n = 1 + max([int(feature_mask.max()), *(p for t in shown for p in t.players)])
    inside = membership(feature_mask, n, image) > 0
    figure, panels = panels_for(len(shown), ax)
    for axes, term in zip(panels, shown, strict=True):
        region = inside[list(term.players)].any(0)
        show_members(axes, region, image)
        frame(axes, region, sign_color(term.value), _STYLES[term.kind])
        axes.set_title(_title(term, inside), fontsize=9)
    return figure, panels


def _title(term: Term, inside: Tensor) -> str:
    """What the outline can't tell: kind, value, and players that are elsewhere."""
    outside = [
        name
        for player, name in zip(term.players, term.names, strict=True)
        if not inside[player].any()
    ]
    kind = term.kind.upper() if len(term.players) > 1 else "alone"
    title = f"{kind} {signed(term.value)}"
    if outside:
        more = "…" if len(outside) > _TITLE_NAMES else ""
        title += f"\nwith {', '.join(outside[:_TITLE_NAMES])}{more}"
    return title


@checked
def plot_pairs_on_image(
    values: Tensor,  # (n, n)
    image: Tensor,  # (channels, height, width)
    feature_mask: Tensor,  # (channels, height, width) or (height, width)
    k: int = 4,
    players: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    label: str = "I(i,j)",
    errors: Tensor | None = None,  # (n, n)
    ax: Sequence[Axes] | None = None,
) -> tuple[Figure, list[Axes]]:
    """With which regions does a region interact? I(i, ·) over the image, for some i.

    The first panel is the image with the regions framed and numbered as the panels
    are. Each further panel is about one of them, framed in black: blue regions do more
    together with it than apart, vermilion ones less, those within two standard errors
    of 0 have no color. All panels share one scale.

    Args:
        values: Symmetric matrix of pairs.
        image: The image to show, values in 0..1 (others are brought there).
        feature_mask: The index of the player of every element.
        k: How many players: those with the largest Σ_j |I(i,j)|.
        players: Indices of the players to show instead of the k strongest.
        names: One name per player; ``None`` writes their numbers.
        label: What the values are.
        errors: Standard errors of the pairs; ``None`` where exact.
        ax: One more axes than players to draw on; ``None`` makes a figure.

    Returns:
        The figure and its axes, the image first.

    Raises:
        TypeError: If ``values`` is no tensor.
        ValueError: If the matrix is not square and symmetric, the image and its feature
            mask differ, there is no such player, or there are not as many axes.

    Example:
        >>> values = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
        >>> mask = torch.tensor([[0, 1]])
        >>> _, axes = plot_pairs_on_image(values, torch.rand(1, 1, 2), mask, k=1)
        >>> [panel.get_title() for panel in axes]
        ['', '1: strongest +2']
    """
    check_image(image)
    check_positive_int("k", k, "ask for at least one player")
    values = read_pairs(values)
    n = len(values)
    if errors is not None:
        values = torch.where(values.abs() > 2 * read_pairs(errors), values, 0.0)
    written = read_names(names, n)
    inside = membership(feature_mask, n, image)
    shown = _chosen(values, inside, k, players)
    largest = float(values.nan_to_num().abs().max()) or 1.0
    figure, panels = panels_for(1 + len(shown), ax)
    show(panels[0], image_in_range(image))
    for number, (axes, player) in enumerate(zip(panels[1:], shown, strict=True), 1):
        row = values[player].nan_to_num()
        paint(axes, torch.einsum("p,phw->hw", row, inside), image, largest)
        for target in (panels[0], axes):
            frame(target, inside[player])
        _number(panels[0], inside[player], number)
        best = float(row[row.abs().argmax()])
        own = "" if written[player] == str(player) else f" {written[player]}"
        axes.set_title(f"{number}{own}: strongest {signed(best)}", fontsize=9)
    figure.colorbar(
        _scale(largest), ax=panels, label=f"{label} with the framed one", shrink=0.8
    )
    return figure, panels


def _chosen(
    values: Tensor, inside: Tensor, k: int, players: Sequence[int] | None
) -> list[int]:
    """The players asked for, or the strongest that are in the image."""
    n = len(values)
    if players is None:
        strength = values.nan_to_num().abs().sum(1)
        strength[inside.sum((1, 2)) == 0] = -1.0
        best = strength.argsort(descending=True, stable=True)[:k].tolist()
        return [i for i in best if strength[i] >= 0]
    shown = list(players)
    if not shown or not all(0 <= i < n for i in shown):
        bad_value("players", f"indices in 0..{n - 1}", shown, "players count from 0")
    return shown


def _number(axes: Axes, inside: Tensor, number: int) -> None:
    """Write a number into the upper left corner of a region."""
    rows, columns = inside.nonzero(as_tuple=True)
    if len(rows):
        first = int(rows.min())
        axes.annotate(
            str(number),
            (float(columns[rows == first].min()) - 0.5, first - 0.5),
            xytext=(3, -3),
            textcoords="offset points",
            ha="left",
            va="top",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"},
        )


def _scale(largest: float) -> Any:
    """What the colors stand for."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(-largest, largest), diverging())
