"""Sphinx configuration; built with warnings as errors."""

import re
import shutil
import sys
from pathlib import Path

import captum_interactions

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "captum_interactions"
author = "the captum_interactions authors"
copyright = f"2026, {author}"
release = captum_interactions.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "class_pages",
    "mathml",
    "offline",
]
html_theme = "furo"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["formulas.css"]
html_title = "captum interactions"  # the sidebar breaks it at the space
# What the benchmarks write is included by their page.
exclude_patterns = ["_build", "**.ipynb_checkpoints", "benchmark_results.md"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]
# Notebooks carry their outputs; the tests execute them.
nb_execution_mode = "off"
templates_path = ["_templates"]
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
nitpicky = False

# The notebooks live beside the documentation, where readers look for them; the built
# pages have copies.
_here = Path(__file__).parent
_copies = _here / "tutorials"
for _notebook in _copies.glob("*.ipynb"):
    _notebook.unlink()
for _notebook in sorted((_here.parent / "tutorials").glob("*.ipynb")):
    shutil.copy(_notebook, _copies)
shutil.copytree(
    _here.parent / "tutorials" / "pictures", _copies / "pictures", dirs_exist_ok=True
)


def _link_copies(app, name, source):
    """Links lead to the notebooks in the repository; here they lead to the copies."""
    link = r"\]\(((?:\.\./)*)\.\./tutorials/(\w+\.ipynb)"
    source[0] = re.sub(link, r"](\1tutorials/\2", source[0])


def _escape_bars(app, what, name, obj, options, lines):
    """Docstrings write the size of a coalition as |S|; reST would substitute it.

    The look-alike U+2223 is as wide, so tables stay aligned.
    """
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = line.replace("|", "\u2223")


def setup(app):
    """Register the hooks; bars are escaped after napoleon has read the sections."""
    app.connect("source-read", _link_copies)
    app.connect("autodoc-process-docstring", _escape_bars, priority=900)
