"""Style and script of the comparison page."""

from __future__ import annotations

import base64
import hashlib

from captum_interactions.visualization import NEGATIVE, POSITIVE

__all__ = ["POLICY", "SCRIPT", "STYLE"]

# Light and dark; positive is blue, negative vermilion: color-blind readers tell them
# apart.
STYLE = """
:root { color-scheme: light dark; --back: #fff; --card: #f6f7f9; --text: #1c1f24;
  --soft: #5b626d; --line: #d5d9e0; --blue: POSITIVE;
  --red: NEGATIVE; --bad: #a8261c; }
@media (prefers-color-scheme: dark) { :root { --back: #15171b; --card: #1e2127;
  --text: #e8eaee; --soft: #a5acb8; --line: #393e48; --blue: #4fb0e8;
  --red: #ff8c3b; --bad: #ff9184; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1.5rem clamp(1rem, 3vw, 2.5rem) 3rem;
  background: var(--back); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: .5rem 0 .75rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; border-top: 1px solid var(--line);
  padding-top: 1.25rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h4, .card h3 { font-size: .85rem; margin: 0 0 .35rem; overflow-wrap: anywhere; }
p, li, dd { max-width: 48rem; }
.soft, figcaption, footer { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .85rem;
  font-variant-numeric: tabular-nums; line-height: 1.35; }
th, td { padding: .32rem .55rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
thead th { vertical-align: bottom; border-bottom-width: 2px; }
th[scope=row], thead th:first-child { text-align: left; font-weight: 500; }
.scroll th[scope=row], .scroll thead th:first-child { position: sticky; left: 0;
  background: var(--back); max-width: 15rem; overflow: hidden;
  text-overflow: ellipsis; }
th button { all: unset; cursor: pointer; font-weight: 700; }
th button:focus-visible, .scroll:focus-visible { outline: 2px solid var(--blue);
  outline-offset: 2px; }
th button::after { content: "↕"; color: var(--soft); font-weight: 400;
  margin-left: .15em; }
th[aria-sort=ascending] button::after { content: "↑"; color: var(--text); }
th[aria-sort=descending] button::after { content: "↓"; color: var(--text); }
td.failed { text-align: left; color: var(--bad); white-space: normal;
  min-width: 22rem; }
.matrix td { text-align: center; min-width: 3rem; border: 1px solid var(--back); }
.matrix thead th { text-align: center; }
details { margin: .75rem 0; }
summary { cursor: pointer; font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem;
  font-size: .9rem; }
dt { font-weight: 600; }
dd { margin: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr));
  gap: .75rem; }
.cards.wide { grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
.card { background: var(--card); border-radius: .4rem; padding: .65rem; margin: 0;
  display: grid; grid-template-rows: subgrid; grid-row: span 3; row-gap: .2rem; }
.card img { display: block; width: 100%; height: auto; image-rendering: pixelated;
  border: 1px solid var(--line); background: #fff; }
.card svg { display: block; width: 100%; height: auto; }
.card table { width: 100%; table-layout: fixed; font-size: .78rem; }
.card th, .card td { border: 0; padding: .08rem .25rem; overflow: hidden;
  text-overflow: ellipsis; }
.card th { width: 46%; } .card td:last-child { width: 4.6em; }
.bar { display: block; height: .7em; }
.words { line-height: 2; margin: .1rem 0 .7rem; max-width: none; }
.words span { padding: .12em .3em; border-radius: .2em; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .7em; }
.key:first-child { margin-left: 0; }
svg text { fill: var(--soft); font: 9px system-ui, sans-serif; }
.out { fill: none; stroke: var(--red); stroke-width: 2; stroke-dasharray: 5 3; }
.in { fill: none; stroke: var(--blue); stroke-width: 2; }
.end { stroke: var(--line); stroke-width: 1; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .5rem; }
  .scroll th[scope=row], .scroll thead th:first-child { max-width: 9.5rem; }
  .cards { grid-template-columns: repeat(2, 1fr); } .cards.wide {
  grid-template-columns: 1fr; } }
""".replace("POSITIVE", POSITIVE).replace("NEGATIVE", NEGATIVE)

# Headings become buttons that sort; failed methods stay at the end. Without scripts the
# table is as it was.
SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => row.cells.length < heads.length ? null
        : row.cells[column].dataset.value;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1);
        const order = column ? x - y : x.localeCompare(y);
        return up ? order : -order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
"""

# Nothing but this script and what is on the page: no request can leave it.
_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{_DIGEST}'"
)
