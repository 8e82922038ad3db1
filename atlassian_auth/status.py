"""The status of a credential, without its secrets, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

__all__ = ["CredentialState", "CredentialStatus", "TokenStatus"]


class CredentialState(StrEnum):
    """Whether a credential works, and if not, what an operator has to do."""

    NEW = "new"
    """Nothing is stored: authorize it, or add a refresh token."""
    PENDING = "pending"
    """Not usable yet: a login is in progress, or an added refresh token has not been used yet."""
    READY = "ready"
    """It works and is refreshed when it is due; nothing to do."""
    DEGRADED = "degraded"
    """The last refresh failed; the next may succeed. Calls work until the access token expires."""
    REAUTHORIZE = "reauthorize"
    """The consent is lost, or has most likely ended: a person has to authorize again."""


class TokenStatus(StrEnum):
    """How the last refresh ended; the same states as in Atlassian's own OAuth client plugin."""

    UNKNOWN = "unknown"
    """No refresh was made yet."""
    VALID = "valid"
    """The last refresh succeeded."""
    RECOVERABLE = "recoverable"
    """The last refresh failed; the next may succeed."""
    UNRECOVERABLE = "unrecoverable"
    """A person has to act: the server refused the refresh token, or refreshes have failed for days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialStatus:
    """The status of one credential; holds no secret, so it may be logged and shown. Times are aware.

    Args:
        key: Which credential.
        state: Whether it works.
        reason: Why it is not READY; None if it is.
        refresh_status: How its last refresh ended.
        refresh_status_since: When ``refresh_status`` last changed: for a failing credential, since when it
            fails. None if nothing is stored.
        scopes: The granted scopes.
        access_expires_at: When the access token expires; None if none was issued yet.
        inactive_by: When the consent ends unless the token is refreshed before; each refresh moves it. None
            if that is not known, as for a refresh token that was added and not used yet.
        consent_expires_at: When the consent ends in any case: then a person has to authorize again. Refreshes
            do not move it. None if that is not known, as without ``authorized_at``. Without a refresh token
            it is the expiry of the access token.
        authorized_at: When a person consented; None without a consent (client credentials), or if a refresh
            token was added without this date.
        last_refreshed_at: When the last refresh succeeded; None if none has.
        refresh_count: The number of refreshes that succeeded.
        refreshable: Whether there is a refresh token, and no person has to authorize again.
    """

    key: str
    state: CredentialState
    reason: str | None
    refresh_status: TokenStatus = TokenStatus.UNKNOWN
    refresh_status_since: datetime | None = None
    scopes: tuple[str, ...] = ()
    access_expires_at: datetime | None = None
    inactive_by: datetime | None = None
    consent_expires_at: datetime | None = None
    authorized_at: datetime | None = None
    last_refreshed_at: datetime | None = None
    refresh_count: int = 0
    refreshable: bool = False

    @classmethod
    def without_record(cls, key: str) -> Self:
        """Return the status of a key for which nothing is stored."""
        reason = "Nothing is stored: authorize it, or add a refresh token."
        return cls(key=key, state=CredentialState.NEW, reason=reason)
