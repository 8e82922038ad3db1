"""A few connections to PostgreSQL: opened when needed, looked at before use, bounded in number and time.

Not ``psycopg_pool``: that one opens connections behind the caller's back, who then learns of a wrong
password only that no connection was had in time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import AsyncConnection

__all__ = ["Connections", "Unreachable"]

_KEPT_IDLE = 2


class Unreachable(Exception):
    """There is no connection, and nothing was asked; the text says why and is public."""


class Connections:
    """Lends connections to one task at a time each. Used in one event loop.

    Args:
        parameters: What ``psycopg.AsyncConnection.connect`` is given.
        limit: How many there are at the most.
        timeout_seconds: How long waiting for a free one may take, and each use of one.
    """

    def __init__(self, parameters: dict[str, Any], *, limit: int, timeout_seconds: float) -> None:
        self._parameters = parameters
        self._limit = limit
        self._free = asyncio.Semaphore(limit)
        self._timeout_seconds = timeout_seconds
        self._idle: list[AsyncConnection[Any]] = []

    @property
    def all_lent(self) -> bool:
        """Whether whoever asks now has to wait."""
        return self._free.locked()

    @asynccontextmanager
    async def lend(self) -> AsyncGenerator[AsyncConnection[Any]]:
        """Lend a connection for one use, which is cut off when it takes too long.

        Raises:
            Unreachable: if none can be had.
        """
        connection = await self.take()
        try:
            with self.cutting_off(connection):
                yield connection
        finally:
            await self.give_back(connection)

    async def take(self) -> AsyncConnection[Any]:
        """Lend a connection until `give_back`; raises as `lend` does."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._free.acquire()
        except TimeoutError:
            message = f"all {self._limit} connections were in use for {self._timeout_seconds:g} s"
            raise Unreachable(message) from None
        try:
            return await self._usable() or await self._connect()
        except BaseException:
            self._free.release()
            raise

    async def give_back(self, connection: AsyncConnection[Any]) -> None:
        """Take the connection back, and keep it if it is in order."""
        self._free.release()
        if _is_quiet(connection) and len(self._idle) < _KEPT_IDLE:
            self._idle.append(connection)
        else:
            await connection.close()

    @contextmanager
    def cutting_off(self, connection: AsyncConnection[Any]) -> Generator[None]:
        """Break the connection if its use takes too long: whoever waits for it gets an error."""
        # No cancellation: psycopg would then wait for a server that may not be there any more.
        alarm = asyncio.get_running_loop().call_later(self._timeout_seconds, _break, connection)
        try:
            yield
        finally:
            alarm.cancel()

    async def aclose(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            await self._idle.pop().close()

    async def _usable(self) -> AsyncConnection[Any] | None:
        while self._idle:
            connection = self._idle.pop()
            if _is_quiet(connection):
                return connection
            await connection.close()
        return None

    async def _connect(self) -> AsyncConnection[Any]:
        from psycopg import AsyncConnection, Error  # noqa: PLC0415 -- an extra

        try:
            return await AsyncConnection.connect(**self._parameters)
        except Error as error:
            reason = " ".join(str(error).split())
        raise Unreachable(reason[:300])


def _is_quiet(connection: AsyncConnection[Any]) -> bool:
    """Return whether the connection is in no transaction, and the server has not said good-bye."""
    from psycopg.pq import TransactionStatus  # noqa: PLC0415 -- as above

    if connection.info.transaction_status != TransactionStatus.IDLE:
        return False
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
