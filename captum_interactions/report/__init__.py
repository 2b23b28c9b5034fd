"""Pages that explain: one HTML file, no network, templates in ``templates/``.

``result.to_html()`` makes a page of one explanation, :func:`explanation_page` one of
several; ``compare_attributions(...).to_html()`` is made of the same templates.
"""

from captum_interactions.report._explanation import (
    Explanation,
    explanation_page,
    small_form,
)
from captum_interactions.report._page import escape, page, picture
from captum_interactions.report._parts import bar

__all__ = [
    "Explanation",
    "bar",
    "escape",
    "explanation_page",
    "page",
    "picture",
    "small_form",
]
