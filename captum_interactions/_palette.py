"""What all pictures share: colors, numbers, the figure, the place of the legend.

Blue adds to the output and vermilion takes away, in every picture. The two differ to
readers with any of the three kinds of color blindness, which a test checks on
simulated colors; so do the colors of curves, which differ in their markers as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from colorsys import rgb_to_hls
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

__all__ = [
    "INK",
    "MARKERS",
    "MUTED",
    "NEGATIVE",
    "POSITIVE",
    "SERIES",
    "diverging",
    "figure_for",
    "hue",
    "legend_below",
    "open_frame",
    "sign_color",
    "signed",
]

# Okabe and Ito (2008), "Color universal design".
POSITIVE, NEGATIVE = "#0072b2", "#d55e00"
INK, MUTED = "#222222", "#767676"
SERIES = (POSITIVE, NEGATIVE, INK, "#cc79a7", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v")
# Characters that fit into a row of a legend, and what a line or patch takes of them.
_LEGEND_WIDTH, _HANDLE_WIDTH = 64, 6


def sign_color(value: float) -> str:
    """Return the color of a value: blue if it adds, vermilion if it takes away.

    Example:
        >>> sign_color(2.0), sign_color(-2.0), sign_color(0.0)
        ('#0072b2', '#d55e00', '#767676')
    """
    if value == 0:
        return MUTED
    return POSITIVE if value > 0 else NEGATIVE


def hue(color: str) -> int:
    """Return the hue of a color in degrees, as style sheets count them.

    Example:
        >>> hue(POSITIVE), hue(NEGATIVE)
        (202, 26)
    """
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return round(360 * rgb_to_hls(*channels)[0])


def signed(value: float) -> str:
    """Write a value with its sign and three significant digits.

    Example:
        >>> signed(12.345), signed(-0.5), signed(0)
        ('+12.3', '−0.5', '0')
    """
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}") if value else "0"


def diverging() -> LinearSegmentedColormap:
    """Return the map from vermilion over white to blue, equally dark at both ends."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = ["#8a3800", NEGATIVE, "#f4b183", "#ffffff", "#7fbde0", POSITIVE, "#00426a"]
    return LinearSegmentedColormap.from_list("against_together", ends)


def figure_for(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    """Return the axes to draw on and their figure, a new one if there are none.

    A new figure doesn't go through pyplot: nothing is shown, nothing stays behind.

    Args:
        ax: Axes that were given, or ``None``.
        width: Width of a new figure in inches.
        height: Its height.
    """
    from matplotlib.figure import Figure

    if ax is not None:
        figure: Any = ax.figure  # or a part of one
        return figure, ax

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def open_frame(axes: Axes) -> None:
    """Leave only those two sides of the frame that carry ticks."""
    axes.spines[["top", "right"]].set_visible(False)


def legend_below(axes: Axes, handles: Sequence[Any] | None = None) -> None:
    """Put the legend below the axis label, where it can't lie over a point.

    Args:
        axes: Axes with a label below.
        handles: What to explain; ``None`` takes everything that has a label.
    """
    from matplotlib.transforms import ScaledTranslation

    shown = axes.get_legend_handles_labels()[0] if handles is None else handles
    widths = [len(str(handle.get_label())) + _HANDLE_WIDTH for handle in shown]
    one_row = sum(widths) <= _LEGEND_WIDTH
    below = ScaledTranslation(0, -34 / 72, axes.figure.dpi_scale_trans)
    axes.legend(
        handles=shown,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=axes.transAxes + below,
        ncols=len(shown) if one_row else max(1, _LEGEND_WIDTH // max(widths)),
        frameon=False,
        fontsize=8,
        borderaxespad=0,
    )
