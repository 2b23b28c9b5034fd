"""Pictures of a prompt: colored text with arcs, and a column per response token."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._inputs import read_singles, strongest_pairs
from captum_interactions.visualization._style import (
    INK,
    MUTED,
    diverging,
    figure_for,
    sign_color,
    signed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_owners", "plot_prompt", "plot_response_tokens"]

# One character of a 9-point monospace font, in inches: 0.6 of its height.
_CHARACTER, _FONT = 0.6 * 9 / 72, 9
_LINE = 0.42  # inches from line to line: arcs run in between
# Characters of an 8-point heading over a column of 0.62 inches.
_HEADING_WIDTH = 10
# Beyond this part of the scale dark ink can't be read, as in the pairs' heat map.
_DARK = 0.45


class _Run(NamedTuple):
    """Characters of one piece on one line."""

    line: int
    column: int
    text: str
    owner: int | None


@checked
def plot_prompt(
    texts: Sequence[str],
    owners: Sequence[int | None],
    values: Tensor,  # (n,)
    pairs: Tensor | None = None,  # (n, n)
    k: int = 3,
    width: int = 90,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The prompt, colored by attribution, with arcs for its strongest pairs.

    Blue adds to the output and vermilion takes away; fixed text is gray.

    Args:
        texts: The text of each piece, in order.
        owners: The player of each piece, None where it is nobody's.
        values: One attribution per player, ``(n,)``.
        pairs: A symmetric matrix of pair interactions, ``(n, n)``; None for no arcs.
        k: How many arcs at most.
        width: Characters on a line.
        ax: Axes to draw on; None makes a figure that fits the text.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If there is not one owner per text, or values and pairs do not fit
            the players.
    """
    singles = check_owners(texts, owners, values)
    if pairs is not None and tuple(pairs.shape) != (len(singles),) * 2:
        bad_value(
            "pairs",
            f"of shape ({len(singles)}, {len(singles)})",
            f"shape {tuple(pairs.shape)}",
            "pass one example and output",
        )
    runs = _wrapped(texts, owners, width)
    lines = max((run.line for run in runs), default=0) + 1
    figure, axes = figure_for(ax, width * _CHARACTER + 0.4, _LINE * (lines + 1.4))
    largest = max(map(abs, singles), default=0.0) or 1.0
    for run in runs:
        _draw(axes, run, singles, largest)
    if pairs is not None:
        for i, j in strongest_pairs(pairs, k):
            _arc(axes, runs, i, j, float(pairs[i, j]), float(pairs.abs().max()))
    note = f"strongest color: {largest:.3g}"
    axes.text(0, lines + 0.1, note, fontsize=8, color=MUTED, va="center")
    axes.set_xlim(-0.5, width + 2)
    axes.set_ylim(lines + 0.5, -0.9)
    axes.axis("off")
    return figure, axes


@checked
def plot_response_tokens(
    values: Tensor,  # (outputs, n)
    names: Sequence[str],
    outputs: Sequence[str],
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Attributions of every player to every token of the response.

    Args:
        values: Attributions, ``(outputs, n)``.
        names: One name per player: the rows.
        outputs: One text per output: the columns.
        ax: Axes to draw on; None makes a figure that fits.

    Returns:
        The figure and its axes.

    Raises:
        ValueError: If names or outputs do not fit the values.
    """
    if tuple(values.shape) != (len(outputs), len(names)):
        bad_value(
            "values",
            f"of shape ({len(outputs)}, {len(names)}): outputs, players",
            f"shape {tuple(values.shape)}",
            "pass one example",
        )
    table = values.detach().double().cpu().T
    longest = max(map(len, names), default=1)
    figure, axes = figure_for(
        ax, 1.2 + 0.07 * longest + 0.62 * len(outputs), 0.8 + 0.3 * len(names)
    )
    largest = float(table.abs().max()) or 1.0
    axes.imshow(
        table.numpy(), cmap=diverging(), vmin=-largest, vmax=largest, aspect="auto"
    )
    for i, row in enumerate(table.tolist()):
        for j, value in enumerate(row):
            # White on the dark ends of the scale only.
            color = "white" if abs(value) > _DARK * largest else INK
            axes.text(
                j, i, f"{value:+.2f}", ha="center", va="center", fontsize=7, color=color
            )
    axes.set_yticks(range(len(names)), labels=list(names), fontsize=8)
    headings = [fill(repr(text)[1:-1], _HEADING_WIDTH) for text in outputs]
    axes.set_xticks(range(len(outputs)), labels=headings, fontsize=8)
    axes.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure, axes


def check_owners(
    texts: Sequence[str], owners: Sequence[int | None], values: Tensor
) -> list[float]:
    """Return one value per player, if there is one owner per text."""
    n = len({owner for owner in owners if owner is not None})
    if len(texts) != len(owners):
        bad_value(
            "owners",
            f"one per text ({len(texts)})",
            len(owners),
            "None where a text is nobody's",
        )
    singles = read_singles(values, n, "values")
    assert singles is not None
    return singles


def _wrapped(
    texts: Sequence[str], owners: Sequence[int | None], width: int
) -> list[_Run]:
    """Break the prompt into lines, at blanks where there are any."""
    runs: list[_Run] = []
    line = column = 0
    for text, owner in zip(texts, owners, strict=True):
        for number, part in enumerate(text.split("\n")):
            if number:
                line, column = line + 1, 0
            for word in _words(part):
                if column + len(word.rstrip()) > width and column:
                    line, column = line + 1, 0
                    word = word.lstrip()
                last = runs[-1] if runs else None
                joined = (
                    last is not None
                    and (last.line, last.owner) == (line, owner)
                    and last.column + len(last.text) == column
                )
                if last is not None and joined:
                    runs[-1] = last._replace(text=last.text + word)
                elif word:
                    runs.append(_Run(line, column, word, owner))
                column += len(word)
    return runs


def _words(text: str) -> list[str]:
    """Words with the blanks behind them."""
    words: list[str] = []
    for k, word in enumerate(text.split(" ")):
        if k:
            words[-1] += " "
        words.append(word)
    return [word for word in words if word]


def _draw(axes: Axes, run: _Run, singles: Sequence[float], largest: float) -> None:
    from matplotlib.patches import Rectangle

    if run.owner is not None:
        value = singles[run.owner]
        start = len(run.text) - len(run.text.lstrip())
        box = Rectangle(
            (run.column + start - 0.15, run.line - 0.3),
            len(run.text.strip()) + 0.3,
            0.6,
            facecolor=sign_color(value),
            alpha=0.6 * abs(value) / largest,
            linewidth=0,
        )
        axes.add_patch(box)
    column = run.column
    for word in _words(run.text):
        axes.text(
            column,
            run.line,
            word.rstrip(),
            fontsize=_FONT,
            family="monospace",
            va="center",
            color=MUTED if run.owner is None else INK,
            parse_math=False,
        )
        column += len(word)


def _arc(
    axes: Axes, runs: Sequence[_Run], i: int, j: int, value: float, largest: float
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    found = [
        next((run for run in runs if run.owner == owner), None) for owner in (i, j)
    ]
    if found[0] is None or found[1] is None:
        return
    upper, lower = sorted(run for run in found if run is not None)
    x, x_end = (run.column + len(run.text.strip()) / 2 for run in (upper, lower))
    level = upper.line == lower.line
    # Over the line within one, else from under the upper line to over the lower.
    y = upper.line - 0.3 if level else upper.line + 0.3
    y_end = lower.line - 0.3
    controls = (y - 0.6, y_end - 0.6) if level else (y + 0.4, y_end - 0.4)
    points = [(x, y), (x, controls[0]), (x_end, controls[1]), (x_end, y_end)]
    color, width = sign_color(value), 1 + 2 * abs(value) / largest
    arc = PathPatch(
        Path(points, [Path.MOVETO] + [Path.CURVE4] * 3),
        fill=False,
        edgecolor=color,
        linewidth=width,
        alpha=0.8,
    )
    axes.add_patch(arc)
    middle = sum(controls) / 2 + 0.15 if level else (y + y_end) / 2
    axes.text(
        (x + x_end) / 2,
        middle,
        signed(value),
        fontsize=7,
        color=color,
        ha="center",
        va="center",
        bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none"},
    )
