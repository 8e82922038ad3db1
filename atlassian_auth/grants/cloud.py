"""Atlassian Cloud, three-legged (3LO): a person consents in a browser, refresh tokens rotate.

Source: https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/, as quoted 2026-08-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from atlassian_auth.endpoints import Endpoints, check_endpoints, check_secure
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants.base import AuthorizationCodeGrant
from atlassian_auth.protocol._token_endpoint import form_request, json_request
from atlassian_auth.protocol.messages import HTTPRequest
from atlassian_auth.scopes import DATA_CENTER_SCOPES, OFFLINE_ACCESS, READ_ME, parse_scopes

__all__ = ["CloudGrant"]

_OPENID = "openid"


@dataclass(frozen=True, init=False, eq=False, repr=False)
class CloudGrant(AuthorizationCodeGrant):
    """A 3LO app of the developer console.

    Args:
        client_id: From the app's settings.
        client_secret: From the app's settings. Needed with PKCE as well.
        redirect_uri: Exactly the app's callback URL: https, or http on loopback.
        scopes: The scopes to request, in a list or separated by spaces; each must have been added to the app.
            Atlassian recommends fewer than 50.
        endpoints: The public cloud by default; see `Endpoints.government`.
        offline_access: Request a refresh token. Without one, a person has to consent every hour.
        pkce: Bind codes to a verifier. Off by default: the 3LO pages do not mention PKCE, one guide says that
            Atlassian does not support it, but the server's metadata names S256.
        as_json: Send token requests as JSON, as the refresh token page shows. False: as a form, as RFC 6749
            says and several clients do (2026-08).

    Raises:
        ConfigurationError: if an argument is malformed, or a scope is ``openid`` or belongs to Data Center.
    """

    kind: ClassVar[str] = "cloud"
    # "10 minutes" on the 3LO page, 2026-08; it used to be 3 seconds
    # (community.developer.atlassian.com/t/50348).
    reuse_leeway_seconds: ClassVar[float] = 600.0
    # Atlassian's 2LO page advises 30 to 60 seconds; jira.js uses 60 here (2026-08).
    refresh_ahead_seconds: ClassVar[float] = 60.0

    _as_json: bool = field(repr=False)

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        scopes: str | Iterable[str],
        endpoints: Endpoints | None = None,
        offline_access: bool = True,
        pkce: bool = False,
        as_json: bool = True,
    ) -> None:
        endpoints = Endpoints.cloud() if endpoints is None else check_endpoints(endpoints)
        if endpoints.authorize_url is None or endpoints.audience is None:
            message = "endpoints must have an authorize_url and an audience: use Endpoints.cloud()"
            raise ConfigurationError(message, argument="endpoints")
        self._assign(
            client_id=client_id,
            client_secret=client_secret,
            endpoints=endpoints,
            scopes=_check_scopes(scopes, offline_access=offline_access),
            redirect_uri=check_secure(
                redirect_uri, argument="redirect_uri", allow_http=endpoints.allow_insecure_http
            ),
            uses_pkce=pkce,
        )
        object.__setattr__(self, "_as_json", as_json)

    def _authorization_extras(self) -> Mapping[str, str]:
        return {"audience": self.endpoints.audience or "", "prompt": "consent"}

    def _encode(self, fields: Mapping[str, str], *secrets: str) -> HTTPRequest:
        build = json_request if self._as_json else form_request
        return build(self.endpoints.token_url, fields, secrets=secrets)

    def _no_refresh_token_message(self) -> str:
        return (
            f"{super()._no_refresh_token_message()}. Cloud issues one only if scope {OFFLINE_ACCESS} was "
            "requested: leave offline_access=True"
        )


def _check_scopes(value: str | Iterable[str], *, offline_access: bool) -> tuple[str, ...]:
    scopes = [scope for scope in parse_scopes(value) if scope != OFFLINE_ACCESS]
    if foreign := [scope for scope in scopes if scope.upper() in DATA_CENTER_SCOPES]:
        message = (
            f"scopes contains {', '.join(foreign)}, which belongs to Data Center: on Cloud, scopes "
            "look like read:jira-work. For a Data Center instance use DataCenterGrant"
        )
        raise ConfigurationError(message, argument="scopes")
    if _OPENID in scopes:
        # Seen live on 2026-08-05: the consent page of an otherwise good URL ends in "Something went wrong".
        message = (
            f"scopes contains {_OPENID}, with which Cloud's consent page does not work: leave it out. For "
            f"the account that consented, use scope {READ_ME} and whoami()"
        )
        raise ConfigurationError(message, argument="scopes")
    return (*scopes, OFFLINE_ACCESS) if offline_access else tuple(scopes)
