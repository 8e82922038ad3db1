"""The credentials of one manager: in the store, under its lock, and in memory where the store lacks them.

Two rules. An issued pair is kept in memory until it, or a newer one, is stored. Which of two records is newer
is decided by their `Descent`. So a pair that the store could not save is saved later. If the store loses a
saved pair, in a failover or because a backup was restored, each process that still has it puts it back.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from atlassian_auth._tokens.records.descent import Descent
from atlassian_auth._tokens.records.records import STORE_ERRORS, Loaded, Records, TokenRecord
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
    """A record that waits to be saved, and the stored record that it is to replace."""

    record: TokenRecord
    replaced: _Stored | None

    def supersedes(self, stored: _Stored | None) -> bool:
        """Return whether this record counts, rather than the one that is stored now."""
        replaced_version = self.replaced.version if self.replaced else ABSENT
        if (stored.version if stored else ABSENT) == replaced_version:
            return True
        if stored is None:
            return False  # the credential was forgotten meanwhile
        ours, theirs = self.record.descent, stored.value.descent
        if ours.current == theirs.current:
            # The refresh token was not rotated, or its refusal waits to be saved.
            return (ours.count, self.record.refused) > (theirs.count, stored.value.refused)
        replaced = self.replaced.value.descent.current if self.replaced else ""
        return theirs.current == replaced or ours.follows(theirs)


@dataclass(frozen=True, slots=True)
class _Saved:
    """A pair that was in the store, and its position in the line of its consent."""

    token: TokenPair = field(repr=False)
    descent: Descent


class CredentialRepository:
    """Reads, saves and locks the credentials of one manager. Used in the runner only.

    Args:
        records: The stored records.
        settings: The lock's timeout, and how often a save is tried.
        clock: Waits between two attempts to save.
    """

    def __init__(self, records: Records[TokenRecord], *, settings: Settings, clock: Clock) -> None:
        self._records = records
        self._settings = settings
        self._clock = clock
        self._unsaved: dict[str, _Unsaved] = {}
        self._last_saved: dict[str, _Saved] = {}

    # -- reading ----------------------------------------------------------------------------------

    async def peek(self, key: str) -> TokenRecord | None:
        """Return the current record, stored or not, without changing anything."""
        return self._current_record(key, await self._records.get(key))

    async def durable(self, key: str) -> TokenRecord | None:
        """Return the stored record if it is the current one. Needs no lock."""
        stored = await self._records.get(key)
        if stored is None or self._current_record(key, stored) is not stored.value:
            return None
        self._remember_saved(key, stored.value)
        return stored.value

    async def load(self, key: str) -> _Stored | None:
        """Return the current record; save it first if the store does not have it.

        Call it with the lock held.

        Raises:
            StoreError: if the store cannot be read, or the record that it lacks still cannot be saved.
        """
        stored = await self._records.get(key)
        record = self._current_record(key, stored)
        if record is not None and (stored is None or record is not stored.value):
            version = stored.version if stored else ABSENT
            stored = Loaded(record, await self._records.put(key, record, expected=version))
            if key not in self._unsaved:
                logger.warning(
                    "The store had lost the last saved token of key %r; this process has put it back.",
                    key,
                    extra={"key": key},
                )
        self._unsaved.pop(key, None)
        self._remember_saved(key, stored.value if stored else None)
        return stored

    def _current_record(self, key: str, stored: _Stored | None) -> TokenRecord | None:
        """Return the newest of the stored, the unsaved and the last saved record."""
        unsaved, saved = self._unsaved.get(key), self._last_saved.get(key)
        if unsaved is not None and unsaved.supersedes(stored):
            return unsaved.record
        if stored is None:
            return None
        # Even if the stored record was refused: the refusal was of an older refresh token than this one.
        if saved is not None and saved.descent.follows(stored.value.descent):
            return stored.value.restored(saved.token, saved.descent, saved.token.obtained_at)
        return stored.value

    # -- locking ----------------------------------------------------------------------------------

    async def try_lock(self, held: AsyncExitStack, key: str) -> Hold | None:
        """Take the key's lock until ``held`` exits; return None if others held it for the whole timeout."""
        lock = self._records.lock(key, timeout_seconds=self._settings.lock_timeout_seconds)
        try:
            return await held.enter_async_context(lock)
        except TimeoutError:
            return None

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Hold the key's lock.

        Raises:
            TransientError: if others held it for the whole timeout.
        """
        async with AsyncExitStack() as held:
            if await self.try_lock(held, key) is None:
                raise self.lock_timeout(key)
            yield

    def lock_timeout(self, key: str) -> TransientError:
        """Return the error for a lock that others held for the whole timeout."""
        message = (
            f"The store's lock for key {key!r} was held by others for "
            f"{self._settings.lock_timeout_seconds:g} seconds (lock_timeout_seconds); nothing was "
            "changed. Try again later; if it lasts, look for a process that hangs in a refresh."
        )
        return TransientError(message)

    def lock_lost(self, key: str) -> TransientError:
        """Return the error for a lock that this process has lost twice in one refresh."""
        message = (
            f"The store's lock for key {key!r} was lost while it was held, twice in a row; this process "
            "has saved nothing. Try again; if it lasts, see that this process does not stand "
            "still, and that lease_seconds of a RedisStore is long enough."
        )
        return TransientError(message)

    # -- saving, with the lock held ---------------------------------------------------------------

    async def save(self, key: str, record: TokenRecord, replaced: _Stored | None) -> TokenRecord:
        """Save a new record and return the current one: this, or a newer one of another process.

        Args:
            key: Which credential.
            record: The new record.
            replaced: The stored record that it replaces, whose refresh token may have been spent for it.

        Raises:
            StoreError: if it cannot be saved; it stays in memory and is saved before anything else.
            AuthorizationRequired: if the credential was forgotten meanwhile.
        """
        unsaved = self._unsaved[key] = _Unsaved(record, replaced)
        saved = await self._put_patiently(key, unsaved, replaced.version if replaced else ABSENT)
        del self._unsaved[key]
        self._remember_saved(key, saved)
        if saved is None:
            message = (
                f"Key {key!r} was forgotten while its token was refreshed; authorize it again."
            )
            raise AuthorizationRequired(message, key=key, reason="missing")
        return saved

    async def mark(self, key: str, stored: _Stored, record: TokenRecord) -> None:
        """Save a change of status. If that fails, only a refusal is kept in memory and saved later."""
        try:
            await self._records.put(key, record, expected=stored.version)
        except STORE_ERRORS as error:
            logger.warning(
                "The status of key %r could not be saved: %s", key, error, extra={"key": key}
            )
            if record.refused:
                # A refused refresh token must not be presented again.
                self._unsaved[key] = _Unsaved(record, stored)

    async def delete(self, key: str) -> bool:
        """Delete the record and return whether there was one."""
        existed = await self._records.delete(key)
        self._last_saved.pop(key, None)
        return self._unsaved.pop(key, None) is not None or existed

    def discard_unsaved(self, key: str) -> None:
        """Drop the key's unsaved record: the next refresh does not need it."""
        self._unsaved.pop(key, None)

    # -- the whole store --------------------------------------------------------------------------

    async def ping(self) -> None:
        """Return if the store answers."""
        await self._records.ping()

    async def keys(self) -> list[str]:
        """Return the stored keys, sorted."""
        return await self._records.keys()

    async def flush(self) -> None:
        """Save the records that could not be saved before.

        Raises:
            StoreError: if one still cannot be saved.
        """
        for key in list(self._unsaved):
            async with self.lock(key):
                await self.load(key)

    async def aclose(self) -> None:
        """Close the store; using it again opens it again."""
        await self._records.aclose()

    def after_fork_in_child(self) -> None:
        """Drop the records that could not be saved: the parent process saves them."""
        self._unsaved.clear()

    def _remember_saved(self, key: str, record: TokenRecord | None) -> None:
        """Remember the stored pair, so that it can be put back if the store loses it."""
        if record is None or record.token is None:
            self._last_saved.pop(key, None)
        else:
            self._last_saved[key] = _Saved(record.token, record.descent)

    async def _put_patiently(
        self, key: str, unsaved: _Unsaved, expected: int
    ) -> TokenRecord | None:
        for attempt in range(self._settings.attempts - 1):
            try:
                return await self._put(key, unsaved, expected)
            except STORE_ERRORS:
                await self._clock.sleep(self._settings.retry_pause_seconds * 2**attempt)
        return await self._put(key, unsaved, expected)

    async def _put(self, key: str, unsaved: _Unsaved, expected: int) -> TokenRecord | None:
        """Save the record unless a newer one is stored; return the record that is stored in the end."""
        try:
            await self._records.put(key, unsaved.record, expected=expected)
        except VersionConflict:
            stored = await self._records.get(key)
        else:
            return unsaved.record
        if stored is not None and unsaved.supersedes(stored):
            return await self._put(key, unsaved, stored.version)
        return stored.value if stored else None
