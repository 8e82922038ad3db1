"""A few connections to PostgreSQL: opened when needed, looked at before use, bounded in number and time.

Not ``psycopg_pool``: that one opens connections behind the caller's back, who then learns of a wrong
password only that no connection was had in time.
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

__all__ = ["Connections", "Overdue", "Unreachable"]

_KEPT_IDLE = 4
_NARROW_SECONDS = 1


class Unreachable(Exception):
    """There is no connection, and nothing was asked; the text says why and is public."""


class Overdue(Exception):
    """The answer did not come in time, and the connection was broken off."""


@dataclass(slots=True)
class _Share:
    """What one use of connections may have, and has."""

    limit: int
    lent: int = 0
    opening: int = 0
    room: int = 0
    narrow_until: float = 0
    connections: list[AsyncConnection[Any]] = field(default_factory=list["AsyncConnection[Any]"])

    def free(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self.lent < (self.limit if now >= self.narrow_until else self.room)

    def has_open(self) -> bool:
        """Return whether one is lent that has not ended meanwhile."""
        return not all(_is_gone(connection) for connection in self.connections)

    def narrow(self) -> None:
        """Have no more than there are, for a moment: the server has given no further one."""
        self.room = self.lent
        self.narrow_until = asyncio.get_running_loop().time() + _NARROW_SECONDS


class Connections:
    """Lends connections to one task at a time each. Used in one event loop.

    The holder of a lock needs another connection to read and write. So locks leave one that is open to
    the records; and where the server gives no more, who asks waits for those that there are.

    Args:
        parameters: What ``psycopg.AsyncConnection.connect`` is given.
        records: How many read and write at the most.
        locks: How many hold locks at the most.
        timeout_seconds: How long waiting for a free one may take, and each use of one.
    """

    def __init__(
        self, parameters: dict[str, Any], *, records: int, locks: int, timeout_seconds: float
    ) -> None:
        self._parameters = parameters
        self._records = _Share(records)
        self._locks = _Share(locks)
        self._timeout_seconds = timeout_seconds
        self._idle: list[AsyncConnection[Any]] = []
        self._changed = asyncio.Event()
        self._waiting = 0
        self._returns = 0
        self._reserving: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lend(self) -> AsyncGenerator[AsyncConnection[Any]]:
        """Lend a connection to read or write with, whose use is cut off when it takes too long.

        Raises:
            Unreachable: if none can be had.
        """
        connection = await self._take()
        try:
            with self.cutting_off(connection):
                yield connection
        finally:
            await self._give_back(connection, self._records)

    async def take_for_lock(self) -> AsyncConnection[Any] | None:
        """Lend a connection until `give_back_of_lock`; None if all are in use.

        Raises:
            Unreachable: if none can be had, and none will be given back.
        """
        await self._reserve()
        if not self._locks.free():
            return None
        try:
            return await self._open(self._locks)
        except Unreachable:
            if not await self._will_be_returned():
                raise
        self._locks.narrow()
        return None

    async def give_back_of_lock(self, connection: AsyncConnection[Any]) -> None:
        """Take the connection back, and keep it if it is in order."""
        await self._give_back(connection, self._locks)

    @contextmanager
    def cutting_off(self, connection: AsyncConnection[Any]) -> Generator[None]:
        """Break the connection if its use takes too long.

        Raises:
            Overdue: in place of the error that its caller got then.
        """
        # No cancellation: psycopg would then wait for a server that may not be there any more.
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(self._timeout_seconds, _break, connection)
        try:
            yield
        except Exception:
            if alarm.when() <= loop.time():
                raise Overdue from None
            raise
        finally:
            alarm.cancel()

    async def aclose(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            await self._idle.pop().close()

    async def _take(self) -> AsyncConnection[Any]:
        while True:
            busy = f"all {self._records.limit} connections were in use"
            await self._until(self._records.free, busy)
            try:
                return await self._open(self._records)
            except Unreachable as error:
                if not (self._idle or await self._will_be_returned()):
                    raise
                problem = str(error)
            await self._returned(problem)

    async def _returned(self, problem: str) -> None:
        before = self._returns
        await self._until(lambda: bool(self._idle) or self._returns > before, problem)

    async def _until(self, condition: Callable[[], bool], problem: str) -> None:
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
        """Return whether one is lent, as soon as that is known of those that are being opened."""
        shares = (self._records, self._locks)
        while not (lent := any(share.has_open() for share in shares)):
            if not any(share.opening for share in shares):
                break
            await self._changed.wait()
        return lent

    async def _reserve(self) -> None:
        """See that the records have a connection: the holder of a lock will need it."""
        if self._idle or self._records.has_open():
            return
        if self._reserving is None or self._reserving.done():
            self._reserving = asyncio.create_task(self._open_one())
        await self._reserving

    async def _open_one(self) -> None:
        async with self.lend():
            pass

    async def _open(self, share: _Share) -> AsyncConnection[Any]:
        share.lent += 1
        try:
            connection = await self._usable(share) or await self._connect(share)
        except BaseException:
            share.lent -= 1
            raise
        finally:
            self._tell()
        share.connections.append(connection)
        return connection

    async def _usable(self, share: _Share) -> AsyncConnection[Any] | None:
        reserved = share is self._locks and not self._records.has_open()
        while len(self._idle) > reserved:
            connection = self._idle.pop()
            if _is_quiet(connection):
                return connection
            await connection.close()
        return None

    async def _connect(self, share: _Share) -> AsyncConnection[Any]:
        from psycopg import AsyncConnection, Error  # noqa: PLC0415 -- was imported with the store

        share.opening += 1
        try:
            return await AsyncConnection.connect(**self._parameters)
        except Error as error:
            reason = " ".join(str(error).split())
        finally:
            share.opening -= 1
        raise Unreachable(reason[:300])

    async def _give_back(self, connection: AsyncConnection[Any], share: _Share) -> None:
        share.lent -= 1
        share.connections.remove(connection)
        self._returns += 1
        if _is_quiet(connection) and len(self._idle) < _KEPT_IDLE + self._waiting:
            self._idle.append(connection)
        else:
            await connection.close()
        self._tell()

    def _tell(self) -> None:
        """Wake those who wait for another state of affairs."""
        self._changed.set()
        self._changed = asyncio.Event()


def _is_quiet(connection: AsyncConnection[Any]) -> bool:
    """Return whether the connection is in no transaction, and the server has not said good-bye."""
    from psycopg.pq import TransactionStatus  # noqa: PLC0415 -- was imported with the store

    return connection.info.transaction_status == TransactionStatus.IDLE and _is_silent(connection)


def _is_gone(connection: AsyncConnection[Any]) -> bool:
    """Return whether a connection that is lent has ended."""
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


def _break(connection: AsyncConnection[Any]) -> None:
    with suppress(OSError), _duplicate(connection) as its_socket:
        its_socket.shutdown(socket.SHUT_RDWR)


def _duplicate(connection: AsyncConnection[Any]) -> socket.socket:
    return socket.socket(fileno=socket.dup(connection.fileno()))
