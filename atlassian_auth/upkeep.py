"""Credentials that nobody asks for: warn of their end, renew the idle, delete the dead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from datetime import datetime

from atlassian_auth.cache import TokenCache
from atlassian_auth.events import Event
from atlassian_auth.exceptions import StoreError
from atlassian_auth.grants.base import Grant
from atlassian_auth.keeper import Keeper
from atlassian_auth.lifetimes import dead_since, idle_renewal_at, warnings_due
from atlassian_auth.ports import Clock, utc_now
from atlassian_auth.records import TokenRecord
from atlassian_auth.settings import Settings

__all__ = ["Upkeep"]

logger: logging.Logger = logging.getLogger("atlassian_auth")


class Upkeep:
    """Looks after the stored credentials of one manager. Used in the refresher only.

    Other apps may share the store: their credentials are left alone.

    Args:
        grant: The app.
        keeper: Where its credentials are kept.
        cache: Forgets what is deleted.
        settings: The limits, and how long the dead are kept.
        clock: What time it is.
        tell: Hands events to the user.
    """

    def __init__(
        self,
        grant: Grant,
        keeper: Keeper,
        cache: TokenCache,
        *,
        settings: Settings,
        clock: Clock,
        tell: Callable[[Sequence[Event]], None],
    ) -> None:
        self._grant = grant
        self._keeper = keeper
        self._cache = cache
        self._settings = settings
        self._clock = clock
        self._tell = tell

    async def keys(self, *, beyond: Collection[str] = ()) -> list[str]:
        """Return the stored keys of this app that can be renewed, without those that are known anyway."""
        keys = [key for key in await self._keeper.keys() if key not in beyond]
        return [key for key in keys if await self._renewable(key)]

    async def look(self, key: str, *, last_look: datetime | None) -> TokenRecord | None:
        """Warn if an end is near; return the credential if it has been idle for so long that it is due."""
        record = await self._renewable(key)
        if record is None:
            return None
        now = utc_now(self._clock)
        self._tell(warnings_due(key, record, self._settings, last_look=last_look, now=now))
        due_at = idle_renewal_at(key, record, self._settings)
        return record if due_at is not None and due_at <= now else None

    async def prune(self, now: datetime) -> list[str]:
        """Delete the credentials that have been good for nothing for long; return their keys."""
        return [key for key in await self._keeper.keys() if await self._prune(key, now)]

    async def _prune(self, key: str, now: datetime) -> bool:
        """Look first, so that the lock is taken for the few that seem dead only."""
        if not self._is_long_dead(await self._own(key), now):
            return False
        async with AsyncExitStack() as held:
            if not await self._keeper.try_lock(held, key):
                logger.warning("Key %r was not pruned: others use it.", key)
                return False
            loaded = await self._keeper.load(key)
            if loaded is None or not self._is_long_dead(loaded.value, now):
                return False
            await self._keeper.delete(key)
            self._cache.drop(key)
        return True

    def _is_long_dead(self, record: TokenRecord | None, now: datetime) -> bool:
        since = dead_since(record, now, self._settings) if record else None
        return since is not None and now - since >= self._settings.prune_after

    async def _renewable(self, key: str) -> TokenRecord | None:
        record = await self._own(key)
        return None if record is None or record.refused else record

    async def _own(self, key: str) -> TokenRecord | None:
        try:
            record = await self._keeper.peek(key)
        except StoreError as error:
            logger.warning("Key %r was passed over: %s", key, error)
            return None
        own = record is not None and record.configuration == self._grant.configuration
        return record if own else None
