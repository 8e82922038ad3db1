"""A few connections to PostgreSQL: opened when needed, checked before use, limited in number and time.

It is not ``psycopg_pool``, because that opens connections in the background: a caller with a wrong password
would see only a timeout.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import AsyncConnection

__all__ = ["AnswerTimeout", "PostgresConnections", "Unreachable"]

_KEPT_IDLE = 4
_LIMITED_SECONDS = 1


class Unreachable(Exception):
    """No connection could be opened, so nothing was sent. The text says why and has no secret."""


class AnswerTimeout(Exception):
    """The answer did not arrive in time, and the connection was closed."""


@dataclass(slots=True)
class _Quota:
    """How many connections one purpose may use, and which ones it uses now."""

    limit: int
    lent: int = 0
    opening: int = 0
    room: int = 0
    limited_until: float = 0
    connections: list[AsyncConnection[Any]] = field(default_factory=list["AsyncConnection[Any]"])

    def has_room(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self.lent < (self.limit if now >= self.limited_until else self.room)

    def has_open(self) -> bool:
        """Return whether any of these connections is still open."""
        return not all(_is_gone(connection) for connection in self.connections)

    def limit_to_lent(self) -> None:
        """For a short time allow no more than are lent now, because the server has refused another one."""
        self.room = self.lent
        self.limited_until = asyncio.get_running_loop().time() + _LIMITED_SECONDS


class PostgresConnections:
    """Lends each connection to one task at a time. Used in one event loop.

    The holder of a lock needs a second connection to read and write. So locks always leave one open
    connection for the records. If the server refuses another connection, callers wait for one of those that
    are open.

    Connections are opened one at a time. PostgreSQL counts a connection before it refuses it: of several
    that are opened at once, it may refuse every one, although it has room for one.

    Args:
        parameters: The arguments of ``psycopg.AsyncConnection.connect``.
        records: The largest number of connections that read and write.
        locks: The largest number of connections that hold locks.
        timeout_seconds: The longest time to wait for a free connection, and the longest time to use one.
    """

    def __init__(
        self, parameters: dict[str, Any], *, records: int, locks: int, timeout_seconds: float
    ) -> None:
        self._parameters = parameters
        self._records = _Quota(records)
        self._locks = _Quota(locks)
        self._timeout_seconds = timeout_seconds
        self._idle: list[AsyncConnection[Any]] = []
        self._changed = asyncio.Event()
        self._waiting = 0
        self._returns = 0
        self._opening_for_records: asyncio.Task[None] | None = None
        self._opening_one = asyncio.Lock()
        self._failures = 0
        self._problem = ""

    @asynccontextmanager
    async def lend(self) -> AsyncGenerator[AsyncConnection[Any]]:
        """Lend a connection to read or write with. It is closed if its use takes too long.

        Raises:
            Unreachable: if no connection can be opened.
        """
        connection = await self._take()
        try:
            with self.limit_time(connection):
                yield connection
        finally:
            await self._return(connection, self._records)

    async def take_for_lock(self) -> AsyncConnection[Any] | None:
        """Lend a connection until `return_from_lock`, or return None if all are in use.

        Raises:
            Unreachable: if no connection can be opened, and none is lent that will be returned.
        """
        await self._ensure_open_for_records()
        while self._locks.has_room():
            try:
                return await self._open(self._locks)
            except Unreachable:
                # One may have been returned while the server refused another.
                if self._can_reuse(self._locks):
                    continue
                if not await self._will_be_returned():
                    raise
            self._locks.limit_to_lent()
        return None

    async def return_from_lock(self, connection: AsyncConnection[Any]) -> None:
        """Take the connection back. Keep it if it is open and idle."""
        await self._return(connection, self._locks)

    @contextmanager
    def limit_time(self, connection: AsyncConnection[Any]) -> Generator[None]:
        """Close the connection if its use takes too long.

        Raises:
            AnswerTimeout: if that was done, instead of the error that psycopg raised.
        """
        # Not by cancellation: psycopg would then wait for the server, which may not answer any more.
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(self._timeout_seconds, _shut_down, connection)
        try:
            yield
        except Exception:
            if alarm.when() <= loop.time():
                raise AnswerTimeout from None
            raise
        finally:
            alarm.cancel()

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            await self._idle.pop().close()

    async def _take(self) -> AsyncConnection[Any]:
        while True:
            busy = f"all {self._records.limit} connections were in use"
            await self._wait_until(self._records.has_room, busy)
            try:
                return await self._open(self._records)
            except Unreachable as error:
                if not (self._idle or await self._will_be_returned()):
                    raise
                problem = str(error)
            await self._wait_for_return(problem)

    async def _wait_for_return(self, problem: str) -> None:
        before = self._returns
        await self._wait_until(lambda: bool(self._idle) or self._returns > before, problem)

    async def _wait_until(self, condition: Callable[[], bool], problem: str) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            raise Unreachable(f"{problem} for {self._timeout_seconds:g} s") from None
        finally:
            self._waiting -= 1

    async def _will_be_returned(self) -> bool:
        """Return whether an open connection is lent, after waiting for those that are being opened."""
        quotas = (self._records, self._locks)
        while not (lent := any(quota.has_open() for quota in quotas)):
            if not any(quota.opening for quota in quotas):
                break
            await self._changed.wait()
        return lent

    async def _ensure_open_for_records(self) -> None:
        """Open a connection for the records if there is none: the holder of a lock will need it."""
        if self._idle or self._records.has_open():
            return
        if self._opening_for_records is None or self._opening_for_records.done():
            self._opening_for_records = asyncio.create_task(self._open_one())
        await self._opening_for_records

    async def _open_one(self) -> None:
        async with self.lend():
            pass

    async def _open(self, quota: _Quota) -> AsyncConnection[Any]:
        quota.lent += 1
        try:
            connection = await self._reuse_idle(quota) or await self._connect(quota)
        except BaseException:
            quota.lent -= 1
            raise
        finally:
            self._notify()
        quota.connections.append(connection)
        return connection

    def _can_reuse(self, quota: _Quota) -> bool:
        """Return whether an idle connection is free for this purpose: locks leave one for the records."""
        reserved = quota is self._locks and not self._records.has_open()
        return len(self._idle) > reserved

    async def _reuse_idle(self, quota: _Quota) -> AsyncConnection[Any] | None:
        while self._can_reuse(quota):
            connection = self._idle.pop()
            if _is_quiet(connection):
                return connection
            await connection.close()
        return None

    async def _connect(self, quota: _Quota) -> AsyncConnection[Any]:
        seen = self._failures
        quota.opening += 1
        try:
            async with self._opening_one:
                # The failure of another task while this one waited is an answer to this one too.
                if self._failures == seen and (connection := await self._try_to_connect()):
                    return connection
        finally:
            quota.opening -= 1
        raise Unreachable(self._problem)

    async def _try_to_connect(self) -> AsyncConnection[Any] | None:
        from psycopg import AsyncConnection, Error  # noqa: PLC0415 -- was imported with the store

        try:
            return await AsyncConnection.connect(**self._parameters)
        except Error as error:
            self._failures += 1
            self._problem = " ".join(str(error).split())[:300]
        return None

    async def _return(self, connection: AsyncConnection[Any], quota: _Quota) -> None:
        quota.lent -= 1
        quota.connections.remove(connection)
        self._returns += 1
        if _is_quiet(connection) and len(self._idle) < _KEPT_IDLE + self._waiting:
            self._idle.append(connection)
        else:
            await connection.close()
        self._notify()

    def _notify(self) -> None:
        """Wake the tasks that wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()


def _is_quiet(connection: AsyncConnection[Any]) -> bool:
    """Return whether the connection is in no transaction and the server has not closed it."""
    from psycopg.pq import TransactionStatus  # noqa: PLC0415 -- was imported with the store

    return connection.info.transaction_status == TransactionStatus.IDLE and _is_silent(connection)


def _is_gone(connection: AsyncConnection[Any]) -> bool:
    """Return whether a lent connection has ended."""
    from psycopg.pq import TransactionStatus  # noqa: PLC0415 -- was imported with the store

    status = connection.info.transaction_status
    waits = status == TransactionStatus.ACTIVE
    return status == TransactionStatus.UNKNOWN or not (waits or _is_silent(connection))


def _is_silent(connection: AsyncConnection[Any]) -> bool:
    with _duplicate(connection) as its_socket:
        its_socket.setblocking(False)
        try:
            its_socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            return isinstance(error, BlockingIOError)
    return False


def _shut_down(connection: AsyncConnection[Any]) -> None:
    with suppress(OSError), _duplicate(connection) as its_socket:
        its_socket.shutdown(socket.SHUT_RDWR)


def _duplicate(connection: AsyncConnection[Any]) -> socket.socket:
    return socket.socket(fileno=socket.dup(connection.fileno()))
