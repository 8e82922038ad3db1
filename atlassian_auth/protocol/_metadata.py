"""What an authorization server says about itself, and what is known where it says nothing.

The rule of this file: metadata counts only if its ``issuer`` is exactly the one that was asked for
(RFC 8414 section 3.3), so that one server cannot speak for another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import urlsplit

from atlassian_auth.endpoints import Endpoints, check_secure, is_loopback, origin_of
from atlassian_auth.exceptions import ConfigurationError, DiscoveryError
from atlassian_auth.protocol._documents import read_object
from atlassian_auth.protocol._public_documents import check_reachable
from atlassian_auth.protocol._redaction import printable
from atlassian_auth.protocol.messages import HTTPResponse

__all__ = ["Place", "built_in", "places", "read_metadata"]

# Atlassian's authorization servers. The metadata of auth.atlassian.com names this issuer, without a
# slash at the end (read by several clients, 2026-08).
_ISSUERS = {
    "https://auth.atlassian.com": Endpoints.cloud(),
    "https://auth.atlassian-us-gov-mod.com": Endpoints.government(),
}

# Hosts that belong to the same two clouds and issue nothing: gateways and sites.
_CLOUDS = {
    ".api.atlassian.com": Endpoints.cloud(),
    ".atlassian.net": Endpoints.cloud(),
    ".api.atlassian-us-gov-mod.com": Endpoints.government(),
    ".atlassian-us-gov-mod.net": Endpoints.government(),
}

_DATA_CENTER = "/rest/oauth2/latest"

# A connection to "any address" reaches this machine on Linux and macOS.
_THIS_MACHINE = ("0.0.0.0", "::", "::ffff:127.0.0.1")  # noqa: S104 -- nothing is bound

# RFC 8414 section 2, and what it is called in `Endpoints`.
_MEMBERS = {
    "authorization_endpoint": "authorize_url",
    "token_endpoint": "token_url",
    "revocation_endpoint": "revoke_url",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where metadata may be, and whose it has to be to count.

    Args:
        url: The document.
        issuers: What its ``issuer`` may be.
    """

    url: str
    issuers: tuple[str, ...]


def built_in(url: str) -> Endpoints:
    """Return what is known without asking: Atlassian's own clouds, else Data Center's layout.

    Args:
        url: An issuer, a Cloud site, or a Data Center's base URL.

    Raises:
        ConfigurationError: if the URL is malformed or insecure, or has a query.
    """
    check_secure(url, argument="url")
    if "?" in url:
        _refuse("must not contain a query: remove the '?' and what follows it")
    own = _ISSUERS.get(origin_of(url)) or _cloud_of(url)
    return own or Endpoints.data_center(url)


def places(url: str) -> tuple[Place, ...]:
    """Return where the metadata of ``url`` may be, most standard first; nowhere for Cloud sites.

    Sources: RFC 8414 section 3.1; OpenID Connect Discovery 1.0 section 4.1; and the OAuth provider of
    Data Center 7.17 to 8.x, whose resource is known and whose full path is inferred (2026-11-20).
    """
    if _cloud_of(url):
        return ()
    origin, base = origin_of(url), url.rstrip("/")
    path = urlsplit(base).path
    # Of Atlassian's own servers the issuer is known: a slash that was pasted behind it is no other issuer.
    is_own = origin in _ISSUERS
    issuers = (origin,) if is_own and not path else (url,)
    standard = (
        Place(f"{origin}/.well-known/oauth-authorization-server{path}", issuers),
        Place(f"{base}/.well-known/openid-configuration", issuers),
    )
    if is_own:
        return standard
    module = f"{base}{_DATA_CENTER}"
    # Its issuer is the base URL, or what RFC 8414 would make of where the document lies.
    own = Place(f"{module}/.well-known/oauth-authorization-server", (url, base, module))
    return (*standard, own)


def read_metadata(response: HTTPResponse, *, place: Place, template: Endpoints) -> Endpoints | None:
    """Return the endpoints the metadata names, or None if the answer is no metadata.

    Servers without metadata answer 404, or with their login page, or with a redirect to it.

    Args:
        response: The answer.
        place: What was asked.
        template: What stays where the metadata names nothing.

    Raises:
        TransientError: if it is 429 or 5xx: nobody knows whether there is metadata.
        DiscoveryError: if it is metadata of another issuer, names no usable token endpoint, or sends to
            this machine although the server is another.
    """
    check_reachable(response, asked=f"The metadata at {place.url}")
    usable = response.status == 200 and not response.truncated
    members = read_object(response.body) if usable else {}
    if "issuer" not in members:
        return None
    _check_issuer(members["issuer"], place)
    named = {ours: members[theirs] for theirs, ours in _MEMBERS.items() if theirs in members}
    if "token_url" not in named:
        raise DiscoveryError(f"The metadata at {place.url} names no token_endpoint.", status=200)
    return _edited(template, named, place)


def _check_issuer(issuer: object, place: Place) -> None:
    if issuer in place.issuers:
        return
    message = (
        f"The metadata at {place.url} is that of another issuer: {issuer!a:.200}, not "
        f"{' or '.join(place.issuers)}. RFC 8414 wants both to be identical, to the last slash. If you trust "
        "it, discover that issuer instead."
    )
    raise DiscoveryError(message, status=200)


def _edited(template: Endpoints, named: dict[str, object], place: Place) -> Endpoints:
    try:
        found = replace(template, **named)  # type: ignore[arg-type]  # checked by Endpoints itself
        _check_remote(named, place)
        return found
    except ConfigurationError as error:
        complaint = printable(str(error), 300)
    raise DiscoveryError(f"The metadata at {place.url} is unusable: {complaint}.", status=200)


def _check_remote(named: dict[str, object], place: Place) -> None:
    """Return unless another machine's metadata sends our secrets to a service of this one."""
    for name, url in named.items():
        if _is_local(url) and not _is_local(place.url):
            message = f"{name} is on this machine, and the server that says so is not"
            raise ConfigurationError(message, argument=name)


def _is_local(url: object) -> bool:
    host = (urlsplit(str(url)).hostname or "").rstrip(".")
    return is_loopback(host) or host.endswith(".localhost") or host in _THIS_MACHINE


def _cloud_of(url: str) -> Endpoints | None:
    host = f".{urlsplit(url).hostname}"
    return next((cloud for end, cloud in _CLOUDS.items() if host.endswith(end)), None)


def _refuse(message: str) -> NoReturn:
    raise ConfigurationError(f"url {message}", argument="url")
