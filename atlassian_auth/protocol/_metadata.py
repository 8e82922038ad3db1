"""The metadata of an authorization server, and the built-in endpoints for servers that have none.

The rule of this file: metadata is used only if its ``issuer`` is exactly the one that was asked for
(RFC 8414 section 3.3), so that one server cannot give endpoints for another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import urlsplit

from atlassian_auth.endpoints import (
    Endpoints,
    check_secure,
    emulator_origin,
    is_loopback,
    origin_of,
)
from atlassian_auth.endpoints._hosts import CLOUDS, GOVERNMENT, PUBLIC
from atlassian_auth.exceptions import ConfigurationError, DiscoveryError
from atlassian_auth.protocol._documents import read_object
from atlassian_auth.protocol._public_documents import check_reachable
from atlassian_auth.protocol._redaction import printable
from atlassian_auth.protocol.messages import HTTPResponse

__all__ = ["MetadataLocation", "built_in_endpoints", "metadata_locations", "read_metadata"]

# The metadata of auth.atlassian.com names this issuer, without a trailing slash (read by several clients,
# 2026-08).
_ENDPOINTS = {PUBLIC: Endpoints.cloud, GOVERNMENT: Endpoints.government}
_ISSUERS = {cloud.issuer: endpoints for cloud, endpoints in _ENDPOINTS.items()}

_DATA_CENTER = "/rest/oauth2/latest"

# On Linux and macOS a connection to the "any" address reaches this machine.
_THIS_MACHINE = ("0.0.0.0", "::", "::ffff:127.0.0.1")  # noqa: S104 -- nothing is bound

# The member of RFC 8414 section 2, and the field of `Endpoints` it fills.
_MEMBERS = {
    "authorization_endpoint": "authorize_url",
    "token_endpoint": "token_url",
    "revocation_endpoint": "revoke_url",
}


@dataclass(frozen=True, slots=True)
class MetadataLocation:
    """A URL at which metadata may be, and the issuers it may name.

    Args:
        url: The URL of the document.
        issuers: The accepted values of its ``issuer``.
    """

    url: str
    issuers: tuple[str, ...]


def built_in_endpoints(url: str) -> Endpoints:
    """Return the endpoints that need no request: those of Atlassian's clouds, or else Data Center's layout.

    Args:
        url: An issuer, a Cloud site, or a Data Center's base URL.

    Raises:
        ConfigurationError: if the URL is malformed or insecure, or has a query.
    """
    check_secure(url, argument="url")
    if "?" in url:
        _refuse("must not contain a query: remove the '?' and what follows it")
    issuer = _ISSUERS.get(origin_of(url))
    return (issuer() if issuer else _cloud_at(url)) or Endpoints.data_center(url)


def metadata_locations(url: str) -> tuple[MetadataLocation, ...]:
    """Return the URLs at which metadata may be, most standard first; empty for a Cloud site.

    Sources: RFC 8414 section 3.1; OpenID Connect Discovery 1.0 section 4.1; and the OAuth provider of
    Data Center 7.17 to 8.x, whose resource is known and whose full path is inferred (2026-11-20).
    """
    if _cloud_at(url):
        return ()
    origin, base = origin_of(url), url.rstrip("/")
    path = urlsplit(base).path
    # The issuer of Atlassian's own servers is known, so a trailing slash in ``url`` does not matter.
    is_own = origin in _ISSUERS
    if is_own and emulator_origin():
        return ()  # the emulator has no metadata
    issuers = (origin,) if is_own and not path else (url,)
    standard = (
        MetadataLocation(f"{origin}/.well-known/oauth-authorization-server{path}", issuers),
        MetadataLocation(f"{base}/.well-known/openid-configuration", issuers),
    )
    if is_own:
        return standard
    module = f"{base}{_DATA_CENTER}"
    # The issuer is the base URL, or the URL that RFC 8414 derives from the document's location.
    own = MetadataLocation(f"{module}/.well-known/oauth-authorization-server", (url, base, module))
    return (*standard, own)


def read_metadata(
    response: HTTPResponse, *, location: MetadataLocation, template: Endpoints
) -> Endpoints | None:
    """Return the endpoints that the metadata names, or None if the answer is not metadata.

    A server without metadata answers 404, its login page, or a redirect to it.

    Args:
        response: The answer.
        location: The location that was asked.
        template: The endpoints to keep where the metadata names none.

    Raises:
        TransientError: if the status is 429 or 5xx: the server may have metadata.
        DiscoveryError: if the metadata has another issuer, names no usable token endpoint, or comes from
            another machine and names an endpoint on this one.
    """
    check_reachable(response, asked=f"The metadata at {location.url}")
    usable = response.status == 200 and not response.truncated
    members = read_object(response.body) if usable else {}
    if "issuer" not in members:
        return None
    _check_issuer(members["issuer"], location)
    named = {ours: members[theirs] for theirs, ours in _MEMBERS.items() if theirs in members}
    if "token_url" not in named:
        raise DiscoveryError(f"The metadata at {location.url} names no token_endpoint.", status=200)
    return _replace_endpoints(template, named, location)


def _check_issuer(issuer: object, location: MetadataLocation) -> None:
    if issuer in location.issuers:
        return
    message = (
        f"The metadata at {location.url} belongs to another issuer: {issuer!a:.200}, not "
        f"{' or '.join(location.issuers)}. RFC 8414 wants both to be identical, to the last slash. If you "
        "trust that issuer, call discover() with its URL."
    )
    raise DiscoveryError(message, status=200)


def _replace_endpoints(
    template: Endpoints, named: dict[str, object], location: MetadataLocation
) -> Endpoints:
    try:
        found = replace(template, **named)  # type: ignore[arg-type]  # checked by Endpoints itself
        _check_remote(named, location)
        return found
    except ConfigurationError as error:
        complaint = printable(str(error), 300)
    raise DiscoveryError(f"The metadata at {location.url} is unusable: {complaint}.", status=200)


def _check_remote(named: dict[str, object], location: MetadataLocation) -> None:
    """Refuse an endpoint on this machine that the metadata of another machine names."""
    for name, url in named.items():
        if _is_local(url) and not _is_local(location.url):
            message = f"{name} is on this machine, but the server that names it is not"
            raise ConfigurationError(message, argument=name)


def _is_local(url: object) -> bool:
    host = (urlsplit(str(url)).hostname or "").rstrip(".")
    return is_loopback(host) or host.endswith(".localhost") or host in _THIS_MACHINE


def _cloud_at(url: str) -> Endpoints | None:
    host = f".{urlsplit(url).hostname}"
    found = (cloud for cloud in CLOUDS if host.endswith((cloud.sites, f".{cloud.audience}")))
    return next((_ENDPOINTS[cloud]() for cloud in found), None)


def _refuse(message: str) -> NoReturn:
    raise ConfigurationError(f"url {message}", argument="url")
