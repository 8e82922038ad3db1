"""The audit log that Jira, Confluence and Data Center return, each in its own format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["AuditEvent", "AuditLog", "milliseconds_of", "moment_of"]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One entry; ``created_ms`` is POSIX time in milliseconds, Atlassian's resolution."""

    id: int
    created_ms: int
    summary: str
    category: str


class AuditLog:
    """Entries with increasing ids. The id gives the order of arrival, ``created_ms`` the time."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._events: list[AuditEvent] = []

    def add(
        self, summary: str, *, category: str = "user management", at: datetime | None = None
    ) -> AuditEvent:
        """Append one event that happened now, or at ``at``."""
        when = self._time() if at is None else at.timestamp()
        event = AuditEvent(len(self._events) + 1, round(when * 1000), summary, category)
        self._events.append(event)
        return event

    def between(
        self, start_ms: int | None, end_ms: int | None, words: str = ""
    ) -> list[AuditEvent]:
        """Return the events from ``start_ms`` to ``end_ms``, both included, newest first."""
        low = float("-inf") if start_ms is None else start_ms
        high = float("inf") if end_ms is None else end_ms
        hits = [e for e in self._events if low <= e.created_ms <= high and _mentions(e, words)]
        return sorted(hits, key=lambda event: (event.created_ms, event.id), reverse=True)


def _mentions(event: AuditEvent, words: str) -> bool:
    text = f"{event.summary} {event.category}".lower()
    return all(word in text for word in words.lower().split())


def milliseconds_of(text: str) -> int:
    """Return an ISO 8601 moment as POSIX milliseconds; without an offset it is UTC.

    Raises:
        ValueError: if the text is not ISO 8601.
    """
    when = datetime.fromisoformat(text)
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def moment_of(milliseconds: int) -> datetime:
    """Return POSIX milliseconds as a datetime in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
