"""Pages that ask a network for anything are warnings, and warnings are errors in CI."""

import re
from pathlib import Path

# What a browser loads by itself; links that a reader may follow are no requests.
LOADED = re.compile(
    r"""<(?:script|img|iframe|audio|video|source|embed|object)\b[^>]*?
        \s(?:src|srcset|data)=["']?(?:https?:)?//
      | <link\b(?=[^>]*\brel=["']?(?:stylesheet|icon|preload|preconnect|manifest))
        [^>]*?\shref=["']?(?:https?:)?//
      | @import\s+(?:url\()?["']?(?:https?:)?//
      | url\(\s*["']?(?:https?:)?//""",
    re.IGNORECASE | re.VERBOSE,
)


def requests(text):
    """Return what a page or a style sheet would load from elsewhere."""
    return [match[0] for match in LOADED.finditer(text)]


def check(app, exception):
    """Look through every page and style sheet that was written."""
    from sphinx.util import logging

    if exception or app.builder.format != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*")):
        if path.suffix in (".html", ".css"):
            for found in requests(path.read_text(encoding="utf-8")):
                name = path.relative_to(app.outdir)
                logging.getLogger(__name__).warning("%s loads %s", name, found)


def setup(app):
    """Register the check."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True}
