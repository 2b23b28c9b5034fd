"""What all pictures share: colors, numbers, names, the figure, the place of the legend.

Blue adds to the output and vermilion takes away, in every picture. The two differ to
readers with any of the three kinds of color blindness, which a test checks on
simulated colors; so do the colors of curves, which differ in their markers as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import category

from captum_interactions._signature import checked

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
    "aligned",
    "diverging",
    "figure_for",
    "legend_below",
    "literal",
    "open_frame",
    "sign_color",
    "signed",
]

# Okabe and Ito (2008), "Color universal design".
POSITIVE, NEGATIVE = "#0072b2", "#d55e00"
INK, MUTED = "#222222", "#767676"
# Curves have no sign, so they keep clear of blue and vermilion: colors of Paul Tol's
# "muted" scheme (2021), the five that differ most in simulated color blindness.
SERIES = (INK, "#aa4499", "#117733", "#88ccee", "#ddcc77")
MARKERS = ("o", "s", "^", "D", "v")
# Longer names are cut: a picture has room for a few words at each mark.
_NAME_LENGTH = 40
# Line ends and tabs are common tokens of a prompt, so they get a sign of their own.
_MARKS = {"\n": "\u21b5", "\r": "\u21b5", "\t": "\u21e5"}
# Characters that fit into a row of a legend, and what a line or patch takes of them.
_LEGEND_WIDTH, _HANDLE_WIDTH = 64, 6


@checked
def sign_color(value: float) -> str:
    """Return the color of a value: blue if it adds, vermilion if it takes away.

    Example:
        >>> sign_color(2.0), sign_color(-2.0), sign_color(0.0)
        ('#0072b2', '#d55e00', '#767676')
    """
    if value == 0:
        return MUTED
    return POSITIVE if value > 0 else NEGATIVE


def signed(value: float) -> str:
    """Write a value with its sign and three significant digits.

    Example:
        >>> signed(12.345), signed(-0.5), signed(0)
        ('+12.3', '−0.5', '0')
    """
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}") if value else "0"


def aligned(values: Iterable[float]) -> list[str]:
    """Write values that are read beside each other, with the same decimals.

    The largest has three significant digits; what rounds to nothing is ``"0"``.

    Example:
        >>> aligned([12.345, -0.5, 0.001])
        ['+12.3', '−0.5', '0']
    """
    given = list(values)
    largest = max((abs(v) for v in given if math.isfinite(v)), default=0.0)
    if not 1e-4 < largest < 1e6:  # neither zeros nor six digits help a reader
        return [signed(value) for value in given]
    decimals = max(0, 2 - math.floor(math.log10(largest)))
    written = [f"{value:+.{decimals}f}" for value in given]
    return [
        text.replace("-", "\N{MINUS SIGN}") if text.strip("+-0.") else "0"
        for text in written
    ]


@checked
def literal(name: object, limit: int = _NAME_LENGTH) -> str:
    r"""Write a name as it is, whatever is in it.

    A dollar sign is no mathematics, a line end becomes an arrow, and what no font can
    draw (lone surrogates, control characters) the sign for an unknown character.

    Args:
        name: The name.
        limit: Longer names are cut to this many characters.

    Example:
        >>> print(literal("a\n$_{b}$"))
        a↵\$_{b}\$
    """
    text = str(name)
    if len(text) > limit:
        text = text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    if not text.strip(" "):
        text = "\N{OPEN BOX}" * max(1, len(text))
    return "".join(map(_drawable, text)).replace("$", r"\$")


def _drawable(character: str) -> str:
    if character in _MARKS:
        return _MARKS[character]
    # Controls, surrogates, private and unassigned code points have no picture.
    if category(character) in ("Cc", "Cs", "Co", "Cn"):
        return "\N{REPLACEMENT CHARACTER}"
    return character


@checked
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
