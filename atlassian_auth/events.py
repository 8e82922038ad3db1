"""What a token manager reports: frozen values with a key, a time and a reason, never a secret.

Callbacks get them on the refresher's thread, after the outcome is published: they must be quick and
thread-safe. One that waits, for another thread say, holds up every credential of the process. An exception in
one is logged and goes no further.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = [
    "AuthorizationNeeded",
    "Degraded",
    "Event",
    "GrantEndsSoon",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshStarted(Event):
    """The token endpoint is about to be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSucceeded(Event):
    """A new token was issued and saved.

    Args:
        duration_seconds: From the first request to the end of the save.
        refresh_count: How often this credential was renewed, in all.
        expires_at: When the new access token expires.
    """

    duration_seconds: float
    refresh_count: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFailed(Event):
    """A renewal failed; see ``code``.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAdopted(Event):
    """Another process had renewed the token; it was taken from the store without a request.

    Args:
        expires_at: When the adopted access token expires.
    """

    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded(Event):
    """A renewal was due and failed; a token that is still valid was handed out instead.

    Args:
        reason: The error's message.
        expires_at: Until when that can go on.
    """

    reason: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationUnsaved(Event):
    """The server rotated the refresh token and the store refused the new one; it is kept in memory.

    Args:
        reason: The store's error message.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationNeeded(Event):
    """The grant is lost: somebody has to authorize this credential again.

    Args:
        reason: The error's message.
    """

    reason: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantEndsSoon(Event):
    """A limit of the grant is near.

    Told within ``warning_period`` ahead of it, once a day: by the first renewal of a day in all processes,
    and by each process that runs ``keep_alive``.

    Args:
        limit: ``"inactivity"``, which any renewal moves, or ``"absolute"``: authorize again before then.
        ends_at: When the grant ends.
    """

    limit: Limit
    ends_at: datetime
