"""Ask Atlassian which sites a token may use, whose it is, and where a server's endpoints are."""

from __future__ import annotations

import ssl
from collections.abc import MutableMapping
from typing import TypedDict, Unpack

from atlassian_auth._tokens.http import lookup
from atlassian_auth._tokens.http.library import httpx
from atlassian_auth.auth import AtlassianAuth
from atlassian_auth.endpoints import Endpoints, check_secure, emulated_site
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.ports import Clock
from atlassian_auth.protocol._metadata import built_in_endpoints, metadata_locations, read_metadata
from atlassian_auth.protocol.sites import (
    Identity,
    Site,
    read_cloud_id,
    read_identity,
    read_sites,
    select_site,
    site_url,
)

__all__ = [
    "CLOUD_IDS",
    "Identity",
    "LookupOptions",
    "Site",
    "accessible_resources",
    "cloud_id_for_site",
    "discover",
    "select_site",
    "whoami",
]


class LookupOptions(TypedDict, total=False):
    """How the functions of this module send their requests. What is left out is as in ``auth``.

    Attributes:
        transport: Used instead of the network, and left open.
        verify: TLS verification, as for ``httpx.AsyncClient``.
        proxy: The URL of a proxy.
        clock: The clock for the time limit of each request.
        public_addresses_only: Refuse an address that is not public, as the setting of this name does for
            token requests: for URLs that tenants enter.
    """

    transport: httpx.AsyncBaseTransport | None
    verify: ssl.SSLContext | bool | None
    proxy: str | None
    clock: Clock | None
    public_addresses_only: bool | None


CLOUD_IDS: MutableMapping[str, str] = {}
"""The cloud ids that this process has looked up, by site URL. ``CLOUD_IDS.clear()`` forgets them."""


async def accessible_resources(
    auth: httpx.Auth,
    *,
    endpoints: Endpoints | None = None,
    **options: Unpack[LookupOptions],
) -> tuple[Site, ...]:
    """Return the sites that a Cloud token may use, each once, sorted by URL; select one by `select_site`.

    Source: https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/. It works for 3LO and
    service accounts; ``auth`` refreshes the token if needed, as for any other request.

    Args:
        auth: An `AtlassianAuth`.
        endpoints: The endpoints of the cloud. None: those of the grant of ``auth``, or else the public ones.
        options: How to send the request; see `LookupOptions`.

    Raises:
        ConfigurationError: if the endpoints have no ``resources_url``, or the address is refused.
        TransientError: if there is no answer, or 429 or 5xx.
        DiscoveryError: if the answer is not a list of sites.
        AtlassianAuthError: the error that ``auth`` raises.
    """
    endpoints = endpoints or _endpoints_of(auth)
    if endpoints.resources_url is None:
        message = "endpoints has no resources_url: only Cloud lists the sites of a token"
        raise ConfigurationError(message, argument="endpoints")
    answer = await lookup.get(endpoints.resources_url, auth=auth, **options)
    return read_sites(answer)


async def cloud_id_for_site(
    site: str,
    *,
    auth: httpx.Auth | None = None,
    cache: MutableMapping[str, str] = CLOUD_IDS,
    **options: Unpack[LookupOptions],
) -> str:
    """Return the cloud id of a site; only the site's name is needed, and no credential is sent.

    Source: "Integrate Jira Software Cloud with on-premises tools", developer.atlassian.com, which names
    ``/_edge/tenant_info``. It is in no REST reference.

    Args:
        site: The site's bare name, host or URL, with or without ``/wiki``.
        auth: An `AtlassianAuth` whose TLS verification, proxy and timeouts are used. Its credential is not
            sent.
        cache: The known cloud ids by site URL. Default: `CLOUD_IDS`, for the whole process.
        options: How to send the request; see `LookupOptions`.

    Raises:
        ConfigurationError: if this cannot be a Cloud site, or the address is refused; nothing was sent.
        SiteNotFound: if there is no such site.
        TransientError: if there is no answer, or 429 or 5xx.
        DiscoveryError: if the answer holds no cloud id.
    """
    url = emulated_site(site_url(site))
    if url not in cache:
        answer = await lookup.get(
            f"{url}/_edge/tenant_info", network=lookup.network_of(auth), **options
        )
        cache[url] = read_cloud_id(answer, site=url)
    return cache[url]


async def whoami(
    auth: httpx.Auth,
    *,
    base_url: str | None = None,
    endpoints: Endpoints | None = None,
    **options: Unpack[LookupOptions],
) -> Identity:
    """Return the account to which the credential belongs.

    Args:
        auth: An `AtlassianAuth`, or one of `api_tokens`.
        base_url: A Jira whose ``/rest/api/2/myself`` is read: Data Center's base URL, `Endpoints.jira_url`,
            or a site's own address. Default: the identity endpoint, ``/me``, which needs scope ``read:me``.
        endpoints: The endpoints of the cloud, if there is no ``base_url``; as for `accessible_resources`.
        options: How to send the request; see `LookupOptions`.

    Raises:
        ConfigurationError: if there is neither a base URL nor an identity endpoint, or the address is
            refused.
        TransientError: if there is no answer, or 429 or 5xx.
        DiscoveryError: if the answer does not describe an account.
        AtlassianAuthError: the error that ``auth`` raises.
    """
    url = _identity_url(base_url, endpoints or _endpoints_of(auth))
    answer = await lookup.get(url, auth=auth, **options)
    return read_identity(answer)


async def discover(
    url: str,
    *,
    auth: httpx.Auth | None = None,
    **options: Unpack[LookupOptions],
) -> Endpoints:
    """Return the endpoints for a URL; ``dataclasses.replace`` changes them.

    The server's metadata is read (RFC 8414, OpenID Connect Discovery 1.0, and Data Center's own path); no
    redirect is followed. If the server has none, Atlassian's own hosts get the built-in endpoints. Any other
    host gets Data Center's layout, which is then unconfirmed.

    Args:
        url: An authorization server such as ``https://auth.atlassian.com``, a Data Center's base URL with its
            context path, or a Cloud site, which needs no request.
        auth: An `AtlassianAuth` whose TLS verification, proxy and timeouts are used. Its credential is not
            sent.
        options: How to send the request; see `LookupOptions`.

    Raises:
        ConfigurationError: if the URL is malformed, has a query, or is neither https nor loopback, or if
            the address is refused.
        TransientError: if there is no answer, or 429 or 5xx.
        DiscoveryError: if the metadata belongs to another issuer, is unusable, or comes from another machine
            and names an endpoint on this one.
    """
    template = built_in_endpoints(url)
    for location in metadata_locations(url):
        answer = await lookup.get(location.url, network=lookup.network_of(auth), **options)
        found = read_metadata(answer, location=location, template=template)
        if found is not None:
            return found
    return template


def _endpoints_of(auth: httpx.Auth) -> Endpoints:
    if not isinstance(auth, httpx.Auth):
        raise ConfigurationError.wrong_type(
            "auth", "an AtlassianAuth, such as manager.auth(key)", auth
        )
    return auth.endpoints if isinstance(auth, AtlassianAuth) else Endpoints.cloud()


def _identity_url(base_url: str | None, endpoints: Endpoints) -> str:
    if base_url is not None:
        # The auth decides where its bearer may be sent, also by http.
        check_secure(base_url, argument="base_url", allow_http=True)
        return f"{base_url.rstrip('/')}/rest/api/2/myself"
    if endpoints.identity_url is None:
        message = "endpoints has no identity_url: give base_url= of a Jira to ask there"
        raise ConfigurationError(message, argument="base_url")
    return endpoints.identity_url
