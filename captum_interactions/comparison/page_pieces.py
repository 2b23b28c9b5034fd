"""Numbers, shades and tables of the comparison's page."""

from __future__ import annotations

import math

from captum_interactions.report import escape
from captum_interactions.visualization import sign_color

__all__ = ["KEY", "number", "scroll", "shade"]

KEY = '<span class="key" style="background:var(--{})"></span>'


def number(value: float) -> str:
    """Three significant digits, ``n/a`` for NaN."""
    return "n/a" if math.isnan(value) else f"{value:.3g}"


def scroll(label: str, table: str) -> str:
    """A table that scrolls by itself, also by keyboard."""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
        f"{table}</div>"
    )


def shade(share: float) -> str:
    """Background from vermilion (−1) over none (0) to blue (1); text stays readable."""
    if math.isnan(share):
        return ""
    opacity = round(min(1.0, abs(share)) * 127)
    return f"background:{sign_color(share)}{opacity:02x}"
