"""What the page of a class documents, and what it says is inherited.

``docs/api/*.md`` list classes in autosummaries; each gets a page from
``docs/_templates/autosummary/class.rst``. A method stands on the page of the class
that has it. A base without a page (a mixin) is part of the first class that has one.
"""

import functools
import inspect
import re
from pathlib import Path

from sphinx.ext.autosummary import import_by_name

API = Path(__file__).parent.parent / "api"
METHODS = (
    property,
    classmethod,
    staticmethod,
    functools.cached_property,
    functools.partialmethod,
)
SPECIAL = {"__call__", "__eq__", "__getitem__", "__iter__", "__len__"}


def listed(text):
    """Return the full names in the autosummaries of a page."""
    block = r"\.\. autosummary::\n(?:   :\S+:.*\n)*\n((?:   ~\S+\n)+)"
    names = " ".join(re.findall(block, text)).split()
    return [f"captum_interactions.{name[1:]}" for name in names]


@functools.cache
def documented():
    """Return the classes that have a page, and its name."""
    pages = [page.read_text(encoding="utf-8") for page in sorted(API.glob("*.md"))]
    return {import_by_name(name)[1]: name for page in pages for name in listed(page)}


def page_of(name):
    """Return what the page of a class documents, by the kind of autodoc's options.

    Returns:
        ``members`` and ``special``: names on this page. ``inherited``: pairs of a base,
        which has a page or is Captum's, and the names that stand there.
    """
    cls = import_by_name(name)[1]
    found = {"members": [], "special": [], "inherited": {}}
    for member in dir(cls):
        home = next(base for base in cls.__mro__ if member in vars(base))
        thing = vars(home)[member]
        if not (inspect.isfunction(thing) or isinstance(thing, METHODS)):
            continue
        if not inspect.getdoc(thing):
            continue
        if member in SPECIAL and home.__module__.startswith("captum_interactions"):
            if getattr(thing, "__doc__", None) and _owner(cls, home) is cls:
                found["special"].append(member)
        elif not member.startswith("_"):
            owner = _owner(cls, home)
            if owner is cls:
                found["members"].append(member)
            elif owner is not None:
                found["inherited"].setdefault(owner, []).append(member)
    return {
        **found,
        "inherited": [
            (documented().get(owner, f"captum.attr.{owner.__name__}"), names)
            for owner, names in found["inherited"].items()
        ],
    }


def _owner(cls, home):
    """Return the class on whose page a member stands; None for other libraries'."""
    if home.__module__.startswith("captum.attr"):
        return home
    if not home.__module__.startswith("captum_interactions"):
        return None
    for base in cls.__mro__[1:]:
        if base in documented() and issubclass(base, home):
            return _owner(base, home)
    return cls


def setup(app):
    """Hand what the pages hold to the template; plain data, which Sphinx can keep."""
    pages = {name: page_of(name) for name in documented().values()}
    app.config.autosummary_context["pages"] = pages
    return {"parallel_read_safe": True}
