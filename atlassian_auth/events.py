"""The events that a token manager reports: frozen values without secrets.

A callback is called in the runner's thread, after callers can get the new token or error. It must be quick
and thread-safe: while it waits, no credential of the process is refreshed. An exception in it is logged and
has no other effect.

``str(event)`` is a sentence. It is also logged by the logger ``atlassian_auth``; the record has the event's
fields in ``extra``, and there ``event`` is the name of its class. `AuthorizationNeeded`, `ConsentEndsSoon`,
`KeepsFailing` and `RotationUnsaved` need a person's attention and are logged at level WARNING, all others at
DEBUG. Times are aware datetimes in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = [
    "AuthorizationNeeded",
    "ConsentDeclined",
    "ConsentEndsSoon",
    "ConsentGiven",
    "ConsentRevoked",
    "Degraded",
    "Event",
    "KeepsFailing",
    "Limit",
    "RefreshFailed",
    "RefreshStarted",
    "RefreshSucceeded",
    "RequestRepeated",
    "RotationUnsaved",
    "TokenAdopted",
]

Limit = Literal["inactivity", "absolute"]
"""Why a consent ends: it was unused for too long (``"inactivity"``), or it reached its maximum age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events; each is about one credential.

    Args:
        key: Which credential.
        at: When it happened.
    """

    key: str
    at: datetime

    def __str__(self) -> str:
        return f"Key {self.key!r}: {self._sentence()}"

    def _sentence(self) -> str:
        return "something happened."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshStarted(Event):
    """A refresh starts: next come the store's lock and, unless another process has refreshed, a request."""

    def _sentence(self) -> str:
        return "a refresh begins."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSucceeded(Event):
    """The server issued a new token, and it was saved.

    Args:
        duration_seconds: Seconds from the first request to the end of the save.
        refresh_count: How many refreshes of this consent have succeeded, in all processes.
        expires_at: When the new access token expires.
        consent_expires_at: When the consent ends in any case; None if that is not known.
    """

    duration_seconds: float
    refresh_count: int
    expires_at: datetime
    consent_expires_at: datetime | None = None

    def _sentence(self) -> str:
        return (
            f"refreshed in {self.duration_seconds:.1f} s; the access token expires at "
            f"{_moment(self.expires_at)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFailed(Event):
    """A refresh failed; ``code`` says which kind of error it was.

    Args:
        duration_seconds: Seconds from its start to its end.
        code: The error's ``code``, such as ``"transient"``.
        reason: The error's message.
        retry_at: No new attempt is made before; None if the next call may make one.
    """

    duration_seconds: float
    code: str
    reason: str
    retry_at: datetime | None

    def _sentence(self) -> str:
        later = f" No attempt is made before {_moment(self.retry_at)}." if self.retry_at else ""
        return f"a refresh failed after {self.duration_seconds:.1f} s ({self.code}): {self.reason}{later}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRepeated(Event):
    """The answer to a token request was lost: the same refresh token is presented again.

    Cloud accepts it for ten minutes. Data Center does not if it has rotated it; then the consent is lost with
    or without the repetition.
    """

    def _sentence(self) -> str:
        return (
            "an answer of the token endpoint was lost; the same refresh token is presented again."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAdopted(Event):
    """Another process has refreshed the token; it was read from the store, without a request.

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
    """A refresh was due and failed; requests go on with the present access token, which is still valid.

    Args:
        reason: The error's message.
        expires_at: When the present access token expires; then requests fail too.
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
    """The server rotated the refresh token, and the new one could not be saved.

    It is kept in memory and saved as soon as the store works. If the process ends before, it is lost: repair
    the store and keep the process running.

    Args:
        reason: The store's error message.
    """

    reason: str

    def _sentence(self) -> str:
        return f"the new refresh token could not be saved and is only in memory: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationNeeded(Event):
    """The consent is lost: a person has to authorize this credential again. Reported once.

    Args:
        reason: The error's message.
        ended: The limit that the consent had reached, which was expected. None if it had reached none: a
            person or an administrator removed the app, a password changed, or the refresh token was lost.
    """

    reason: str
    ended: Limit | None = None

    def _sentence(self) -> str:
        return f"the consent is lost; a person has to authorize again: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepsFailing(Event):
    """Refreshes have failed for ``unrecoverable_token_failing_period``: a person should look. Reported once.

    The server has not refused the refresh token. Refreshes are still tried, and one success ends this state.

    Args:
        since: When the refreshes began to fail.
        reason: The last error's message.
    """

    since: datetime
    reason: str

    def _sentence(self) -> str:
        return (
            f"refreshes have failed since {_moment(self.since)} and are still tried: {self.reason}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEndsSoon(Event):
    """The consent ends within ``warning_period``. Reported once a day.

    It is reported by the first refresh of the day in a fleet, and by each process that runs ``keep_alive``.

    Args:
        limit: ``"inactivity"``, which any refresh moves, or ``"absolute"``: a person has to authorize again
            before ``ends_at``.
        ends_at: When the consent ends.
    """

    limit: Limit
    ends_at: datetime

    def _sentence(self) -> str:
        if self.limit == "inactivity":
            return f"the consent ends at {_moment(self.ends_at)}, unless the token is refreshed before then."
        return f"the consent ends at {_moment(self.ends_at)}: a person has to authorize again before then."


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven(Event):
    """A person has authorized this credential, and its token was saved."""

    def _sentence(self) -> str:
        return "a person has authorized it."


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDeclined(Event):
    """A person came back from the consent page without consenting; what was stored is unchanged."""

    def _sentence(self) -> str:
        return "a person declined to authorize it."


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRevoked(Event):
    """`TokenManager.revoke` has ended the credential at the server, and deleted it here."""

    def _sentence(self) -> str:
        return "it was revoked and deleted."


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
