"""Data Center, three-legged: a person consents, PKCE always, refresh tokens rotate.

Source: https://confluence.atlassian.com/adminjiraserver0911/jira-oauth-2-0-provider-api-1318889918.html,
and the behavior of the provider of Confluence 7.17 to 8.x where that page is silent (2026-11-20).

A refresh ends the previous access token at once, and a used refresh token stops working at once. So tokens
are not refreshed ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from atlassian_auth.endpoints import Endpoints, check_secure
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants.base import AuthorizationCodeGrant
from atlassian_auth.protocol._token_endpoint import form_request
from atlassian_auth.protocol.messages import HTTPRequest
from atlassian_auth.scopes import OFFLINE_ACCESS, parse_scopes

__all__ = ["DataCenterGrant", "data_center_scopes"]

# The provider's limit for redirect URIs.
_LONGEST_REDIRECT_URI = 450


@dataclass(frozen=True, init=False, eq=False, repr=False)
class DataCenterGrant(AuthorizationCodeGrant):
    """An incoming link (application link) of Jira, Confluence or Bitbucket Data Center.

    Args:
        base_url: The instance's base URL with its context path, such as ``https://host/jira``; a
            trailing slash makes no difference.
        client_id: From the incoming link.
        client_secret: From the incoming link. Needed with PKCE as well.
        redirect_uri: Exactly the registered one: https, or http on loopback; at most 450 characters.
        scopes: The scopes to request, such as ``["ADMIN"]``. Request one: each level includes those below
            it, and whether Data Center accepts two is not documented.
        allow_insecure_http: Accept plain http to hosts other than loopback, for the base URL and the redirect
            URI. Anyone on the network path can then read the secrets.

    Raises:
        ConfigurationError: if an argument is malformed, or a scope belongs to Cloud.
    """

    kind: ClassVar[str] = "data_center"

    def __init__(
        self,
        base_url: str,
        *,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        scopes: str | Iterable[str],
        allow_insecure_http: bool = False,
    ) -> None:
        self._assign(
            client_id=client_id,
            client_secret=client_secret,
            endpoints=Endpoints.data_center(base_url, allow_http=allow_insecure_http),
            scopes=data_center_scopes(scopes),
            redirect_uri=_check_redirect_uri(redirect_uri, allow_http=allow_insecure_http),
            uses_pkce=True,
        )

    def _refresh_extras(self) -> Mapping[str, str]:
        # jira.js reports invalid_grant for a refresh without it; other clients omit it. Data Center ignores
        # unknown fields, so it is always sent (2026-08).
        return {"redirect_uri": self.redirect_uri or ""}

    def _encode(self, fields: Mapping[str, str], *secrets: str) -> HTTPRequest:
        # To JSON Data Center answers 500 with a text about @FormParam (OpenHands#14250).
        return form_request(self.endpoints.token_url, fields, secrets=secrets)


def _check_redirect_uri(value: str, *, allow_http: bool) -> str:
    check_secure(value, argument="redirect_uri", allow_http=allow_http)
    if len(value) > _LONGEST_REDIRECT_URI:
        message = f"redirect_uri must be at most {_LONGEST_REDIRECT_URI} characters on Data Center"
        raise ConfigurationError(message, argument="redirect_uri")
    return value


def data_center_scopes(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return the scopes if they are Data Center's.

    Raises:
        ConfigurationError: if a scope is malformed, is not upper case, or belongs to Cloud.
    """
    scopes = parse_scopes(value)
    if foreign := [scope for scope in scopes if ":" in scope or scope == OFFLINE_ACCESS]:
        message = (
            f"scopes contains {', '.join(foreign)}, which belongs to Cloud: on Data Center, scopes "
            "look like READ, WRITE or ADMIN. For a site on atlassian.net use CloudGrant"
        )
        raise ConfigurationError(message, argument="scopes")
    if lower := [scope for scope in scopes if scope != scope.upper()]:
        message = (
            f"scopes contains {', '.join(lower)}: Data Center's scopes are upper case, such as "
            f"{lower[0].upper()}"
        )
        raise ConfigurationError(message, argument="scopes")
    return scopes
