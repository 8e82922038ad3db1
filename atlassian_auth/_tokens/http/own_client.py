"""The library's own httpx client, for token requests and look-ups; the user's requests never go through it.

It keeps no cookie, decodes no content coding, follows no redirect, and reaches this machine without a proxy.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress
from http.cookiejar import CookieJar
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, cast

from atlassian_auth._tokens.http.library import CORE, httpx
from atlassian_auth.endpoints import is_loopback
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import Clock, NothingSent
from atlassian_auth.protocol.messages import announced_length, content_coding

__all__ = [
    "RequestGuard",
    "check_tls",
    "check_transport",
    "import_all",
    "is_direct",
    "new_client",
    "read_raw",
]

# The modules that the first request would import, in the thread of a refresh. A fork during these imports
# copies half-imported modules and held import locks into a child, where no thread finishes the imports.
_IMPORTED_BY_A_REQUEST = (
    "anyio._backends._asyncio",
    "concurrent.futures.thread",  # looks names up
    "encodings.idna",
    "encodings.punycode",
    CORE,
)

# RFC 6052 section 2.1: the IPv4 address is the last 32 bits.
_NAT64 = 0x0064_FF9B << 96


def import_all() -> None:
    """Import, in this thread, the modules that a request needs."""
    for name in _IMPORTED_BY_A_REQUEST:
        import_module(name)


def check_tls(verify: object) -> ssl.SSLContext:
    """Return the TLS context for ``verify``, before the first request needs it.

    Args:
        verify: True for the usual certificate authorities, False for no verification, or a context.

    Raises:
        ConfigurationError: if it is anything else.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, bool):
        return _make_tls(verify)
    message = (
        f"verify must be True, False or an ssl.SSLContext, not {type(verify).__name__}: make a context with "
        "ssl.create_default_context(cafile=...) for your own certificate authority"
    )
    raise ConfigurationError(message, argument="verify")


def check_transport(transport: object) -> None:
    """Return if it is None or a transport of the library that carries our own requests.

    Raises:
        ConfigurationError: if it is anything else, such as a transport for the user's client of httpx2.
    """
    if transport is not None and not isinstance(transport, httpx.AsyncBaseTransport):
        name = httpx.__name__
        expected = f"an {name}.AsyncBaseTransport (the library's own requests go through {name})"
        raise ConfigurationError.wrong_type("transport", expected, transport)


@functools.cache
def _make_tls(verify: bool) -> ssl.SSLContext:  # noqa: FBT001 -- the argument of httpx
    # Loading the certificates takes longer than all else in making a client, so it is done once.
    return httpx.create_ssl_context(verify=verify)


def is_direct(url: str) -> bool:
    """Return whether the URL is on this machine, so that no proxy may be used.

    Plain http is accepted for loopback because it does not leave this machine. Through a proxy it would.
    """
    with suppress(httpx.InvalidURL):
        return is_loopback(httpx.URL(url).raw_host.decode("ascii"))
    return False


def new_client(
    *,
    tls: ssl.SSLContext,
    proxy: str | None,
    transport: httpx.AsyncBaseTransport | None,
    direct: bool,
    timeout: httpx.Timeout,
    keepalive_seconds: float,
) -> httpx.AsyncClient:
    """Return a client.

    Args:
        tls: From `check_tls`.
        proxy: The URL of a proxy; if None, the environment may name one.
        transport: Used instead of the network.
        direct: Use no proxy at all.
        timeout: The timeouts for connecting and for each read.
        keepalive_seconds: How long an idle connection may be used again.

    Raises:
        ValueError: if a proxy is malformed; its text quotes the URL, which may hold a password.
    """
    return httpx.AsyncClient(
        verify=tls,
        proxy=None if direct else proxy,
        trust_env=not direct,
        transport=transport,
        timeout=timeout,
        limits=httpx.Limits(keepalive_expiry=keepalive_seconds),
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
        cookies=_NoCookies(),
    )


class _NoCookies(CookieJar):
    """Stores no cookie: a server must not link the credentials that share a client by a session."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Do nothing."""


async def read_raw(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """Return the body as it was transferred, and whether it was longer than the limit.

    Nothing is decoded: a few hundred bytes of gzip in gzip decode to gigabytes. So a body with a content
    coding, which was not asked for, is not read at all.

    Args:
        response: The response, not read yet.
        limit: The most bytes to return.
    """
    if content_coding(response.headers):
        return b"", False
    # A body that is announced as too long is not read at all: trio warns about iterators left half-way.
    if announced_length(response.headers) > limit:
        return b"", True
    body = bytearray()
    async for chunk in cast("AsyncIterable[bytes]", response.stream):
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), True
    return bytes(body), False


class RequestGuard:
    """Stops one request before its first byte is sent, if the address is refused or connecting took too long.

    It is httpx's ``trace`` extension, which httpcore awaits at each step.

    Args:
        url: The URL of the request.
        public_only: Refuse a connection to an address that is not public. A proxy is not checked.
        clock: The clock for the time limit.
        connect_seconds: The longest time from now to the first byte; None: no limit.

    Raises:
        ConfigurationError: from the request, if the address is refused.
        NothingSent: from the request, if connecting took too long.
    """

    def __init__(
        self,
        url: str,
        *,
        public_only: bool,
        clock: Clock,
        connect_seconds: float | None = None,
    ) -> None:
        self._host = httpx.URL(url).raw_host.decode("ascii")
        self._public_only = public_only
        self._clock = clock
        self._limit = connect_seconds
        self._began = clock.time()
        self._connecting_to = ""

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Check one step of the request."""
        step = event.partition(".")[2]  # after "connection", "http11", "http2" or the proxy's kind
        if step == "connect_tcp.started":
            self._connecting_to = info["host"]
        elif step == "connect_tcp.complete" and self._public_only:
            await self._check_address(info["return_value"])
        elif step == "send_request_headers.started":
            self._check_time()

    async def _check_address(self, stream: Any) -> None:
        if self._connecting_to != self._host:
            return  # the proxy
        address = str(stream.get_extra_info("server_addr")[0])
        if not _is_public(address):
            await stream.aclose()  # httpcore does not close it, because connecting has succeeded
            raise _address_error(self._host, address)

    def _check_time(self) -> None:
        # A process that was suspended while it connected may have lost the lock under which it read the
        # refresh token.
        if self._limit is not None and self._clock.time() - self._began > self._limit:
            raise NothingSent(f"connecting took longer than {self._limit:g} s")


def _address_error(host: str, address: str) -> ConfigurationError:
    message = (
        f"{host:.200} is at {address}, which is not a public address, and public_addresses_only is set: "
        "nothing was sent. Check the URL; a server inside your own network needs public_addresses_only=False"
    )
    return ConfigurationError(message, argument="public_addresses_only")


def _is_public(address: str) -> bool:
    ip = ip_address(address)
    return (_embedded_ipv4(ip) if isinstance(ip, IPv6Address) else ip).is_global


def _embedded_ipv4(ip: IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that is embedded in an IPv6 address, or else the address itself."""
    if int(ip) >> 32 == _NAT64 >> 32:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
