"""Token requests over the library's own httpx client: bounded in time and size, never redirected.

They do not go through the user's client. Requests yielded from an ``httpx.Auth`` have no timeout, leak
secrets into ``response.history`` and event hooks, follow redirects with the secret in the body, and end
with the caller's cancellation.
"""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import NothingSent, Unanswered
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


_KEPT_ALIVE_SECONDS = 2


class _Client(httpx.AsyncClient):
    """Knows whether it may be closed: an answer that is lost to closing may hold the only refresh token."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.in_the_air = 0
        self.quiet = asyncio.Event()
        self.quiet.set()


class HttpxSender:
    """The default `Sender`: one ``httpx.AsyncClient``, opened in the loop it is used in.

    Args:
        settings: Connect and read timeouts and the size limit.
        verify: As for ``httpx.AsyncClient``; an ``ssl.SSLContext`` for a private certificate authority.
        proxy: As for ``httpx.AsyncClient``. Proxies named by the environment are used too.
        transport: An httpx transport to use instead of the network.

    Raises:
        ConfigurationError: if ``proxy`` is not the URL of a proxy.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings or Settings()
        self._verify = verify
        self._proxy = None if proxy is None else _checked_proxy(proxy)
        self._transport = transport
        self._client: _Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(self, request: HTTPRequest) -> HTTPResponse:
        """Return the answer to ``request``; see `Sender`."""
        # httpx's errors hold the request, and with it the refresh token and the client secret: they
        # are turned into ours outside the except block, so that no exception chain leads to them.
        try:
            return await self._send(request)
        except _NOTHING_SENT as error:
            failure: NothingSent | Unanswered = NothingSent(_describe(error))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            failure = Unanswered(_describe(error))
        raise failure

    async def aclose(self) -> None:
        """Close the client, if it was opened in this loop, as soon as its requests have landed."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.quiet.wait()
            await client.aclose()

    async def _send(self, request: HTTPRequest) -> HTTPResponse:
        client = self._opened()
        client.in_the_air += 1
        client.quiet.clear()
        try:
            return await self._exchange(client, request)
        finally:
            client.in_the_air -= 1
            if not client.in_the_air:
                client.quiet.set()

    async def _exchange(self, client: _Client, request: HTTPRequest) -> HTTPResponse:
        built = client.build_request(
            request.method, request.url, headers=dict(request.headers), content=request.body
        )
        async with _streamed(client, built) as response:
            body, truncated = await self._read(response)
        return HTTPResponse(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            truncated=truncated,
        )

    async def _read(self, response: httpx.Response) -> tuple[bytes, bool]:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._settings.max_response_bytes:
                return bytes(body[: self._settings.max_response_bytes]), True
        return bytes(body), False

    def _opened(self) -> _Client:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # A client of another loop (one that has ended, or a fork's parent's) is not touched again.
            self._client, self._loop = self._new_client(), loop
        return self._client

    def _new_client(self) -> _Client:
        settings = self._settings
        return _Client(
            verify=_default_tls() if self._verify is True else self._verify,
            proxy=self._proxy,
            transport=self._transport,
            follow_redirects=False,
            # Servers hang up after five seconds and more. A request that meets that moment gets no answer,
            # and then nobody knows whether the refresh token was rotated.
            limits=httpx.Limits(keepalive_expiry=_KEPT_ALIVE_SECONDS),
            timeout=httpx.Timeout(
                settings.read_timeout_seconds, connect=settings.connect_timeout_seconds
            ),
        )


def _checked_proxy(proxy: str) -> str:
    with suppress(httpx.InvalidURL, ValueError):  # which quote the URL, and with it a password
        httpx.Proxy(proxy)
        return proxy
    message = "proxy is not the URL of a proxy: expected one such as http://proxy.example.com:3128."
    raise ConfigurationError(message, argument="proxy")


@functools.cache
def _default_tls() -> ssl.SSLContext:
    # Loading the certificates takes longer than everything else about a client: once will do.
    return httpx.create_ssl_context()


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
    words = [_words(one) for one in _causes(error) if isinstance(one, OSError)]
    return f"{type(error).__name__}: {words[-1]}" if words else type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from: httpx's, its transport's, the operating system's."""
    one: BaseException | None = error
    seen: list[BaseException] = []  # an error that was raised twice can come from itself
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__ or one.__context__


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ConnectionError) and error.errno:
        # asyncio puts its own words, and the address, in place of the system's.
        return os.strerror(error.errno)
    return error.strerror or str(error)
