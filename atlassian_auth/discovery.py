"""From one URL to all endpoints: the server's own metadata, or what is known about its kind."""

from __future__ import annotations

import ssl

import httpx

from atlassian_auth._http import lookup
from atlassian_auth.endpoints import Endpoints
from atlassian_auth.ports import Clock
from atlassian_auth.protocol.metadata import built_in, places, read_metadata

__all__ = ["discover"]


async def discover(
    url: str,
    *,
    auth: httpx.Auth | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    verify: ssl.SSLContext | bool | None = None,
    proxy: str | None = None,
    clock: Clock | None = None,
    public_addresses_only: bool | None = None,
) -> Endpoints:
    """Return the endpoints behind a URL; ``dataclasses.replace`` edits them.

    The server is asked for its metadata (RFC 8414, OpenID Connect Discovery 1.0, and the place where Data
    Center has it); no redirect is followed. Where it has none, Atlassian's own hosts get what is built in,
    and any other host gets Data Center's layout, which nobody has confirmed then.

    Args:
        url: An authorization server such as ``https://auth.atlassian.com``, a Data Center's base URL with
            its context path, or a Cloud site, which is not asked.
        auth: An `AtlassianAuth` whose TLS verification, proxy and timeouts are used. Its credential is not
            sent.
        transport: Used instead of the network, and left open.
        verify: TLS verification for these requests. None, as for the next three: as ``auth`` has it.
        proxy: A proxy for these requests.
        clock: Who measures the time limit of each request.
        public_addresses_only: Refuse to ask an address that is not public, as the setting of this name does
            for token requests. For URLs that tenants enter.

    Raises:
        ConfigurationError: if the URL is malformed, has a query, or is neither https nor loopback, or if
            the address is refused.
        TransientError: if there is no answer, or 429 or 5xx.
        DiscoveryError: if the metadata is that of another issuer, or unusable; also if another machine's
            metadata names an endpoint on this one.
    """
    template = built_in(url)
    for place in places(url):
        answer = await lookup.get(
            place.url,
            network=lookup.network_of(auth),
            transport=transport,
            verify=verify,
            proxy=proxy,
            clock=clock,
            public_addresses_only=public_addresses_only,
        )
        found = read_metadata(answer, place=place, template=template)
        if found is not None:
            return found
    return template
