"""The records of the service: the display shows them, and the verdict compares them.

They are the service's view. The emulator's journal has the server's view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from atlassian_auth._cli.demo.credentials import CLOUD, DATA_CENTER
from atlassian_auth.events import Event, RefreshStarted, RefreshSucceeded, TokenAdopted
from atlassian_auth.testing import AuditEvent

__all__ = [
    "LOST_ANSWER",
    "RESTART",
    "REVOKED",
    "TROUBLES",
    "UNAVAILABLE",
    "LogEntry",
    "Logbook",
    "Stage",
    "Trouble",
]


class Stage(Enum):
    """The progress of a fault."""

    AHEAD = "to come"
    NOW = "now"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Trouble:
    """An injected fault.

    Args:
        title: What happens.
        cure: What the library does.
        due: When it begins, as a fraction of the run.
    """

    title: str
    cure: str
    due: float


REVOKED = Trouble("Access token revoked (Cloud)", "refreshed, requests sent again", 0.15)
UNAVAILABLE = Trouble("Token endpoint 503 (Data Center)", "requested again after a pause", 0.3)
LOST_ANSWER = Trouble("Answer with new token lost (Cloud)", "requested again within leeway", 0.45)
RESTART = Trouble("Service stopped and restarted", "continued from SQLite", 0.7)
TROUBLES = (REVOKED, UNAVAILABLE, LOST_ANSWER, RESTART)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event that was collected from an audit log."""

    id: str
    created: datetime


def _audit_logs() -> dict[str, list[LogEntry]]:
    return {credential.key: [] for credential in (CLOUD, DATA_CENTER)}


@dataclass(slots=True)
class Logbook:
    """The records of a run; dictionaries are by the credential's key.

    Args:
        seconds: The planned length of the run.
        began_at: POSIX time.
        requests: The number of requests.
        answered: The number of successful answers.
        failures: The errors that callers got.
        events: The events of the managers.
        asked: When the service began to request a token, in POSIX time.
        generated: The audit events at Atlassian.
        collected: The collected audit events, in the order of arrival.
        builds: The numbers of the accepted builds.
        troubles: The progress of each fault.
    """

    seconds: float
    began_at: float
    requests: Counter[str] = field(default_factory=Counter[str])
    answered: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])
    events: list[Event] = field(default_factory=list[Event])
    asked: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    generated: list[AuditEvent] = field(default_factory=list[AuditEvent])
    collected: dict[str, list[LogEntry]] = field(default_factory=_audit_logs)
    builds: list[int] = field(default_factory=list[int])
    troubles: dict[Trouble, Stage] = field(
        default_factory=lambda: dict.fromkeys(TROUBLES, Stage.AHEAD)
    )

    def note(self, event: Event) -> None:
        """Record an event of a manager; called on the runner's thread."""
        self.events.append(event)
        if isinstance(event, RefreshStarted):
            self.note_request(event.key, event.at.timestamp())

    def note_request(self, key: str, at: float) -> None:
        """Record that a token is about to be requested."""
        self.asked.setdefault(key, []).append(at)

    @property
    def refreshes(self) -> Mapping[str, int]:
        """The number of refreshes by key."""
        return Counter(event.key for event in self.events if isinstance(event, RefreshSucceeded))

    @property
    def expiry(self) -> Mapping[str, float]:
        """The expiry of each credential's token in POSIX time, as known from events."""
        return {
            event.key: event.expires_at.timestamp()
            for event in self.events
            if isinstance(event, RefreshSucceeded | TokenAdopted)
        }
