"""A port of this computer at which one browser is expected: GET for one path, and nothing else.

Only 127.0.0.1 is listened on. What HTTP is, h11 knows (httpx brings it along).
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import anyio
import h11
from anyio.abc import ByteStream, Listener, SocketStream

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.flows.page import PAGE_HEADERS

__all__ = ["Answer", "Place", "Reply", "listening", "receive"]

_HOST = "127.0.0.1"

# RFC 8252 section 7.3 would let the port be any; Atlassian compares redirect URIs to the letter.
_HOSTS = frozenset({"localhost", _HOST})

# Room for a code of some thousand characters and a browser's headers.
_LONGEST_REQUEST = 32 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where a redirect URI leads to on this computer."""

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
        if parts.scheme != "http" or parts.hostname not in _HOSTS or not port:
            message = (
                f"redirect_uri is {redirect_uri}, where no browser on this computer can be waited for: "
                "register one such as http://127.0.0.1:8765/callback (http, localhost or 127.0.0.1, a "
                "port) and use it here, or use AuthorizationFlow and take the callback yourself."
            )
            raise ConfigurationError(message, argument="redirect_uri")
        return cls(port, parts.path or "/")


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
    """Hold the port.

    Raises:
        ConfigurationError: if it cannot be had.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=_HOST, local_port=place.port)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
    else:
        async with listener:
            yield listener
        return
    # Outside the except block: what is chained would keep the failed socket for as long as the error.
    raise ConfigurationError(
        f"Port {place.port} of {_HOST}, which redirect_uri names, cannot be listened on ({reason}). If a "
        "program uses it, perhaps a login that is still waiting, end that; otherwise register a redirect "
        "URI with another port.",
        argument="redirect_uri",
    )


async def receive(stream: ByteStream, place: Place, answer: Answer) -> Reply | None:
    """Answer one request, close the connection, and return what was answered.

    A browser that goes away is not missed.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_REQUEST)
    reply = None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with stream:
            reply = await _reply(connection, stream, place, answer)
            if reply is not None:
                await stream.send(_encoded(connection, reply))
    return reply


async def _reply(
    connection: h11.Connection, stream: ByteStream, place: Place, answer: Answer
) -> Reply | None:
    try:
        request = await _request(connection, stream)
    except h11.RemoteProtocolError as error:
        return Reply(error.error_status_hint)
    if request is None:
        return None
    path, _, query = request.target.decode("ascii").partition("?")
    if path != place.path:
        return Reply(404)
    if request.method != b"GET":
        return Reply(405, headers=(("Allow", "GET"),))
    return await answer(query)


async def _request(connection: h11.Connection, stream: ByteStream) -> h11.Request | None:
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
