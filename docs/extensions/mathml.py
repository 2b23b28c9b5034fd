"""Formulas as MathML, which browsers draw themselves: no script, no network."""

import re

from latex2mathml.converter import convert

# The converter takes these for operators, which browsers space out: |S | = m, v( ∅ ).
NO_OPERATORS = re.compile(r"<mo[^>]*>(&#x0007C;|&#x02205;)</mo>")
# It writes a set minus as the reverse solidus operator, which common fonts lack.
SET_MINUS = "<mi>&#x029F5;</mi>", "<mo>&#x02216;</mo>"


def mathml(formula, display="inline"):
    """Return a formula of TeX as MathML."""
    written = convert(formula, display=display).replace(*SET_MINUS)
    return NO_OPERATORS.sub(r"<mi>\1</mi>", written)


def visit_math(self, node):
    """Write a formula within a line."""
    self.body.append(mathml(node.astext()))
    node.clear()  # nothing else of it is to be written


def visit_math_block(self, node):
    """Write a formula on lines of its own, which scroll where they don't fit."""
    formula = mathml(node.astext(), display="block")
    self.body.append(f'<div class="formula" tabindex="0">{formula}</div>\n')
    node.clear()


def depart_math(self, node):
    """Leave a formula."""


def setup(app):
    """Register the renderer."""
    app.add_html_math_renderer(
        "mathml", (visit_math, depart_math), (visit_math_block, depart_math)
    )
    return {"parallel_read_safe": True}
