"""Atlassian's clouds, and the hosts of each: the one table of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CLOUDS", "GOVERNMENT", "OLDER_SITES", "PUBLIC", "Cloud"]


@dataclass(frozen=True, slots=True)
class Cloud:
    """The hosts of one cloud.

    Args:
        issuer: The origin of its authorization server.
        gateway: The origin of its API.
        sites: How the host names of its sites end.
    """

    issuer: str
    gateway: str
    sites: str

    @property
    def audience(self) -> str:
        """The ``audience`` of a token request: the host of the gateway."""
        return self.gateway.removeprefix("https://")

    @property
    def ends(self) -> tuple[str, ...]:
        """How its host names end: of sites, the gateway and the authorization server.

        Not all of atlassian.com: jira.atlassian.com is a Data Center.
        """
        return self.sites, f".{self.audience}", f".{self.issuer.removeprefix('https://')}"


PUBLIC = Cloud("https://auth.atlassian.com", "https://api.atlassian.com", ".atlassian.net")

# From the provider table of NangoHQ/nango, 2026-08.
GOVERNMENT = Cloud(
    "https://auth.atlassian-us-gov-mod.com",
    "https://api.atlassian-us-gov-mod.com",
    ".atlassian-us-gov-mod.net",
)

CLOUDS = (PUBLIC, GOVERNMENT)

OLDER_SITES = (".atlassian-us-gov.net", ".jira.com")
"""Other ends of the host names of sites, from sooperset/mcp-atlassian, 2026-11-20."""
