"""What a token manager reports: frozen values with a key, a time and a reason, never a secret.

Callbacks get them on the runner's thread, after the outcome is published: they must be quick and
thread-safe. One that waits, for another thread say, holds up every credential of the process. An exception in
one is logged and goes no further.

``str(event)`` is a sentence for people. The logger ``atlassian_auth`` gets it, with the event's fields in
``extra``, and the name of its class as ``event`` there. Events that a person has to act on are warnings, the
others are for debugging.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = [
    "AuthorizationNeeded",
    "ConsentEndsSoon",
    "Degraded",
    "Event",
    "KeepsFailing",
    "Limit",
    "RefreshFailed",
    "RefreshStarted",
    "RefreshSucceeded",
    "RotationUnsaved",
    "TokenAdopted",
]

Limit = Literal["inactivity", "absolute"]
"""What a grant ends of: nobody uses it, or its time is over whatever is done with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened to one credential.

    Args:
        key: Which credential.
        at: When, in UTC.
    """

    key: str
    at: datetime

    def __str__(self) -> str:
        return f"Key {self.key!r}: {self._sentence()}"

    def _sentence(self) -> str:
        return "something happened."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshStarted(Event):
    """The token endpoint is about to be asked."""

    def _sentence(self) -> str:
        return "a refresh begins."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSucceeded(Event):
    """A new token was issued and saved.

    Args:
        duration_seconds: From the first request to the end of the save.
        refresh_count: How often this credential was refreshed, in all.
        expires_at: When the new access token expires.
    """

    duration_seconds: float
    refresh_count: int
    expires_at: datetime

    def _sentence(self) -> str:
        return (
            f"refreshed in {self.duration_seconds:.1f} s; the access token expires at "
            f"{_moment(self.expires_at)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFailed(Event):
    """A refresh failed; see ``code``.

    Args:
        duration_seconds: From its start to its end.
        code: The error's ``code``, such as ``"transient"``.
        reason: The error's message.
        retry_at: Before this time nobody asks again; None if the next call may.
    """

    duration_seconds: float
    code: str
    reason: str
    retry_at: datetime | None

    def _sentence(self) -> str:
        later = f" No attempt is made before {_moment(self.retry_at)}." if self.retry_at else ""
        return f"a refresh failed after {self.duration_seconds:.1f} s ({self.code}): {self.reason}{later}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAdopted(Event):
    """Another process had refreshed the token; it was taken from the store without a request.

    Args:
        expires_at: When the adopted access token expires.
    """

    expires_at: datetime

    def _sentence(self) -> str:
        return (
            "another process has refreshed the token; the access token expires at "
            f"{_moment(self.expires_at)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded(Event):
    """A refresh was due and failed; a token that is still valid was handed out instead.

    Args:
        reason: The error's message.
        expires_at: Until when that can go on.
    """

    reason: str
    expires_at: datetime

    def _sentence(self) -> str:
        return (
            "a refresh was due and failed; the present access token is used until "
            f"{_moment(self.expires_at)}: {self.reason}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationUnsaved(Event):
    """The server rotated the refresh token and the store refused the new one; it is kept in memory.

    Args:
        reason: The store's error message.
    """

    reason: str

    def _sentence(self) -> str:
        return f"the new refresh token could not be saved and is only in memory: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationNeeded(Event):
    """The grant is lost: somebody has to authorize this credential again.

    Args:
        reason: The error's message.
    """

    reason: str

    def _sentence(self) -> str:
        return f"the consent is lost; a person has to authorize again: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepsFailing(Event):
    """Refreshes have failed for ``unrecoverable_token_failing_period``: a person should look. Told once.

    The refresh token was not refused. The refresh is tried again and again; one success ends it.

    Args:
        since: When they began to fail.
        reason: The last error's message.
    """

    since: datetime
    reason: str

    def _sentence(self) -> str:
        return (
            f"refreshes have failed since {_moment(self.since)}, and are tried again: {self.reason}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEndsSoon(Event):
    """A limit of the grant is near.

    Told within ``warning_period`` ahead of it, once a day: by the first refresh of a day in all processes,
    and by each process that runs ``keep_alive``.

    Args:
        limit: ``"inactivity"``, which any refresh moves, or ``"absolute"``: authorize again before then.
        ends_at: When the grant ends.
    """

    limit: Limit
    ends_at: datetime

    def _sentence(self) -> str:
        if self.limit == "inactivity":
            return f"the consent ends at {_moment(self.ends_at)}, unless the token is refreshed before then."
        return f"the consent ends at {_moment(self.ends_at)}: a person has to authorize again before then."


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
