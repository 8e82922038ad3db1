"""What the service notes while it works: the display shows it, the verdict compares it.

It is the service's view. What really happened, the emulator's journal knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from atlassian_auth._demo.credentials import CLOUD, DATA_CENTER
from atlassian_auth.events import Event, RefreshStarted, RefreshSucceeded, TokenAdopted
from atlassian_auth.testing import AuditEvent

__all__ = [
    "LOST_ANSWER",
    "RESTART",
    "REVOKED",
    "TROUBLES",
    "UNAVAILABLE",
    "Entry",
    "Logbook",
    "Stage",
    "Trouble",
]


class Stage(Enum):
    """How far a trouble has come."""

    AHEAD = "to come"
    NOW = "now"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong on purpose.

    Args:
        title: What happens.
        cure: What the library makes of it.
        due: When, as a part of the run.
    """

    title: str
    cure: str
    due: float


REVOKED = Trouble("Access token revoked (Cloud)", "refreshed, requests sent again", 0.15)
UNAVAILABLE = Trouble("Token endpoint 503 (Data Center)", "asked again after a pause", 0.3)
LOST_ANSWER = Trouble("Answer with new token lost (Cloud)", "asked again within leeway", 0.45)
RESTART = Trouble("Service cut off and restarted", "went on from SQLite", 0.7)
TROUBLES = (REVOKED, UNAVAILABLE, LOST_ANSWER, RESTART)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event that was collected from an audit log."""

    id: str
    created: datetime


def _audit_logs() -> dict[str, list[Entry]]:
    return {credential.key: [] for credential in (CLOUD, DATA_CENTER)}


@dataclass(slots=True)
class Logbook:
    """Everything is kept per credential's key, where it belongs to one.

    Args:
        seconds: How long the run is to take.
        began_at: POSIX time.
        requests: How many were begun.
        answered: How many were answered as hoped.
        failures: What callers were told instead.
        events: What the managers reported.
        asked: When the service set out to get a token, in POSIX time.
        generated: What happened at Atlassian.
        collected: What was collected, in the order of arrival.
        builds: The numbers of the builds that were accepted.
        troubles: How far each has come.
    """

    seconds: float
    began_at: float
    requests: Counter[str] = field(default_factory=Counter[str])
    answered: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])
    events: list[Event] = field(default_factory=list[Event])
    asked: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    generated: list[AuditEvent] = field(default_factory=list[AuditEvent])
    collected: dict[str, list[Entry]] = field(default_factory=_audit_logs)
    builds: list[int] = field(default_factory=list[int])
    troubles: dict[Trouble, Stage] = field(
        default_factory=lambda: dict.fromkeys(TROUBLES, Stage.AHEAD)
    )

    def note(self, event: Event) -> None:
        """Take an event of a manager; called on the runner's thread."""
        self.events.append(event)
        if isinstance(event, RefreshStarted):
            self.sets_out(event.key, event.at.timestamp())

    def sets_out(self, key: str, at: float) -> None:
        """Take note that a token is about to be asked for."""
        self.asked.setdefault(key, []).append(at)

    @property
    def refreshes(self) -> Mapping[str, int]:
        """How often each token was refreshed."""
        return Counter(event.key for event in self.events if isinstance(event, RefreshSucceeded))

    @property
    def expiry(self) -> Mapping[str, float]:
        """When the token of each credential ends, in POSIX time, as far as events tell."""
        return {
            event.key: event.expires_at.timestamp()
            for event in self.events
            if isinstance(event, RefreshSucceeded | TokenAdopted)
        }
