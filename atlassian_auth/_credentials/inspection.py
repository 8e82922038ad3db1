"""The status of a credential, from what is stored."""

from __future__ import annotations

import logging
from datetime import datetime

from atlassian_auth._records.pending import PENDING_NAMESPACE, PendingFlow, mark_of
from atlassian_auth._records.records import STORE_ERRORS, Records, TokenRecord
from atlassian_auth._refresh.parts import Parts
from atlassian_auth.ports import utc_now
from atlassian_auth.status import CredentialStatus

__all__ = ["Inspection"]

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
        return CredentialStatus.of(key, record, now=now, settings=self._parts.settings)

    async def status(self, key: str) -> CredentialStatus:
        """Return the status of a key, also if nothing is stored for it."""
        record = await self._parts.repository.peek(key)
        if record is not None:
            return self.describe(key, record)
        return CredentialStatus.without_record(key, pending_until=await self._find_login_end(key))

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
