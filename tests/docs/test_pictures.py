"""The pictures: as their sources say, described in words, and readable on phones, in light and dark."""

from __future__ import annotations

import os
import re
import shutil
from itertools import combinations
from pathlib import Path

import pytest

from docs import lifetimes, sequences

DOCS = Path(__file__).parents[2] / "docs"
SOURCES = [file for file in sorted(DOCS.rglob("*")) if "/_" not in file.as_posix()]
DRAWINGS = [file for file in SOURCES if file.suffix == ".svg"]
PICTURES = [*DRAWINGS, *(file for file in SOURCES if file.suffix == ".png")]
SHOWN = [
    (description, os.path.relpath(page.parent / file, DOCS))
    for page in SOURCES
    if page.suffix == ".md"
    for description, file in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text("utf-8"))
]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# The column of text on a phone: 390 px less the margins of furo. Smaller letters than these are not read.
COLUMN, SMALLEST = 358, 9
LOWEST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
# Of each text: its letters' height and colour, its edges, and the colour of the shape under its middle.
MEASURE = """() => [...document.querySelectorAll("svg text")].map(text => {
  const {left, top, right, bottom} = text.getBoundingClientRect();
  const style = getComputedStyle(text);
  const under = document.elementsFromPoint((left + right) / 2, (top + bottom) / 2);
  const shape = under.find(one => one.matches("rect") && getComputedStyle(one).fill != "none");
  return {words: text.textContent, edges: [left, top, right, bottom], color: style.fill,
    height: parseFloat(style.fontSize) * text.getScreenCTM().a, under: getComputedStyle(shape).fill};
})"""


@pytest.mark.parametrize("source", sequences.SOURCES, ids=lambda source: source.stem)
def test_sequences_are_drawn_from_their_source(source):
    """Each sequence diagram is what its source says."""
    drawn = source.with_suffix(".svg").read_text("utf-8")

    assert drawn == sequences.draw(source.read_text("utf-8")), "run: python docs/sequences.py"


def test_what_cannot_be_drawn_is_refused():
    """A line that the script does not know is not left out silently."""
    with pytest.raises(ValueError, match=r"^This script cannot draw 'loop Every hour'\.$"):
        sequences.draw("sequenceDiagram\nloop Every hour")


def test_the_lifetimes_are_the_library_s():
    """The time line shows the limits with which the library counts."""
    drawn = lifetimes.PICTURE.read_text("utf-8")

    assert drawn == lifetimes.draw(), "run: python docs/lifetimes.py"


def test_each_picture_is_shown_and_described():
    """Each picture is on a page, and says in words of at least one sentence what it shows."""
    assert {file for _, file in SHOWN} == {str(one.relative_to(DOCS)) for one in PICTURES}
    assert [description for description, _ in SHOWN if len(description.split()) < 6] == []


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.stem)
def test_a_drawing_loads_nothing(drawing):
    """A drawing has no script, and fetches no font, style or image."""
    text = drawing.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")

    assert re.findall(r"<script|<image|<use|@import|@font-face|href|url\((?!#)", text) == []


@pytest.fixture(scope="module")
def page():
    """A page of a browser, as wide as a phone and so high that no drawing is cut."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser.new_page(viewport={"width": 390, "height": 2000})
        browser.close()


def luminance(color):
    """Return the relative luminance of ``rgb(r, g, b)``, as WCAG defines it."""
    shares = [int(value) / 255 for value in re.findall(r"\d+", color)[:3]]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(color, under):
    dark, light = sorted([luminance(color), luminance(under)])
    return (light + 0.05) / (dark + 0.05)


def overlap(one, other):
    """Return whether two boxes have more than a pixel in common, in both directions."""
    return all(
        min(one[side + 2], other[side + 2]) - max(one[side], other[side]) > 1 for side in (0, 1)
    )


@pytest.mark.campaign
@pytest.mark.programs
@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.stem)
def test_a_drawing_can_be_read_on_a_phone(page, drawing):
    """In light and dark, no text is too small, too pale, cut off, or written over another one."""
    svg = drawing.read_text("utf-8").replace("<svg ", '<svg style="max-width: 100%; height: auto" ')
    page.set_content(f'<body style="margin: 0 16px">{svg}')
    colors = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        texts = page.evaluate(MEASURE)
        colors.add(texts[0]["under"])
        assert [text for text in texts if text["height"] < SMALLEST] == []
        assert [t for t in texts if contrast(t["color"], t["under"]) < LOWEST_CONTRAST] == []
        assert [t for t in texts if t["edges"][0] < 16 or t["edges"][2] > 16 + COLUMN] == []
        both = combinations(texts, 2)
        assert [(a, b) for a, b in both if overlap(a["edges"], b["edges"])] == []
    assert len(colors) == (1 if drawing.parent.name == "images" else 2)  # a terminal is always dark
