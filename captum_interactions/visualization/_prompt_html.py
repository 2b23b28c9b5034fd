"""A prompt and what was found about it as a piece of HTML, for notebooks and pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization._prompt import check_owners
from captum_interactions.visualization._style import MUTED, sign_color, signed

__all__ = ["prompt_html"]

_TEXT = "white-space:pre-wrap;line-height:1.7;margin:0.4em 0"
_CELL = "padding:2px 7px;text-align:right;white-space:nowrap"


@checked
def prompt_html(
    texts: Sequence[str],
    owners: Sequence[int | None],
    values: Tensor,  # (outputs, n)
    names: Sequence[str],
    outputs: Sequence[str],
    coalitions: Sequence[tuple[Sequence[int], float]] = (),
) -> str:
    """Write the colored prompt, its coalitions in context, and a column per output.

    Args:
        texts: The text of each piece, in order.
        owners: The player of each piece, None where it is nobody's.
        values: Attributions, ``(outputs, n)``; the first output colors the prompt.
        names: One name per player.
        outputs: One text per output.
        coalitions: Players and value of each interaction to list.

    Returns:
        A ``<div>`` that needs no style sheet and no script.

    Raises:
        ValueError: If owners, names or outputs do not fit.

    Example:
        >>> import torch
        >>> found = prompt_html(["a", " b"], [0, None], torch.ones(1, 1), ["a"], ["c"])
        >>> "<table" in found and " b" in found
        True
    """
    if tuple(values.shape) != (len(outputs), len(names)):
        bad_value(
            "values",
            f"of shape ({len(outputs)}, {len(names)}): outputs, players",
            f"shape {tuple(values.shape)}",
            "pass one example",
        )
    if not bool(values.isfinite().all()):
        bad_value("values", "finite", "NaN or infinity", "look at the model's outputs")
    singles = check_owners(texts, owners, values[0])
    parts = [
        f'<div style="{_TEXT}">{_colored(texts, owners, singles, names)}</div>',
    ]
    if coalitions:
        parts.append('<table style="border-collapse:collapse">')
        parts += [
            f'<tr><td style="{_CELL};color:{sign_color(value)}">{signed(value)}</td>'
            f'<td style="padding:2px 7px">{_context(texts, owners, players, value)}'
            "</td></tr>"
            for players, value in coalitions
        ]
        parts.append("</table>")
    parts.append(_columns(values.detach().double().cpu(), names, outputs))
    return f'<div style="max-width:60em">{"".join(parts)}</div>'


def _tint(value: float, largest: float) -> str:
    """A background as dark as the value is large; text on it stays readable."""
    red, green, blue = (int(sign_color(value)[i : i + 2], 16) for i in (1, 3, 5))
    return f"background:rgba({red},{green},{blue},{0.6 * abs(value) / largest:.2f})"


def _colored(
    texts: Sequence[str],
    owners: Sequence[int | None],
    singles: Sequence[float],
    names: Sequence[str],
) -> str:
    largest = max(map(abs, singles), default=0.0) or 1.0
    return "".join(
        f'<span style="color:{MUTED}">{escape(text)}</span>'
        if owner is None
        else f'<span style="{_tint(singles[owner], largest)}" '
        f'title="{escape(names[owner])}: {signed(singles[owner])}">'
        f"{escape(text)}</span>"
        for text, owner in zip(texts, owners, strict=True)
    )


def _context(
    texts: Sequence[str],
    owners: Sequence[int | None],
    players: Sequence[int],
    value: float,
) -> str:
    """The coalition's pieces, with dots for what lies between them."""
    out, gap = [], False
    for text, owner in zip(texts, owners, strict=True):
        if owner in players:
            out.append(f'<span style="{_tint(value, abs(value) or 1.0)}">')
            out.append(f"{escape(text.strip())}</span> ")
        elif not gap:
            out.append(f'<span style="color:{MUTED}">… </span>')
        gap = owner not in players
    return "".join(out)


def _columns(values: Tensor, names: Sequence[str], outputs: Sequence[str]) -> str:
    largest = float(values.abs().max()) or 1.0
    head = "".join(f'<th style="{_CELL}">{escape(text)}</th>' for text in outputs)
    rows = [
        f'<tr><td style="padding:2px 7px">{escape(name)}</td>'
        + "".join(
            f'<td style="{_CELL};{_tint(value, largest)}">{value:+.2f}</td>'
            for value in column
        )
        + "</tr>"
        for name, column in zip(names, values.T.tolist(), strict=True)
    ]
    return (
        '<table style="border-collapse:collapse;margin-top:0.4em">'
        f"<tr><th></th>{head}</tr>{''.join(rows)}</table>"
    )
