"""Pages from templates: text that stays text, pictures inside, no request ever."""

from __future__ import annotations

import base64
import hashlib
import struct
import unicodedata
import zlib
from functools import cache
from html import escape as escape_html
from importlib import resources

import captum
import torch
from torch import Tensor

from captum_interactions._checks import bad_value
from captum_interactions._signature import checked
from captum_interactions.visualization import NEGATIVE, POSITIVE

__all__ = ["escape", "fill", "page", "picture", "template"]


@cache
def template(name: str) -> str:
    """Read a template of this package."""
    folder = resources.files(__package__) / "templates"
    return (folder / name).read_text(encoding="utf-8")


def fill(text: str, **values: str) -> str:
    """Put values where a template says ``@name@``; they are put in as they are."""
    parts = text.split("@")
    # Odd parts are names, if they are known; an @ of the style sheet is none.
    out = [parts[0]]
    position = 1
    while position < len(parts):
        if parts[position] in values and position + 1 < len(parts):
            out.append(values[parts[position]] + parts[position + 1])
            position += 2
        else:
            out.append("@" + parts[position])
            position += 1
    return "".join(out)


def escape(value: object) -> str:
    r"""Text of a name or number for HTML, also inside quotes.

    What UTF-8 can't encode or HTML can't hold becomes the sign for an unknown
    character.

    Example:
        >>> escape("<b>&\x00")
        '&lt;b&gt;&amp;�'
    """
    plain = "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(c) in ("Cs", "Cc") and c not in "\n\t"
        else c
        for c in str(value)
    )
    return escape_html(plain)


@checked
def page(title: str, body: str, *scripts: str) -> str:
    """Return a page that needs nothing from elsewhere.

    Args:
        title: Title of the page, any text.
        body: What is on it, HTML.
        scripts: Names of script templates. No other script can run on the page.

    Returns:
        The page.
    """
    script = "".join(map(template, scripts))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    style = fill(template("page.css"), positive=POSITIVE, negative=NEGATIVE)
    return fill(
        template("page.html"),
        title=escape(title),
        policy=escape(policy),
        style=style,
        body=body,
        made=escape(f"captum {captum.__version__} · torch {torch.__version__}"),
        script=script,
    )


@checked
def picture(image: Tensor) -> str:
    """An image ``(3, h, w)`` or ``(1, h, w)`` in 0..1 as the address of a PNG."""
    pixels = (255 * image.detach().cpu().double().clamp(0, 1)).round().to(torch.uint8)
    if pixels.dim() != 3 or pixels.shape[0] not in (1, 3):
        bad_value("image", "of shape (3, h, w) or (1, h, w)", tuple(pixels.shape), "")
    channels, height, width = pixels.shape
    rows = pixels.permute(1, 2, 0).reshape(height, width * channels)
    # Each row begins with 0: no filter.
    data = torch.nn.functional.pad(rows, (1, 0)).numpy().tobytes()

    def chunk(kind: bytes, content: bytes) -> bytes:
        total = zlib.crc32(kind + content)
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", total)
        )

    color = {1: 0, 3: 2}[channels]
    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(data, 9))
        + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()
