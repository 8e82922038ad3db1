"""The common base of the stores that use a server: Redis and PostgreSQL.

The client runs in a `LoopThread`. A task that waits for a lock polls: so it holds no connection while it
waits, and leaves nothing on the server when it gives up.
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

from atlassian_auth.exceptions import ConfigurationError, StoreError
from atlassian_auth.ports import Clock, system_jitter
from atlassian_auth.ports._runtime.loop_thread import AsyncClient, LoopThread
from atlassian_auth.stores.base import Hold, Stored
from atlassian_auth.stores.checked import CheckedStore, Target
from atlassian_auth.stores.rules import lock_timeout

__all__ = ["LockRequest", "RecordServer", "ServerStore", "check_limits", "check_network"]

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.1
_PAUSE_GROWTH = 1.5
_CONFIRM_ATTEMPTS = 3

logger: logging.Logger = logging.getLogger("atlassian_auth")


class RecordServer(AsyncClient, Protocol):
    """The client of one server, used in one event loop. Names are checked; times are POSIX seconds.

    Each method raises `StoreError` if the server cannot be reached or reports an error.
    """

    async def get(self, target: Target) -> Stored | None:
        """Return the record, or None if there is none or it has expired."""
        ...

    async def put(self, target: Target, value: bytes, expires_at: float | None) -> int:
        """Store the value if the record is at the expected version; return the new version."""
        ...

    async def delete(self, target: Target) -> bool:
        """Remove the record if it is at the expected version; return whether there was one."""
        ...

    async def keys(self, namespace: str, now: float) -> list[str]:
        """Return the keys of the records that have not expired, in any order."""
        ...

    async def acquire(self, request: LockRequest) -> bool:
        """Try once to get the lock, and return whether it is held now."""
        ...

    async def confirm(self, request: LockRequest, seconds: float) -> bool:
        """Return whether the lock is still held, and stays held for ``seconds``."""
        ...

    async def release(self, request: LockRequest) -> None:
        """Release the lock that `acquire` got, or may have got before it failed."""
        ...


class LockRequest:
    """One task's request for one key's lock.

    Args:
        namespace: The family of the key.
        key: Its name.
    """

    def __init__(self, namespace: str, key: str) -> None:
        self.namespace = namespace
        self.key = key
        self.was_held: bool = False
        self._turn = asyncio.Lock()
        self._server: RecordServer | None = None
        self._held = False

    async def acquire(self, server: RecordServer) -> bool:
        """Try once, and return whether the lock is held."""
        async with self._turn:
            self._server = server
            self._held = self._held or await server.acquire(self)
            self.was_held = self.was_held or self._held
            return self._held

    async def confirm(self, server: RecordServer, seconds: float) -> bool:
        """Return whether the lock is still held. A lock that was lost once stays lost."""
        async with self._turn:
            same = server is self._server
            self._held = self._held and same and await server.confirm(self, seconds)
            return self._held

    async def release(self, server: RecordServer) -> None:
        """Release the lock if this client got it. Another client's lock has ended, or is the parent's."""
        async with self._turn:
            if server is self._server:
                self._held = False
                await server.release(self)


class ServerStore(CheckedStore):
    """Runs each call in the event loop of the server's client.

    Args:
        name: The thread's name.
        make: Makes the server's client, without connecting.
        clock: Decides when a record has expired, when waiting for a lock times out, and how old an answer is.
        answer_age_seconds: An older answer does not prove that a lock is held.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], RecordServer],
        *,
        clock: Clock,
        answer_age_seconds: float,
    ) -> None:
        super().__init__(clock)
        self._answer_age_seconds = answer_age_seconds
        self._thread = LoopThread(name, make)

    async def aclose(self) -> None:
        """Finish the calls that have begun, and close all connections. Locks that are held end."""
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
        request = LockRequest(namespace, key)
        try:
            if not await self._poll(lambda: self._thread.run(request.acquire), timeout_seconds):
                raise lock_timeout(namespace, key, timeout_seconds)
            yield _ServerHold(lambda seconds: self._confirm(request, seconds))
        finally:
            await self._release(request)

    async def _poll(self, attempt: Callable[[], Awaitable[bool]], timeout_seconds: float) -> bool:
        pause = _FIRST_PAUSE_SECONDS
        with suppress(TimeoutError):
            async with self._clock.timeout(timeout_seconds):
                while not await attempt():
                    await self._clock.sleep(pause * (1 - system_jitter() / 2))
                    pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)
                return True
        # The attempt that timed out may have succeeded. And with a timeout of 0 there must be one attempt.
        return await attempt()

    async def _confirm(self, request: LockRequest, seconds: float) -> bool:
        for _ in range(_CONFIRM_ATTEMPTS):
            asked = self._clock.time()
            if not await self._thread.run(lambda server: request.confirm(server, seconds)):
                return False
            # An answer that waited in the socket while this process was paused proves nothing.
            if abs(self._clock.time() - asked) <= self._answer_age_seconds:
                return True
        message = (
            f"The store took longer than {self._answer_age_seconds:g} s, {_CONFIRM_ATTEMPTS} times, to "
            f"confirm that the lock of key {request.key!r} is still held. Check the network and the server."
        )
        raise StoreError(message)

    async def _release(self, request: LockRequest) -> None:
        try:
            with anyio.CancelScope(shield=True):
                await self._thread.run(request.release)
        except StoreError as error:
            # The work under the lock is done, and the server ends the lock by itself later. If the lock was
            # never held, the caller has already got an error.
            level = logging.WARNING if request.was_held else logging.DEBUG
            fields = {"namespace": request.namespace, "key": request.key}
            logger.log(
                level, "The lock of key %r was not released: %s", request.key, error, extra=fields
            )


@dataclass(frozen=True, slots=True)
class _ServerHold(Hold):
    ask_server: Callable[[float], Awaitable[bool]]

    async def confirm(self, seconds: float = 0) -> bool:
        """Ask the server; see `Hold.confirm`."""
        return await self.ask_server(seconds)


def check_limits(timeout_seconds: float, **counts: int) -> None:
    """Check that a store can work within these limits.

    Raises:
        ConfigurationError: if the timeout is not finite and above 0, or a count is below 1.
    """
    if not (math.isfinite(timeout_seconds) and timeout_seconds > 0):
        message = f"timeout_seconds={timeout_seconds}; expected seconds above 0."
        raise ConfigurationError(message, argument="timeout_seconds")
    for argument, count in counts.items():
        if count < 1:
            message = f"{argument}={count}; expected 1 or more."
            raise ConfigurationError(message, argument=argument)


def check_network(hosts: Iterable[str], *, argument: str, cure: str) -> None:
    """Check that all hosts are this computer, for connections without verified TLS.

    Args:
        hosts: Names, addresses, or paths of sockets; an empty one means the client's default socket.
        argument: The argument that names them, for the error.
        cure: How to turn verified TLS on, for the error.

    Raises:
        ConfigurationError: if a host is another computer.
    """
    for host in hosts:
        if not _is_this_computer(host):
            message = (
                f"{argument}: the connection to {host} does not use TLS with a verified certificate, so "
                f"others on the network could read and change the tokens. {cure}, or say "
                "allow_insecure_network=True if you trust everyone on that network."
            )
            raise ConfigurationError(message, argument=argument)


def _is_this_computer(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host[:1] in {"", "/", "@"}
