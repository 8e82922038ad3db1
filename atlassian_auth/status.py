"""How a credential is doing, without its secrets, and what is to be done about it."""

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
    """What a credential is good for, as the person who operates it needs to know."""

    NEW = "new"
    """Nothing is stored: authorize it, or add a refresh token."""
    PENDING = "pending"
    """It has begun and is not proven: somebody is at the consent page, or a refresh token was added that
    was not used yet."""
    READY = "ready"
    """It refreshes itself."""
    DEGRADED = "degraded"
    """The last refresh failed; the next may succeed. Calls work as long as the access token lives."""
    REAUTHORIZE = "reauthorize"
    """Somebody has to authorize it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialStatus:
    """How one credential is doing; holds no secret, so it may be logged and shown.

    Args:
        key: Which credential.
        state: What it is good for.
        reason: Why it is not READY; None if it is.
        refresh_status: How its last refresh ended.
        refresh_status_since: When that last changed: for a failing credential, since when it fails. None
            if nothing is stored.
        scopes: What was granted.
        access_expires_at: When the access token ends and is refreshed; None if none was issued yet.
        inactive_by: When the grant ends unless it is refreshed before; see `Lifetimes`. None if that is not
            known: of a refresh token that was added and not used yet.
        consent_expires_at: When the grant ends whatever is done; see `Lifetimes`. None if that is not known:
            where ``authorized_at`` is None, say.
        authorized_at: When somebody consented; None if nobody did, or if a refresh token was added without
            this date.
        last_refreshed_at: When the last refresh succeeded; None if none has.
        refresh_count: How many have.
        refreshable: Whether there is a refresh token, and no person has to consent again.
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
        state, reason = _judged(record, lifetimes, now)
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
        """Return the status of a key for which nothing is stored but, perhaps, a login under way.

        Args:
            key: Which credential.
            pending_until: When that login is no longer answered; None if there is none.
        """
        if pending_until is None:
            reason = "Nothing is stored: authorize it, or add a refresh token."
            return cls(key=key, state=CredentialState.NEW, reason=reason)
        reason = f"A login was started and may come back until {_date(pending_until)}."
        return cls(key=key, state=CredentialState.PENDING, reason=reason)


def _judged(
    record: TokenRecord, lifetimes: Lifetimes, now: datetime
) -> tuple[CredentialState, str | None]:
    if record.refused:
        return CredentialState.REAUTHORIZE, record.failure
    passed = lifetimes.passed(now)
    if passed is not None:
        return CredentialState.REAUTHORIZE, _ended(record, passed)
    if record.status in {TokenStatus.RECOVERABLE, TokenStatus.UNRECOVERABLE}:
        return CredentialState.DEGRADED, _failing(record)
    if record.token is None:
        reason = "A refresh token was added; it has not been used yet."
        return CredentialState.PENDING, reason
    return CredentialState.READY, None


def _failing(record: TokenRecord) -> str:
    since = record.failing_since or record.status_since
    return f"Refreshes have failed since {_date(since)} and are tried on. {record.failure or ''}".rstrip()


def _ended(record: TokenRecord, passed: datetime) -> str:
    if record.refresh_token is None:
        return f"The access token ended at {_date(passed)}, and no refresh token came with it."
    return f"The grant has most likely ended at {_date(passed)}; a refresh is tried all the same."


def _date(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
