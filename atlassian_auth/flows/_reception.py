"""A port of this computer at which one browser is expected: GET for one path, and nothing else.

Every user of the computer can connect to it, so no connection may keep others out: each has ten seconds for
its request, and of those that have not asked yet the oldest make room. What HTTP is, h11 knows (httpx brings
it along).
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import anyio
import h11
from anyio.abc import ByteStream, Listener, SocketStream
from anyio.streams.stapled import MultiListener

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.flows._page import PAGE_HEADERS
from atlassian_auth.ports import Clock

__all__ = ["Answer", "Place", "Reception", "Reply", "listening"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

# RFC 8252 section 7.3 would let the port be any; Atlassian compares redirect URIs to the letter.
# Section 8.3: localhost is "NOT RECOMMENDED". Browsers take it for both addresses, most of them ::1 first
# (Chromium does so whatever /etc/hosts says), so both are held: another user could listen on the free one.
_ADDRESSES = {
    "127.0.0.1": ("127.0.0.1",),
    "::1": ("::1",),
    "localhost": ("127.0.0.1", "::1"),
}

# What computers say that have no IPv6. Where there is no ::1, no other program can listen on it.
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

# Room for a code of some thousand characters and a browser's headers.
_LONGEST_REQUEST = 32 * 1024

# Browsers send a request at once, or keep a connection that they opened ahead until they need it.
_REQUEST_SECONDS = 10
_SILENT_AT_ONCE = 32

_PAUSE_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a redirect URI leads to on this computer."""

    addresses: tuple[str, ...]
    port: int
    path: str

    @classmethod
    def of(cls, redirect_uri: str | None) -> Self:
        """Return the place of a redirect URI.

        Raises:
            ConfigurationError: if it is not one of this computer.
        """
        parts = urlsplit(redirect_uri or "")
        port = 80 if parts.port is None else parts.port
        addresses = _ADDRESSES.get(parts.hostname or "")
        if parts.scheme != "http" or addresses is None or not port:
            message = (
                f"redirect_uri is {redirect_uri}, where no browser on this computer can be waited for: "
                "register one such as http://127.0.0.1:8765/callback (http, 127.0.0.1, [::1] or localhost, a "
                "port) and use it here, or use AuthorizationFlow and take the callback yourself."
            )
            raise ConfigurationError(message, argument="redirect_uri")
        return cls(addresses, port, parts.path or "/")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the browser gets; without a body it shows a page of its own."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[str], Awaitable[Reply]]
"""Takes a query, returns what the browser gets."""


@asynccontextmanager
async def listening(place: Place) -> AsyncGenerator[Listener[SocketStream]]:
    """Hold the port at each of the place's addresses that this computer has.

    Raises:
        ConfigurationError: if it cannot be had at one of them.
    """
    async with AsyncExitStack() as held:
        listeners = [one for at in place.addresses for one in await _listeners(held, at, place)]
        if not listeners:
            raise _unavailable(place.addresses[0], place, errno.EADDRNOTAVAIL)
        yield MultiListener(listeners)


async def _listeners(
    held: AsyncExitStack, address: str, place: Place
) -> list[Listener[SocketStream]]:
    """Return what listens at an address: nothing where this computer does not have it."""
    try:
        opened = await _opened(address, place.port)
    except OSError as error:
        code = error.errno or 0
    else:
        if isinstance(opened, socket.socket):
            held.enter_context(opened)
            return []
        # One by one: a MultiListener takes them out of another one, which would then close none.
        return [await held.enter_async_context(listener) for listener in opened.listeners]
    # Outside the except block: what is chained would keep the failed socket for as long as the error.
    if code in _ABSENT:
        return []
    raise _unavailable(address, place, code)


async def _opened(address: str, port: int) -> MultiListener[SocketStream] | socket.socket:
    with suppress(socket.gaierror):
        return await anyio.create_tcp_listener(local_host=address, local_port=port)
    # anyio asks the resolver with AI_ADDRCONFIG, which knows no ::1 where the network has IPv4 only.
    return _reserved(address, port)


def _reserved(address: str, port: int) -> socket.socket:
    """Return a socket that keeps others from an IPv6 address; browsers are refused, and try the next one."""
    reserved = socket.socket(socket.AF_INET6)
    try:
        reserved.bind((address, port))
    except OSError:
        reserved.close()
        raise
    return reserved


def _unavailable(address: str, place: Place, code: int) -> ConfigurationError:
    meant, danger, other = "redirect_uri names", "", "another port"
    if len(place.addresses) > 1:
        meant = "browsers may take localhost in redirect_uri for"
        danger = " A browser could end up at another program there."
        other = "127.0.0.1 in place of localhost, or with another port"
    return ConfigurationError(
        f"Port {place.port} of {address}, which {meant}, cannot be listened on ({os.strerror(code)})."
        f"{danger} If a program uses it, perhaps a login that is still waiting, end that; otherwise register "
        f"a redirect URI with {other}.",
        argument="redirect_uri",
    )


class Reception:
    """Answers those who come to a place, one request each.

    Args:
        place: Where they come.
        answer: What to say to a request for the place's path.
        clock: What a request's time is measured by.
    """

    def __init__(self, place: Place, answer: Answer, *, clock: Clock) -> None:
        self._place = place
        self._answer = answer
        self._clock = clock
        self._silent: dict[anyio.CancelScope, None] = {}

    async def serve(
        self, listener: Listener[SocketStream], answered: Callable[[Reply | None], None]
    ) -> None:
        """Receive everybody, until cancelled.

        When the computer has no room for another connection, those that have not asked yet are closed.

        Args:
            listener: Where connections come from.
            answered: Called with what each got, when it has got it.
        """

        async def handle(stream: ByteStream) -> None:
            answered(await self.receive(stream))

        async with anyio.create_task_group() as visitors:
            while True:
                try:
                    await listener.serve(handle, visitors)
                except* (OSError, anyio.BrokenResourceError) as group:
                    self._make_room(group)
                await self._clock.sleep(_PAUSE_SECONDS)

    async def receive(self, stream: ByteStream) -> Reply | None:
        """Answer one request, close the connection, and return what was answered.

        A browser that goes away is not missed.
        """
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_REQUEST)
        reply = None
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with stream:
                reply = await self._reply(connection, stream)
                if reply is not None:
                    await stream.send(_encoded(connection, reply))
        return reply

    async def _reply(self, connection: h11.Connection, stream: ByteStream) -> Reply | None:
        try:
            request = await self._request(connection, stream)
        except h11.RemoteProtocolError as error:
            return Reply(error.error_status_hint)
        if request is None:
            return None
        path, _, query = request.target.decode("ascii").partition("?")
        if path != self._place.path:
            return Reply(404)
        if request.method != b"GET":
            return Reply(405, headers=(("Allow", "GET"),))
        return await self._answer(query)

    async def _request(self, connection: h11.Connection, stream: ByteStream) -> h11.Request | None:
        """Return the head of a request, or None if there is none in time."""
        with suppress(TimeoutError), self._among_the_silent():
            async with self._clock.timeout(_REQUEST_SECONDS):
                return await _head(connection, stream)
        return None

    @contextmanager
    def _among_the_silent(self) -> Generator[None]:
        """Count a connection as one that has not asked yet; its body ends early if it has to make room."""
        if len(self._silent) >= _SILENT_AT_ONCE:
            self._dismiss(next(iter(self._silent)))
        with anyio.CancelScope() as scope:
            self._silent[scope] = None
            try:
                yield
            finally:
                self._silent.pop(scope, None)

    def _make_room(self, group: BaseExceptionGroup[Exception]) -> None:
        # accept() fails where file descriptors run out. A login does not end of it: others may free some.
        logger.warning(
            "The login's port can take no more connections for now: %s. Trying again.",
            ", ".join(sorted({_reason(error) for error in group.exceptions})),
        )
        for scope in tuple(self._silent):
            self._dismiss(scope)

    def _dismiss(self, scope: anyio.CancelScope) -> None:
        del self._silent[scope]
        scope.cancel()


def _reason(error: BaseException) -> str:
    # On trio anyio raises an error of its own from the system's.
    known = error if isinstance(error, OSError) else error.__cause__
    return str(known or type(error).__name__)


async def _head(connection: h11.Connection, stream: ByteStream) -> h11.Request | None:
    """Return the head of a request, or None if nobody asks anything."""
    while (event := connection.next_event()) is h11.NEED_DATA:
        try:
            connection.receive_data(await stream.receive())
        except anyio.EndOfStream:
            connection.receive_data(b"")
    return event if isinstance(event, h11.Request) else None


def _encoded(connection: h11.Connection, reply: Reply) -> bytes:
    headers = [*PAGE_HEADERS, *reply.headers]
    headers += [("Content-Length", str(len(reply.body))), ("Connection", "close")]
    events: list[h11.Event] = [h11.Response(status_code=reply.status, headers=headers)]
    if reply.body:
        events.append(h11.Data(data=reply.body))
    return b"".join(connection.send(event) or b"" for event in (*events, h11.EndOfMessage()))
