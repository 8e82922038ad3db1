"""Collects an audit log by polling overlapping windows, without duplicates.

Atlassian's logs are newest first, and an event may appear later than its time. So each poll also reads some
time before the newest known event, and ignores known events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from atlassian_auth._cli.demo.caller import DemoCaller
from atlassian_auth._cli.demo.logbook import LogEntry
from atlassian_auth.testing import AuditEvent

__all__ = ["CLOUD_LOG", "DATA_CENTER_LOG", "AuditLogView", "Collector"]

_OVERLAP = timedelta(seconds=2)

# One page contains a whole window: the demonstration creates far fewer events in a few seconds.
_LIMIT = "1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLogView:
    """The format of one product's audit log.

    Args:
        path: Below the base URL.
        items: The member of a page that has the events.
        entry: Parses one event.
        identify: Returns the id that `entry` finds for an event of the emulator.
    """

    path: str
    items: str
    entry: Callable[[dict[str, Any]], LogEntry]
    identify: Callable[[AuditEvent], str]


CLOUD_LOG = AuditLogView(
    path="rest/api/3/auditing/record",
    items="records",
    entry=lambda record: LogEntry(str(record["id"]), datetime.fromisoformat(record["created"])),
    identify=lambda event: str(event.id),
)
# Data Center has no ids. Here the action identifies an event, because it contains a number.
DATA_CENTER_LOG = AuditLogView(
    path="rest/auditing/1.0/events",
    items="entities",
    entry=lambda entity: LogEntry(
        entity["type"]["action"], datetime.fromisoformat(entity["timestamp"])
    ),
    identify=lambda event: event.summary,
)


class Collector:
    """Polls one audit log.

    Args:
        caller: Sends the requests.
        view: The format of the log.
        collected: The collected events, also from before a restart; `poll` appends to it.
    """

    def __init__(self, caller: DemoCaller, view: AuditLogView, collected: list[LogEntry]) -> None:
        self._caller = caller
        self._view = view
        self._collection = collected
        self._known = {entry.id for entry in collected}
        self._newest = max((entry.created for entry in collected), default=None)

    async def poll(self) -> None:
        """Collect new events."""
        page = await self._caller.get(self._view.path, {"limit": _LIMIT, **self._since()})
        if page is None:
            return
        for item in reversed(page[self._view.items]):
            self._take(self._view.entry(item))

    def _since(self) -> dict[str, str]:
        if self._newest is None:
            return {}
        return {"from": (self._newest - _OVERLAP).isoformat(timespec="milliseconds")}

    def _take(self, entry: LogEntry) -> None:
        if entry.id not in self._known:
            self._known.add(entry.id)
            self._collection.append(entry)
            self._newest = max(entry.created, self._newest or entry.created)
