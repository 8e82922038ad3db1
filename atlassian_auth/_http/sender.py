"""Token requests over the library's own httpx client: bounded in time and size, never redirected.

They do not go through the user's client. Requests yielded from an ``httpx.Auth`` have no timeout, leak
secrets into ``response.history`` and event hooks, follow redirects with the secret in the body, and end
with the caller's cancellation.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import httpx

from atlassian_auth._http.own_client import (
    Passage,
    check_tls,
    import_all,
    is_direct,
    new_client,
    read_raw,
)
from atlassian_auth._runtime.traces import chain
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock, NothingSent, Unanswered
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.settings import Settings

__all__ = ["HttpxSender"]

# Raised before a byte of the request has left.
_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

# No descriptor was left, in the process or in the system. Only what opens something is told so, and
# nothing is opened once a request is on its way.
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)

# Servers hang up after five seconds and more. A request that meets that moment gets no answer, and then
# it is not known whether the refresh token was rotated.
_KEPT_ALIVE_SECONDS = 2


class _Clients:
    """The clients of one event loop: one for this machine, one for everywhere else.

    They are closed when their last request is answered: an answer that is lost to closing may hold the only
    refresh token.
    """

    def __init__(self, new: Callable[[bool], httpx.AsyncClient]) -> None:
        self._new = new
        self._made: dict[bool, httpx.AsyncClient] = {}
        self._in_the_air = 0
        self._wanted = True

    @asynccontextmanager
    async def used(self, *, direct: bool) -> AsyncGenerator[httpx.AsyncClient]:
        if direct not in self._made:
            self._made[direct] = self._new(direct)
        self._in_the_air += 1
        try:
            yield self._made[direct]
        finally:
            self._in_the_air -= 1
            await self._close_at_last()

    async def aclose(self) -> None:
        self._wanted = False
        await self._close_at_last()

    async def _close_at_last(self) -> None:
        if not self._wanted and not self._in_the_air:
            for client in self._made.values():
                await client.aclose()


class HttpxSender:
    """The default `Sender`: an ``httpx.AsyncClient``, opened in the loop it is used in.

    It stores no cookie and asks for no content coding. What a request imports and the TLS context are
    there once the sender is made.

    Args:
        settings: Connect and read timeouts, the size limit, and which addresses are refused.
        verify: As for ``httpx.AsyncClient``; an ``ssl.SSLContext`` for a private certificate authority.
        proxy: As for ``httpx.AsyncClient``. Proxies named by the environment are used too. Loopback is
            always reached without one.
        transport: An httpx transport to use instead of the network.
        clock: Who measures how long connecting took.

    Raises:
        ConfigurationError: if ``proxy`` is not the URL of a proxy, or ``verify`` is no bool and no context.
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
        self._proxy = None if proxy is None else _checked_proxy(proxy)
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
        # httpx's errors hold the request, and with it the refresh token and the client secret: they
        # are turned into ours outside the except block, so that no exception chain leads to them.
        try:
            return await self._send(request)
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
        """Close the clients, if they were opened in this loop; those in use when they are answered."""
        clients, self._clients = self._clients, None
        if clients is not None and self._loop is asyncio.get_running_loop():
            await clients.aclose()

    async def _send(self, request: HTTPRequest) -> HTTPResponse:
        passage = self._passage(request.url)
        direct = self._transport is None and is_direct(request.url)
        async with self._opened().used(direct=direct) as client:
            built = client.build_request(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body,
                extensions={"trace": passage},
            )
            return await self._exchange(client, built)

    def _passage(self, url: str) -> Passage:
        settings = self._settings
        return Passage(
            url,
            public_only=settings.public_addresses_only,
            clock=self._clock,
            connect_seconds=settings.connect_timeout_seconds,
        )

    async def _exchange(self, client: httpx.AsyncClient, request: httpx.Request) -> HTTPResponse:
        async with _streamed(client, request) as response:
            body, truncated = await read_raw(response, self._settings.max_response_bytes)
        return HTTPResponse(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            truncated=truncated,
        )

    def _opened(self) -> _Clients:
        loop = asyncio.get_running_loop()
        if self._clients is None or self._loop is not loop:
            # Clients of another loop (one that has ended, or a fork's parent's) are not touched again.
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


def _checked_proxy(proxy: str) -> str:
    with suppress(httpx.InvalidURL, ValueError):  # which quote the URL, and with it a password
        httpx.Proxy(proxy)
        return proxy
    message = "proxy is not the URL of a proxy: expected one such as http://proxy.example.com:3128."
    raise ConfigurationError(message, argument="proxy")


@asynccontextmanager
async def _streamed(
    client: httpx.AsyncClient, request: httpx.Request
) -> AsyncGenerator[httpx.Response]:
    response = await client.send(request, stream=True, auth=None)
    try:
        yield response
    finally:
        await response.aclose()


def _describe(error: Exception) -> str:
    # Only the kind and the operating system's own words: other texts could quote the request.
    words = [_words(one) for one in chain(error) if isinstance(one, OSError)]
    return f"{type(error).__name__}: {words[-1]}" if words else type(error).__name__


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ConnectionError) and error.errno:
        # asyncio puts its own words, and the address, in place of the system's.
        return os.strerror(error.errno)
    return error.strerror or str(error)
