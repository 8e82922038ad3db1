"""Where credentials are kept safe: the store, its lock, and the pairs that it did not take yet.

Two rules: what was issued is never dropped before something newer is stored, and which of two records is
newer is told by what they descend from, not by a clock that can be set back.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from atlassian_auth.exceptions import (
    AuthorizationRequired,
    StoreError,
    TransientError,
    VersionConflict,
)
from atlassian_auth.ports import Clock
from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.records import Loaded, Records, TokenRecord
from atlassian_auth.settings import Settings
from atlassian_auth.stores.base import ABSENT

__all__ = ["Keeper"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

_Stored = Loaded[TokenRecord]


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """A record that waits to be saved, and the refresh token it was had for: None for a code."""

    record: TokenRecord
    spent: str | None = field(repr=False)

    def supersedes(self, stored: _Stored | None) -> bool:
        """Return whether the store still is where this one comes from."""
        if stored is None:
            return self.spent is None  # otherwise it was forgotten meanwhile
        return same_secret(stored.value.refresh_token, self.spent)


class Keeper:
    """Reads, saves and locks the credentials of one manager. Used in the refresher only.

    Args:
        records: The store's records.
        settings: The lock's timeout, and how often a save is tried.
        clock: Waits between two tries.
    """

    def __init__(self, records: Records[TokenRecord], *, settings: Settings, clock: Clock) -> None:
        self._records = records
        self._settings = settings
        self._clock = clock
        self._unsaved: dict[str, _Unsaved] = {}

    # -- reading ----------------------------------------------------------------------------------

    async def peek(self, key: str) -> TokenRecord | None:
        """Return the record that counts, saved or not, without changing anything."""
        stored = await self._records.get(key)
        pending = self._unsaved.get(key)
        if pending is not None and pending.supersedes(stored):
            return pending.record
        return stored.value if stored else None

    async def stored(self, key: str) -> TokenRecord | None:
        """Return the record that is stored, whatever waits to be saved. Needs no lock."""
        stored = await self._records.get(key)
        return stored.value if stored else None

    async def load(self, key: str) -> _Stored | None:
        """Return the record, after saving the one that waits for it. To be called with the lock held.

        Raises:
            StoreError: if the store cannot be read, or what waits still cannot be saved.
        """
        stored = await self._records.get(key)
        pending = self._unsaved.get(key)
        if pending is None:
            return stored
        if pending.supersedes(stored):
            version = stored.version if stored else ABSENT
            version = await self._records.put(key, pending.record, expected=version)
            stored = Loaded(pending.record, version)
        del self._unsaved[key]
        return stored

    # -- locking ----------------------------------------------------------------------------------

    async def try_lock(self, held: AsyncExitStack, key: str) -> bool:
        """Take the key's lock for as long as ``held`` lasts; return False if others keep it."""
        lock = self._records.lock(key, timeout_seconds=self._settings.lock_timeout_seconds)
        try:
            await held.enter_async_context(lock)
        except TimeoutError:
            return False
        return True

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Hold the key's lock.

        Raises:
            TransientError: if others keep it.
        """
        async with AsyncExitStack() as held:
            if not await self.try_lock(held, key):
                raise self.lock_timeout(key)
            yield

    def lock_timeout(self, key: str) -> TransientError:
        """Return the error for a lock that others keep."""
        message = (
            f"The store's lock for key {key!r} was held by others for "
            f"{self._settings.lock_timeout_seconds:g} seconds (lock_timeout_seconds); nothing was "
            "changed. Try again later; if it lasts, look for a process that hangs in a renewal."
        )
        return TransientError(message)

    # -- saving, with the lock held ---------------------------------------------------------------

    async def save(self, key: str, record: TokenRecord, replaced: _Stored | None) -> TokenRecord:
        """Save a new record and return the one that counts from now on.

        Args:
            key: Which credential.
            record: The new record.
            replaced: The record it takes the place of, whose refresh token may have been spent for it.

        Raises:
            StoreError: if it cannot be saved; it is kept and saved before anything else.
            AuthorizationRequired: if the credential was forgotten meanwhile.
        """
        spent = replaced.value.refresh_token if replaced else None
        unsaved = self._unsaved[key] = _Unsaved(record, spent)
        kept = await self._put_patiently(key, unsaved, replaced.version if replaced else ABSENT)
        del self._unsaved[key]
        if kept is None:
            message = f"Key {key!r} was forgotten while its successor was obtained."
            raise AuthorizationRequired(message, key=key, reason="missing")
        return kept

    async def mark(self, key: str, stored: _Stored, record: TokenRecord) -> None:
        """Save a change of status; if that fails, the status is decided anew the next time."""
        try:
            await self._records.put(key, record, expected=stored.version)
        except StoreError as error:
            logger.warning("The status of key %r could not be saved: %s", key, error)

    async def delete(self, key: str) -> bool:
        """Delete the record and return whether there was one."""
        existed = await self._records.delete(key)
        return self._unsaved.pop(key, None) is not None or existed

    def let_go(self, key: str) -> None:
        """Keep the key's unsaved record no longer: nothing is lost by losing it."""
        self._unsaved.pop(key, None)

    # -- life -------------------------------------------------------------------------------------

    async def keys(self) -> list[str]:
        """Return the stored keys, sorted."""
        return await self._records.keys()

    async def flush(self) -> None:
        """Save what could not be saved before.

        Raises:
            StoreError: if it still cannot be.
        """
        for key in list(self._unsaved):
            async with self.lock(key):
                await self.load(key)

    async def aclose(self) -> None:
        """Close the store; using it again opens it again."""
        await self._records.aclose()

    def abandon(self) -> None:
        """Let go of what waits to be saved: after a fork it is the parent's to save."""
        self._unsaved.clear()

    async def _put_patiently(
        self, key: str, unsaved: _Unsaved, expected: int
    ) -> TokenRecord | None:
        for attempt in range(self._settings.attempts - 1):
            try:
                return await self._put(key, unsaved, expected)
            except StoreError:
                await self._clock.sleep(self._settings.retry_pause_seconds * 2**attempt)
        return await self._put(key, unsaved, expected)

    async def _put(self, key: str, unsaved: _Unsaved, expected: int) -> TokenRecord | None:
        """Save the record unless something newer is there; return what is there in the end."""
        try:
            await self._records.put(key, unsaved.record, expected=expected)
        except VersionConflict:
            stored = await self._records.get(key)
        else:
            return unsaved.record
        if stored is not None and unsaved.supersedes(stored):
            return await self._put(key, unsaved, stored.version)
        return stored.value if stored else None
