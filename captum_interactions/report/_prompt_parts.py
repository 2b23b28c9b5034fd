"""Pieces of a prompt's page: its text, arcs over its parts, a column per token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from captum_interactions.report._page import escape
from captum_interactions.report._parts import largest_of, number, shade, word

__all__ = ["arcs", "prompt_text", "token_table"]

_ARCS = 320  # width of the drawing, about that of its column; its height is a quarter


def prompt_text(
    pieces: Sequence[tuple[str, int | None]], values: Sequence[float]
) -> str:
    """A prompt as it is written; what players own is shaded by their values."""
    largest = largest_of(values)
    spans = [
        f'<span class="soft">{escape(text)}</span>'
        if owner is None
        else word(owner, text, values[owner], largest)
        for text, owner in pieces
    ]
    return f'<p class="players prompt">{"".join(spans)}</p>'


def arcs(names: Sequence[str], pairs: Sequence[Any]) -> str:
    """Players in a row, and an arc over each pair, as wide as it is strong."""
    step, base = _ARCS / len(names), _ARCS / 4
    largest = largest_of([pair.value for pair in pairs])
    letters = max(2, int(step / 7))  # a letter of the page's small text is 6 px wide
    parts = []
    for pair in pairs:
        left, right = (step * (player + 0.5) for player in sorted(pair.players))
        across, high = (right - left) / 2, (right - left) / 2 * (base - 12) / _ARCS * 2
        color = "--blue" if pair.value > 0 else "--red"
        both = " \N{MULTIPLICATION SIGN} ".join(map(str, pair.names))
        said = escape(f"{both}: {number(pair.value)}")
        parts.append(
            f'<path d="M{left:.1f} {base:.1f}A{across:.1f} {high:.1f} 0 0 1 '
            f'{right:.1f} {base:.1f}" fill="none" stroke="var({color})" stroke-width="'
            f'{1 + 3 * abs(pair.value) / largest:.1f}"><title>{said}</title></path>'
        )
    for player, name in enumerate(names):
        short = name if len(name) <= letters else name[: letters - 1] + "…"
        parts.append(
            f'<text x="{step * (player + 0.5):.1f}" y="{base + 16:.1f}" font-size="10" '
            f'text-anchor="middle" fill="currentColor">{escape(short)}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_ARCS} {base + 24:.0f}" role="img" '
        f'aria-label="Strongest pairs as arcs">{"".join(parts)}</svg>'
    )


def token_table(
    names: Sequence[str], outputs: Sequence[str], rows: Sequence[Sequence[float]]
) -> str:
    """Players down, response and its tokens across, cells shaded by value."""
    largest = largest_of([value for row in rows for value in row])
    head = "".join(f"<th scope='col'>{escape(text)}</th>" for text in outputs)
    body = "".join(
        f"<tr><th scope='row'>{escape(name)}</th>"
        + "".join(
            f'<td style="{shade(value, largest)}">{number(value)}</td>' for value in row
        )
        + "</tr>"
        for name, row in zip(names, rows, strict=True)
    )
    return (
        '<div class="scroll" role="region" tabindex="0" aria-label="Tokens"><table>'
        f"<thead><tr><th scope='col'>part</th>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
