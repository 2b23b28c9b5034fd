"""What an import may cost, and which of Captum's names we stand on."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import captum_interactions
from captum_interactions import _captum

MODULES = [
    module.name
    for module in pkgutil.walk_packages(
        captum_interactions.__path__, "captum_interactions."
    )
]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_and_exports_what_it_says(name):
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", []):
        getattr(module, public)


@pytest.mark.parametrize("name", _captum.__all__)
def test_captums_names_are_where_we_import_them(name):
    assert getattr(_captum, name) is not None


def test_importing_the_package_is_light():
    heavy = ["matplotlib.pyplot", "sklearn", "shapiq", "networkx", "scipy"]
    code = (
        "import sys, captum.attr; before = set(sys.modules)\n"
        "import captum_interactions\n"
        f"print([m for m in {heavy} if m in set(sys.modules) - before])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_public_names():
    for name in captum_interactions.__all__:
        assert getattr(captum_interactions, name) is not None
