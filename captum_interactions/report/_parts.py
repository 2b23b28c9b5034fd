"""Pieces of pages: bars, lists of terms, regions of images, charts, trees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from captum_interactions._signature import checked
from captum_interactions.report._page import escape, picture
from captum_interactions.visualization import sign_color

__all__ = [
    "attribution_map",
    "bar",
    "chart",
    "image_with_regions",
    "largest_of",
    "number",
    "shade",
    "term_list",
    "tree_list",
    "word",
    "words",
]

# A picture of more pixels a side is shown smaller: 256² colors are 0.25 MB as base64.
_SIDE = 256
_SIGNS = {"and": " ∧ ", "or": " \N{LOGICAL OR} "}


def number(value: float, digits: int = 3) -> str:
    """Three significant digits (or so many) with a true minus, ``n/a`` for NaN."""
    if math.isnan(value):
        return "n/a"
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


@checked
def bar(share: float, kind: str = "and") -> str:
    """A bar from the middle, to the right for what adds."""
    share = 0.0 if math.isnan(share) else max(-1.0, min(1.0, share))
    width = 50 * abs(share)
    start = 50.0 if share > 0 else 50 - width
    color = "--blue" if share > 0 else "--red"
    hatch = " or" if kind == "or" else ""
    return (
        f'<span class="bar{hatch}" style="margin-left:{start:.1f}%;width:{width:.1f}%;'
        f'background-color:var({color})"></span>'
    )


def term_list(
    terms: Sequence[Any],
    largest: float,
    label: str,
    errors: Sequence[float] | None = None,
) -> str:
    """A list of interactions; pointing at one lights its players."""
    rows = ""
    for place, term in enumerate(terms):
        error = "" if errors is None else f" ± {number(errors[place], 1)}"
        sign = _SIGNS[getattr(term, "kind", "and")]
        name = escape(sign.join(str(name) or "''" for name in term.names))
        rows += (
            '<li><button type="button" aria-pressed="false" '
            f'data-players="{" ".join(map(str, term.players))}" '
            f'data-value="{float(term.value)!r}">'
            f'<span class="name" title="{name}">{name}</span>'
            f"<span>{bar(term.value / largest, getattr(term, 'kind', 'and'))}</span>"
            f'<span class="number">{number(term.value)}{error}</span></button></li>'
        )
    return f'<ul class="terms" aria-label="{escape(label)}">{rows}</ul>'


def words(names: Sequence[str], values: Sequence[float]) -> str:
    """The players in a row, shaded by their values."""
    largest = largest_of(values)
    spans = [
        word(player, name or "∅", value, largest)
        for player, (name, value) in enumerate(zip(names, values, strict=True))
    ]
    return f'<p class="players">{" ".join(spans)}</p>'


def largest_of(values: Sequence[float]) -> float:
    """The largest absolute value that is finite, or 1 to divide by."""
    return max((abs(v) for v in values if math.isfinite(v)), default=0.0) or 1.0


def shade(value: float, largest: float) -> str:
    """A background as dark as a value is large; text on it stays readable."""
    share = value / largest if math.isfinite(value) else 0.0
    return f"background:{sign_color(share)}{round(min(1.0, abs(share)) * 110):02x}"


def word(player: int, text: str, value: float, largest: float) -> str:
    """A text of a player, lit where the player is."""
    return (
        f'<span data-player="{player}" style="{shade(value, largest)}" '
        f'title="{number(value)}">{escape(text)}</span>'
    )


def image_with_regions(
    image: Tensor, mask: Tensor, names: Sequence[str], key: str
) -> str:
    """An image with an outline per player, shown when the player is lit.

    The image is there once. Lit players are holes in a clip path, through which it is
    seen undimmed.

    Args:
        image: ``(channels, height, width)``.
        mask: The player of every pixel, ``(height, width)``.
        names: Names of the players.
        key: What tells the picture from others of the page.
    """
    height, width = image.shape[-2:]
    outlines = _outlines(mask.cpu())
    areas = "".join(
        f'<path class="area" data-area="{player}" d="{path}">'
        f"<title>{escape(names[player])}</title></path>"
        for player, path in _areas(mask.cpu()).items()
    )
    regions = "".join(
        f'<path class="region" data-player="{player}" d="{path}"/>'
        for player, path in outlines.items()
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="The input image">'
        f'<clipPath id="c{key}"><path d=""/></clipPath><g class="veiled">'
        f'<image id="i{key}" href="{picture(_small(image))}" width="{width}" '
        f'height="{height}" preserveAspectRatio="none"/></g>'
        f'<use href="#i{key}" clip-path="url(#c{key})"/>{areas}{regions}</svg>'
    )


def _small(image: Tensor) -> Tensor:
    """An image in 0..1 of at most so many pixels a side as a page should hold."""
    shown = image.detach().cpu().double()
    low, high = shown.min(), shown.max()
    if low < 0 or high > 1:
        shown = (shown - low) / (high - low).clamp_min(1e-12)
    step = max(1, -(-max(shown.shape[-2:]) // _SIDE))
    return shown[..., ::step, ::step]


def attribution_map(image: Tensor, mask: Tensor, values: Sequence[float]) -> str:
    """The image in pale gray, its players tinted by what they add or take away."""
    gray = _small(image).mean(0)
    step = -(-max(mask.shape) // _SIDE)
    players = mask.cpu()[::step, ::step].long()
    share = torch.tensor(values, dtype=torch.float64).nan_to_num()
    share = share / share.abs().max().clamp_min(1e-12)
    colors = torch.tensor(
        [
            [int(sign_color(s)[k : k + 2], 16) / 255 for k in (1, 3, 5)]
            for s in share.tolist()
        ]
    ).double()
    # Half of the gray is left, so that the picture is seen under the strongest tint.
    ground = (0.5 + 0.5 * gray).unsqueeze(-1)
    opacity = 0.85 * share.abs()[players].unsqueeze(-1)
    tinted = ground * (1 - opacity) + ground * colors[players] * opacity
    height, width = mask.shape
    return (
        f'<img class="map" width="{width}" height="{height}" alt="The image, its parts '
        'tinted by their Shapley values: blue adds, vermilion takes away" '
        f'src="{picture(tinted.permute(2, 0, 1))}">'
    )


def _areas(mask: Tensor) -> dict[int, str]:
    """Every player's pixels as rectangles, as few as runs of equal rows allow."""
    found = {}
    for player in mask.unique().tolist():
        open_runs: dict[tuple[int, int], int] = {}
        parts = []
        rows = torch.nn.functional.pad(mask == player, (1, 1, 0, 1)).int()
        edges = rows.diff(dim=1).tolist()
        for y, row in enumerate(edges):
            starts = [x for x, change in enumerate(row) if change == 1]
            ends = [x for x, change in enumerate(row) if change == -1]
            runs = set(zip(starts, ends, strict=True))
            for run in [run for run in open_runs if run not in runs]:
                top = open_runs.pop(run)
                parts.append(f"M{run[0]} {top}H{run[1]}V{y}H{run[0]}z")
            for run in runs:
                open_runs.setdefault(run, y)
        found[int(player)] = "".join(parts)
    return found


def _outlines(mask: Tensor) -> dict[int, str]:
    """The border of each player's pixels as a path."""
    found = {}
    for player in mask.unique().tolist():
        inside = torch.nn.functional.pad(mask == player, (1, 1, 1, 1))
        across = (inside[1:, 1:-1] != inside[:-1, 1:-1]).nonzero().tolist()
        down = (inside[1:-1, 1:] != inside[1:-1, :-1]).mT.nonzero().tolist()
        lines = [f"M{a} {line}H{b}" for line, a, b in _runs(across)]
        lines += [f"M{line} {a}V{b}" for line, a, b in _runs(down)]
        found[int(player)] = "".join(lines)
    return found


def _runs(edges: list[list[int]]) -> list[tuple[int, int, int]]:
    runs: list[tuple[int, int, int]] = []
    for line, start in edges:
        if runs and runs[-1][0] == line and runs[-1][2] == start:
            runs[-1] = (line, runs[-1][1], start + 1)
        else:
            runs.append((line, start, start + 1))
    return runs


def chart(
    orders: Sequence[int],
    values: Sequence[float],
    errors: Sequence[float] | None,
    floor: Sequence[float] | None,
    label: str,
) -> str:
    """A curve over orders with its 95 % band and a dashed floor."""
    width, height, left, bottom = 420, 170, 46, 26
    reach = [0.0] * len(values) if errors is None else [1.96 * e for e in errors]
    tops = [v + r for v, r in zip(values, reach, strict=True)]
    lows = [v - r for v, r in zip(values, reach, strict=True)]
    finite = [v for v in (*tops, *lows, *(floor or ())) if math.isfinite(v)]
    low, high = min(0.0, *finite, 0.0), max(0.0, *finite, 0.0)
    span = (high - low) or 1.0
    step = (width - left - 8) / max(1, len(values) - 1)

    def point(i: int, value: float) -> str:
        y = 8 + (height - bottom - 8) * (1 - (value - low) / span)
        return f"{left + i * step:.1f},{y:.1f}"

    def line(kind: str, row: Sequence[float]) -> str:
        points = [point(i, v) for i, v in enumerate(row) if math.isfinite(v)]
        return f'<polyline class="{kind}" points="{" ".join(points)}"/>'

    band = ""
    if errors is not None:
        edge = [point(i, v) for i, v in enumerate(tops) if math.isfinite(v)]
        edge += [
            point(i, v) for i, v in reversed(list(enumerate(lows))) if math.isfinite(v)
        ]
        band = f'<polygon class="band" points="{" ".join(edge)}"/>'
    dots = "".join(
        f'<circle r="2.5" cx="{p.split(",")[0]}" cy="{p.split(",")[1]}">'
        f"<title>m = {orders[i]}: {number(values[i])}</title></circle>"
        for i, p in enumerate(point(i, v) for i, v in enumerate(values))
        if "nan" not in p
    )
    every = max(1, -(-len(values) // 12))
    ticks = "".join(
        f'<text x="{left + i * step:.1f}" y="{height - 10}" text-anchor="middle">'
        f"{orders[i]}</text>"
        for i in range(0, len(values), every)
    )
    ends = "".join(
        f'<text x="{left - 5}" y="{float(point(0, v).split(",")[1]) + 3:.1f}" '
        f'text-anchor="end">{number(v, 2)}</text>'
        for v in {low, high}
    )
    zero = point(0, 0.0).split(",")[1]
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
        f'class="chart"><line class="end" x1="{left}" x2="{width - 8}" y1="{zero}" '
        f'y2="{zero}"/>{band}'
        f"{line('floor', floor) if floor else ''}{line('curve', values)}{dots}{ticks}"
        f"{ends}</svg>"
    )


def tree_list(node: dict[str, Any]) -> str:
    """A tree of constituents as nested lists."""

    def item(node: dict[str, Any]) -> str:
        name = escape(" ".join(map(str, node["names"])))
        children = node.get("children") or ()
        figure = node["b_between"] if children else node["phi"]
        kind = "minus" if figure < 0 else "plus"
        inner = "".join(map(item, children))
        return (
            f'<li><b class="{kind}">{number(figure)}</b> {name}'
            f"{f'<ul>{inner}</ul>' if inner else ''}</li>"
        )

    return f'<ul class="tree">{item(node)}</ul>'
