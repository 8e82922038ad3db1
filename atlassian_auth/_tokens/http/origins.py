"""The origins to which a credential may be sent, checked before each request that carries one."""

from __future__ import annotations

from collections.abc import Iterable

from atlassian_auth._tokens.http.library import httpx
from atlassian_auth.endpoints import check_secure, origin_of
from atlassian_auth.endpoints._hosts import CLOUDS
from atlassian_auth.exceptions import ConfigurationError, OriginNotAllowed
from atlassian_auth.protocol._redaction import printable

__all__ = ["NOWHERE", "Origins", "Target", "read_origins", "target_of"]

# A Cloud site's own address, and the gateway behind which OAuth reaches it; government cloud included.
_SITES = tuple(cloud.sites for cloud in CLOUDS)
_GATEWAYS = tuple(cloud.gateway for cloud in CLOUDS)

Target = tuple[str, bytes, int | None]
"""Scheme, host and port in httpx's form: each request is compared, so nothing is parsed again."""


class Origins:
    """A set of origins to which a credential may be sent; every other origin is refused.

    Args:
        origins: In the form of `origin_of`; the caller has decided whether http is accepted.
        remedy: The error's advice for sending requests elsewhere; None: allow the origin with ``argument``.
        argument: The name of the argument that allows more origins.
    """

    __slots__ = ("_argument", "_remedy", "_targets", "names")

    def __init__(
        self,
        origins: Iterable[str],
        *,
        remedy: str | None = None,
        argument: str = "allowed_origins",
    ) -> None:
        self.names: tuple[str, ...] = tuple(sorted(set(origins)))
        self._targets = frozenset(target_of(httpx.URL(name)) for name in self.names)
        self._remedy = remedy
        self._argument = argument

    def __repr__(self) -> str:
        return f"Origins({list(getattr(self, 'names', ()))})"  # no names if the constructor raised

    def check(self, url: httpx.URL) -> None:
        """Raise unless the credential may be sent to this URL.

        Raises:
            OriginNotAllowed: if the scheme, host or port is another; the message holds no path and no query.
        """
        if target_of(url) in self._targets:
            return
        if not url.host:
            message = (
                "The request's URL names no host, so nothing was sent. Give the client a base_url=, or the "
                "request an absolute URL."
            )
            raise OriginNotAllowed(message, origin="", allowed=self.names)
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        message = (
            f"The credential was about to go to {printable(origin)}, but it belongs to "
            f"{', '.join(self.names)}. Nothing was sent. {self._advice(origin, url.host)}"
        )
        raise OriginNotAllowed(message, origin=origin, allowed=self.names)

    def _advice(self, origin: str, host: str) -> str:
        behind_gateway = not {*_GATEWAYS}.isdisjoint(self.names)
        if self._remedy is None and behind_gateway and origin in _GATEWAYS:
            return (
                "That is another Atlassian cloud, which must not see the credential: take URLs from the "
                "endpoints of the credential's own grant."
            )
        if self._remedy is None and behind_gateway and host.endswith(_SITES):
            return (
                "A site's own address accepts no OAuth token and no API token with scopes: use "
                "Endpoints.jira_url(cloud_id) or Endpoints.confluence_url(cloud_id) as the base URL."
            )
        remedy = self._remedy or f"name the origin in {self._argument}="
        return f"Use another client for other hosts, or {remedy}."


NOWHERE = Origins(())
"""The origins of a credential whose constructor raised: error reporters call ``repr`` of such objects."""


def target_of(url: httpx.URL) -> Target:
    """Return scheme, host and port of a URL, which httpx has normalized."""
    return url.scheme, url.raw_host, url.port


def read_origins(urls: Iterable[str], *, argument: str) -> frozenset[str]:
    """Return the origins of the URLs.

    Raises:
        ConfigurationError: if a URL is malformed, or is neither https nor loopback; also if ``urls`` is one
            text instead of a list.
    """
    if isinstance(urls, str):
        message = f"{argument} must be a list of origins such as ['https://proxy.example.com']"
        raise ConfigurationError(message, argument=argument)
    return frozenset(origin_of(check_secure(url, argument=argument)) for url in urls)
