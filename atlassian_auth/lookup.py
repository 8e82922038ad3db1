"""One GET on any event loop: no redirect followed, bounded in time and size, in a client of its own.

It asks the questions that come before the first API call; token requests have their own sender.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

import httpx

from atlassian_auth.exceptions import AtlassianAuthError, ConfigurationError, TransientError
from atlassian_auth.ports import SYSTEM_CLOCK, Clock
from atlassian_auth.protocol.messages import HTTPResponse
from atlassian_auth.sender import _default_tls
from atlassian_auth.settings import Settings

__all__ = ["get"]

_LIMITS = Settings()

# Longer than an exchange with the token endpoint: the auth may have to renew its token first.
_TOTAL_SECONDS = 60


async def get(
    url: str,
    *,
    auth: httpx.Auth | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    verify: ssl.SSLContext | bool = True,
    proxy: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> HTTPResponse:
    """Return the answer, whatever its status.

    Args:
        url: What to get.
        auth: What signs the request; without it no ``Authorization`` header is sent.
        transport: Used instead of the network, and left open.
        verify: As for ``httpx.AsyncClient``; an ``ssl.SSLContext`` for a private certificate authority.
        proxy: As for ``httpx.AsyncClient``. Proxies named by the environment are used too.
        clock: Who measures the time limit.

    Raises:
        ConfigurationError: if the URL, or the proxy's, is none.
        TransientError: if there is no answer, or none in time.
        AtlassianAuthError: what ``auth`` raises.
    """
    client = _client(transport, verify=verify, proxy=proxy)
    # httpx's errors hold the request with its bearer: ours is raised outside the except block.
    try:
        async with clock.timeout(_TOTAL_SECONDS):
            return await _ask(client, url, auth)
    except TimeoutError:
        failure = _unreachable(url, f"no complete answer within {_TOTAL_SECONDS} seconds")
    except (httpx.HTTPError, httpx.StreamError) as error:
        failure = _unreachable(url, type(error).__name__)
    except (httpx.InvalidURL, UnicodeError):  # the latter for a host name without IDNA form
        message = f"url={url!a} cannot be asked: expected a URL such as https://host/path."
        failure = ConfigurationError(message, argument="url")
    raise failure


def _unreachable(url: str, reason: str) -> AtlassianAuthError:
    return TransientError(
        f"{url} could not be reached ({reason}): check the network, or try later."
    )


def _client(
    transport: httpx.AsyncBaseTransport | None,
    *,
    verify: ssl.SSLContext | bool,
    proxy: str | None,
) -> httpx.AsyncClient:
    timeout = httpx.Timeout(_LIMITS.read_timeout_seconds, connect=_LIMITS.connect_timeout_seconds)
    with suppress(httpx.InvalidURL, ValueError):  # which quote the URL, and with it a password
        return httpx.AsyncClient(
            transport=_Borrowed(transport) if transport else None,
            verify=_default_tls() if verify is True else verify,
            proxy=proxy,
            timeout=timeout,
            follow_redirects=False,
        )
    message = (
        "proxy, or the one the environment names, is not the URL of a proxy: expected one such as "
        "http://proxy.example.com:3128."
    )
    raise ConfigurationError(message, argument="proxy")


async def _ask(client: httpx.AsyncClient, url: str, auth: httpx.Auth | None) -> HTTPResponse:
    headers = {"accept": "application/json"}
    async with client, client.stream("GET", url, auth=auth, headers=headers) as response:
        body, truncated = await _read(response)
    return HTTPResponse(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=body,
        truncated=truncated,
    )


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    # Not begun at all where the length is known: trio complains of iterators that are left half-way.
    if _announced(response) > _LIMITS.max_response_bytes:
        return b"", True
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LIMITS.max_response_bytes:
            return bytes(body[: _LIMITS.max_response_bytes]), True
    return bytes(body), False


def _announced(response: httpx.Response) -> int:
    length: str = response.headers.get("content-length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


class _Borrowed(httpx.AsyncBaseTransport):
    """The caller's transport, which closing our client does not close."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)
