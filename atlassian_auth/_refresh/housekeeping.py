"""Credentials that nobody asks for: warn of their end, refresh the idle, delete the dead."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from datetime import datetime

from atlassian_auth._records.lifetimes import dead_since, idle_refresh_at, warnings_due
from atlassian_auth._records.records import STORE_TROUBLE, TokenRecord
from atlassian_auth._refresh.parts import Parts
from atlassian_auth.ports import utc_now

__all__ = ["Housekeeping"]

_IN_ONE_TURN = 500

# Another app's credential, or one that was refused: it may be authorized anew, in another process.
_LOOK_AGAIN_SECONDS = 900

logger: logging.Logger = logging.getLogger("atlassian_auth")


class Housekeeping:
    """Looks after the stored credentials of one manager. Used in the runner only.

    Other apps may share the store: their credentials are left alone.

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
        return [key for key in await self._repository.keys() if await self._refreshable(key)]

    async def due(self, looks: dict[str, float], *, margin_seconds: float) -> list[str]:
        """Return the keys whose tokens do not live longer than the margin.

        Args:
            looks: When each key is worth a look, as POSIX time; kept by the caller from one call to the next.
                Until then a key costs a comparison, and no look into the store.
            margin_seconds: How long a token must live.
        """
        due: list[str] = []
        now, names = self._clock.time(), await self._names()
        for number, key in enumerate(names):
            if number % _IN_ONE_TURN == 0:
                await asyncio.sleep(0)  # others use this loop
            if looks.get(key, now) <= now:
                looks[key] = await self._due_at(key, now, margin_seconds)
                due += [key] if looks[key] <= now else []
        if len(looks) > len(names):  # some are gone
            for gone in looks.keys() - set(names):
                del looks[gone]
        return due

    async def _names(self) -> list[str]:
        stored: list[str] = []
        try:
            stored = await self._repository.keys()
        except STORE_TROUBLE as error:
            logger.warning("The store's keys could not be listed, to keep them fresh: %s", error)
        return list(dict.fromkeys([*stored, *self._cache.keys()]))

    async def _due_at(self, key: str, now: float, margin_seconds: float) -> float:
        entry = self._cache.get(key)
        if entry is None:
            record = await self._refreshable(key)
            if record is None:
                return now + _LOOK_AGAIN_SECONDS
            if record.token is None:
                return now
            entry = self._cache.entry(key, record.token.bearer)
        return min(entry.ahead_at, entry.token.expires_at.timestamp() - margin_seconds)

    async def look(self, key: str, *, last_look: datetime | None) -> TokenRecord | None:
        """Warn if an end is near; return the credential if it has been idle for so long that it is due."""
        record = await self._refreshable(key)
        if record is None:
            return None
        now = utc_now(self._clock)
        self._tell(warnings_due(key, record, self._settings, last_look=last_look, now=now))
        due_at = idle_refresh_at(key, record, self._settings)
        return record if due_at is not None and due_at <= now else None

    async def prune(self, now: datetime) -> list[str]:
        """Delete the credentials that have been good for nothing for long; return their keys."""
        return [key for key in await self._repository.keys() if await self._prune(key, now)]

    async def _prune(self, key: str, now: datetime) -> bool:
        """Look first, so that the lock is taken for the few that seem dead only."""
        if not self._is_long_dead(await self._own(key), now):
            return False
        async with AsyncExitStack() as held:
            if not await self._repository.try_lock(held, key):
                logger.warning("Key %r was not pruned: others use it.", key)
                return False
            loaded = await self._repository.load(key)
            if loaded is None or not self._is_long_dead(loaded.value, now):
                return False
            await self._repository.delete(key)
            self._cache.drop(key)
        return True

    def _is_long_dead(self, record: TokenRecord | None, now: datetime) -> bool:
        since = dead_since(record, now, self._settings) if record else None
        return since is not None and now - since >= self._settings.prune_after

    async def _refreshable(self, key: str) -> TokenRecord | None:
        record = await self._own(key)
        return None if record is None or record.refused else record

    async def _own(self, key: str) -> TokenRecord | None:
        try:
            record = await self._repository.peek(key)
        except STORE_TROUBLE as error:
            logger.warning("Key %r was passed over: %s", key, error)
            return None
        own = record is not None and record.configuration == self._grant.configuration
        return record if own else None
