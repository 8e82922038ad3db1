"""Where credentials are kept safe: the store, its lock, and what this process knows better than the store.

Two rules: what was issued is never dropped before something newer is stored, and which of two records is
newer is told by what they descend from, not by a clock that can be set back. So a pair that the store did
not take is saved later, and one that the store took and has lost since, in a failover or to a backup that
was restored, is put back by whoever still knows it.
"""

from __future__ import annotations

import hashlib
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
from atlassian_auth.records import Loaded, Records, TokenRecord, TokenStatus
from atlassian_auth.settings import Settings
from atlassian_auth.stores.base import ABSENT

__all__ = ["Keeper"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

_Stored = Loaded[TokenRecord]


@dataclass(frozen=True, slots=True)
class _Known:
    """The newest record this process knows, and what it was had for.

    Args:
        record: The record.
        spent: The digest of the refresh token it was had for; None if nothing was there before.
        saved: Whether it was in the store.
    """

    record: TokenRecord
    spent: bytes | None = field(repr=False)
    saved: bool

    def supersedes(self, stored: _Stored | None) -> bool:
        """Return whether the store is, or is again, where this one comes from."""
        if stored is None:
            return not self.saved and self.spent is None  # otherwise it was forgotten meanwhile
        if self.saved and not self.spent:
            return False
        return self.spent == _digest(stored.value)

    def followed_by(self, record: TokenRecord) -> _Known:
        """Return the same for a record that was found in the store later."""
        before = _digest(self.record)
        return _Known(record, self.spent if before == _digest(record) else before, saved=True)


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
        self._known: dict[str, _Known] = {}

    # -- reading ----------------------------------------------------------------------------------

    async def peek(self, key: str) -> TokenRecord | None:
        """Return the record that counts, stored or not, without changing anything."""
        stored = await self._records.get(key)
        known = self._known.get(key)
        if known is not None and known.supersedes(stored):
            return known.record
        return stored.value if stored else None

    async def stored(self, key: str) -> TokenRecord | None:
        """Return the record that is stored, whatever waits to be saved. Needs no lock."""
        stored = await self._records.get(key)
        return stored.value if stored else None

    async def load(self, key: str) -> _Stored | None:
        """Return the record that counts, after saving it if the store does not have it.

        To be called with the lock held.

        Raises:
            StoreError: if the store cannot be read, or what it lacks still cannot be saved.
        """
        stored = await self._records.get(key)
        known = self._known.get(key)
        if known is not None and known.supersedes(stored):
            version = stored.version if stored else ABSENT
            version = await self._records.put(key, known.record, expected=version)
            if known.saved:
                logger.warning("The store had lost what was saved last for key %r: put back.", key)
            stored = Loaded(known.record, version)
        self._learn(key, stored.value if stored else None)
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
        spent = _digest(replaced.value) if replaced else None
        known = self._known[key] = _Known(record, spent, saved=False)
        kept = await self._put_patiently(key, known, replaced.version if replaced else ABSENT)
        self._learn(key, kept)
        if kept is None:
            message = f"Key {key!r} was forgotten while its successor was obtained."
            raise AuthorizationRequired(message, key=key, reason="missing")
        return kept

    async def mark(self, key: str, stored: _Stored, record: TokenRecord) -> None:
        """Save a change of status; if that fails, only the loss of the grant is remembered."""
        try:
            await self._records.put(key, record, expected=stored.version)
        except StoreError as error:
            logger.warning("The status of key %r could not be saved: %s", key, error)
            if record.status is TokenStatus.UNRECOVERABLE:
                # A refresh token that was refused is not presented again.
                self._known[key] = _Known(record, _digest(record), saved=False)
        else:
            self._learn(key, record)

    async def delete(self, key: str) -> bool:
        """Delete the record and return whether there was one."""
        existed = await self._records.delete(key)
        known = self._known.pop(key, None)
        return existed or (known is not None and not known.saved)

    def let_go(self, key: str) -> None:
        """Keep the key's unsaved record no longer: nothing is lost by losing it."""
        self._known.pop(key, None)

    # -- life -------------------------------------------------------------------------------------

    async def keys(self) -> list[str]:
        """Return the stored keys, sorted."""
        return await self._records.keys()

    async def flush(self) -> None:
        """Save what could not be saved before.

        Raises:
            StoreError: if it still cannot be.
        """
        for key in [key for key, known in self._known.items() if not known.saved]:
            async with self.lock(key):
                await self.load(key)

    async def aclose(self) -> None:
        """Close the store; using it again opens it again."""
        await self._records.aclose()

    def abandon(self) -> None:
        """Let go of what waits to be saved: after a fork it is the parent's to save."""
        self._known.clear()

    def _learn(self, key: str, record: TokenRecord | None) -> None:
        if record is None:
            self._known.pop(key, None)
            return
        known = self._known.get(key)
        self._known[key] = known.followed_by(record) if known else _Known(record, None, saved=True)

    async def _put_patiently(self, key: str, known: _Known, expected: int) -> TokenRecord | None:
        for attempt in range(self._settings.attempts - 1):
            try:
                return await self._put(key, known, expected)
            except StoreError:
                await self._clock.sleep(self._settings.retry_pause_seconds * 2**attempt)
        return await self._put(key, known, expected)

    async def _put(self, key: str, known: _Known, expected: int) -> TokenRecord | None:
        """Save the record unless something newer is there; return what is there in the end."""
        try:
            await self._records.put(key, known.record, expected=expected)
        except VersionConflict:
            stored = await self._records.get(key)
        else:
            return known.record
        if stored is not None and known.supersedes(stored):
            return await self._put(key, known, stored.version)
        return stored.value if stored else None


def _digest(record: TokenRecord) -> bytes:
    """Return what tells a record's refresh token from others; nothing if it has none."""
    token = record.refresh_token
    return hashlib.sha256(token.encode()).digest() if token else b""
