"""A curve of load over time, as SVG: how far each minute is from the mean, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from docs.drawing import WIDTH, line, picture, text

LEFT, TOP, BOTTOM = 58, 68, 288
RIGHT = WIDTH - 16
FLOOR, CEILING = 0.1, 100.0


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Args:
        name: Written in its color.
        color: ``blue`` or ``red``, of which there is a light and a dark one.
        values: One for each minute, in means.
    """

    name: str
    color: str
    values: Sequence[float]


def drawn(lines: Sequence[Line]) -> str:
    """Return the picture."""
    minutes = len(lines[0].values)
    title = text(WIDTH / 2, 24, "token requests in each minute, beside the mean", "title")
    return picture(BOTTOM + 32, [title, *_levels(), *_hours(minutes), *_curves(lines)])


def _levels() -> Iterator[str]:
    for level, name in ((0.1, "0.1 ×"), (1.0, "1 ×"), (10.0, "10 ×"), (100.0, "100 ×")):
        y = _y(level)
        yield line(LEFT, y, RIGHT, y, "grid")
        yield text(LEFT - 6, y + 4, name, "small right")


def _hours(minutes: int) -> Iterator[str]:
    for hour in range(minutes // 60 + 1):
        unit = " h" if hour * 60 == minutes else ""
        yield text(_x(hour * 60, minutes), BOTTOM + 18, f"{hour}{unit}", "small")


def _curves(lines: Sequence[Line]) -> Iterator[str]:
    for number, curve in enumerate(lines):
        minutes = len(curve.values)
        points = " ".join(f"{_x(n, minutes)},{_y(value)}" for n, value in enumerate(curve.values))
        yield f'<polyline points="{points}" class="{curve.color}"/>'
        x = LEFT + (RIGHT - LEFT) * (2 * number + 1) / (2 * len(lines))
        yield text(x, 48, curve.name, curve.color)


def _x(minute: int, minutes: int) -> float:
    return round(LEFT + (RIGHT - LEFT) * minute / minutes, 1)


def _y(value: float) -> float:
    inside = min(max(value, FLOOR), CEILING)
    share = math.log(inside / FLOOR) / math.log(CEILING / FLOOR)
    return round(TOP + (BOTTOM - TOP) * (1 - share), 1)
