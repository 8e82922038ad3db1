"""One GET on any event loop, with the library's own client, limited in time and size.

It reads the sites, the account and the metadata. Token requests have their own sender.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from atlassian_auth._tokens.http.library import httpx
from atlassian_auth._tokens.http.own_client import (
    RequestGuard,
    check_tls,
    check_transport,
    is_direct,
    new_client,
    read_raw,
)
from atlassian_auth.exceptions import (
    AtlassianAuthError,
    ConfigurationError,
    DiscoveryError,
    TransientError,
)
from atlassian_auth.ports import Clock, Network
from atlassian_auth.protocol._redaction import redact
from atlassian_auth.protocol.messages import HTTPResponse, content_coding

__all__ = ["get", "network_of"]

# Added to the time of an exchange with the token endpoint, because the auth may have to refresh first.
_OWN_SECONDS = 15


async def get(
    url: str,
    *,
    auth: httpx.Auth | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    network: Network | None = None,
    verify: ssl.SSLContext | bool | None = None,
    proxy: str | None = None,
    clock: Clock | None = None,
    public_addresses_only: bool | None = None,
) -> HTTPResponse:
    """Return the answer, whatever its status.

    Args:
        url: The URL.
        auth: The auth that signs the request; without it no ``Authorization`` header is sent.
        transport: Used instead of the network, and left open.
        network: The values for those of the following that are None; by default those of ``auth``.
        verify: As for ``httpx.AsyncClient``; an ``ssl.SSLContext`` for a private certificate authority.
        proxy: As for ``httpx.AsyncClient``. A proxy that the environment names is used too. Loopback is
            always reached without a proxy.
        clock: The clock for the time limit.
        public_addresses_only: Refuse an address that is not public: loopback, link-local, private.

    Raises:
        ConfigurationError: if the URL or the proxy is malformed, or the address is refused.
        DiscoveryError: if a successful answer has a content coding, which was not asked for.
        TransientError: if there is no answer, or none in time.
        AtlassianAuthError: the error that ``auth`` raises.
    """
    # httpx's errors hold the request with its bearer. Our error is raised outside the except block, so that
    # it does not chain to them.
    network = (network or network_of(auth)).changed(
        verify=verify, proxy=proxy, clock=clock, public_addresses_only=public_addresses_only
    )
    total_seconds = network.settings.exchange_timeout_seconds + _OWN_SECONDS
    try:
        client = _client(url, transport, network)
        async with network.clock.timeout(total_seconds):
            return await _send(client, url, auth, network)
    except TimeoutError:
        failure = _unreachable_error(url, f"no complete answer within {total_seconds:g} seconds")
    except (httpx.HTTPError, httpx.StreamError) as error:
        failure = _unreachable_error(url, type(error).__name__)
    except (httpx.InvalidURL, UnicodeError):  # UnicodeError: the host name has no IDNA form
        message = f"url={url!a} is malformed: expected a URL such as https://host/path."
        failure = ConfigurationError(message, argument="url")
    raise failure


def network_of(auth: object) -> Network:
    """Return the network settings of an `AtlassianAuth`; the default ones for another auth, or None.

    Raises:
        ConfigurationError: if it is anything else, such as a token.
    """
    if auth is not None and not isinstance(auth, httpx.Auth):
        raise ConfigurationError.wrong_type("auth", "an AtlassianAuth or None", auth)
    network = getattr(auth, "network", None)
    return network if isinstance(network, Network) else Network()


def _unreachable_error(url: str, reason: str) -> AtlassianAuthError:
    return TransientError(
        f"{url} could not be reached ({reason}): check the network, or try later."
    )


def _client(
    url: str, transport: httpx.AsyncBaseTransport | None, network: Network
) -> httpx.AsyncClient:
    check_transport(transport)
    tls, settings = check_tls(network.verify), network.settings
    with suppress(httpx.InvalidURL, ValueError):  # they quote the URL, which may hold a password
        return new_client(
            tls=tls,
            proxy=network.proxy,
            transport=_BorrowedTransport(transport) if transport else None,
            direct=is_direct(url),
            timeout=httpx.Timeout(
                settings.read_timeout_seconds, connect=settings.connect_timeout_seconds
            ),
            keepalive_seconds=_OWN_SECONDS,
        )
    message = (
        "proxy, or the proxy that the environment names, is not the URL of a proxy: expected one such "
        "as http://proxy.example.com:3128."
    )
    raise ConfigurationError(message, argument="proxy")


async def _send(
    client: httpx.AsyncClient, url: str, auth: httpx.Auth | None, network: Network
) -> HTTPResponse:
    settings = network.settings
    guard = RequestGuard(url, public_only=settings.public_addresses_only, clock=network.clock)
    async with (
        client,
        client.stream(
            "GET",
            url,
            auth=auth,
            headers={"accept": "application/json"},
            extensions={"trace": guard},
        ) as response,
    ):
        _check_coding(response, url)
        body, truncated = await read_raw(response, settings.max_response_bytes)
    return HTTPResponse(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=body,
        truncated=truncated,
    )


def _check_coding(response: httpx.Response, url: str) -> None:
    # The body of any other status is not used.
    coding = content_coding(response.headers)
    if coding and response.status_code == 200:
        bearer = response.request.headers.get("authorization", "").rpartition(" ")[2]
        message = (
            f"{url} answered in a content coding that was not asked for ({redact(coding, [bearer])}), so it "
            "was not decoded: find the server or proxy that compresses"
        )
        raise DiscoveryError(message, status=200)


class _BorrowedTransport(httpx.AsyncBaseTransport):
    """The caller's transport, which closing our client does not close."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)
