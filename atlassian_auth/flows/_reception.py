"""The HTTP server of a login on this computer: it answers GET for one path, and nothing else.

Every user of the computer can connect to it, so no connection may block others. Each has ten seconds to send
its request; if too many wait, the oldest is closed. h11, on which httpx depends, parses HTTP.
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

__all__ = ["Answer", "CallbackPlace", "CallbackReply", "Reception", "listen"]

logger: logging.Logger = logging.getLogger("atlassian_auth")

# RFC 8252 section 7.3 would allow any port, but Atlassian compares the whole redirect URI.
# Section 8.3: localhost is "NOT RECOMMENDED". Browsers resolve it to both addresses, most of them to ::1
# first (Chromium ignores /etc/hosts). So the login listens on both: another user could listen on a free one.
_ADDRESSES = {
    "127.0.0.1": ("127.0.0.1",),
    "::1": ("::1",),
    "localhost": ("127.0.0.1", "::1"),
}

# The errors on a computer without IPv6. Without ::1 no other program can listen on it either.
_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

# Enough for a code of some thousand characters and a browser's headers.
_LONGEST_REQUEST = 32 * 1024

# A browser sends its request at once, or opens a connection in advance and keeps it until it needs it.
_REQUEST_SECONDS = 10
_MOST_WAITING = 32

_PAUSE_SECONDS = 1


@dataclass(frozen=True, slots=True)
class CallbackPlace:
    """The addresses, port and path of a redirect URI on this computer."""

    addresses: tuple[str, ...]
    port: int
    path: str

    @classmethod
    def of(cls, redirect_uri: str | None) -> Self:
        """Return the place that a redirect URI names.

        Raises:
            ConfigurationError: if it is not on this computer.
        """
        parts = urlsplit(redirect_uri or "")
        port = 80 if parts.port is None else parts.port
        addresses = _ADDRESSES.get(parts.hostname or "")
        if parts.scheme != "http" or addresses is None or not port:
            message = (
                f"redirect_uri is {redirect_uri}, which is not on this computer: register one such as "
                "http://127.0.0.1:8765/callback (http, 127.0.0.1, [::1] or localhost, a port) and use it "
                "here, or use AuthorizationFlow and receive the callback yourself."
            )
            raise ConfigurationError(message, argument="redirect_uri")
        return cls(addresses, port, parts.path or "/")


@dataclass(frozen=True, slots=True)
class CallbackReply:
    """The answer to the browser; without a body the browser shows its own page."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[str], Awaitable[CallbackReply]]
"""A function that takes the query of the request and returns the reply."""


@asynccontextmanager
async def listen(place: CallbackPlace) -> AsyncGenerator[Listener[SocketStream]]:
    """Listen on the port at each of the place's addresses that this computer has.

    Raises:
        ConfigurationError: if the port is in use at one of them.
    """
    async with AsyncExitStack() as held:
        listeners = [one for at in place.addresses for one in await _listen_at(held, at, place)]
        if not listeners:
            raise _port_error(place.addresses[0], place, errno.EADDRNOTAVAIL)
        yield MultiListener(listeners)


async def _listen_at(
    held: AsyncExitStack, address: str, place: CallbackPlace
) -> list[Listener[SocketStream]]:
    """Return the listeners at an address; none if this computer does not have the address."""
    try:
        opened = await _open_port(address, place.port)
    except OSError as error:
        code = error.errno or 0
    else:
        if isinstance(opened, socket.socket):
            held.enter_context(opened)
            return []
        # One by one: a MultiListener takes over the listeners of another one, which then closes none.
        return [await held.enter_async_context(listener) for listener in opened.listeners]
    # Outside the except block: a chained error would keep the failed socket open.
    if code in _NO_SUCH_ADDRESS:
        return []
    raise _port_error(address, place, code)


async def _open_port(address: str, port: int) -> MultiListener[SocketStream] | socket.socket:
    with suppress(socket.gaierror):
        return await anyio.create_tcp_listener(local_host=address, local_port=port)
    # anyio resolves with AI_ADDRCONFIG, which finds no ::1 if the network has IPv4 only.
    return _reserve_port(address, port)


def _reserve_port(address: str, port: int) -> socket.socket:
    """Return a socket that blocks an IPv6 address: browsers are refused there, and try the next address."""
    reserved = socket.socket(socket.AF_INET6)
    try:
        reserved.bind((address, port))
    except OSError:
        reserved.close()
        raise
    return reserved


def _port_error(address: str, place: CallbackPlace, code: int) -> ConfigurationError:
    use, danger, other = "redirect_uri names", "", "another port"
    if len(place.addresses) > 1:
        use = "browsers may use for localhost in redirect_uri"
        danger = " The browser could reach another program there."
        other = "127.0.0.1 in place of localhost, or with another port"
    return ConfigurationError(
        f"The login cannot listen on port {place.port} of {address}, which {use} ({os.strerror(code)})."
        f"{danger} If another program uses the port, such as a login that still waits, end it; otherwise "
        f"register a redirect URI with {other}.",
        argument="redirect_uri",
    )


class Reception:
    """Answers one request for each connection.

    Args:
        place: The addresses, port and path.
        answer: Returns the reply to a request for the path.
        clock: The clock for the time limit of a request.
    """

    def __init__(self, place: CallbackPlace, answer: Answer, *, clock: Clock) -> None:
        self._place = place
        self._answer = answer
        self._clock = clock
        self._waiting: dict[anyio.CancelScope, None] = {}

    async def serve(
        self, listener: Listener[SocketStream], answered: Callable[[CallbackReply | None], None]
    ) -> None:
        """Accept connections until cancelled.

        If the computer can open no more connections, those that have sent no request yet are closed.

        Args:
            listener: Accepts the connections.
            answered: Called with the reply of each connection, once it was sent.
        """

        async def handle(stream: ByteStream) -> None:
            answered(await self.receive(stream))

        async with anyio.create_task_group() as connections:
            while True:
                try:
                    await listener.serve(handle, connections)
                except* (OSError, anyio.BrokenResourceError) as group:
                    self._make_room(group)
                await self._clock.sleep(_PAUSE_SECONDS)

    async def receive(self, stream: ByteStream) -> CallbackReply | None:
        """Answer one request, close the connection, and return the reply.

        A connection that the browser closes first is ignored.
        """
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_REQUEST)
        reply = None
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with stream:
                reply = await self._reply(connection, stream)
                if reply is not None:
                    await stream.send(_encode(connection, reply))
        return reply

    async def _reply(self, connection: h11.Connection, stream: ByteStream) -> CallbackReply | None:
        try:
            request = await self._read_request(connection, stream)
        except h11.RemoteProtocolError as error:
            return CallbackReply(error.error_status_hint)
        if request is None:
            return None
        path, _, query = request.target.decode("ascii").partition("?")
        if path != self._place.path:
            return CallbackReply(404)
        if request.method != b"GET":
            return CallbackReply(405, headers=(("Allow", "GET"),))
        return await self._answer(query)

    async def _read_request(
        self, connection: h11.Connection, stream: ByteStream
    ) -> h11.Request | None:
        """Return the head of a request, or None if none arrives in time."""
        with suppress(TimeoutError), self._count_as_waiting():
            async with self._clock.timeout(_REQUEST_SECONDS):
                return await _read_head(connection, stream)
        return None

    @contextmanager
    def _count_as_waiting(self) -> Generator[None]:
        """Count a connection as one without a request; the body is cancelled if it has to make room."""
        if len(self._waiting) >= _MOST_WAITING:
            self._cancel_waiting(next(iter(self._waiting)))
        with anyio.CancelScope() as scope:
            self._waiting[scope] = None
            try:
                yield
            finally:
                self._waiting.pop(scope, None)

    def _make_room(self, group: BaseExceptionGroup[Exception]) -> None:
        # accept() fails if there are no more file descriptors. The login goes on: some may be freed.
        logger.warning(
            "The login's port cannot accept more connections: %s. Trying again in %g s.",
            ", ".join(sorted({_reason(error) for error in group.exceptions})),
            _PAUSE_SECONDS,
            extra={"seconds": _PAUSE_SECONDS},
        )
        for scope in tuple(self._waiting):
            self._cancel_waiting(scope)

    def _cancel_waiting(self, scope: anyio.CancelScope) -> None:
        del self._waiting[scope]
        scope.cancel()


def _reason(error: BaseException) -> str:
    # On trio anyio raises its own error, whose cause is the system's.
    known = error if isinstance(error, OSError) else error.__cause__
    return str(known or type(error).__name__)


async def _read_head(connection: h11.Connection, stream: ByteStream) -> h11.Request | None:
    """Return the head of a request, or None if the browser closes the connection."""
    while (event := connection.next_event()) is h11.NEED_DATA:
        try:
            connection.receive_data(await stream.receive())
        except anyio.EndOfStream:
            connection.receive_data(b"")
    return event if isinstance(event, h11.Request) else None


def _encode(connection: h11.Connection, reply: CallbackReply) -> bytes:
    headers = [*PAGE_HEADERS, *reply.headers]
    headers += [("Content-Length", str(len(reply.body))), ("Connection", "close")]
    events: list[h11.Event] = [h11.Response(status_code=reply.status, headers=headers)]
    if reply.body:
        events.append(h11.Data(data=reply.body))
    return b"".join(connection.send(event) or b"" for event in (*events, h11.EndOfMessage()))
