"""What an administrator reads about each type of client, and the endpoints that are known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from atlassian_auth.connections import ClientType
from atlassian_auth.endpoints import Endpoints

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the pages say about a type of client.

    Args:
        name: The type in words.
        purpose: What it is for.
        authorization_endpoint: The value that the form begins with.
        authorization_hint: What to fill in there.
        token_endpoint: The value that the form begins with.
        token_hint: What to fill in there.
        scopes_hint: What to fill in there.
        consent: Whether a person has to consent.
    """

    name: str
    purpose: str
    authorization_endpoint: str = ""
    authorization_hint: str = "The URL of the page on which people consent."
    token_endpoint: str = ""
    token_hint: str = "The URL that issues tokens."
    scopes_hint: str = "What the app may do."
    consent: bool = True


_CLOUD = Endpoints.cloud()
_DATA_CENTER = "https://your-host/rest/oauth2/latest"
_MICROSOFT = "https://login.microsoftonline.com/common/oauth2/v2.0"

KINDS: Mapping[ClientType, Kind] = MappingProxyType(
    {
        ClientType.ATLASSIAN_CLOUD: Kind(
            name="Atlassian Cloud",
            purpose="Jira and Confluence Cloud, with an OAuth 2.0 (3LO) app of developer.atlassian.com.",
            authorization_endpoint=str(_CLOUD.authorize_url),
            token_endpoint=_CLOUD.token_url,
            scopes_hint="For example: read:jira-work offline_access",
        ),
        ClientType.ATLASSIAN_DATA_CENTER: Kind(
            name="Atlassian Data Center",
            purpose="Jira, Confluence or Bitbucket on your own servers, with an incoming application link.",
            authorization_hint=f"Such as {_DATA_CENTER}/authorize",
            token_hint=f"Such as {_DATA_CENTER}/token",
            scopes_hint="For example: READ",
        ),
        ClientType.CLIENT_CREDENTIALS: Kind(
            name="Client credentials",
            purpose="An app or a service account that acts for itself. No person has to consent.",
            consent=False,
        ),
        ClientType.GOOGLE: Kind(
            name="Google",
            purpose="Google Workspace and other APIs of Google.",
            authorization_endpoint="https://accounts.google.com/o/oauth2/v2/auth",
            token_endpoint="https://oauth2.googleapis.com/token",
        ),
        ClientType.MICROSOFT: Kind(
            name="Microsoft",
            purpose="Microsoft 365 and Azure.",
            authorization_endpoint=f"{_MICROSOFT}/authorize",
            token_endpoint=f"{_MICROSOFT}/token",
        ),
        ClientType.GENERIC: Kind(
            name="Another service", purpose="Any service with OAuth 2.0 and a page for consent."
        ),
    }
)
