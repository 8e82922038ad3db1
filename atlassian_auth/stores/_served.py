"""A store whose records are with a server: what the stores of Redis and PostgreSQL have in common.

The client lives in a `LoopThread`. Nothing waits on the server for a lock: whoever wants one asks
again and again, so that a waiter holds no connection, and one that gave up has left nothing behind.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

import anyio

from atlassian_auth._runtime.loop_thread import LoopThread, Resident
from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.ports import Clock, system_jitter
from atlassian_auth.stores.base import Hold, Stored
from atlassian_auth.stores.checked import CheckedStore, Target
from atlassian_auth.stores.rules import lock_timeout

__all__ = ["Claim", "RecordServer", "ServedStore", "check_limits", "check_network"]

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.1
_PAUSE_GROWTH = 1.5
_QUESTIONS = 3

logger: logging.Logger = logging.getLogger("atlassian_auth")


class RecordServer(Resident, Protocol):
    """Asks one server; used in one event loop. Names are checked; times are POSIX seconds.

    Each method raises `StoreError` if the server does not do what it was asked.
    """

    async def get(self, target: Target) -> Stored | None:
        """Return the record, unless its time is over."""
        ...

    async def put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        """Store the value if the record is at the expected version; return the new one."""
        ...

    async def delete(self, target: Target) -> bool:
        """Remove the record if it is at the expected version; return whether there was one."""
        ...

    async def keys(self, namespace: str, now: float) -> list[str]:
        """Return the keys of the records whose time is not over, in any order."""
        ...

    async def acquire(self, claim: Claim) -> bool:
        """Try once to lock what is claimed, and return whether that succeeded."""
        ...

    async def confirm(self, claim: Claim, seconds: float) -> bool:
        """Return whether what `acquire` has locked is still locked, and stays so for ``seconds``."""
        ...

    async def release(self, claim: Claim) -> None:
        """Unlock what `acquire` has locked, or may have locked when it failed."""
        ...


class Claim:
    """The wish of one task for the lock of one key.

    Args:
        namespace: The family of the key.
        key: Its name.
    """

    def __init__(self, namespace: str, key: str) -> None:
        self.namespace = namespace
        self.key = key
        self.had: bool = False
        self._turn = asyncio.Lock()
        self._server: RecordServer | None = None
        self._held = False

    async def acquire(self, server: RecordServer) -> bool:
        """Try once, and return whether the lock is held."""
        async with self._turn:
            self._server = server
            self._held = self._held or await server.acquire(self)
            self.had = self.had or self._held
            return self._held

    async def confirm(self, server: RecordServer, seconds: float) -> bool:
        """Return whether the lock is still held. What was lost once stays lost."""
        async with self._turn:
            same = server is self._server
            self._held = self._held and same and await server.confirm(self, seconds)
            return self._held

    async def release(self, server: RecordServer) -> None:
        """Let go. Not of a lock had from another server: it ended with that, or is the parent's."""
        async with self._turn:
            if server is self._server:
                self._held = False
                await server.release(self)


class ServedStore(CheckedStore):
    """Has what it is asked done in the server's loop.

    Args:
        name: What the thread is called.
        make: Makes the server's client; nothing is connected yet.
        clock: Decides when a record's time is over, how long waiting for a lock takes, and how old an
            answer is.
        fresh_seconds: An older answer does not prove that a lock is held.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], RecordServer],
        *,
        clock: Clock,
        fresh_seconds: float,
    ) -> None:
        super().__init__(clock)
        self._fresh_seconds = fresh_seconds
        self._thread = LoopThread(name, make)

    async def aclose(self) -> None:
        """Finish what is under way, and close all connections; locks that are held end."""
        await self._thread.stop()

    async def _get(self, target: Target) -> Stored | None:
        return await self._thread.run(lambda server: server.get(target))

    async def _put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        return await self._thread.run(lambda server: server.put(target, value, expires_at))

    async def _delete(self, target: Target) -> bool:
        return await self._thread.run(lambda server: server.delete(target))

    async def _keys(self, namespace: str, now: float) -> list[str]:
        return await self._thread.run(lambda server: server.keys(namespace, now))

    @asynccontextmanager
    async def _lock(self, namespace: str, key: str, timeout_seconds: float) -> AsyncGenerator[Hold]:
        claim = Claim(namespace, key)
        try:
            if not await self._poll(lambda: self._thread.run(claim.acquire), timeout_seconds):
                raise lock_timeout(namespace, key, timeout_seconds)
            yield _ServedHold(lambda seconds: self._confirm(claim, seconds))
        finally:
            await self._release(claim)

    async def _poll(self, attempt: Callable[[], Awaitable[bool]], timeout_seconds: float) -> bool:
        pause = _FIRST_PAUSE_SECONDS
        with suppress(TimeoutError):
            async with self._clock.timeout(timeout_seconds):
                while not await attempt():
                    await self._clock.sleep(pause * (1 - system_jitter() / 2))
                    pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)
                return True
        # The attempt that was cut off may have succeeded; and within no time one is made, too.
        return await attempt()

    async def _confirm(self, claim: Claim, seconds: float) -> bool:
        for _ in range(_QUESTIONS):
            asked = self._clock.time()
            if not await self._thread.run(lambda server: claim.confirm(server, seconds)):
                return False
            # An answer that waited in the socket while this process stood still proves nothing.
            if abs(self._clock.time() - asked) <= self._fresh_seconds:
                return True
        message = (
            f"The store took longer than {self._fresh_seconds:g} s, {_QUESTIONS} times, to tell whether "
            f"the lock of key {claim.key!r} is still held. See that it can be reached quickly."
        )
        raise StoreError(message)

    async def _release(self, claim: Claim) -> None:
        try:
            with anyio.CancelScope(shield=True):
                await self._thread.run(claim.release)
        except StoreError as error:
            # What was done under the lock is done, and whoever waits gets it when it ends by itself. One that
            # was never had is given up without a word: not having it was an error already.
            level = logging.WARNING if claim.had else logging.DEBUG
            logger.log(level, "The lock of key %r was not released: %s", claim.key, error)


@dataclass(frozen=True, slots=True)
class _ServedHold(Hold):
    ask: Callable[[float], Awaitable[bool]]

    async def confirm(self, seconds: float = 0) -> bool:
        """Ask the server; see `Hold.confirm`."""
        return await self.ask(seconds)


def check_limits(timeout_seconds: float, **counts: int) -> None:
    """Return if a store can work within these limits.

    Raises:
        ConfigurationError: if there is no time, no end of it, or nothing to work with.
    """
    if not (math.isfinite(timeout_seconds) and timeout_seconds > 0):
        message = f"timeout_seconds={timeout_seconds}; expected seconds above 0."
        raise ConfigurationError(message, argument="timeout_seconds")
    for argument, count in counts.items():
        if count < 1:
            message = f"{argument}={count}; expected 1 or more."
            raise ConfigurationError(message, argument=argument)


def check_network(hosts: Iterable[str], *, argument: str, cure: str) -> None:
    """Return if what goes to these hosts does not leave the computer; for connections without checked TLS.

    Args:
        hosts: Names, addresses, or paths of sockets; an empty one is the client's usual socket.
        argument: Where they were given.
        cure: How TLS is asked for.

    Raises:
        ConfigurationError: if one is not this computer.
    """
    for host in hosts:
        if not _is_here(host):
            message = (
                f"{argument}: everyone between here and {host} could read and change the tokens, because "
                f"the connection is not TLS with a checked certificate. {cure}, or say "
                "allow_insecure_network=True if you trust everybody on that network."
            )
            raise ConfigurationError(message, argument=argument)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host[:1] in {"", "/", "@"}
