"""When to ask again, as the ``Retry-After`` header has it (RFC 9110 section 10.2.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after_seconds"]

# Atlassian's quotas end with the hour (rate limiting page, 2026-08): a server or a proxy that asks for more
# is mistaken, and must not silence a credential for longer.
_LONGEST_SECONDS = 3600.0

_INTEGER = re.compile(r"[+-]?[0-9]+")


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return after how many seconds the server wants to be asked again, or None if it does not say.

    Args:
        headers: Names in lower case. ``retry-after`` is whole seconds or a date; a negative number
            or a past date is 0, more than an hour is an hour, anything else says nothing.
        now: Aware UTC. Only used where there is no ``date`` header to compare a date with: our
            clock and the server's may differ.
    """
    value = headers.get("retry-after", "").strip()
    if _INTEGER.fullmatch(value):
        return _bounded(float(value))
    until = _date(value)
    if until is None:
        return None
    since = _date(headers.get("date", "")) or now
    return _bounded((until - since).total_seconds())


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_SECONDS)


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # "-0000" is UTC of an unknown origin to e-mail, and comes out naive.
    return date if date.tzinfo else date.replace(tzinfo=UTC)
