"""The two jobs that run beside requests: keep access tokens fresh, keep consents alive."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NoReturn

import anyio

from atlassian_auth._tokens.credentials.housekeeping import Housekeeping
from atlassian_auth._tokens.refresh.calls import Calls
from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth.exceptions import AtlassianAuthError, AuthorizationRequired
from atlassian_auth.ports import utc_now
from atlassian_auth.protocol._requirement import Requirement

__all__ = ["Background"]

# Enough that some keys whose server hangs delay no others; few enough to be no load peak.
_AT_ONCE = 32

logger: logging.Logger = logging.getLogger("atlassian_auth")


class Background:
    """Runs the two jobs in the caller's task, and their work in the runner.

    Args:
        parts: The manager's.
        housekeeping: Finds the credentials that are due.
        calls: Hands work to the runner.
    """

    def __init__(self, parts: Parts, housekeeping: Housekeeping, calls: Calls) -> None:
        self._cache = parts.cache
        self._clock = parts.clock
        self._buffer_seconds = parts.settings.buffer_seconds
        self._housekeeping = housekeeping
        self._calls = calls

    async def keep_fresh(self, every: timedelta) -> NoReturn:
        """Refresh tokens before they expire, every so often, until cancelled."""
        # A token is due if it is not usable any more at the next round.
        margin_seconds = every.total_seconds() + self._buffer_seconds
        keep = functools.partial(self._keep_fresh, margin_seconds=margin_seconds)
        find_due = functools.partial(self._housekeeping.due, {}, margin_seconds=margin_seconds)
        while True:
            await _for_each(await self._calls.perform(find_due), keep)
            await self._clock.sleep(every.total_seconds())

    async def keep_alive(self, every: timedelta) -> NoReturn:
        """Refresh idle credentials before inactivity ends their consent, warn of ends, until cancelled."""
        last_look: datetime | None = None
        while True:
            now = utc_now(self._clock)
            keep = functools.partial(self._keep_alive, last_look=last_look)
            await _for_each(await self._list_keys(), keep)
            last_look = now
            await self._clock.sleep(every.total_seconds())

    async def _list_keys(self) -> list[str]:
        try:
            return await self._calls.perform(self._housekeeping.keys)
        except AtlassianAuthError as error:
            logger.warning("The store's keys could not be listed to keep them alive: %s", error)
            return []

    async def _keep_fresh(self, key: str, *, margin_seconds: float) -> None:
        entry = self._cache.get(key)
        if entry is not None:
            ahead = entry.token.expires_at.timestamp() - entry.ahead_at
            margin_seconds = max(margin_seconds, ahead)
        try:
            await self._calls.ask(key, Requirement(margin_seconds=margin_seconds)).wait()
        except AuthorizationRequired:
            pass  # requests for the key raise it too, and AuthorizationNeeded was reported once
        except AtlassianAuthError as error:
            logger.warning("Key %r could not be kept fresh: %s", key, error, extra={"key": key})

    async def _keep_alive(self, key: str, *, last_look: datetime | None) -> None:
        look = functools.partial(self._housekeeping.look, key, last_look=last_look)
        try:
            due = await self._calls.perform(look)
            if due is not None:
                rejected = due.token.access_token if due.token else None
                await self._calls.ask(key, Requirement(rejected=rejected)).wait()
        except AuthorizationRequired:
            pass  # as above
        except AtlassianAuthError as error:
            logger.warning("Key %r could not be kept alive: %s", key, error, extra={"key": key})


async def _for_each(keys: list[str], keep: Callable[[str], Awaitable[None]]) -> None:
    # A few tasks that share one iterator: a task for each of a hundred thousand keys would cost too much.
    left = iter(keys)

    async def work() -> None:
        for key in left:
            await keep(key)

    async with anyio.create_task_group() as tasks:
        for _ in range(min(_AT_ONCE, len(keys))):
            tasks.start_soon(work)
