"""Collects an audit log by polling it: windows that overlap, and no event twice.

Atlassian's logs are newest first, and an event may show up later than its time says. So each poll looks
back beyond the newest event it has, and leaves out what it knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from atlassian_auth._demo.caller import Caller
from atlassian_auth._demo.logbook import Entry
from atlassian_auth.testing import AuditEvent

__all__ = ["CLOUD_LOG", "DATA_CENTER_LOG", "AuditLogView", "Collector"]

_OVERLAP = timedelta(seconds=2)

# One page holds a whole window: far more than happens in a few seconds of the demonstration.
_LIMIT = "1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLogView:
    """How one product shows its audit log.

    Args:
        path: Below the base URL.
        items: The member of a page that holds the events.
        entry: Reads one of them.
        identify: Returns what `entry` will find as the id of an event of the emulator.
    """

    path: str
    items: str
    entry: Callable[[dict[str, Any]], Entry]
    identify: Callable[[AuditEvent], str]


CLOUD_LOG = AuditLogView(
    path="rest/api/3/auditing/record",
    items="records",
    entry=lambda record: Entry(str(record["id"]), datetime.fromisoformat(record["created"])),
    identify=lambda event: str(event.id),
)
# Data Center shows no id. Here the action tells events apart, because each has a number in it.
DATA_CENTER_LOG = AuditLogView(
    path="rest/auditing/1.0/events",
    items="entities",
    entry=lambda entity: Entry(
        entity["type"]["action"], datetime.fromisoformat(entity["timestamp"])
    ),
    identify=lambda event: event.summary,
)


class Collector:
    """Polls one audit log.

    Args:
        caller: Sends the requests.
        view: How the log is shown.
        collected: What was collected so far, by this collector or one before a restart; grows.
    """

    def __init__(self, caller: Caller, view: AuditLogView, collected: list[Entry]) -> None:
        self._caller = caller
        self._view = view
        self._collected = collected
        self._known = {entry.id for entry in collected}
        self._newest = max((entry.created for entry in collected), default=None)

    async def poll(self) -> None:
        """Fetch what is new."""
        page = await self._caller.get(self._view.path, {"limit": _LIMIT, **self._since()})
        if page is None:
            return
        for item in reversed(page[self._view.items]):
            self._take(self._view.entry(item))

    def _since(self) -> dict[str, str]:
        if self._newest is None:
            return {}
        return {"from": (self._newest - _OVERLAP).isoformat(timespec="milliseconds")}

    def _take(self, entry: Entry) -> None:
        if entry.id not in self._known:
            self._known.add(entry.id)
            self._collected.append(entry)
            self._newest = max(entry.created, self._newest or entry.created)
