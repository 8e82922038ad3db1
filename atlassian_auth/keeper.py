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
from atlassian_auth.protocol.confidential import same_secret
from atlassian_auth.protocol.tokens import Token
from atlassian_auth.records import Loaded, Records, TokenRecord, TokenStatus
from atlassian_auth.settings import Settings
from atlassian_auth.stores.base import ABSENT

__all__ = ["Keeper"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

_Stored = Loaded[TokenRecord]


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """A record that waits to be saved, and the digest of what it was had for: None if nothing was there."""

    record: TokenRecord
    spent: bytes | None = field(repr=False)

    def supersedes(self, stored: _Stored | None) -> bool:
        """Return whether the store still is where this one comes from."""
        if stored is None:
            return self.spent is None  # otherwise it was forgotten meanwhile
        return self.spent == _digest(stored.value.refresh_token)


@dataclass(frozen=True, slots=True)
class _Saved:
    """A token that was in the store, and the digest of what it was had for: empty if that is not known."""

    token: Token = field(repr=False)
    spent: bytes = field(repr=False)

    def was_lost_by(self, record: TokenRecord) -> bool:
        """Return whether the store is back where this one comes from."""
        return bool(self.spent) and self.spent == _digest(record.refresh_token)


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
        self._saved: dict[str, _Saved] = {}

    # -- reading ----------------------------------------------------------------------------------

    async def peek(self, key: str) -> TokenRecord | None:
        """Return the record that counts, stored or not, without changing anything."""
        return self._counting(key, await self._records.get(key))

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
        unsaved, saved = self._unsaved.get(key), self._saved.get(key)
        if unsaved is not None and unsaved.supersedes(stored):
            return unsaved.record
        if stored is None:
            return None
        if saved is not None and saved.was_lost_by(stored.value):
            return stored.value.renewed(saved.token, saved.token.obtained_at)
        return stored.value

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
        spent = _digest(replaced.value.refresh_token) if replaced else None
        unsaved = self._unsaved[key] = _Unsaved(record, spent)
        kept = await self._put_patiently(key, unsaved, replaced.version if replaced else ABSENT)
        del self._unsaved[key]
        self._learn(key, kept, spent or b"")
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
                self._unsaved[key] = _Unsaved(record, _digest(record.refresh_token))
        else:
            self._learn(key, record)

    async def delete(self, key: str) -> bool:
        """Delete the record and return whether there was one."""
        existed = await self._records.delete(key)
        self._saved.pop(key, None)
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
        self._saved.clear()

    def _learn(self, key: str, record: TokenRecord | None, spent: bytes = b"") -> None:
        """Remember what is in the store, and what it was had for: by that alone its loss can be noticed."""
        if record is None or record.token is None:
            self._saved.pop(key, None)
            return
        known = self._saved.get(key)
        if known is not None and not spent:
            same = same_secret(known.token.refresh_token, record.token.refresh_token)
            spent = known.spent if same else _digest(known.token.refresh_token)
        self._saved[key] = _Saved(record.token, spent)

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


def _digest(refresh_token: str | None) -> bytes:
    """Return what tells refresh tokens apart, and is none; nothing if there is none."""
    return hashlib.sha256(refresh_token.encode()).digest() if refresh_token else b""
