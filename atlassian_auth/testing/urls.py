"""The URLs of the emulated services: Atlassian's own, or all below one origin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

__all__ = ["Urls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """The base URLs of the emulated services, without trailing slash.

    Args:
        auth_url: The Cloud authorization server.
        api_url: The Cloud API gateway, which also issues the tokens of Jira Software's 2LO.
        id_url: Where a browser ends when an authorization request is wrong.
        site_url: A Cloud site, with ``{site}`` where its name goes.
        dc_base_url: Data Center, context path included.
    """

    auth_url: str
    api_url: str
    id_url: str
    site_url: str
    dc_base_url: str

    @classmethod
    def atlassian(cls, dc_base_url: str) -> Urls:
        """Return Atlassian's own addresses, and ``dc_base_url`` for Data Center."""
        return cls(
            auth_url="https://auth.atlassian.com",
            api_url="https://api.atlassian.com",
            id_url="https://id.atlassian.com",
            site_url="https://{site}.atlassian.net",
            dc_base_url=dc_base_url,
        )

    @classmethod
    def below(cls, origin: str, dc_base_url: str) -> Urls:
        """Return the addresses below one origin; Data Center keeps its context path."""
        return cls(
            auth_url=f"{origin}/auth",
            api_url=f"{origin}/api",
            id_url=f"{origin}/id",
            site_url=f"{origin}/site/{{site}}",
            dc_base_url=f"{origin}/dc{urlsplit(dc_base_url).path}",
        )

    @property
    def authorize_url(self) -> str:
        """Cloud's authorize page."""
        return f"{self.auth_url}/authorize"

    @property
    def token_url(self) -> str:
        """Cloud's token endpoint: 3LO and service accounts."""
        return f"{self.auth_url}/oauth/token"

    @property
    def revoke_url(self) -> str:
        """Cloud's revocation endpoint."""
        return f"{self.auth_url}/oauth/revoke"

    @property
    def jira_software_token_url(self) -> str:
        """The token endpoint of Jira Software's 2LO credentials."""
        return f"{self.api_url}/oauth/token"

    @property
    def resources_url(self) -> str:
        """Cloud's list of the sites of a token."""
        return f"{self.api_url}/oauth/token/accessible-resources"

    @property
    def identity_url(self) -> str:
        """Cloud's identity endpoint."""
        return f"{self.api_url}/me"

    @property
    def dc_authorize_url(self) -> str:
        """Data Center's authorize page."""
        return f"{self.dc_base_url}/rest/oauth2/latest/authorize"

    @property
    def dc_token_url(self) -> str:
        """Data Center's token endpoint."""
        return f"{self.dc_base_url}/rest/oauth2/latest/token"

    @property
    def dc_revoke_url(self) -> str:
        """Data Center's revocation endpoint."""
        return f"{self.dc_base_url}/rest/oauth2/latest/revoke"

    def site(self, name: str) -> str:
        """Return the URL of one Cloud site."""
        return self.site_url.format(site=name)

    def jira(self, cloud_id: str) -> str:
        """Return the base URL of one site's Jira behind the gateway, with trailing slash."""
        return f"{self.api_url}/ex/jira/{cloud_id}/"

    def confluence(self, cloud_id: str) -> str:
        """Return the base URL of one site's Confluence behind the gateway, with trailing slash."""
        return f"{self.api_url}/ex/confluence/{cloud_id}/wiki/"

    @property
    def patterns(self) -> dict[str, re.Pattern[str]]:
        """A pattern of the URLs of each service; the group ``path`` is the part after the base URL."""
        return _patterns(self)

    def locate(self, url: str) -> tuple[str, str] | None:
        """Return the service of ``url`` and the path there; a site's path starts with its name."""
        for service, pattern in self.patterns.items():
            if match := pattern.match(url):
                site = f"/{match['site']}" if service == "site" else ""
                return service, site + match["path"]
        return None


@lru_cache
def _patterns(urls: Urls) -> dict[str, re.Pattern[str]]:
    # Services at hosts of their own come first: a site may have any name.
    bases = {
        "auth": re.escape(urls.auth_url),
        "api": re.escape(urls.api_url),
        "id": re.escape(urls.id_url),
        "dc": re.escape(urls.dc_base_url),
        "site": re.escape(urls.site_url).replace(r"\{site\}", "(?P<site>[A-Za-z0-9-]+)"),
    }
    return {
        name: re.compile(rf"{base}(?P<path>/[^?#]*|(?=[?#]|$))") for name, base in bases.items()
    }
