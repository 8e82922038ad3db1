"""A curve of load over time, as SVG: how far each minute is from the mean, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 320, 60, 36, 44
FLOOR, CEILING = 0.1, 100.0


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Args:
        name: Written in its color.
        color: As SVG has it.
        values: One for each minute, in means.
    """

    name: str
    color: str
    values: Sequence[float]


def drawn(lines: Sequence[Line]) -> str:
    """Return the picture."""
    minutes = len(lines[0].values)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 16} '
        f'{HEIGHT + TOP + BOTTOM}" font-family="sans-serif" font-size="12" fill="#1c2b45">'
        f'<text x="{LEFT}" y="18">token requests in each minute, beside the mean</text>'
    )
    parts = [*_levels(), *_hours(minutes), *_curves(lines)]
    return "\n".join([head, *parts, "</svg>", ""])


def _levels() -> Iterator[str]:
    for level, text in ((0.1, "0.1 ×"), (1.0, "1 ×"), (10.0, "10 ×"), (100.0, "100 ×")):
        y = _y(level)
        yield f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#d5dbe5"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{text}</text>'


def _hours(minutes: int) -> Iterator[str]:
    for hour in range(minutes // 60 + 1):
        x = _x(hour * 60, minutes)
        unit = " h" if hour * 60 == minutes else ""
        y = TOP + HEIGHT + 18
        yield f'<text x="{x}" y="{y}" text-anchor="middle">{hour}{unit}</text>'


def _curves(lines: Sequence[Line]) -> Iterator[str]:
    for number, line in enumerate(lines):
        minutes = len(line.values)
        points = " ".join(f"{_x(n, minutes)},{_y(value)}" for n, value in enumerate(line.values))
        x, y = LEFT + WIDTH - 8, TOP + 14 + number * 18
        yield f'<polyline points="{points}" fill="none" stroke="{line.color}" stroke-width="1.2"/>'
        yield f'<text x="{x}" y="{y}" text-anchor="end" fill="{line.color}">{line.name}</text>'


def _x(minute: int, minutes: int) -> float:
    return round(LEFT + WIDTH * minute / minutes, 1)


def _y(value: float) -> float:
    inside = min(max(value, FLOOR), CEILING)
    share = math.log(inside / FLOOR) / math.log(CEILING / FLOOR)
    return round(TOP + HEIGHT * (1 - share), 1)
