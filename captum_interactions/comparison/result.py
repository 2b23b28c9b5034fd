"""What a comparison of attributions shows: a table, a picture, a page."""

from __future__ import annotations

import base64
import html
import io
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from captum_interactions.comparison.agreement import (
    linear_correlation,
    rank_correlation,
    top_overlap,
)
from captum_interactions.comparison.allocation import Allocation
from captum_interactions.games import Players

__all__ = ["AttributionComparison", "MethodRow"]


@dataclass(frozen=True)
class MethodRow:
    """What is known about one method; a figure that does not apply is NaN.

    Attributes:
        values: Attribution of every player, ``(batch, n)``, or ``None`` if it failed.
        error: Why it failed, or ``None``.
        completeness_gap: Mean over examples of |Σ values − (v(N) − v(∅))|.
        shapley_distance: Σ|values − φ|/Σ|φ| to the exact Shapley values.
        infidelity: ``captum.metrics.infidelity``, mean over examples.
        sensitivity: ``captum.metrics.sensitivity_max``, mean over examples.
        deletion: Mean v after removing the first 0..n players, ``(n + 1,)``.
        insertion: Mean v after adding the first 0..n players, ``(n + 1,)``.
        allocation: Where the strongest AND interactions go, for perturbation methods.
        seconds: Wall-clock time of the call.
        n_forwards: Forward passes of the call.
        n_rows: Rows those passes had in all.
    """

    values: Tensor | None = field(default=None, repr=False)
    error: str | None = None
    completeness_gap: float = math.nan
    shapley_distance: float = math.nan
    infidelity: float = math.nan
    sensitivity: float = math.nan
    deletion: Tensor | None = field(default=None, repr=False)
    insertion: Tensor | None = field(default=None, repr=False)
    allocation: Allocation | None = None
    seconds: float = math.nan
    n_forwards: int = 0
    n_rows: int = 0


# Column heading, attribute or reading of a row, format.
_COLUMNS = [
    ("gap", lambda r: r.completeness_gap, ".2g"),
    ("to Shapley", lambda r: r.shapley_distance, ".1%"),
    ("infidelity", lambda r: r.infidelity, ".3g"),
    ("sensitivity", lambda r: r.sensitivity, ".3g"),
    ("deletion", lambda r: _area(r.deletion), ".3g"),
    ("insertion", lambda r: _area(r.insertion), ".3g"),
    ("inside", lambda r: r.allocation.inside if r.allocation else math.nan, ".2f"),
    ("leak", lambda r: r.allocation.leak if r.allocation else math.nan, ".2f"),
    ("uneven", lambda r: r.allocation.unevenness if r.allocation else math.nan, ".2f"),
    ("passes", lambda r: r.n_forwards, "d"),
    ("rows", lambda r: r.n_rows, "d"),
    ("seconds", lambda r: r.seconds, ".3f"),
]


def _area(curve: Tensor | None) -> float:
    """Mean height of a curve: its area over the share of players removed or added."""
    return (
        math.nan if curve is None else float(torch.trapezoid(curve)) / (len(curve) - 1)
    )


@dataclass(frozen=True, eq=False, repr=False)
class AttributionComparison:
    """Attribution methods side by side; printing it shows the table.

    Attributes:
        rows: One row per method, in the order given.
        players: The players that attributions were summed over.
        shapley: Exact Shapley values, ``(batch, n)``, or ``None`` for too many players.
        images: The inputs if they are images, for :meth:`plot`.
    """

    rows: dict[str, MethodRow]
    players: Players
    shapley: Tensor | None = field(default=None, repr=False)
    images: Tensor | None = field(default=None, repr=False)

    @property
    def values(self) -> dict[str, Tensor]:
        """Attribution of every player by the methods that worked, ``(batch, n)``."""
        return {
            name: row.values
            for name, row in self.rows.items()
            if row.values is not None
        }

    def agreement(self, k: int = 3) -> dict[str, Tensor]:
        """Agreement of each pair of methods that worked.

        Args:
            k: How many of the strongest players ``"overlap"`` looks at.

        Returns:
            ``"rank"`` (Spearman), ``"linear"`` (Pearson) and ``"overlap"``, each a
            matrix ``(methods, methods)`` in the order of :attr:`values`, averaged over
            examples.
        """
        found = list(self.values.values())

        def matrix(reading: Any) -> Tensor:
            return torch.tensor([[reading(a, b) for b in found] for a in found])

        return {
            "rank": matrix(rank_correlation),
            "linear": matrix(linear_correlation),
            "overlap": matrix(lambda a, b: top_overlap(a, b, k)),
        }

    def __repr__(self) -> str:
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(
                    zip(line, self._widths(), strict=True)
                )
            )
            if len(line) > 2
            else f"{line[0].ljust(self._widths()[0])}  failed: {line[1]}"
            for line in self._cells()
        )

    def _shown(self) -> list[tuple[str, Any, str]]:
        """Columns in which any method has a figure."""
        rows = [row for row in self.rows.values() if row.error is None]
        return [
            column
            for column in _COLUMNS
            if any(not math.isnan(column[1](row)) for row in rows)
        ]

    def _cells(self) -> list[list[str]]:
        columns = self._shown()
        lines = [["method", *(heading for heading, _, _ in columns)]]
        for name, row in self.rows.items():
            if row.error is not None:
                lines.append([name, row.error])
                continue
            figures = [(reading(row), form) for _, reading, form in columns]
            lines.append(
                [name, *("" if math.isnan(x) else format(x, f) for x, f in figures)]
            )
        return lines

    def _widths(self) -> list[int]:
        lines = self._cells()
        whole = [line for line in lines if len(line) == len(lines[0])]
        widths = [max(len(line[i]) for line in whole) for i in range(len(lines[0]))]
        widths[0] = max(len(line[0]) for line in lines)
        return widths

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, texts, lists and dictionaries (for JSON)."""

        def plain(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.tolist()
            if isinstance(value, float) and math.isnan(value):
                return None
            if isinstance(value, tuple):
                return [plain(item) for item in value]
            return value

        rows = {
            name: {key: plain(value) for key, value in asdict(row).items()}
            for name, row in self.rows.items()
        }
        agreement = {key: plain(matrix) for key, matrix in self.agreement().items()}
        return {"players": list(self.players.names), "methods": rows} | {
            "agreement": agreement,
            "shapley": plain(self.shapley),
        }

    def plot(self, example: int = 0) -> tuple[Any, Any]:
        """Draw the attributions of one example, one panel per method.

        Args:
            example: Which example.

        Returns:
            The figure and its axes. Images are drawn by Captum's
            ``visualize_image_attr``, everything else as bars over the players.
        """
        from matplotlib.figure import Figure

        found = self.values
        columns = min(4, max(1, len(found)))
        lines = -(-len(found) // columns)
        bar_height = 0.22 * len(self.players) + 0.8
        height = 2.6 if self.images is not None else bar_height
        figure = Figure(figsize=(3.1 * columns, height * lines), layout="constrained")
        axes = figure.subplots(
            lines, columns, squeeze=False, sharey=self.images is None
        )
        for axis in axes.flat[len(found) :]:
            axis.set_visible(False)
        for axis, (name, values) in zip(axes.flat, found.items(), strict=False):
            if self.images is None:
                self._bars(axis, values[example])
            else:
                self._heat(figure, axis, values, example)
            axis.set_title(name, fontsize=9)
        return figure, axes

    def _bars(self, axis: Any, values: Tensor) -> None:
        colours = ["#0072b2" if v > 0 else "#e69f00" for v in values.tolist()]
        axis.barh(self.players.names, values.tolist(), color=colours)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        if not axis.yaxis_inverted():
            axis.invert_yaxis()

    def _heat(self, figure: Any, axis: Any, values: Tensor, example: int) -> None:
        from captum.attr import visualization

        spread = self.players.scatter(values.to(self.players.masks[0].device))[0]
        attributions = spread[example].permute(1, 2, 0).cpu().numpy()
        if not attributions.any():
            axis.set_axis_off()
            return
        visualization.visualize_image_attr(
            attributions,
            method="heat_map",
            sign="all",
            cmap="PuOr",
            outlier_perc=1,
            plt_fig_axis=(figure, axis),
            use_pyplot=False,
        )

    def to_html(self, example: int = 0) -> str:
        """Return one page that opens without a network: table, agreement, picture.

        Args:
            example: Which example the picture shows.
        """
        figure, _ = self.plot(example)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
        picture = base64.b64encode(buffer.getvalue()).decode()
        head, *body = self._cells()
        names = list(self.values)
        rank = self.agreement()["rank"].tolist()
        agreement = [["rank correlation", *names]] + [
            [name, *(f"{x:.2f}" for x in line)]
            for name, line in zip(names, rank, strict=True)
        ]
        return _PAGE.format(
            table=_html_table([head, *body]),
            agreement=_html_table(agreement),
            picture=picture,
        )


def _html_table(lines: list[list[str]]) -> str:
    width = len(lines[0])
    rendered = []
    for position, line in enumerate(lines):
        tag = "td" if position else "th"
        cells = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in line)
        if len(line) < width:
            cells = (
                f"<td>{html.escape(line[0])}</td>"
                f'<td class="failed" colspan="{width - 1}">failed: '
                f"{html.escape(line[1])}</td>"
            )
        rendered.append(f"<tr>{cells}</tr>")
    return f"<table>{''.join(rendered)}</table>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Attributions side by side</title>
<link rel="icon" href="data:,">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
  padding: 0 1rem; color: #222; }}
table {{ border-collapse: collapse; margin: 1rem 0; font-size: 13px; }}
th, td {{ padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }}
th:first-child, td:first-child {{ text-align: left; }}
.failed {{ text-align: left; color: #a33; }}
img {{ max-width: 100%; }}
</style></head><body>
<h1>Attributions side by side</h1>
{table}
<h2>Agreement</h2>
{agreement}
<h2>Attributions</h2>
<img alt="Attributions of each method" src="data:image/png;base64,{picture}">
</body></html>
"""
