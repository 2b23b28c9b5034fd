"""A comparison as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from captum_interactions.comparison.columns import area
from captum_interactions.comparison.compared import ComparedMethods
from captum_interactions.comparison.page_examples import example_cards
from captum_interactions.comparison.page_pieces import KEY, number, scroll, shade
from captum_interactions.report import escape, page

__all__ = ["render"]

_CAVEATS = (
    "The table doesn't rank methods: one that isn't the Shapley value may still be the "
    "one you want, and none of the figures is the truth about the model.",
    "Attributions have different units (a gradient is per unit of the input, a Shapley "
    "value is a part of the output), so every picture has a scale of its own.",
    "v(S) replaces absent players by the baselines. Gap, distance, deletion and "
    "insertion all change with them, and inputs with absent players may be unlike "
    "anything the model was trained on.",
    "Allocation (inside, leak, uneven) runs a method on single AND interactions. It "
    "says where the effect of any game goes only if the method is linear in v; "
    "gradient methods are not functions of v(S) and have none.",
    "Correlations over a few players are coarse: with four, a single swap of "
    "neighbors takes the rank correlation from 1 to 0.8.",
    "Random methods are shown with one draw of their samples, times with one call.",
    "Methods of ours read one evaluation of the game: their passes, rows and seconds "
    "are what it would cost to ask for the same coalitions alone.",
)


def render(comparison: ComparedMethods, title: str, examples: Sequence[int]) -> str:
    """Return the page.

    Args:
        comparison: What is shown.
        title: Title of the page.
        examples: Examples whose attributions are drawn.
    """
    parts = [
        _introduction(comparison),
        _section(
            "Figures",
            _table(comparison),
            "".join(f'<p class="soft">{escape(r)}</p>' for r in comparison.remarks),
            _notes(comparison),
            _terms(comparison),
        ),
        _section("Agreement", _agreement(comparison)),
        _section("Deletion and insertion", _curves(comparison)),
        _section("Attributions", *(example_cards(comparison, i) for i in examples)),
        _section(
            "What to keep in mind",
            "<ul>" + "".join(f"<li>{escape(c)}</li>" for c in _CAVEATS) + "</ul>",
        ),
    ]
    return page(title, "".join(parts), "sort.js")


def _section(heading: str, *content: str) -> str:
    name = heading.lower().replace(" ", "-")
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>'
        f"{''.join(content)}</section>"
    )


def _introduction(comparison: ComparedMethods) -> str:
    failed = len(comparison.rows) - len(comparison.values)
    kind = (
        "images"
        if comparison.images is not None
        else "texts"
        if comparison.text
        else "examples"
    )
    size, n = len(comparison.v_full), len(comparison.players)
    return (
        f"<p>{len(comparison.rows)} attribution methods"
        + (f" ({failed} of them failed)" if failed else "")
        + f", {size} {kind if size > 1 else kind[:-1]}, {n} players. With all players "
        f"absent the explained output is v(∅) = {_mean(comparison.v_empty)}, with all "
        f"present v(N) = {_mean(comparison.v_full)}"
        + (" (means)" if size > 1 else "")
        + ". Attributions are summed over the input elements of each player.</p>"
    )


def _mean(values: Tensor) -> str:
    return number(float(values.double().mean()))


def _table(comparison: ComparedMethods) -> str:
    columns = comparison.columns
    head = '<th scope="col">method</th>' + "".join(
        f'<th scope="col" title="{escape(c.meaning)}">{escape(c.heading)}</th>'
        for c in columns
    )
    body = ""
    for name, row in comparison.rows.items():
        first = f'<th scope="row" data-value="{escape(name)}">{escape(name)}</th>'
        if row.error is not None:
            cells = (
                f'<td class="failed" colspan="{max(1, len(columns))}">failed: '
                f"{escape(row.error)}</td>"
            )
        else:
            cells = "".join(
                f'<td data-value="{_plain(c.reading(row))}">{c.written(row)}</td>'
                for c in columns
            )
        body += f"<tr>{first}{cells}</tr>"
    return scroll(
        "Figures of every method",
        f'<table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>",
    )


def _plain(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def _notes(comparison: ComparedMethods) -> str:
    notes = "".join(
        f"<li><strong>{escape(name)}:</strong> {escape(note)}</li>"
        for name, row in comparison.rows.items()
        for note in row.notes
    )
    return f"<h3>Notes</h3><ul>{notes}</ul>" if notes else ""


def _terms(comparison: ComparedMethods) -> str:
    terms = "".join(
        f"<dt>{escape(c.heading)}</dt><dd>{escape(c.meaning)}</dd>"
        for c in comparison.columns
    )
    return f"<details><summary>What the columns say</summary><dl>{terms}</dl></details>"


def _agreement(comparison: ComparedMethods) -> str:
    k = min(3, len(comparison.players))
    matrices = comparison.agreement(k)
    names = list(comparison.values)
    if not names:
        return "<p>No method gave attributions.</p>"
    return (
        "<p>Rank correlation (Spearman) of the players' attributions, mean over the "
        "examples: 1 is the same order, -1 the opposite one.</p>"
        + _matrix("Rank correlation", names, matrices["rank"])
        + "<details><summary>Linear correlation</summary>"
        + _matrix("Linear correlation", names, matrices["linear"])
        + f"</details><details><summary>Share of the {k} strongest players in common"
        "</summary>"
        + _matrix(f"Overlap of the {k} strongest players", names, matrices["overlap"])
        + "</details>"
        + _pair_agreement(comparison)
    )


def _pair_agreement(comparison: ComparedMethods) -> str:
    names = list(comparison.pairs)
    if len(names) < 2:
        return ""
    ranks = comparison.pair_agreement()["rank"]
    return (
        "<h3>Pairs</h3><p>Rank correlation of the interactions of all pairs, where a "
        "method has them. What a pair's figure is differs: an AND interaction, an "
        "index, a mean over orders.</p>"
        + _matrix("Rank correlation of pairs", names, ranks)
    )


def _matrix(label: str, names: Sequence[str], values: Tensor) -> str:
    head = "".join(
        f'<th scope="col"><abbr title="{escape(name)}">{i}</abbr></th>'
        for i, name in enumerate(names, 1)
    )
    body = "".join(
        f'<tr><th scope="row">{i} {escape(name)}</th>'
        + "".join(f'<td style="{shade(x)}">{_coefficient(x)}</td>' for x in line)
        + "</tr>"
        for i, (name, line) in enumerate(zip(names, values.tolist(), strict=True), 1)
    )
    return scroll(
        label,
        f'<table class="matrix"><thead><tr><th scope="col">method</th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table>",
    )


def _coefficient(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.2f}"


def _curves(comparison: ComparedMethods) -> str:
    curves = {
        name: (row.deletion, row.insertion)
        for name, row in comparison.rows.items()
        if row.deletion is not None and row.insertion is not None
    }
    if not curves:
        return "<p>No method gave attributions.</p>"
    cards, low, high = _curve_cards(curves, "h3")
    return (
        "<p>The explained output, mean over the examples, while players are removed "
        "from the whole input (deletion) or added to the empty one (insertion), the "
        "largest attribution first. A fast fall and a fast rise are good."
        '<br><span class="soft">'
        f"{KEY.format('blue')}insertion, solid {KEY.format('red')}deletion, "
        f"dashed; all panels from {number(low)} to {number(high)}</span></p>"
        f"{cards}{_pair_curves(comparison)}"
    )


def _pair_curves(comparison: ComparedMethods) -> str:
    curves = {
        name: (row.pair_deletion, row.pair_insertion)
        for name, row in comparison.rows.items()
        if row.pair_deletion is not None and row.pair_insertion is not None
    }
    if not curves:
        return ""
    cards, low, high = _curve_cards(curves, "h4")
    return (
        "<h3>Pairs</h3><p>What players bring together beyond what they bring one by "
        "one, while the pairs with the largest interaction are added (solid), and how "
        "much less is lost by removing them than their players one by one (dashed). "
        f"Two fast rises are good; all panels from {number(low)} to {number(high)}."
        f"</p>{cards}"
    )


def _curve_cards(
    curves: Mapping[str, tuple[Tensor, Tensor]], heading: str
) -> tuple[str, float, float]:
    """A card of the two curves of every method, and what all of them span."""
    every = torch.cat([torch.cat(pair) for pair in curves.values()])
    low, high = float(every.min()), float(every.max())
    cards = "".join(
        f'<figure class="card"><{heading}>{escape(name)}</{heading}>'
        f"{_curve_picture(deletion, insertion, low, high)}</figure>"
        for name, (deletion, insertion) in curves.items()
    )
    return f'<div class="cards">{cards}</div>', low, high


def _curve_picture(deletion: Tensor, insertion: Tensor, low: float, high: float) -> str:
    width, height, left = 200, 110, 42
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return 6 + (height - 24) * (1 - (value - low) / span)

    def line(curve: Tensor) -> str:
        step = (width - left - 6) / (len(curve) - 1)
        return " ".join(
            f"{left + i * step:.1f},{place(v):.1f}"
            for i, v in enumerate(curve.tolist())
        )

    n = len(deletion) - 1
    empty, full = float(insertion[0]), float(deletion[0])
    apart = abs(place(empty) - place(full)) > 10  # else their labels would overlap
    ends = "".join(
        f'<line class="end" x1="{left}" x2="{width - 6}" y1="{place(v):.1f}" '
        f'y2="{place(v):.1f}"/><text x="{left - 4}" y="{place(v) + 3:.1f}" '
        f'text-anchor="end">{number(v)}</text>'
        for v in ((empty, full) if apart else (full,))
    )
    says = f"deletion {number(area(deletion))}, insertion {number(area(insertion))}"
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Mean height: '
        f'{says}">{ends}<polyline class="out" points="{line(deletion)}"/>'
        f'<polyline class="in" points="{line(insertion)}"/>'
        f'<text x="{left}" y="{height - 4}">0</text><text x="{width - 6}" '
        f'y="{height - 4}" text-anchor="end">{n} players</text></svg>'
        f"<figcaption>{says}</figcaption>"
    )
