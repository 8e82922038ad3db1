"""Send token requests with the library's own httpx client: limited in time and size, never redirected.

They do not go through the user's client. A request yielded from an ``httpx.Auth`` has no timeout, shows its
secrets in ``response.history`` and to event hooks, follows redirects with the secret in its body, and is
cancelled with its caller.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from atlassian_auth._tokens.http.library import httpx
from atlassian_auth._tokens.http.own_client import (
    RequestGuard,
    check_tls,
    check_transport,
    import_all,
    is_direct,
    new_client,
    read_raw,
)
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock, NothingSent, Unanswered
from atlassian_auth.ports._runtime.traces import chain
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.settings import Settings

__all__ = ["HttpxSender"]

# httpx raises these before it has sent a byte of the request.
_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

# The process or the system has no file descriptor left. Only opening a connection fails so, which happens
# before the request is sent.
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)

# Servers close idle connections after five seconds or more. A request sent at that moment gets no answer, and
# then it is not known whether the refresh token was rotated.
_KEPT_ALIVE_SECONDS = 2


class _Clients:
    """The clients of one event loop: one for this machine, one for all other hosts.

    Closing waits for requests that are under way: an answer lost by closing may hold the only refresh token.
    """

    def __init__(self, new: Callable[[bool], httpx.AsyncClient]) -> None:
        self._new = new
        self._by_direct: dict[bool, httpx.AsyncClient] = {}
        self._under_way = 0
        self._is_closing = False

    @asynccontextmanager
    async def borrow(self, *, direct: bool) -> AsyncGenerator[httpx.AsyncClient]:
        if direct not in self._by_direct:
            self._by_direct[direct] = self._new(direct)
        self._under_way += 1
        try:
            yield self._by_direct[direct]
        finally:
            self._under_way -= 1
            await self._close_if_unused()

    async def aclose(self) -> None:
        self._is_closing = True
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self._is_closing and not self._under_way:
            for client in self._by_direct.values():
                await client.aclose()


class HttpxSender:
    """The default `Sender`: an ``httpx.AsyncClient``, opened in the event loop that uses it.

    It stores no cookie and asks for no content coding. The constructor makes the TLS context and imports the
    modules that a request needs.

    Args:
        settings: Connect and read timeouts, the size limit, and whether only public addresses are accepted.
        verify: As for ``httpx.AsyncClient``; an ``ssl.SSLContext`` for a private certificate authority.
        proxy: As for ``httpx.AsyncClient``. A proxy that the environment names is used too. Loopback is
            always reached without a proxy.
        transport: An httpx transport to use instead of the network.
        clock: The clock that measures how long connecting takes.

    Raises:
        ConfigurationError: if ``proxy`` is not the URL of a proxy, ``verify`` is neither a bool nor a
            context, or ``transport`` is none of httpx.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._settings = settings or Settings()
        self._tls = check_tls(verify)
        self._proxy = None if proxy is None else _check_proxy(proxy)
        check_transport(transport)
        self._transport = transport
        self._clock = clock
        self._clients: _Clients | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        if transport is None:
            import_all()

    async def send(self, request: HTTPRequest) -> HTTPResponse:
        """Return the answer to ``request``; see `Sender`.

        Raises:
            ConfigurationError: if ``Settings.public_addresses_only`` refuses the address.
        """
        # httpx's errors hold the request with the refresh token and the client secret. Our error is raised
        # outside the except block, so that it does not chain to them.
        try:
            return await self._send_by_httpx(request)
        except (NothingSent, ConfigurationError) as error:
            failure: Exception = error.with_traceback(None)
        except _NOTHING_SENT as error:
            failure = NothingSent(_describe(error))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            failure = Unanswered(_describe(error))
        except OSError as error:
            kind = NothingSent if error.errno in _NO_DESCRIPTOR else Unanswered
            failure = kind(_describe(error))
        raise failure

    async def aclose(self) -> None:
        """Close the clients that were opened in this loop, once the requests under way are answered."""
        clients, self._clients = self._clients, None
        if clients is not None and self._loop is asyncio.get_running_loop():
            await clients.aclose()

    async def _send_by_httpx(self, request: HTTPRequest) -> HTTPResponse:
        guard = self._guard(request.url)
        direct = self._transport is None and is_direct(request.url)
        async with self._clients_of_loop().borrow(direct=direct) as client:
            built = client.build_request(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body,
                extensions={"trace": guard},
            )
            return await self._read_answer(client, built)

    def _guard(self, url: str) -> RequestGuard:
        settings = self._settings
        return RequestGuard(
            url,
            public_only=settings.public_addresses_only,
            clock=self._clock,
            connect_seconds=settings.connect_timeout_seconds,
        )

    async def _read_answer(self, client: httpx.AsyncClient, request: httpx.Request) -> HTTPResponse:
        async with _stream(client, request) as response:
            body, truncated = await read_raw(response, self._settings.max_response_bytes)
        return HTTPResponse(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            truncated=truncated,
        )

    def _clients_of_loop(self) -> _Clients:
        loop = asyncio.get_running_loop()
        if self._clients is None or self._loop is not loop:
            # The clients of another loop, which has ended or belongs to the parent of a fork, are left alone.
            self._clients, self._loop = _Clients(self._new_client), loop
        return self._clients

    def _new_client(self, direct: bool) -> httpx.AsyncClient:  # noqa: FBT001 -- called by position
        settings = self._settings
        return new_client(
            tls=self._tls,
            proxy=self._proxy,
            transport=self._transport,
            direct=direct,
            timeout=httpx.Timeout(
                settings.read_timeout_seconds, connect=settings.connect_timeout_seconds
            ),
            keepalive_seconds=_KEPT_ALIVE_SECONDS,
        )


def _check_proxy(proxy: str) -> str:
    with suppress(httpx.InvalidURL, ValueError):  # they quote the URL, which may hold a password
        httpx.Proxy(proxy)
        return proxy
    message = "proxy is not the URL of a proxy: expected one such as http://proxy.example.com:3128."
    raise ConfigurationError(message, argument="proxy")


@asynccontextmanager
async def _stream(
    client: httpx.AsyncClient, request: httpx.Request
) -> AsyncGenerator[httpx.Response]:
    response = await client.send(request, stream=True, auth=None)
    try:
        yield response
    finally:
        await response.aclose()


def _describe(error: Exception) -> str:
    # Only the type and the operating system's own message: other texts could quote the request.
    words = [_system_message(one) for one in chain(error) if isinstance(one, OSError)]
    return f"{type(error).__name__}: {words[-1]}" if words else type(error).__name__


def _system_message(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ConnectionError) and error.errno:
        # asyncio replaces the system's message with its own, which holds the address.
        return os.strerror(error.errno)
    return error.strerror or str(error)
