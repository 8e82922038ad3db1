"""The URLs of an authorization server and of its API, each with its source.

A URL to which a token or a client secret is sent must be https or on this computer, unless the caller allows
plain http by name.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from atlassian_auth.endpoints._hosts import CLOUDS, GOVERNMENT, PUBLIC
from atlassian_auth.endpoints._urls import (
    check_base_url,
    check_secure,
    is_loopback,
    origin_of,
    refuse,
)
from atlassian_auth.exceptions import ConfigurationError

__all__ = [
    "Endpoints",
    "check_endpoints",
    "check_secure",
    "emulated_site",
    "emulator_origin",
    "is_loopback",
    "origin_of",
]

logger: logging.Logger = logging.getLogger("atlassian_auth")

_EMULATOR = "ATLASSIAN_AUTH_EMULATOR"

# The four provider APIs of developer.atlassian.com/cloud/jira/software, "Integrate JSW Cloud with on-premises
# tools", 2026-11-20.
_PROVIDER_ENTITIES = ("builds", "deployments", "devinfo", "featureflags")
_PROVIDER_PATH = re.compile(r"/?rest/(?P<entity>\w+)/(?P<version>[\w.]+)/(?P<rest>.+)")

# Cloud ids are UUIDs today, but Atlassian does not promise it. So only text that would break the path is
# refused, and text that is probably the name of a site: short, or without a digit.
_CLOUD_ID = re.compile(r"(?=.*[0-9])[A-Za-z0-9-]{20,}")

_CLOUD_HOSTS = tuple(end for cloud in CLOUDS for end in cloud.ends)

_DATA_CENTER_OAUTH = "/rest/oauth2/latest"


def emulator_origin() -> str | None:
    """Return the origin of the emulator that takes the place of Atlassian Cloud; None if there is none.

    The variable ``ATLASSIAN_AUTH_EMULATOR`` names it, such as ``http://127.0.0.1:8080``. It is read where
    endpoints are made. A warning is logged once for each origin.

    Raises:
        ConfigurationError: if the variable is not a URL of this computer.
    """
    value = os.environ.get(_EMULATOR)
    return _check_emulator(value) if value else None


@lru_cache
def _check_emulator(value: str) -> str:
    origin = check_base_url(value, argument=_EMULATOR, allow_http=False)
    if not is_loopback(urlsplit(origin).hostname or ""):
        refuse(
            _EMULATOR, f"must be on this computer, such as http://127.0.0.1:8080, but is {origin}"
        )
    logger.warning(
        "%s is set: the emulator at %s takes the place of Atlassian Cloud in this process.",
        _EMULATOR,
        origin,
    )
    return origin


def emulated_site(url: str) -> str:
    """Return the URL of a Cloud site; at the emulator, if one takes the place of Atlassian Cloud.

    Args:
        url: ``https://NAME.atlassian.net``.

    Raises:
        ConfigurationError: as `emulator_origin` does.
    """
    origin = emulator_origin()
    name = (urlsplit(url).hostname or "").partition(".")[0]
    return url if origin is None else f"{origin}/site/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The URLs of one authorization server and of the API for which it issues tokens.

    Build one with `cloud`, `government`, `jira_software`, `data_center` or `below`. For other hosts give all
    URLs, or replace some: ``dataclasses.replace(Endpoints.cloud(), api_url=...)``.

    If the variable ``ATLASSIAN_AUTH_EMULATOR`` is set, `cloud`, `government` and `jira_software` return the
    endpoints of the emulator there; see `emulator_origin`.

    Args:
        authorize_url: The authorization endpoint, at which a person consents; None if no person has to.
        token_url: The token endpoint.
        audience: The audience of tokens; None if the authorization server needs none.
        api_url: The root of the API: the gateway, or a Data Center's base URL with its context path. A
            trailing slash is dropped.
        revoke_url: The revocation endpoint; None if there is none.
        resources_url: The list of the sites that a token may use; Cloud only.
        identity_url: The account that consented; Cloud only.
        allow_insecure_http: Accept plain http to hosts other than loopback. Anyone on the network path can
            then read the secrets.

    Raises:
        ConfigurationError: if a URL is malformed or insecure; the error names the argument.
    """

    authorize_url: str | None = None
    token_url: str
    audience: str | None = None
    api_url: str
    revoke_url: str | None = None
    resources_url: str | None = None
    identity_url: str | None = None
    allow_insecure_http: bool = False

    def __post_init__(self) -> None:
        allow_http = self.allow_insecure_http
        check_secure(self.token_url, argument="token_url", allow_http=allow_http)
        for argument in ("authorize_url", "revoke_url", "resources_url", "identity_url"):
            url = getattr(self, argument)
            if url is not None:
                check_secure(url, argument=argument, allow_http=allow_http)
        api_url = check_base_url(self.api_url, argument="api_url", allow_http=allow_http)
        object.__setattr__(self, "api_url", api_url)

    @classmethod
    def cloud(cls) -> Self:
        """Return the endpoints of Atlassian Cloud, for 3LO apps and service accounts.

        Source: https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
        """
        if origin := emulator_origin():
            return cls.below(origin)
        return cls(
            authorize_url=f"{PUBLIC.issuer}/authorize",
            token_url=f"{PUBLIC.issuer}/oauth/token",
            audience=PUBLIC.audience,
            api_url=PUBLIC.gateway,
            # Not on the 3LO page. The metadata of Atlassian's own MCP issuer names it, and several clients
            # use it; its effect on the consent of a 3LO app is unconfirmed (2026-10-10).
            revoke_url=f"{PUBLIC.issuer}/oauth/revoke",
            resources_url=f"{PUBLIC.gateway}/oauth/token/accessible-resources",
            # User identity API; needs scope read:me. passport-atlassian-oauth2 and next-auth use it, 2026-08.
            identity_url=f"{PUBLIC.gateway}/me",
        )

    @classmethod
    def government(cls) -> Self:
        """Return the endpoints of Atlassian Government Cloud.

        Source: the provider table of NangoHQ/nango, 2026-08. Atlassian names the authorization URL and the
        audience (https://developer.atlassian.com/platform/framework/agc/guides/manage-3lo-apps, 2025-05-29).
        """
        if origin := emulator_origin():
            return cls.below(origin)
        return cls(
            authorize_url=f"{GOVERNMENT.issuer}/authorize",
            token_url=f"{GOVERNMENT.issuer}/oauth/token",
            audience=GOVERNMENT.audience,
            api_url=GOVERNMENT.gateway,
            # Here it is on the authorization server, not on the gateway as in the public cloud.
            resources_url=f"{GOVERNMENT.issuer}/oauth/token/accessible-resources",
        )

    @classmethod
    def below(cls, origin: str, *, allow_http: bool = False) -> Self:
        """Return the endpoints of a Cloud whose services are all below one origin.

        A `LoopbackServer` serves its emulated Atlassian so: ``/auth`` and ``/api`` take the place of
        auth.atlassian.com and api.atlassian.com.

        Args:
            origin: Such as ``http://127.0.0.1:8080``; a path is kept, a trailing slash is dropped.
            allow_http: Accept plain http to hosts other than loopback.

        Raises:
            ConfigurationError: if the origin is malformed or insecure.
        """
        base = check_base_url(origin, argument="origin", allow_http=allow_http)
        return cls(
            authorize_url=f"{base}/auth/authorize",
            token_url=f"{base}/auth/oauth/token",
            audience=PUBLIC.audience,
            api_url=f"{base}/api",
            revoke_url=f"{base}/auth/oauth/revoke",
            resources_url=f"{base}/api/oauth/token/accessible-resources",
            identity_url=f"{base}/api/me",
            allow_insecure_http=allow_http,
        )

    def for_jira_software(self) -> Self:
        """Return these endpoints for "OAuth credentials" of Jira Software (2LO).

        Such credentials get their token from the API host. The endpoints of `cloud` and `below` name the
        authorization server's token endpoint, which refuses them.
        """
        if self.authorize_url is None:
            return self
        token_url = f"{self.api_url}/oauth/token"
        return replace(self, token_url=token_url, authorize_url=None, revoke_url=None)

    @classmethod
    def jira_software(cls) -> Self:
        """Return the endpoints of "OAuth credentials" of a Jira Software Cloud site (2LO).

        Source: "Integrate Jira Software Cloud with on-premises tools", developer.atlassian.com,
        read 2026-11-20. The token comes from the API host, not from auth.atlassian.com.
        """
        if origin := emulator_origin():
            return cls.below(origin).for_jira_software()
        return cls(
            token_url=f"{PUBLIC.gateway}/oauth/token",
            audience=PUBLIC.audience,
            api_url=PUBLIC.gateway,
        )

    @classmethod
    def data_center(cls, base_url: str, *, allow_http: bool = False) -> Self:
        """Return the endpoints of a Data Center instance.

        Source: https://confluence.atlassian.com/adminjiraserver0911/jira-oauth-2-0-provider-api-1318889918.html

        Args:
            base_url: The instance's base URL with its context path, such as ``https://host/jira``; a trailing
                slash is dropped.
            allow_http: Accept plain http to hosts other than loopback.

        Raises:
            ConfigurationError: if the base URL is malformed, insecure, or a Cloud site.
        """
        base = check_base_url(base_url, argument="base_url", allow_http=allow_http)
        if f".{urlsplit(base).hostname}".endswith(_CLOUD_HOSTS):
            refuse("base_url", "is Atlassian Cloud, not a Data Center: use CloudGrant instead")
        # Joined as text: urljoin would drop the context path.
        oauth = f"{base}{_DATA_CENTER_OAUTH}"
        return cls(
            authorize_url=f"{oauth}/authorize",
            token_url=f"{oauth}/token",
            api_url=base,
            # Seen in the provider of Confluence 7.17 to 8.x; not documented.
            revoke_url=f"{oauth}/revoke",
            allow_insecure_http=allow_http,
        )

    @property
    def is_data_center(self) -> bool:
        """Whether these are those of `data_center`, whose API serves an invalid bearer as anonymous."""
        return self.token_url == f"{self.api_url}{_DATA_CENTER_OAUTH}/token"

    @property
    def origins(self) -> frozenset[str]:
        """The origins to which a bearer may be sent: of the API, `resources_url` and `identity_url`."""
        urls = (self.api_url, self.resources_url, self.identity_url)
        return frozenset(origin_of(url) for url in urls if url is not None)

    def jira_url(self, cloud_id: str) -> str:
        """Return the base URL of a Jira Cloud site, with a trailing slash, for OAuth tokens.

        OAuth tokens do not work on ``https://SITE.atlassian.net``.

        Raises:
            ConfigurationError: if this is not a cloud id, or these are the endpoints of a Data Center.
        """
        return f"{self._gateway}/ex/jira/{_check_cloud_id(cloud_id)}/"

    def confluence_url(self, cloud_id: str) -> str:
        """Return the base URL of a Confluence Cloud site, with a trailing slash, for OAuth tokens.

        Raises:
            ConfigurationError: if this is not a cloud id, or these are the endpoints of a Data Center.
        """
        return f"{self._gateway}/ex/confluence/{_check_cloud_id(cloud_id)}/wiki/"

    def provider_url(self, entity: str, cloud_id: str) -> str:
        """Return the base URL of one kind of data that `jira_software` credentials may send.

        Source: "Integrate Jira Software Cloud with on-premises tools", developer.atlassian.com.

        Args:
            entity: ``"builds"``, ``"deployments"``, ``"devinfo"`` or ``"featureflags"``.
            cloud_id: The site.

        Raises:
            ConfigurationError: if there is no such entity, this is not a cloud id, or these are the endpoints
                of a Data Center.
        """
        return self._provider_root(entity, "0.1", cloud_id)

    def translate_url(self, path: str, cloud_id: str) -> str:
        """Return the gateway's URL for a documented path of the provider APIs.

        The reference writes ``/rest/builds/0.1/bulk``; 2LO credentials send the same request to
        ``https://api.atlassian.com/jira/builds/0.1/cloud/{cloud_id}/bulk``. A query is kept.

        Args:
            path: The path; or the whole URL at a Cloud site, such as
                ``https://acme.atlassian.net/rest/builds/0.1/bulk``.
            cloud_id: The site; if ``path`` is a URL, the site of that URL.

        Raises:
            ConfigurationError: if the path is not one of a provider API, the URL is not at a Cloud site, this
                is not a cloud id, or these are the endpoints of a Data Center.
        """
        match = _PROVIDER_PATH.fullmatch(_path_at_site(path) if "://" in path else path)
        if match is None:
            refuse("path", "must look like /rest/builds/0.1/bulk: copy it from the API reference")
        root = self._provider_root(match["entity"], match["version"], cloud_id)
        return root + match["rest"]

    def _provider_root(self, entity: str, version: str, cloud_id: str) -> str:
        if entity not in _PROVIDER_ENTITIES:
            refuse("entity", f"must be one of {', '.join(_PROVIDER_ENTITIES)}")
        return f"{self._gateway}/jira/{entity}/{version}/cloud/{_check_cloud_id(cloud_id)}/"

    @property
    def _gateway(self) -> str:
        # Cloud's authorization servers need an audience; Data Center's have none.
        if self.audience is None:
            refuse(
                "endpoints",
                f"are those of a Data Center, which has no cloud id: use endpoints.api_url, "
                f"{self.api_url}/, as the base URL",
            )
        return self.api_url


def check_endpoints(value: Endpoints) -> Endpoints:
    """Return the value unchanged if it is an `Endpoints`.

    Raises:
        ConfigurationError: if it is anything else, such as a URL.
    """
    if not isinstance(value, Endpoints):
        raise ConfigurationError.wrong_type(
            "endpoints", "Endpoints, such as Endpoints.cloud()", value
        )
    return value


def _path_at_site(url: str) -> str:
    parts = urlsplit(check_secure(url, argument="path"))
    if not (parts.hostname or "").endswith(tuple(cloud.sites for cloud in CLOUDS)):
        refuse("path", f"must be a path, or a URL at a Cloud site, but is at {origin_of(url)}")
    return urlunsplit(("", "", parts.path, parts.query, ""))


def _check_cloud_id(value: object) -> str:
    if not isinstance(value, str) or not _CLOUD_ID.fullmatch(value):
        refuse(
            "cloud_id",
            "must be the id of a site, such as 11223344-a1b2-3b33-c444-def123456789, not its name "
            "or URL: https://SITE.atlassian.net/_edge/tenant_info shows it",
        )
    return value
