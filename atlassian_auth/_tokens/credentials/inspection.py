"""The status of a credential, from what is stored."""

from __future__ import annotations

import logging
from datetime import datetime

from atlassian_auth._tokens.records.lifetimes import Lifetimes
from atlassian_auth._tokens.records.pending import PENDING_NAMESPACE, PendingFlow, mark_of
from atlassian_auth._tokens.records.records import STORE_ERRORS, Records, TokenRecord
from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth.ports import utc_now
from atlassian_auth.settings import Settings
from atlassian_auth.status import CredentialState, CredentialStatus, TokenStatus

__all__ = ["Inspection", "describe"]

# Anyone can start a login, so a key may have any number of them. So many are enough to say until when one of
# them may be completed.
_LOGINS_READ = 32

logger: logging.Logger = logging.getLogger("atlassian_auth")


class Inspection:
    """Describes the credentials of one manager. Used in the runner only, except `describe`.

    Args:
        parts: The manager's.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logins = Records(parts.store, PENDING_NAMESPACE, PendingFlow)

    def describe(self, key: str, record: TokenRecord) -> CredentialStatus:
        """Return the status of a stored record."""
        now = utc_now(self._parts.clock)
        return describe(key, record, now=now, settings=self._parts.settings)

    async def status(self, key: str) -> CredentialStatus:
        """Return the status of a key, also if nothing is stored for it."""
        record = await self._parts.repository.peek(key)
        if record is not None:
            return self.describe(key, record)
        end = await self._find_login_end(key)
        if end is None:
            return CredentialStatus.without_record(key)
        reason = f"A login was started and may be completed until {_date(end)}."
        return CredentialStatus(key=key, state=CredentialState.PENDING, reason=reason)

    async def _find_login_end(self, key: str) -> datetime | None:
        """Return until when a login for this key may be completed; None if none was started."""
        mark = mark_of(key)
        names = [name for name in await self._logins.keys() if name.startswith(mark)]
        logins = [await self._read_login(name) for name in names[:_LOGINS_READ]]
        ends = [login.expires_at for login in logins if login and login.key == key]
        return max(ends, default=None)

    async def _read_login(self, name: str) -> PendingFlow | None:
        try:
            loaded = await self._logins.get(name)
        except STORE_ERRORS as error:
            logger.warning("A stored login was skipped: %s", error)
            return None
        return loaded.value if loaded else None


def describe(
    key: str, record: TokenRecord, *, now: datetime, settings: Settings
) -> CredentialStatus:
    """Return the status of a stored record."""
    lifetimes = Lifetimes.of(record, settings)
    state, reason = _judge(record, lifetimes, now)
    return CredentialStatus(
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
        refreshable=record.refresh_token is not None and state is not CredentialState.REAUTHORIZE,
    )


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
