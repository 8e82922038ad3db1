"""Where credentials are kept safe: the store, its lock, and what this process knows better than the store.

Two rules: what was issued is never dropped before something newer is stored, and which of two records is
newer is told by their `Descent`. So a pair that the store did not take is saved later, and one that the
store took and has lost since, in a failover or to a backup that was restored, is put back by each process
that still knows it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from atlassian_auth._records.descent import Descent
from atlassian_auth._records.records import STORE_TROUBLE, Loaded, Records, TokenRecord
from atlassian_auth.exceptions import (
    AuthorizationRequired,
    TransientError,
    VersionConflict,
)
from atlassian_auth.ports import Clock
from atlassian_auth.protocol.tokens import TokenPair
from atlassian_auth.settings import Settings
from atlassian_auth.stores.base import ABSENT, Hold

__all__ = ["CredentialRepository"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

_Stored = Loaded[TokenRecord]


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """A record that waits to be saved, and what was stored when it came to be."""

    record: TokenRecord
    replaced: _Stored | None

    def supersedes(self, stored: _Stored | None) -> bool:
        """Return whether this one counts, not what the store has by now."""
        replaced_version = self.replaced.version if self.replaced else ABSENT
        if (stored.version if stored else ABSENT) == replaced_version:
            return True
        if stored is None:
            return False  # it was forgotten meanwhile
        ours, theirs = self.record.descent, stored.value.descent
        if ours.current == theirs.current:
            # The refresh token was not rotated, or a verdict on it waits to be saved.
            return (ours.count, self.record.refused) > (theirs.count, stored.value.refused)
        replaced = self.replaced.value.descent.current if self.replaced else ""
        return theirs.current == replaced or ours.follows(theirs)


@dataclass(frozen=True, slots=True)
class _Known:
    """A pair that was in the store, and its place in the line."""

    token: TokenPair = field(repr=False)
    descent: Descent


class CredentialRepository:
    """Reads, saves and locks the credentials of one manager. Used in the runner only.

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
        self._known: dict[str, _Known] = {}

    # -- reading ----------------------------------------------------------------------------------

    async def peek(self, key: str) -> TokenRecord | None:
        """Return the record that counts, stored or not, without changing anything."""
        return self._counting(key, await self._records.get(key))

    async def durable(self, key: str) -> TokenRecord | None:
        """Return the stored record if it is the one that counts. Needs no lock."""
        stored = await self._records.get(key)
        if stored is None or self._counting(key, stored) is not stored.value:
            return None
        self._learn(key, stored.value)
        return stored.value

    async def load(self, key: str) -> _Stored | None:
        """Return the record that counts, after saving it if the store does not have it.

        To be called with the lock held.

        Raises:
            StoreError: if the store cannot be read, or what it lacks still cannot be saved.
        """
        stored = await self._records.get(key)
        record = self._counting(key, stored)
        if record is not None and (stored is None or record is not stored.value):
            version = stored.version if stored else ABSENT
            stored = Loaded(record, await self._records.put(key, record, expected=version))
            if key not in self._unsaved:
                logger.warning("The store had lost what was saved last for key %r: put back.", key)
        self._unsaved.pop(key, None)
        self._learn(key, stored.value if stored else None)
        return stored

    def _counting(self, key: str, stored: _Stored | None) -> TokenRecord | None:
        unsaved, known = self._unsaved.get(key), self._known.get(key)
        if unsaved is not None and unsaved.supersedes(stored):
            return unsaved.record
        if stored is None:
            return None
        # Also over a verdict: it was about a refresh token that is spent, which says nothing of this one.
        if known is not None and known.descent.follows(stored.value.descent):
            return stored.value.restored(known.token, known.descent, known.token.obtained_at)
        return stored.value

    # -- locking ----------------------------------------------------------------------------------

    async def try_lock(self, held: AsyncExitStack, key: str) -> Hold | None:
        """Take the key's lock for as long as ``held`` lasts; return None if others keep it."""
        lock = self._records.lock(key, timeout_seconds=self._settings.lock_timeout_seconds)
        try:
            return await held.enter_async_context(lock)
        except TimeoutError:
            return None

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Hold the key's lock.

        Raises:
            TransientError: if others keep it.
        """
        async with AsyncExitStack() as held:
            if await self.try_lock(held, key) is None:
                raise self.lock_timeout(key)
            yield

    def lock_timeout(self, key: str) -> TransientError:
        """Return the error for a lock that others keep."""
        message = (
            f"The store's lock for key {key!r} was held by others for "
            f"{self._settings.lock_timeout_seconds:g} seconds (lock_timeout_seconds); nothing was "
            "changed. Try again later; if it lasts, look for a process that hangs in a refresh."
        )
        return TransientError(message)

    def lock_lost(self, key: str) -> TransientError:
        """Return the error for a lock that was lost while it was held, more than once."""
        message = (
            f"The store's lock for key {key!r} was lost while it was held, twice in a row; this process "
            "has saved nothing. Try again; if it lasts, see that this process does not stand "
            "still, and that lease_seconds of a RedisStore is long enough."
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
        unsaved = self._unsaved[key] = _Unsaved(record, replaced)
        kept = await self._put_patiently(key, unsaved, replaced.version if replaced else ABSENT)
        del self._unsaved[key]
        self._learn(key, kept)
        if kept is None:
            message = f"Key {key!r} was forgotten while its successor was obtained."
            raise AuthorizationRequired(message, key=key, reason="missing")
        return kept

    async def mark(self, key: str, stored: _Stored, record: TokenRecord) -> None:
        """Save a change of status; if that fails, only the loss of the grant is remembered."""
        try:
            await self._records.put(key, record, expected=stored.version)
        except STORE_TROUBLE as error:
            logger.warning("The status of key %r could not be saved: %s", key, error)
            if record.refused:
                # Such a refresh token is not presented again.
                self._unsaved[key] = _Unsaved(record, stored)
        else:
            self._learn(key, record)

    async def delete(self, key: str) -> bool:
        """Delete the record and return whether there was one."""
        existed = await self._records.delete(key)
        self._known.pop(key, None)
        return self._unsaved.pop(key, None) is not None or existed

    def let_go(self, key: str) -> None:
        """Keep the key's unsaved record no longer: nothing is lost by losing it."""
        self._unsaved.pop(key, None)

    # -- life -------------------------------------------------------------------------------------

    async def ping(self) -> None:
        """Return if the store answers."""
        await self._records.ping()

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
        self._known.clear()

    def _learn(self, key: str, record: TokenRecord | None) -> None:
        """Remember the pair that is in the store: by that alone its loss can be noticed."""
        if record is None or record.token is None:
            self._known.pop(key, None)
        else:
            self._known[key] = _Known(record.token, record.descent)

    async def _put_patiently(
        self, key: str, unsaved: _Unsaved, expected: int
    ) -> TokenRecord | None:
        for attempt in range(self._settings.attempts - 1):
            try:
                return await self._put(key, unsaved, expected)
            except STORE_TROUBLE:
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
