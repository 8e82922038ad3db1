"""Where a credential may go: the check that stands before every request that carries one."""

from __future__ import annotations

from collections.abc import Iterable

import httpx

from atlassian_auth.endpoints import check_secure, origin_of
from atlassian_auth.exceptions import ConfigurationError, OriginNotAllowed
from atlassian_auth.protocol._redaction import printable

__all__ = ["NOWHERE", "Origins", "Target", "read_origins", "target_of"]

# A Cloud site's own address, and the gateway behind which OAuth reaches it; government cloud included.
_SITES = (".atlassian.net", ".atlassian-us-gov-mod.net")
_GATEWAYS = ("https://api.atlassian.com", "https://api.atlassian-us-gov-mod.com")

Target = tuple[str, bytes, int | None]
"""Scheme, host and port as httpx holds them: compared for each request, so nothing is parsed."""


class Origins:
    """A set of origins, and the refusal of every other one.

    Args:
        origins: As `origin_of` writes them; whether http is acceptable was decided before.
        remedy: What the error advises to whoever wants to send a request elsewhere; None for what fits an
            auth of its own.
        argument: The one that names more origins, for that error.
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
        return f"Origins({list(getattr(self, 'names', ()))})"  # none if an origin was refused

    def check(self, url: httpx.URL) -> None:
        """Return if the credential may go there.

        Raises:
            OriginNotAllowed: if scheme, host or port are others; the text holds no path and no query.
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
                "That is another Atlassian cloud, which must not see it: take URLs from the endpoints of the "
                "credential's own grant."
            )
        if self._remedy is None and behind_gateway and host.endswith(_SITES):
            return (
                "A site's own address takes no OAuth token and no API token with scopes: use "
                "Endpoints.jira_url(cloud_id) or Endpoints.confluence_url(cloud_id) as the base URL."
            )
        remedy = self._remedy or f"name the origin in {self._argument}="
        return f"Use another client for other hosts, or {remedy}."


NOWHERE = Origins(())
"""What a credential has whose making was refused: such objects stand in the frames that reporters show."""


def target_of(url: httpx.URL) -> Target:
    """Return what decides whether two URLs have the same origin; httpx has normalized it."""
    return url.scheme, url.raw_host, url.port


def read_origins(urls: Iterable[str], *, argument: str) -> frozenset[str]:
    """Return the origins of the URLs.

    Raises:
        ConfigurationError: if one is malformed, or neither https nor loopback, or if this is a
            single text instead of a list.
    """
    if isinstance(urls, str):
        message = f"{argument} must be a list of origins such as ['https://proxy.example.com']"
        raise ConfigurationError(message, argument=argument)
    return frozenset(origin_of(check_secure(url, argument=argument)) for url in urls)
