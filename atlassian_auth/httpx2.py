"""The auths for clients of httpx2, the successor of httpx: ``pip install atlassian-auth[httpx2]``.

Each is the class of the same name for httpx, which httpx2 accepts too. So there is one logic for both, an
auth of this module may be given to clients of both, and to each function of the library that takes an auth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

try:
    import httpx2
except ImportError as _missing:
    raise ImportError(
        "atlassian_auth.httpx2 needs httpx2: pip install 'atlassian-auth[httpx2]'"
    ) from _missing

from atlassian_auth import api_tokens, auth
from atlassian_auth._tokens.http.library import httpx

__all__ = [
    "ApiToken",
    "AtlassianAuth",
    "AuthRouter",
    "OrganizationApiKey",
    "PersonalAccessToken",
    "ServiceAccountToken",
    "StaticToken",
]


class AtlassianAuth(auth.AtlassianAuth, httpx2.Auth):
    """Sends each request with a fresh bearer, to Atlassian's origins only: in ``httpx2.AsyncClient`` too.

    The arguments are those of `atlassian_auth.AtlassianAuth`. For a key of a manager that exists:
    ``AtlassianAuth(manager, key="acme")``.
    """


class ApiToken(api_tokens.ApiToken, httpx2.Auth):
    """An API token of a user account, as `atlassian_auth.api_tokens.ApiToken`."""


class ServiceAccountToken(api_tokens.ServiceAccountToken, httpx2.Auth):
    """An API token of a service account, as `atlassian_auth.api_tokens.ServiceAccountToken`."""


class OrganizationApiKey(api_tokens.OrganizationApiKey, httpx2.Auth):
    """An API key of an organization, as `atlassian_auth.api_tokens.OrganizationApiKey`."""


class PersonalAccessToken(api_tokens.PersonalAccessToken, httpx2.Auth):
    """A personal access token of Data Center, as `atlassian_auth.api_tokens.PersonalAccessToken`."""


class StaticToken(api_tokens.StaticToken, httpx2.Auth):
    """A bearer from elsewhere, as `atlassian_auth.StaticToken`."""


class AuthRouter(api_tokens.AuthRouter, httpx2.Auth):
    """Selects the credential by the request's URL, as `atlassian_auth.api_tokens.AuthRouter`.

    Args:
        auths: The auth for each origin: an ``httpx2.Auth``, or any auth of this library.

    Raises:
        ConfigurationError: as there.
    """

    _kinds = (httpx.Auth, httpx2.Auth)
    _accepted = "httpx2.Auth"

    def __init__(self, auths: Mapping[str, httpx2.Auth | httpx.Auth]) -> None:
        super().__init__(cast("Mapping[str, httpx.Auth]", auths))
