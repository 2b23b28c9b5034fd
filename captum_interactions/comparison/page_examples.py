"""The attributions of one example, by all methods: pictures, words or bars."""

from __future__ import annotations

import base64
import io
from typing import Any

from torch import Tensor

from captum_interactions.comparison.compared import ComparedMethods
from captum_interactions.comparison.page_pieces import KEY, number, scroll, shade
from captum_interactions.report import bar, escape
from captum_interactions.visualization import diverging

__all__ = ["example_cards"]

_BARS = 24  # players in a card of bars; the table below it has them all


def example_cards(comparison: ComparedMethods, example: int) -> str:
    """Every method's attributions of one example, drawn and as a table."""
    heading = (
        f"<h3>Example {example}: v(∅) = {number(float(comparison.v_empty[example]))}, "
        f"v(N) = {number(float(comparison.v_full[example]))}</h3>"
    )
    key = (
        f'<p class="soft">{KEY.format("blue")}positive {KEY.format("red")}'
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
        top = f"largest |value| {number(float(values[example].abs().max()))}"
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
            f'<span style="{shade(v / top)}" title="{number(v)}">{escape(word)}</span>'
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
            f"<td>{number(float(row[i]))}</td></tr>"
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
        columns["Shapley value"] = comparison.shapley[example].tolist()
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{number(values[i])}</td>" for values in columns.values())
        + "</tr>"
        for i, label in enumerate(comparison.labels_of(example))
    )
    return (
        "<details><summary>All values as a table</summary>"
        + scroll(
            f"Attributions of example {example}",
            f'<table><thead><tr><th scope="col">player</th>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>",
        )
        + "</details>"
    )
