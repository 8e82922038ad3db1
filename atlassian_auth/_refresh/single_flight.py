"""SingleFlight: one refresh of one key at a time, shared by all who ask for it while it is in the air."""

from __future__ import annotations

import asyncio
import functools
import itertools
from contextlib import suppress

from atlassian_auth._records.records import STORE_TROUBLE
from atlassian_auth._refresh.locks import StripedLock
from atlassian_auth._refresh.parts import Parts
from atlassian_auth._refresh.refresh import Flight, Refresher
from atlassian_auth._runtime.future import explained
from atlassian_auth.events import Degraded, RefreshFailed, RefreshStarted
from atlassian_auth.exceptions import AtlassianAuthError, TransientError
from atlassian_auth.ports import utc_at, utc_now
from atlassian_auth.protocol._requirement import Requirement
from atlassian_auth.protocol.tokens import Token

__all__ = ["SingleFlight"]

# A call may find a flight in the air that was started for a smaller requirement. It joins at most so many
# before it takes what it gets: each is an exchange, so this never ends up in a loop.
_ROUNDS = 3


class SingleFlight:
    """Decides for each call: the token at hand, the flight in the air, or a new one.

    Lives in one event loop, the runner's.

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
        self._flying: dict[str, asyncio.Task[Token]] = {}

    async def token(self, key: str, requirement: Requirement) -> Token:
        """Return a token that meets the requirement.

        Raises:
            TransientError: if it takes longer than ``wait_timeout_seconds``; the flight goes on.
            AtlassianAuthError: as `Refresher.refresh` does, or did a moment ago.
        """
        with suppress(TimeoutError):
            async with self._clock.timeout(self._wait_seconds):
                return await self._token(key, requirement)
        return self._make_do(key, requirement, self._too_slow())

    async def _token(self, key: str, requirement: Requirement) -> Token:
        rounds = itertools.count(1)
        while True:
            flight = Flight(key, requirement)
            async with self._stripes.of(key):
                token = self._at_hand(key, requirement)
                joined = self._flying.get(key)
                if token is None and joined is None:
                    token = await self._adopted(flight)
                if token is not None:
                    return token
                landing = joined or self._take_off(flight)
            # The stripe is free again: other keys on it do not wait for this flight.
            try:
                await asyncio.wait([landing])  # unlike "await landing" this never cancels it
            finally:
                if joined is None:  # also if this call is given up before it lands
                    landing.add_done_callback(functools.partial(self._landed, flight))
            try:
                token = landing.result()
            except AtlassianAuthError as error:
                return self._make_do(key, requirement, error)
            if not joined or next(rounds) == _ROUNDS:
                return token

    async def idle(self) -> None:
        """Return when the calls that are made now are decided, and their flights have landed."""
        await self._stripes.passed()
        if self._flying:
            await asyncio.wait(list(self._flying.values()))

    def _at_hand(self, key: str, requirement: Requirement) -> Token | None:
        token = self._cache.accepted(key, requirement)
        error = self._backoff.active(key, forced=requirement.forced)
        if token is not None or error is None:
            return token
        return self._make_do(key, requirement, error)

    async def _adopted(self, flight: Flight) -> Token | None:
        """Return what another process has saved: in a fleet only the one that refreshes takes the lock."""
        with suppress(*STORE_TROUBLE):  # the flight has the same trouble, and says so
            token = await self._refresher.adopt(flight)
            if token is not None:
                self._backoff.clear(flight.key)
                self._tell_soon(flight)
            return token
        return None

    def _landed(self, flight: Flight, landing: asyncio.Task[Token]) -> None:
        if not landing.cancelled():
            landing.exception()  # asked for, or asyncio complains where all who waited have given up
        self._tell_soon(flight)

    def _tell_soon(self, flight: Flight) -> None:
        # In the next turn of the loop: those who wait for the flight are woken in this one.
        asyncio.get_running_loop().call_soon(self._tell, flight.events)

    def _take_off(self, flight: Flight) -> asyncio.Task[Token]:
        landing = asyncio.get_running_loop().create_task(self._fly(flight))
        self._flying[flight.key] = landing
        return landing

    async def _fly(self, flight: Flight) -> Token:
        try:
            async with self._slots:
                return await self._refreshed(flight)
        finally:
            del self._flying[flight.key]

    async def _refreshed(self, flight: Flight) -> Token:
        started = self._clock.time()
        self._tell([RefreshStarted(key=flight.key, at=utc_now(self._clock))])
        try:
            token = await self._refresher.refresh(flight)
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 -- it is shared by many
            failure = explained(error)
        else:
            self._backoff.clear(flight.key)
            return token
        self._note_failure(flight, failure, started)
        raise failure

    def _note_failure(self, flight: Flight, error: AtlassianAuthError, started: float) -> None:
        key, now = flight.key, utc_now(self._clock)
        rest = self._backoff.note(key, error)
        self._cache.postpone(key, rest.until)
        resting = self._backoff.active(key) is not None
        flight.events.append(
            RefreshFailed(
                key=key,
                at=now,
                duration_seconds=self._clock.time() - started,
                code=error.code,
                reason=str(error),
                retry_at=utc_at(rest.until) if resting else None,
            )
        )
        token = self._cache.still_valid(key)
        if token is not None:
            flight.events.append(
                Degraded(key=key, at=now, reason=str(error), expires_at=token.expires_at)
            )

    def _too_slow(self) -> TransientError:
        message = (
            f"No token within {self._wait_seconds:g} seconds (wait_timeout_seconds); the refresh goes on. "
            "Try again later, and see whether the store or the token endpoint is slow."
        )
        return TransientError(message)

    def _make_do(self, key: str, requirement: Requirement, error: AtlassianAuthError) -> Token:
        """Trouble with refreshing is nobody's trouble while the token at hand is valid."""
        token = self._cache.still_valid(key)
        if token is None or requirement.forced or requirement.rejects(token):
            raise error
        return token
