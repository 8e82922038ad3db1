"""Draws the three lifetimes of a credential on one time line, with the library's own limits.

``python docs/lifetimes.py`` draws it again; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atlassian_auth import Settings
from atlassian_auth._tokens.records.lifetimes import limits_of
from docs.drawing import WIDTH, box, line, picture, text

PICTURE = Path(__file__).with_name("lifetimes.svg")

_CLOUD, _DATA_CENTER = (limits_of(kind, Settings()) for kind in ("cloud", "data_center"))
_IDLE, _WHOLE = (limit.days for limit in (_CLOUD.inactivity, _CLOUD.absolute) if limit)
_SOON = Settings().warning_period.days
_LAST = 130  # the day of the last refresh, in the example
_LEFT, _RIGHT, _BAR = 18, WIDTH - 18, 16
_ACCESS, _REFRESH, _CONSENT, _AXIS, _KEY, _HEIGHT = 66, 138, 244, 326, 350, 424


def _x(day: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * day / _WHOLE, 1)


def _axis() -> Iterator[str]:
    for day in (0, *range(_IDLE, _WHOLE - _IDLE // 2, _IDLE), _WHOLE):
        yield line(_x(day), 46, _x(day), _AXIS - 16, "grid")
    yield text(_LEFT, _AXIS, "the day of the consent", "small left")
    yield text(_x(2 * _IDLE), _AXIS, f"day {2 * _IDLE}", "small")
    yield text(_x(3 * _IDLE), _AXIS, f"day {3 * _IDLE}", "small")
    yield text(_RIGHT, _AXIS, f"day {_WHOLE}", "small right")


def _lane(y: float, title: str, field: str) -> Iterator[str]:
    yield text(_LEFT, y, title, "title left free")
    yield text(_LEFT, y + 17, field, "small left free")


def _period(y: float, first: float, last: float, kind: str = "box") -> str:
    return box(_x(first), y, _x(last) - _x(first), _BAR, kind)


def _lanes() -> Iterator[str]:
    yield from _lane(
        _ACCESS, "Access token: 1 hour", "access_expires_at: each refresh brings a new one"
    )
    for day in range(0, _LAST, 2):
        yield line(_x(day), _ACCESS + 26, _x(day), _ACCESS + 26 + _BAR, "blue")
    yield from _lane(
        _REFRESH,
        f"Refresh token: {_IDLE} days without a refresh",
        "inactive_by: each refresh moves it",
    )
    for number, day in enumerate((0, _LAST // 2, _LAST)):
        yield _period(_REFRESH + 26 + number * (_BAR + 3), day, day + _IDLE)
    yield _period(_REFRESH + 26 + 2 * (_BAR + 3), _LAST + _IDLE - _SOON, _LAST + _IDLE, "soon")
    end = _REFRESH + 26 + 2 * (_BAR + 3) + 12
    yield text(_x(_LAST + _IDLE) + 6, end, f"ends on day {_LAST + _IDLE}", "left free")
    yield from _lane(
        _CONSENT, f"Consent: {_WHOLE} days", "consent_expires_at: only a new consent moves it"
    )
    yield _period(_CONSENT + 26, 0, _WHOLE)
    yield _period(_CONSENT + 26, _WHOLE - _SOON, _WHOLE, "soon")


def _key() -> Iterator[str]:
    yield text(_LEFT, 28, f"Cloud. In this example nothing refreshes after day {_LAST}.", "left")
    yield box(_LEFT, _KEY - 11, 14, 14, "soon")
    yield text(_LEFT + 22, _KEY, f"the last {_SOON} days, with the event ConsentEndsSoon", "left")
    yield line(_LEFT, _KEY + 16, _RIGHT, _KEY + 16, "grid")
    days = _DATA_CENTER.inactivity.days if _DATA_CENTER.inactivity else 0
    yield text(
        _LEFT, _KEY + 38, f"Data Center: the first two, 1 hour and {days} days unless an", "left"
    )
    yield text(_LEFT, _KEY + 55, "administrator has changed them. No third is known.", "left")


def draw() -> str:
    """Return the time line as SVG."""
    return picture(_HEIGHT, [*_axis(), *_lanes(), *_key()])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
