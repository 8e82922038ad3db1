"""Pictures of commands in a terminal: drawn from a run, and compared with the next ones.

With ``ATLASSIAN_AUTH_TEST_IMAGES`` they are drawn again.
"""

from __future__ import annotations

import html
import io
import os
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DRAWS = "ATLASSIAN_AUTH_TEST_IMAGES" in os.environ
# A phone shows so many letters in a row, and they can be read.
COLUMNS = 62

_DARK, _LIGHT = (26, 28, 30), (227, 231, 238)
_COLORS = [_DARK, (255, 143, 135), (137, 209, 133), (230, 195, 100), (143, 180, 245)]
_COLORS += [(215, 160, 240), (120, 205, 215), _LIGHT]
_THEME = TerminalTheme(_DARK, _LIGHT, _COLORS)
# Rich's own has a font that browsers would fetch from another server.
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" width="620" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, monospace; white-space: pre }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">{backgrounds}<g class="{unique_id}-matrix">
{matrix}
</g></g>
</svg>
"""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def check(name, command, output):
    """The picture shows this command, and the output but for its numbers and the ends of its lines."""
    picture = IMAGES / f"{name}.svg"
    if DRAWS:
        picture.write_text(_drawn(command, output), "utf-8")
    assert _essence(f"$ {command}{output}") == _essence(_words(picture.read_text("utf-8"))), (
        f"{picture.name} is out of date: run this test with ATLASSIAN_AUTH_TEST_IMAGES=1"
    )


def _drawn(command, output):
    options = {"force_terminal": True, "color_system": "standard", "highlight": False}
    console = Console(file=io.StringIO(), width=COLUMNS, record=True, _environ={}, **options)
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    console.print(Text.from_ansi(output))
    svg = console.export_svg(title="", theme=_THEME, code_format=_FORMAT, unique_id="terminal")
    svg = re.sub(r"<text[^>]*>\s*</text>", "", svg)
    return re.sub(r"\n\s+", "\n", svg.replace("</text>", "</text>\n"))


def _words(svg):
    return html.unescape("".join(re.findall(r"<text[^>]*>([^<]*)", svg)))


def _essence(text):
    return re.sub(r"\d+", "0", re.sub(r"[\s─]+", "", _ANSI.sub("", text)))
