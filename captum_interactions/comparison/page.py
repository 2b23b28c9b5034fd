"""A comparison as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from captum_interactions.comparison.columns import area
from captum_interactions.comparison.compared import ComparedMethods
from captum_interactions.report import bar, escape, page
from captum_interactions.visualization import diverging, sign_color

__all__ = ["render"]

_BARS = 24  # players in a card of bars; the table below it has them all
_KEY = '<span class="key" style="background:var(--{})"></span>'
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
        _section("Figures", _table(comparison), _notes(comparison), _terms(comparison)),
        _section("Agreement", _agreement(comparison)),
        _section("Deletion and insertion", _curves(comparison)),
        _section("Attributions", *(_example(comparison, i) for i in examples)),
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
    return _number(float(values.double().mean()))


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.3g}"


def _scroll(label: str, table: str) -> str:
    """A table that scrolls by itself, also by keyboard."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
        f"{table}</div>"
    )


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
    return _scroll(
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
    )


def _matrix(label: str, names: Sequence[str], values: Tensor) -> str:
    head = "".join(
        f'<th scope="col"><abbr title="{escape(name)}">{i}</abbr></th>'
        for i, name in enumerate(names, 1)
    )
    body = "".join(
        f'<tr><th scope="row">{i} {escape(name)}</th>'
        + "".join(f'<td style="{_shade(x)}">{_coefficient(x)}</td>' for x in line)
        + "</tr>"
        for i, (name, line) in enumerate(zip(names, values.tolist(), strict=True), 1)
    )
    return _scroll(
        label,
        f'<table class="matrix"><thead><tr><th scope="col">method</th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table>",
    )


def _coefficient(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.2f}"


def _shade(share: float) -> str:
    """Background from vermilion (−1) over none (0) to blue (1); text stays readable."""
    if math.isnan(share):
        return ""
    opacity = round(min(1.0, abs(share)) * 127)
    return f"background:{sign_color(share)}{opacity:02x}"


def _curves(comparison: ComparedMethods) -> str:
    rows = {n: r for n, r in comparison.rows.items() if r.deletion is not None}
    if not rows:
        return "<p>No method gave attributions.</p>"
    every = torch.cat([torch.cat([r.deletion, r.insertion]) for r in rows.values()])  # type: ignore[list-item]
    low, high = float(every.min()), float(every.max())
    cards = "".join(
        f'<figure class="card"><h3>{escape(name)}</h3>'
        f"{_curve_picture(row.deletion, row.insertion, low, high)}</figure>"  # type: ignore[arg-type]
        for name, row in rows.items()
    )
    return (
        "<p>The explained output, mean over the examples, while players are removed "
        "from the whole input (deletion) or added to the empty one (insertion), the "
        "largest attribution first. A fast fall and a fast rise are good."
        '<br><span class="soft">'
        f"{_KEY.format('blue')}insertion, solid {_KEY.format('red')}deletion, "
        f"dashed; all panels from {_number(low)} to {_number(high)}</span></p>"
        f'<div class="cards">{cards}</div>'
    )


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
        f'text-anchor="end">{_number(v)}</text>'
        for v in ((empty, full) if apart else (full,))
    )
    says = f"deletion {_number(area(deletion))}, insertion {_number(area(insertion))}"
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Mean height: '
        f'{says}">{ends}<polyline class="out" points="{line(deletion)}"/>'
        f'<polyline class="in" points="{line(insertion)}"/>'
        f'<text x="{left}" y="{height - 4}">0</text><text x="{width - 6}" '
        f'y="{height - 4}" text-anchor="end">{n} players</text></svg>'
        f"<figcaption>{says}</figcaption>"
    )


def _example(comparison: ComparedMethods, example: int) -> str:
    heading = (
        f"<h3>Example {example}: v(∅) = {_number(float(comparison.v_empty[example]))}, "
        f"v(N) = {_number(float(comparison.v_full[example]))}</h3>"
    )
    key = (
        f'<p class="soft">{_KEY.format("blue")}positive {_KEY.format("red")}'
        "negative; every picture has a scale of its own</p>"
    )
    if comparison.images is not None:
        drawn = _pictures(comparison, example)
    elif comparison.text:
        drawn = _words(comparison, example)
    else:
        drawn = _bars(comparison, example)
    return heading + key + drawn + _values(comparison, example)


def _strongest(values: Tensor) -> float:
    return float(values.abs().max()) or 1.0


def _pictures(comparison: ComparedMethods, example: int) -> str:
    assert comparison.images is not None
    image = comparison.images[example].detach().cpu().double()
    low, high = image.min(), image.max()
    shown = (image - low) / (high - low).clamp_min(1e-12)
    original = _png(shown.permute(1, 2, 0).squeeze(-1), "gray", 0)
    cards = _picture_card("the image", "Input image", original)
    for name, values in comparison.values.items():
        device = comparison.players.masks[0].device
        spread = comparison.players.scatter(values.to(device))[0][example].sum(0).cpu()
        data = _png(spread / _strongest(spread), diverging(), -1)
        top = f"largest |value| {_number(float(values[example].abs().max()))}"
        cards += _picture_card(name, f"Attributions by {name}, {top}", data, top)
    return f'<div class="cards">{cards}</div>'


def _picture_card(name: str, alt: str, data: str, caption: str = "") -> str:
    return (
        f'<figure class="card"><h4>{escape(name)}</h4><img alt="{escape(alt)}" '
        f'src="data:image/png;base64,{data}">'
        + (f"<figcaption>{escape(caption)}</figcaption>" if caption else "")
        + "</figure>"
    )


def _png(pixels: Tensor, colors: Any, low: float) -> str:
    """A picture of one pixel per value from ``low`` to 1; the page enlarges it."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, pixels.numpy(), format="png", cmap=colors, vmin=low, vmax=1)
    return base64.b64encode(buffer.getvalue()).decode()


def _words(comparison: ComparedMethods, example: int) -> str:
    labels = comparison.labels_of(example)
    lines = ""
    for name, values in comparison.values.items():
        top = _strongest(values[example])
        spans = " ".join(
            f'<span style="{_shade(v / top)}" title="{_number(v)}">'
            f"{escape(word)}</span>"
            for word, v in zip(labels, values[example].tolist(), strict=True)
        )
        lines += f'<h4>{escape(name)}</h4><p class="words">{spans}</p>'
    return lines


def _bars(comparison: ComparedMethods, example: int) -> str:
    labels = comparison.labels_of(example)
    cards = ""
    for name, values in comparison.values.items():
        row = values[example]
        top = _strongest(row)
        kept = sorted(row.abs().topk(min(_BARS, len(row))).indices.tolist())
        lines = "".join(
            f'<tr><th scope="row" title="{escape(labels[i])}">{escape(labels[i])}</th>'
            f"<td>{bar(float(row[i]) / top)}</td>"
            f"<td>{_number(float(row[i]))}</td></tr>"
            for i in kept
        )
        more = len(row) - len(kept)
        cards += (
            f'<figure class="card"><h4>{escape(name)}</h4><table>{lines}</table>'
            + (f"<figcaption>{more} weaker ones left out</figcaption>" if more else "")
            + "</figure>"
        )
    return f'<div class="cards wide">{cards}</div>'


def _values(comparison: ComparedMethods, example: int) -> str:
    columns = {n: v[example].tolist() for n, v in comparison.values.items()}
    if comparison.shapley is not None:
        columns["exact Shapley value"] = comparison.shapley[example].tolist()
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{_number(values[i])}</td>" for values in columns.values())
        + "</tr>"
        for i, label in enumerate(comparison.labels_of(example))
    )
    return (
        "<details><summary>All values as a table</summary>"
        + _scroll(
            f"Attributions of example {example}",
            f'<table><thead><tr><th scope="col">player</th>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>",
        )
        + "</details>"
    )
