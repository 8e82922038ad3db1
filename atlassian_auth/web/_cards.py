"""What a person reads about a connection: its state in words, and its dates with their distance from now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from atlassian_auth.connections import ClientConfig
from atlassian_auth.status import CredentialState, CredentialStatus
from atlassian_auth.web._bodies import missing_of

__all__ = ["Card", "Fact", "distance"]

_LABELS = MappingProxyType(
    {
        CredentialState.NEW: ("Not connected", ""),
        CredentialState.PENDING: ("Waiting", ""),
        CredentialState.READY: ("Ready", ""),
        CredentialState.DEGRADED: ("Refresh fails", "warn"),
        CredentialState.REAUTHORIZE: ("Connect again", "bad"),
    }
)

_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Fact:
    """A date of a connection.

    Args:
        name: What happens then.
        at: When; None if it is not known.
        distance: How far away that is, in words.
    """

    name: str
    at: datetime | None
    distance: str

    @property
    def text(self) -> str:
        """The date, for people."""
        return f"{self.at.day} {self.at:%b %Y, %H:%M} UTC" if self.at else ""


@dataclass(frozen=True, slots=True)
class Card:
    """One connection on the page.

    Args:
        config: The client configuration.
        status: The status of the caller's token.
        now: The time.
    """

    config: ClientConfig
    status: CredentialStatus
    now: datetime

    @property
    def label(self) -> str:
        """The state in words."""
        return _LABELS[self.status.state][0]

    @property
    def tone(self) -> str:
        """How serious the reason is."""
        return _LABELS[self.status.state][1]

    @property
    def reason(self) -> str | None:
        """Why it does not work, if it does not."""
        return self.status.reason if self.tone else None

    @property
    def connected(self) -> bool:
        """Whether a token is stored."""
        return self.status.refresh_status_since is not None

    @property
    def works(self) -> bool:
        """Whether there is nothing to do."""
        return self.status.state in {CredentialState.READY, CredentialState.DEGRADED}

    @property
    def missing(self) -> list[str]:
        """The scopes that were requested and not granted."""
        return missing_of(self.config, self.status)

    @property
    def facts(self) -> list[Fact]:
        """The dates that are known, and how often the token was refreshed."""
        status = self.status
        dates = [
            ("Access token ends", status.access_expires_at),
            ("Ends if it is not used", status.inactive_by),
            ("Consent ends", status.consent_expires_at),
        ]
        # Of a consent that is lost, these dates would say that it still works.
        known = [Fact(name, at, distance(at - self.now)) for name, at in dates if at and self.works]
        return [*known, self._last_refresh()]

    def _last_refresh(self) -> Fact:
        at = self.status.last_refreshed_at
        if at is None:
            return Fact("Last refresh", None, "Not refreshed yet")
        return Fact("Last refresh", at, distance(at - self.now))


def distance(away: timedelta) -> str:
    """Return a time span in words, in the largest unit of which it has at least two."""
    seconds = round(abs(away.total_seconds()))
    unit, length = next(((unit, long) for unit, long in _UNITS if seconds >= 2 * long), _UNITS[-1])
    count = seconds // length
    if not count:
        return "Now"
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{words} ago" if away < timedelta() else f"In {words}"
