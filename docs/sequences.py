"""Draws the sequence diagrams of ``docs/sequences``, which are written in a part of Mermaid's language.

``python docs/sequences.py`` draws them again; a test compares. Mermaid itself would draw them too wide for a
phone, in the colours of one scheme, and with a browser on each contributor's computer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from docs.drawing import LINE, WIDTH, box, folded, line, lines, picture

SOURCES = sorted(Path(__file__).with_name("sequences").glob("*.mmd"))

_PARTICIPANT = re.compile(r"participant (\w+) as (.+)")
_MESSAGE = re.compile(r"(\w+)(--?)>>(\w+): (.+)")
_NOTE = re.compile(r"Note over (\w+)(?:,(\w+))?: (.+)")
_HEAD = 46
_NARROWEST = 172  # what words may take, if their place is narrower


@dataclass
class _Diagram:
    """A diagram that is being drawn from its top to its bottom.

    Args:
        names: The participants, in the order of their lanes.
        parts: What is drawn.
        y: Where the next step begins.
    """

    names: dict[str, str] = field(default_factory=dict[str, str])
    parts: list[str] = field(default_factory=list[str])
    y: float = _HEAD + 22

    def lane(self, name: str) -> float:
        """Return the middle of a participant's lane."""
        return self.width * ([*self.names].index(name) + 0.5)

    @property
    def width(self) -> float:
        """The width of a lane."""
        return WIDTH / len(self.names)

    def add(self, step: str) -> None:
        """Draw a line of the source."""
        if found := _PARTICIPANT.fullmatch(step):
            self.names[found[1]] = found[2]
        elif found := _MESSAGE.fullmatch(step):
            self._add_message(found[1], found[3], found[4], "dashed" if found[2] == "--" else "")
        elif found := _NOTE.fullmatch(step):
            self._add_note(found[1], found[2] or found[1], found[3])
        elif step not in {"", "sequenceDiagram"}:
            raise ValueError(f"This script cannot draw {step!r}.")

    def _add_message(self, sender: str, receiver: str, words: str, kind: str) -> None:
        start, end = self.lane(sender), self.lane(receiver)
        middle, told = self._place(start, end, words)
        self.parts += lines(middle, self.y + 6, told, "free")
        self.y += LINE * len(told)
        self.parts.append(line(start, self.y, end, self.y, f"line arrow {kind}".rstrip()))
        self.y += 14

    def _add_note(self, first: str, last: str, words: str) -> None:
        start, end = self.lane(first) - self.width / 2, self.lane(last) + self.width / 2
        middle, told = self._place(start, end, words)
        width, height = max(end - start, _NARROWEST) - 8, LINE * len(told) + 8
        self.parts.append(box(middle - width / 2, self.y - 6, width, height, "note"))
        self.parts += lines(middle, self.y + 10, told)
        self.y += height + 10

    @staticmethod
    def _place(start: float, end: float, words: str) -> tuple[float, list[str]]:
        """Return the middle between two places, or the next one with room for words, and the lines."""
        width = max(abs(end - start), _NARROWEST)
        middle = min(max((start + end) / 2, width / 2), WIDTH - width / 2)
        return middle, folded(words, width - 14)

    def drawn(self) -> Iterator[str]:
        """Yield what is drawn: the lanes first, which lie behind all other parts."""
        for name, title in self.names.items():
            middle, told = self.lane(name), folded(title, self.width)
            yield line(middle, _HEAD, middle, self.y - 4, "grid")
            yield box(middle - self.width / 2 + 4, 8, self.width - 8, _HEAD - 8)
            yield from lines(middle, 31 - LINE / 2 * (len(told) - 1), told, "small")
        yield from self.parts


def draw(source: str) -> str:
    """Return the diagram as SVG.

    Raises:
        ValueError: if a line is not of the part of the language that this script knows.
    """
    diagram = _Diagram()
    for step in source.splitlines():
        diagram.add(step.strip())
    return picture(diagram.y + 4, diagram.drawn())


if __name__ == "__main__":
    for path in SOURCES:
        path.with_suffix(".svg").write_text(draw(path.read_text("utf-8")), encoding="utf-8")
