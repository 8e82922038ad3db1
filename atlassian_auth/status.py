"""The status of a credential, without its secrets, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from atlassian_auth._records.lifetimes import Lifetimes
from atlassian_auth._records.records import TokenRecord, TokenStatus
from atlassian_auth.settings import Settings

__all__ = ["CredentialState", "CredentialStatus"]


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
    def of(cls, key: str, record: TokenRecord, *, now: datetime, settings: Settings) -> Self:
        """Return the status of a stored record."""
        lifetimes = Lifetimes.of(record, settings)
        state, reason = _judge(record, lifetimes, now)
        return cls(
            key=key,
            state=state,
            reason=reason,
            refresh_status=record.status,
            refresh_status_since=record.status_since,
            scopes=record.token.scopes if record.token else (),
            access_expires_at=lifetimes.access_expires_at,
            inactive_by=lifetimes.inactive_by if record.token else None,
            consent_expires_at=lifetimes.consent_expires_at,
            authorized_at=record.authorized_at,
            last_refreshed_at=record.last_refreshed_at,
            refresh_count=record.refresh_count,
            refreshable=record.refresh_token is not None
            and state is not CredentialState.REAUTHORIZE,
        )

    @classmethod
    def without_record(cls, key: str, *, pending_until: datetime | None = None) -> Self:
        """Return the status of a key without a stored credential; a login may be in progress.

        Args:
            key: Which credential.
            pending_until: Until when the login may be completed; None if there is none.
        """
        if pending_until is None:
            reason = "Nothing is stored: authorize it, or add a refresh token."
            return cls(key=key, state=CredentialState.NEW, reason=reason)
        reason = f"A login was started and may be completed until {_date(pending_until)}."
        return cls(key=key, state=CredentialState.PENDING, reason=reason)


def _judge(
    record: TokenRecord, lifetimes: Lifetimes, now: datetime
) -> tuple[CredentialState, str | None]:
    if record.refused:
        return CredentialState.REAUTHORIZE, record.failure
    passed = lifetimes.passed(now)
    if passed is not None:
        return CredentialState.REAUTHORIZE, _why_ended(record, passed)
    if record.status in {TokenStatus.RECOVERABLE, TokenStatus.UNRECOVERABLE}:
        return CredentialState.DEGRADED, _why_degraded(record)
    if record.token is None:
        reason = "A refresh token was added; it has not been used yet."
        return CredentialState.PENDING, reason
    return CredentialState.READY, None


def _why_degraded(record: TokenRecord) -> str:
    since = _date(record.failing_since or record.status_since)
    return (
        f"Refreshes have failed since {since} and are still tried. {record.failure or ''}".rstrip()
    )


def _why_ended(record: TokenRecord, passed: datetime) -> str:
    if record.refresh_token is None:
        return f"The access token expired at {_date(passed)}, and no refresh token came with it."
    return f"The consent has most likely ended at {_date(passed)}; a refresh is still tried when it is due."


def _date(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
