"""One explanation as a section of a page, from plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from captum_interactions._signature import checked, checked_methods
from captum_interactions.report._page import escape, page
from captum_interactions.report._parts import (
    attribution_map,
    bar,
    chart,
    image_with_regions,
    number,
    term_list,
    tree_list,
    words,
)
from captum_interactions.report._prompt_parts import arcs, prompt_text, token_table

__all__ = ["Explanation", "explanation_page", "small_form"]

# Players in the first list; the table below it has all of them.
_SHOWN = 24
# More arcs than these hide one another.
_ARCS = 6


@checked_methods
@dataclass(frozen=True)
class Explanation:
    """What a page says about one example and output.

    Attributes:
        title: A heading.
        facts: What was evaluated and how well it is known: pairs of words and values.
        names: Names of the players.
        values: Shapley values, or what stands for them; empty if there are none.
        errors: Their standard errors, None where exact.
        start: v(∅).
        end: v(N).
        steps: Terms that add up to v(N) − v(∅), strongest first, with ``players``,
            ``names``, ``value`` and maybe ``kind``.
        terms: The strongest interactions.
        pairs: The strongest pairs.
        orders: Context sizes, mean strengths and their sampling floor, if known.
        pair_orders: The strongest pairs by context size: a name, values and standard
            errors, None where exact.
        tree: Nested dictionaries of a tree, if there is one.
        image: The image, ``(channels, height, width)``, if it is one.
        mask: The player of every pixel, ``(height, width)``.
        prompt: Text and player of each piece, if it is a prompt; None is nobody's.
        tokens: Outputs, and the values of each player in all of them, if it is one.
        reading: How to read it, sentence by sentence.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    names: Sequence[str]
    values: Sequence[float]
    errors: Sequence[float] | None
    start: float
    end: float
    steps: Sequence[Any]
    terms: Sequence[Any]
    pairs: Sequence[Any] = ()
    orders: tuple[Sequence[int], Sequence[float], Sequence[float] | None] | None = None
    pair_orders: Sequence[tuple[str, Sequence[float], Sequence[float] | None]] = ()
    tree: dict[str, Any] | None = None
    image: Tensor | None = field(default=None, repr=False)
    mask: Tensor | None = field(default=None, repr=False)
    prompt: Sequence[tuple[str, int | None]] = ()
    tokens: tuple[Sequence[str], Sequence[Sequence[float]]] | None = None
    reading: Sequence[str] = ()


@checked
def explanation_page(title: str, explanations: Sequence[Explanation]) -> str:
    """Return one page with all explanations; it opens without a network."""
    contents = ""
    if len(explanations) > 1:
        links = "".join(
            f'<li><a href="#e{i}">{escape(one.title)}</a></li>'
            for i, one in enumerate(explanations)
        )
        contents = f'<nav aria-label="Explanations"><ul>{links}</ul></nav>'
    body = "".join(_section(one, i) for i, one in enumerate(explanations))
    return page(title, contents + body, "explanation.js")


def small_form(one: Explanation, k: int = 6) -> str:
    """A few lines of HTML for a notebook, without a script."""
    largest = _largest(one.terms[:k])
    rows = "".join(
        "<tr><td style='text-align:left'>"
        f"{escape(_joined(term))}</td><td style='width:9em'>"
        f"{_inline(bar(term.value / largest, getattr(term, 'kind', 'and')))}</td>"
        f"<td>{number(term.value)}</td></tr>"
        for term in one.terms[:k]
    )
    facts = " · ".join(f"{escape(a)} {escape(b)}" for a, b in one.facts)
    return (
        f"<div><strong>{escape(one.title)}</strong><br><small>{facts}</small>"
        f"<table>{rows}</table></div>"
    )


def _inline(text: str) -> str:
    """A bar where there is no style sheet."""
    return (
        text.replace('style="', 'style="display:block;height:.7em;')
        .replace("var(--blue)", "#0072b2")
        .replace("var(--red)", "#d55e00")
    )


def _joined(term: Any) -> str:
    sign = {"and": " ∧ ", "or": " \N{LOGICAL OR} "}[getattr(term, "kind", "and")]
    return sign.join(map(str, term.names))


def _largest(terms: Sequence[Any]) -> float:
    return max((abs(term.value) for term in terms), default=0.0) or 1.0


def _section(one: Explanation, number_of: int) -> str:
    facts = "".join(
        f"<li>{escape(word)} <strong>{escape(value)}</strong></li>"
        for word, value in one.facts
    )
    values = one.values or [0.0] * len(one.names)
    if one.image is not None and one.mask is not None:
        shown = image_with_regions(one.image, one.mask, one.names, str(number_of))
    elif one.prompt:
        shown = prompt_text(one.prompt, values)
        if one.pairs:
            shown += arcs(one.names, one.pairs[:_ARCS])
    else:
        shown = words(one.names, values)
    parts = [
        f'<section class="explanation" id="e{number_of}" aria-label='
        f'"{escape(one.title)}"><h2>{escape(one.title)}</h2><ul class="facts">{facts}'
        f'</ul><div class="input"><div>{shown}</div><div>',
        "<h3>What acts together</h3>",
        '<p class="soft">Blue adds to the output, vermilion takes away; OR is hatched. '
        "Point at a row, or reach it by the tab key, to see its players.</p>",
        term_list(one.terms, _largest(one.terms), "Strongest interactions"),
        _rebuilt(one),
        _attributions(one),
        _more(one),
    ]
    sentences = "".join(f"<li>{escape(text)}</li>" for text in one.reading)
    parts.append(f"<h3>How to read it</h3><ul>{sentences}</ul></div></div></section>")
    return "".join(parts)


def _rebuilt(one: Explanation) -> str:
    """A slider over the number of terms."""
    totals = [one.start]
    for term in one.steps:
        totals.append(totals[-1] + term.value)
    low, high = min([*totals, one.end]), max([*totals, one.end])
    shares = [100 * (t - low) / ((high - low) or 1.0) for t in totals]
    target = 100 * (one.end - low) / ((high - low) or 1.0)
    rows = "".join(
        f"<tr><th scope='row'>{k}</th><td>{escape(_joined(term))}</td>"
        f"<td>{number(term.value)}</td><td>{number(total)}</td></tr>"
        for k, (term, total) in enumerate(zip(one.steps, totals[1:], strict=True), 1)
    )
    return (
        "<h3>How the output is rebuilt</h3>"
        f'<div class="rebuilt"><label>Terms <input type="range" min="0" '
        f'max="{len(one.steps)}" value="{len(one.steps)}" '
        f'data-totals="{" ".join(map(number, totals))}" '
        f'data-shares="{" ".join(f"{s:.1f}" for s in shares)}"></label>'
        f"<p><output>{len(one.steps)} terms: v = {number(totals[-1])}</output> "
        f"of v(N) = {number(one.end)}, from v(∅) = {number(one.start)}</p>"
        f'<div style="border-right:2px solid var(--text);width:{target:.1f}%;'
        'min-width:1px"><span style="display:block;height:.7em"></span></div>'
        f'<span class="bar" style="width:{shares[-1]:.1f}%;'
        'background-color:var(--soft)"></span></div>'
        "<details><summary>The terms as a table</summary>"
        '<div class="scroll" role="region" tabindex="0" aria-label="Terms"><table>'
        "<thead><tr><th scope='col'>terms</th><th scope='col'>added</th>"
        "<th scope='col'>value</th><th scope='col'>v so far</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )


class _Single(NamedTuple):
    """A player in a list of terms."""

    players: tuple[int, ...]
    names: tuple[str, ...]
    value: float


def _attributions(one: Explanation) -> str:
    if not one.values:
        return ""
    largest = max(map(abs, one.values)) or 1.0
    order = sorted(range(len(one.values)), key=lambda i: -abs(one.values[i]))

    def listed(chosen: Sequence[int], label: str) -> str:
        terms = [_Single((i,), (one.names[i],), one.values[i]) for i in chosen]
        errors = None if one.errors is None else [one.errors[i] for i in chosen]
        return term_list(terms, largest, label, errors)

    drawn = (
        attribution_map(one.image, one.mask, one.values)
        if one.image is not None and one.mask is not None
        else ""
    )
    more = len(order) - _SHOWN
    rest = (
        f"<details><summary>{more} weaker players</summary>"
        f"{listed(order[_SHOWN:], 'Weaker players')}</details>"
        if more > 0
        else ""
    )
    return (
        '<h3>Shapley values of the players</h3><div class="beside">'
        f"{drawn}<div>{listed(order[:_SHOWN], 'Shapley values')}{rest}</div></div>"
    )


def _more(one: Explanation) -> str:
    parts = []
    if one.tokens is not None:
        parts.append(
            "<h3>Token by token</h3><p class='soft'>What each part is worth for the "
            "whole response, and for each token of it given those before.</p>"
            + token_table(one.names, *one.tokens)
        )
    if one.pairs:
        listed = term_list(one.pairs, _largest(one.pairs), "Strongest pairs")
        parts.append(
            f"<h3>Pairs</h3><details><summary>The {len(one.pairs)} strongest pairs"
            f"</summary>{listed}</details>"
        )
    if one.orders is not None:
        orders, values, floor = one.orders
        alone = "; dashed: what sampling errors alone would show" if floor else ""
        parts.append(
            "<h3>By size of the context</h3><p class='soft'>Mean |I(i,j)| over pairs "
            f"when m other players are present{alone}.</p>"
            f"{chart(orders, values, None, floor, 'Strength by order')}"
            f"{_pair_charts(one, orders)}"
        )
    if one.tree is not None:
        parts.append(
            "<h3>Tree</h3><p class='soft'>Words carry their Shapley value, groups what "
            f"their two sides add by meeting.</p>{tree_list(one.tree)}"
        )
    return "".join(parts)


def _pair_charts(one: Explanation, orders: Sequence[int]) -> str:
    if not one.pair_orders:
        return ""
    band = "" if one.pair_orders[0][2] is None else ", with their 95 % intervals"
    cards = "".join(
        f'<figure class="card"><h4>{escape(name)}</h4>'
        f"{chart(orders, values, errors, None, f'{name} by order')}</figure>"
        for name, values, errors in one.pair_orders
    )
    return (
        f'<p class="soft">The strongest pairs, I(i,j) by m{band}; each has a scale of '
        f'its own.</p><div class="cards wide">{cards}</div>'
    )
