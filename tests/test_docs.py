"""Every public name has a place in the API pages."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import captum_interactions

API = Path(__file__).parent.parent / "docs" / "api"
PAGES = "\n".join(page.read_text(encoding="utf-8") for page in API.glob("*.md"))
# Modules whose members are all documented, and names documented one by one.
WHOLE = set(re.findall(r"automodule:: (\S+)\n(?:   :\S+:.*\n)*?   :members:", PAGES))
SINGLE = set(re.findall(r"auto(?:class|function|data|exception):: (\S+)", PAGES))
MODULES = [
    captum_interactions,
    *(
        thing
        for thing in vars(captum_interactions).values()
        if inspect.ismodule(thing)
        and thing.__name__.startswith("captum_interactions.")
        and "._" not in thing.__name__
    ),
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_are_documented(module):
    missing = []
    for public in getattr(module, "__all__", []):
        thing = getattr(module, public)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        single = any(entry.endswith(f".{public}") for entry in SINGLE)
        if not single and thing.__module__ not in WHOLE:
            missing.append(public)
    assert not missing, f"{module.__name__}: {missing} have no page in docs/api"
