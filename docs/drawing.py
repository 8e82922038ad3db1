"""What the drawings of the documentation share: colours for light and dark, and a width that a phone shows.

A drawing is as wide as a phone's column, or a little wider, so that its words stay readable there. It has a
background of its own: a reader may have chosen dark pages on a light desktop.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from html import escape

WIDTH = 420
LINE = 16  # the height of a line of text
_LETTER = 7.2  # the width of a letter, in a wide font

# Each text has a contrast of at least 4.5:1 (WCAG 2.2, 1.4.3), in both schemes.
_STYLE = """
:root { --paper: #fff; --ink: #1c2b45; --soft: #44546a; --line: #5a6880; --box: #eef3fb;
  --grid: #d5dbe5; --blue: #2f5597; --red: #b23c38; --amber: #f0b357 }
@media (prefers-color-scheme: dark) { :root { --paper: #1a1c1e; --ink: #e3e7ee; --soft: #b4bfcd;
  --line: #8b98ab; --box: #22304a; --grid: #3a414b; --blue: #8fb4f5; --red: #ff8f87; --amber: #9a6718 } }
text { fill: var(--ink); font: 13px sans-serif; text-anchor: middle;
  paint-order: stroke; stroke: var(--under, none); stroke-width: 5 }
.paper { fill: var(--paper); stroke: var(--grid) }
.box { fill: var(--box); stroke: var(--blue) }
.line, .grid, .red, .blue { fill: none; stroke: var(--line) }
.grid { stroke: var(--grid) } .red { stroke: var(--red) } .blue { stroke: var(--blue) }
.note { fill: var(--paper); stroke: var(--line); stroke-dasharray: 2 2 }
.soon { fill: var(--amber); stroke: var(--blue) }
.dashed { stroke-dasharray: 4 3 }
text.title { font-weight: bold } text.left { text-anchor: start } text.right { text-anchor: end }
text.small { font-size: 12px; fill: var(--soft) } text.free { --under: var(--paper) }
text.red { fill: var(--red); stroke: none } text.blue { fill: var(--blue); stroke: none }
.arrow { marker-end: url(#arrow) } #arrow { fill: var(--line) }
"""


def picture(height: float, parts: Iterable[str]) -> str:
    """Return a drawing as SVG."""
    size = f'width="{WIDTH}" height="{height:g}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {height:g}">'
        f"<style>{_STYLE}</style>"
        '<marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 8 4 0 8z"/></marker>'
        f'<rect class="paper" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8"/>'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Return one line of text, in the middle of ``x`` unless its kind says ``left`` or ``right``."""
    marked = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{marked}>{escape(words, quote=False)}</text>'


def folded(words: str, room: float) -> list[str]:
    """Return the words in as few lines as ``room`` allows, each about as long as the others."""
    most = int(room / _LETTER)
    tried = [
        textwrap.wrap(words, letters, break_long_words=False) for letters in range(1, most + 1)
    ]
    return next(several for several in tried if len(several) == len(tried[-1]))


def lines(x: float, y: float, several: Iterable[str], kind: str = "") -> Iterator[str]:
    """Yield lines of text, the first at ``y``."""
    return (text(x, y + n * LINE, words, kind) for n, words in enumerate(several))


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    """Return a rectangle with round corners."""
    size = f'width="{width:g}" height="{height:g}"'
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" {size} rx="6"/>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "line") -> str:
    """Return a line; one of the kind ``line arrow`` has an arrow at its end."""
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'
