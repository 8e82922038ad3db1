"""Single flight: one refresh of one key at a time, shared by all callers that need it meanwhile."""

from __future__ import annotations

import asyncio
import functools
import itertools
from contextlib import suppress

from atlassian_auth._tokens.records.records import STORE_ERRORS
from atlassian_auth._tokens.refresh.locks import StripedLock
from atlassian_auth._tokens.refresh.parts import Parts
from atlassian_auth._tokens.refresh.refresh import Refresh, Refresher
from atlassian_auth.events import Degraded, RefreshFailed, RefreshStarted
from atlassian_auth.exceptions import AtlassianAuthError, TransientError
from atlassian_auth.ports import utc_at, utc_now
from atlassian_auth.ports._runtime.future import explained
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.tokens import Token

__all__ = ["SingleFlight"]

# A caller may join a refresh that was started for a weaker requirement. It joins at most so many, then it
# accepts the token of the last one: each is an exchange, so this must not go on for ever.
_MOST_JOINS = 3


class SingleFlight:
    """Decides for each call: return the cached token, join the refresh under way, or start one.

    Used in one event loop only, the runner's.

    Args:
        parts: The manager's.
        refresher: Does one refresh.
    """

    def __init__(self, parts: Parts, refresher: Refresher) -> None:
        settings = parts.settings
        self._refresher = refresher
        self._cache = parts.cache
        self._backoff = parts.backoff
        self._clock = parts.clock
        self._tell = parts.tell
        self._wait_seconds = settings.wait_timeout_seconds
        self._stripes = StripedLock(settings.stripes)
        self._slots = asyncio.Semaphore(settings.concurrent_exchanges)
        self._running: dict[str, asyncio.Task[Token]] = {}

    async def token(self, key: str, requirement: Requirement) -> Token:
        """Return a token that meets the requirement.

        Raises:
            TransientError: if it takes longer than ``wait_timeout_seconds``; the refresh goes on.
            AtlassianAuthError: as `Refresher.run`; also the error of a recent failure during its backoff.
        """
        with suppress(TimeoutError):
            async with self._clock.timeout(self._wait_seconds):
                return await self._token(key, requirement)
        return self._valid_token_or_raise(key, requirement, self._too_slow())

    async def _token(self, key: str, requirement: Requirement) -> Token:
        joins = itertools.count(1)
        while True:
            refresh = Refresh(key, requirement)
            async with self._stripes.of(key):
                token = self._cached_token(key, requirement)
                joined = self._running.get(key)
                if token is None and joined is None:
                    token = await self._adopt(refresh)
                if token is not None:
                    return token
                task = joined or self._start(refresh)
            # The stripe is released first: other keys on it do not wait for this refresh.
            try:
                await asyncio.wait([task])  # unlike "await task" this never cancels it
            finally:
                if joined is None:  # also if this call is cancelled before the refresh ends
                    task.add_done_callback(functools.partial(self._finish, refresh))
            try:
                token = task.result()
            except AtlassianAuthError as error:
                return self._valid_token_or_raise(key, requirement, error)
            if not joined or next(joins) == _MOST_JOINS:
                return token

    async def idle(self) -> None:
        """Return when the calls made so far are decided, and the refreshes they started have ended."""
        await self._stripes.wait_for_holders()
        if self._running:
            await asyncio.wait(list(self._running.values()))

    def _cached_token(self, key: str, requirement: Requirement) -> Token | None:
        """Return the cached token if it meets the requirement; during a backoff, if it has not expired.

        Raises:
            AtlassianAuthError: during a backoff: the failure, if no cached token is valid.
        """
        token = self._cache.accepted(key, requirement)
        error = self._backoff.active(key, forced=requirement.forced)
        if token is not None or error is None:
            return token
        return self._valid_token_or_raise(key, requirement, error)

    async def _adopt(self, refresh: Refresh) -> Token | None:
        """Return the token that another process has saved: of a fleet only one process takes the lock."""
        with suppress(*STORE_ERRORS):  # the refresh meets the same error, and reports it
            token = await self._refresher.adopt(refresh)
            if token is not None:
                self._backoff.clear(refresh.key)
                self._tell_soon(refresh)
            return token
        return None

    def _finish(self, refresh: Refresh, task: asyncio.Task[Token]) -> None:
        if not task.cancelled():
            task.exception()  # marks it as seen: asyncio logs an error if all waiting callers were cancelled
        self._tell_soon(refresh)

    def _tell_soon(self, refresh: Refresh) -> None:
        # In the next turn of the loop: in this one the callers that wait for the refresh are woken.
        asyncio.get_running_loop().call_soon(self._tell, refresh.events)

    def _start(self, refresh: Refresh) -> asyncio.Task[Token]:
        task = asyncio.get_running_loop().create_task(self._run(refresh))
        self._running[refresh.key] = task
        return task

    async def _run(self, refresh: Refresh) -> Token:
        try:
            async with self._slots:
                return await self._refresh(refresh)
        finally:
            del self._running[refresh.key]

    async def _refresh(self, refresh: Refresh) -> Token:
        started = self._clock.time()
        self._tell([RefreshStarted(key=refresh.key, at=utc_now(self._clock))])
        try:
            token = await self._refresher.run(refresh)
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 -- all callers share it
            failure = explained(error)
        else:
            self._backoff.clear(refresh.key)
            return token
        self._note_failure(refresh, failure, started)
        raise failure

    def _note_failure(self, refresh: Refresh, error: AtlassianAuthError, started: float) -> None:
        key, now = refresh.key, utc_now(self._clock)
        pause = self._backoff.note(key, error)
        self._cache.postpone(key, pause.until)
        is_paused = self._backoff.active(key) is not None
        refresh.events.append(
            RefreshFailed(
                key=key,
                at=now,
                duration_seconds=self._clock.time() - started,
                code=error.code,
                reason=str(error),
                retry_at=utc_at(pause.until) if is_paused else None,
            )
        )
        token = self._cache.still_valid(key)
        if token is not None:
            refresh.events.append(
                Degraded(key=key, at=now, reason=str(error), expires_at=token.expires_at)
            )

    def _too_slow(self) -> TransientError:
        message = (
            f"No token within {self._wait_seconds:g} seconds (wait_timeout_seconds); the refresh goes on. "
            "Try again later, and see whether the store or the token endpoint is slow."
        )
        return TransientError(message)

    def _valid_token_or_raise(
        self, key: str, requirement: Requirement, error: AtlassianAuthError
    ) -> Token:
        """Return the cached token if it is valid and the caller accepts it; otherwise raise the error."""
        token = self._cache.still_valid(key)
        if token is None or requirement.forced or requirement.rejects(token):
            raise error
        return token
