"""Pictures over an image, painted by Captum's ``visualize_image_attr``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from captum_interactions._checks import bad_value, check_positive_int
from captum_interactions._palette import INK, diverging, signed
from captum_interactions.visualization.and_or import AndOrResult, strongest_terms
from captum_interactions.visualization.reading import (
    PlayersOf,
    check_image,
    read_matrix,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "centres_of_players",
    "paint",
    "plot_coalitions_on_image",
    "plot_pairs_on_image",
    "show_grey",
]


# Per cent of the total. At 0 Captum's threshold can lie above the total by rounding,
# and it fails; this little never leaves out a pixel.
_NO_OUTLIERS = 1e-6


def paint(
    axes: Axes,
    attributions: Tensor,  # (channels, height, width)
    image: Tensor | None = None,  # (channels, height, width)
    largest: float | None = None,
) -> None:
    """Paint attributions over a grey version of the image, blue up, vermilion down.

    Args:
        axes: Where to draw.
        attributions: One value per element; channels are added up.
        image: What to paint over; ``None`` leaves the ground white.
        largest: What full colour stands for; ``None`` takes the largest value here.
    """
    from captum.attr import visualization

    total = attributions.detach().double().cpu().sum(0)
    own = float(total.abs().max())
    if own == 0:  # Captum scales by the largest value and refuses 0.
        show_grey(axes, torch.ones(3, *total.shape) if image is None else image)
        return
    visualization.visualize_image_attr(
        total.unsqueeze(-1).numpy(),
        None if image is None else _as_colours(image),
        method="heat_map" if image is None else "blended_heat_map",
        sign="all",
        outlier_perc=_NO_OUTLIERS,
        cmap=diverging(),
        alpha_overlay=0.7,
        plt_fig_axis=(axes.figure, axes),
        use_pyplot=False,
    )
    if largest is not None:  # Captum has divided by the panel's own largest value.
        axes.images[-1].set_clim(-largest / own, largest / own)


def show_grey(axes: Axes, image: Tensor) -> None:
    """Show an image, ``(channels, height, width)``, in grey: colours mean signs."""
    from captum.attr import visualization

    grey = image.detach().cpu().float().mean(0, keepdim=True)
    if grey.min() < 0 or grey.max() > 1:  # standardised
        grey = (grey - grey.min()) / (grey.max() - grey.min())
    visualization.visualize_image_attr(
        torch.ones(grey.shape[1:]).numpy(),  # Captum asks for some, and draws none
        _as_colours(grey),
        method="original_image",
        plt_fig_axis=(axes.figure, axes),
        use_pyplot=False,
    )


def centres_of_players(
    players: PlayersOf | None, example: int, position: int, image: Tensor
) -> list[tuple[float, float]]:
    """Mean position (x, y) of each player's pixels; NaN for players not in the image.

    Raises:
        ValueError: If there are no players, or the image is not theirs.
    """
    inside = _membership(_known(players), example, position, image)
    pixels = inside.sum((-2, -1))
    rows = (inside.sum(-1) * torch.arange(inside.shape[-2])).sum(-1) / pixels
    columns = (inside.sum(-2) * torch.arange(inside.shape[-1])).sum(-1) / pixels
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def _as_colours(image: Tensor) -> Any:
    """An image as Captum takes it: (height, width, 3) of floats."""
    shown = image.detach().cpu().float().permute(1, 2, 0)
    return shown.expand(-1, -1, 3).numpy() if shown.shape[-1] == 1 else shown.numpy()


def _panels(count: int, ax: Sequence[Axes] | None) -> tuple[Figure, list[Axes]]:
    """Up to four panels in a row; those too many are switched off."""
    from matplotlib.figure import Figure

    if ax is not None:
        if len(ax) != count:
            bad_value("ax", f"{count} axes, one per panel", len(ax), "or None")
        figure: Any = ax[0].figure
        return figure, list(ax)
    columns = min(4, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(2.4 * columns, 2.65 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in grid[count:]:
        axes.axis("off")
    return figure, grid[:count]


def plot_coalitions_on_image(
    result: AndOrResult,
    image: Tensor,  # (channels, height, width)
    k: int = 4,
    example: int = 0,
    output: tuple[int, ...] = (),
    position: int = 0,
    ax: Sequence[Axes] | None = None,
) -> tuple[Figure, list[Axes]]:
    """The k strongest interactions, each painted over the image it belongs to.

    Args:
        result: Result of ``AndOrInteraction.interactions`` on images.
        image: The image to show, ``(channels, height, width)``, values in 0..1.
        k: How many interactions.
        example: Which example.
        output: Which output, if there are several.
        position: Which of the inputs is the image, if they were a tuple.
        ax: As many axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and one axes per interaction, drawn by Captum's
        ``visualize_image_attr``.

    Raises:
        ValueError: If ``image`` is not the one that was explained, there is no such
            example, k is not positive, or there are not as many axes.

    Example:
        >>> from captum_interactions import AndOrInteraction
        >>> image = torch.ones(1, 1, 2, 2)
        >>> model = lambda x: x[:, 0, 0, 0] * x[:, 0, 1, 1]
        >>> result = AndOrInteraction(model).interactions(image)
        >>> _, axes = plot_coalitions_on_image(result, image[0], k=1)
        >>> axes[0].get_title()
        'AND +1'
    """
    check_image(image)
    terms = strongest_terms(result, k, example, output)
    inside = _membership(result.players, example, position, image)
    figure, panels = _panels(len(terms), ax)
    for axes, term in zip(panels, terms, strict=True):
        values = torch.zeros(len(inside)).double()
        values[list(term.players)] = term.value
        # The colours of the bars, not the darkest of the map.
        paint(axes, _on_pixels(values, inside), image, 1.5 * abs(term.value) or None)
        axes.set_title(f"{term.kind.upper()} {signed(term.value)}", fontsize=9)
    return figure, panels


def plot_pairs_on_image(
    pairs: Any,
    image: Tensor,  # (channels, height, width)
    k: int = 4,
    example: int = 0,
    output: tuple[int, ...] = (),
    order: int | None = None,
    position: int = 0,
    players: Sequence[int] | None = None,
    ax: Sequence[Axes] | None = None,
) -> tuple[Figure, list[Axes]]:
    """With which regions does a region interact? I(i, ·) over the image, for some i.

    Each panel is about one player, framed in black: blue regions do more together with
    it than apart, vermilion ones less. All panels share one scale.

    Args:
        pairs: Result of ``ShapleyInteraction``, ``MultiOrderInteraction``,
            ``AndInteraction`` or ``AndOrInteraction`` on images.
        image: The image to show, ``(channels, height, width)``, values in 0..1.
        k: How many players: those with the largest Σ_j |I(i,j)|.
        example: Which example.
        output: Which output, if there are several.
        order: Which context size m of a ``MultiOrderInteraction``; ``None`` takes the
            mean over all its orders.
        position: Which of the inputs is the image, if they were a tuple.
        players: Indices of the players to show instead of the k strongest.
        ax: As many axes to draw on; ``None`` makes a figure.

    Returns:
        The figure and one axes per player, drawn by Captum's ``visualize_image_attr``.

    Raises:
        TypeError: If ``pairs`` is not a result that has pairs.
        ValueError: If ``image`` is not the one that was explained, there is no such
            example, output, order or player, k is not positive, or there are not as
            many axes.

    Example:
        >>> from captum_interactions import ShapleyInteraction
        >>> image = torch.ones(1, 1, 2, 2)
        >>> model = lambda x: x[:, 0, 0, 0] * x[:, 0, 1, 1]
        >>> result = ShapleyInteraction(model).interactions(image)
        >>> _, axes = plot_pairs_on_image(result, image[0], players=[3])
        >>> axes[0].images[-1].get_array().tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    check_image(image)
    check_positive_int("k", k, "ask for at least one player")
    matrix = read_matrix(pairs, example, output, order)
    inside = _membership(_known(matrix.players), example, position, image)
    n = len(inside)
    strength = matrix.values.nan_to_num().abs().sum(1)
    if players is None:
        shown = strength.argsort(descending=True, stable=True)[:k].tolist()
    else:
        shown = list(players)
    if not shown or not all(0 <= i < n for i in shown):
        bad_value("players", f"indices in 0..{n - 1}", shown, "players count from 0")
    figure, panels = _panels(len(shown), ax)
    for axes, player in zip(panels, shown, strict=True):
        row = matrix.values[player].nan_to_num()
        paint(axes, _on_pixels(row, inside), image, matrix.largest)
        _frame(axes, inside[player])
        axes.set_title(f"with {matrix.names[player]}", fontsize=9)
    figure.colorbar(
        _scale(matrix.largest), ax=panels, label=matrix.label, shrink=0.8, pad=0.02
    )
    return figure, panels


def _known(players: PlayersOf | None) -> PlayersOf:
    if players is None:
        bad_value(
            "pairs",
            "a result, which knows where its players are",
            "a bare matrix",
            "pass what `interactions` returned",
        )
    return players


def _membership(
    players: PlayersOf, example: int, position: int, image: Tensor
) -> Tensor:
    """Which part of each pixel's channels belongs to each player, ``(n, h, w)``."""
    if not 0 <= position < len(players.masks):
        bad_value(
            "position",
            f"an index in 0..{len(players.masks) - 1}, one of the inputs",
            position,
            "say which of the inputs is the image",
        )
    masks = players.masks[position]
    mask = masks[min(example, masks.shape[0] - 1)].cpu()
    if mask.dim() != 3 or mask.shape[-2:] != image.shape[-2:]:
        bad_value(
            "image",
            f"the one that was explained, of shape {tuple(mask.shape)}",
            f"shape {tuple(image.shape)}",
            "pass the input without its batch axis, or choose `position`",
        )
    members = mask == torch.arange(len(players))[:, None, None, None]
    return members.double().mean(1)


def _on_pixels(values: Tensor, inside: Tensor) -> Tensor:
    """The mean value of each pixel's players, ``(1, height, width)``."""
    return torch.einsum("p,phw->hw", values, inside).unsqueeze(0)


def _frame(axes: Axes, inside: Tensor) -> None:
    """Draw the border of a region of pixels, along their edges."""
    from matplotlib.collections import LineCollection

    padded = torch.nn.functional.pad(inside > 0, (1, 1, 1, 1))
    across = (padded[1:, 1:-1] != padded[:-1, 1:-1]).nonzero().tolist()
    down = (padded[1:-1, 1:] != padded[1:-1, :-1]).nonzero().tolist()
    lines = [[(x - 0.5, y - 0.5), (x + 0.5, y - 0.5)] for y, x in across]
    lines += [[(x - 0.5, y - 0.5), (x - 0.5, y + 0.5)] for y, x in down]
    for width, colour in ((3.5, "white"), (1.8, INK)):
        axes.add_collection(
            LineCollection(lines, colors=colour, linewidths=width, capstyle="round"),
            autolim=False,
        )


def _scale(largest: float) -> Any:
    """What the colours stand for."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(-largest, largest), diverging())
