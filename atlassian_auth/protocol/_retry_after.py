"""Read the ``Retry-After`` header (RFC 9110 section 10.2.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after_seconds"]

# Atlassian's quotas end with the hour (rate limiting page, 2026-08). A server or a proxy that asks for a
# longer pause is wrong, and must not stop a credential for longer.
_LONGEST_SECONDS = 3600.0

_INTEGER = re.compile(r"[+-]?[0-9]+")


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how many seconds the server asks to wait, or None if it does not say.

    Args:
        headers: Names in lower case. ``retry-after`` is whole seconds or a date. A negative number or a past
            date becomes 0, more than an hour becomes an hour, anything else None.
        now: Aware UTC. A date is compared with the ``date`` header, because our clock and the server's may
            differ; ``now`` is used only if there is no such header.
    """
    value = headers.get("retry-after", "").strip()
    if _INTEGER.fullmatch(value):
        return _clamp(float(value))
    until = _read_date(value)
    if until is None:
        return None
    since = _read_date(headers.get("date", "")) or now
    return _clamp((until - since).total_seconds())


def _clamp(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_SECONDS)


def _read_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # Python returns a naive date for "-0000", which is UTC (RFC 5322 section 3.3).
    return date if date.tzinfo else date.replace(tzinfo=UTC)
