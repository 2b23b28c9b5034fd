"""No picture may leave anything in pyplot."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _no_window(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("shown"))
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before
