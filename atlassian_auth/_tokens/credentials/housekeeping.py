"""Care for stored credentials: warn of their end, refresh idle ones, delete unusable ones."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from datetime import datetime

from atlassian_auth._tokens.records.lifetimes import idle_refresh_at, unusable_since, warnings_due
from atlassian_auth._tokens.records.records import STORE_ERRORS, TokenRecord
from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth.ports import utc_now

__all__ = ["Housekeeping"]

_IN_ONE_TURN = 500

# For a key that cannot be refreshed: another app's credential, or a refused one. A person may authorize it
# again in another process, so it is read again from time to time.
_LOOK_AGAIN_SECONDS = 900

logger: logging.Logger = logging.getLogger("atlassian_auth")


class Housekeeping:
    """Cares for the stored credentials of one manager. Used in the runner only.

    Other apps may share the store; their credentials are not touched.

    Args:
        parts: The manager's.
    """

    def __init__(self, parts: Parts) -> None:
        self._grant = parts.grant
        self._repository = parts.repository
        self._cache = parts.cache
        self._settings = parts.settings
        self._clock = parts.clock
        self._tell = parts.tell

    async def keys(self) -> list[str]:
        """Return the stored keys of this app that can be refreshed."""
        return [key for key in await self._repository.keys() if await self._load_refreshable(key)]

    async def due(self, looks: dict[str, float], *, margin_seconds: float) -> list[str]:
        """Return the keys whose tokens are due, or expire within the margin.

        Args:
            looks: When to look at each key again, as POSIX time; the caller passes the same dictionary to
                each call. Until then a key costs a comparison, and no read of the store.
            margin_seconds: For how long a token must still be valid.
        """
        due: list[str] = []
        now, names = self._clock.time(), await self._list_keys()
        for number, key in enumerate(names):
            if number % _IN_ONE_TURN == 0:
                await asyncio.sleep(0)  # let other tasks of this loop run
            if looks.get(key, now) <= now:
                looks[key] = await self._find_due_at(key, now, margin_seconds)
                due += [key] if looks[key] <= now else []
        if len(looks) > len(names):
            for deleted in looks.keys() - set(names):
                del looks[deleted]
        return due

    async def _list_keys(self) -> list[str]:
        stored: list[str] = []
        try:
            stored = await self._repository.keys()
        except STORE_ERRORS as error:
            logger.warning("The store's keys could not be listed to keep them fresh: %s", error)
        return list(dict.fromkeys([*stored, *self._cache.keys()]))

    async def _find_due_at(self, key: str, now: float, margin_seconds: float) -> float:
        entry = self._cache.get(key)
        if entry is None:
            record = await self._load_refreshable(key)
            if record is None:
                return now + _LOOK_AGAIN_SECONDS
            if record.token is None:
                return now
            entry = self._cache.entry(key, record.token.bearer)
        return min(entry.ahead_at, entry.token.expires_at.timestamp() - margin_seconds)

    async def look(self, key: str, *, last_look: datetime | None) -> TokenRecord | None:
        """Report a warning if an end is near; return the credential if it is due for an idle refresh."""
        record = await self._load_refreshable(key)
        if record is None:
            return None
        now = utc_now(self._clock)
        self._tell(warnings_due(key, record, self._settings, last_look=last_look, now=now))
        due_at = idle_refresh_at(key, record, self._settings)
        return record if due_at is not None and due_at <= now else None

    async def prune(self, now: datetime) -> list[str]:
        """Delete the credentials that have been unusable for ``prune_after``; return their keys."""
        return [key for key in await self._repository.keys() if await self._prune(key, now)]

    async def _prune(self, key: str, now: datetime) -> bool:
        # Read without the lock first: it is taken only for the few that seem to be unusable.
        if not self._is_prunable(await self._load_own(key), now):
            return False
        async with AsyncExitStack() as held:
            if not await self._repository.try_lock(held, key):
                logger.warning(
                    "Key %r was not pruned: another process holds its lock.",
                    key,
                    extra={"key": key},
                )
                return False
            loaded = await self._repository.load(key)
            if loaded is None or not self._is_prunable(loaded.value, now):
                return False
            await self._repository.delete(key)
            self._cache.drop(key)
        return True

    def _is_prunable(self, record: TokenRecord | None, now: datetime) -> bool:
        since = unusable_since(record, now, self._settings) if record else None
        return since is not None and now - since >= self._settings.prune_after

    async def _load_refreshable(self, key: str) -> TokenRecord | None:
        record = await self._load_own(key)
        return None if record is None or record.refused else record

    async def _load_own(self, key: str) -> TokenRecord | None:
        try:
            record = await self._repository.peek(key)
        except STORE_ERRORS as error:
            logger.warning("Key %r was skipped: %s", key, error, extra={"key": key})
            return None
        own = record is not None and record.configuration == self._grant.configuration
        return record if own else None
