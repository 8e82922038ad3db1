"""Any OAuth 2.0 provider, three-legged: a person consents, and tokens may rotate.

The parameters of Microsoft and Google are those that Atlassian's own OAuth client plugin sends (2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NotRequired, Self, TypedDict, Unpack

from atlassian_auth.endpoints import Endpoints, check_secure, origin_of
from atlassian_auth.grants.base import AuthorizationCodeGrant
from atlassian_auth.protocol._token_endpoint import form_request
from atlassian_auth.protocol.messages import HTTPRequest
from atlassian_auth.scopes import OFFLINE_ACCESS, parse_scopes

__all__ = ["GenericGrant", "ProviderApp"]

# Lets a person who is signed in with several accounts choose one (OpenID Connect Core 3.1.2.1).
_SELECT_ACCOUNT = "select_account"


class ProviderApp(TypedDict):
    """The arguments that `GenericGrant.microsoft` and `GenericGrant.google` take; see the class."""

    client_id: str
    client_secret: str
    redirect_uri: str
    scopes: str | Iterable[str]
    authorize_url: str
    token_url: str
    allow_insecure_http: NotRequired[bool]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class GenericGrant(AuthorizationCodeGrant):
    """An app at any OAuth 2.0 provider; `microsoft` and `google` know what these need.

    PKCE is always used: a provider that does not know it ignores it (RFC 6749 section 3.1). If the provider
    does not rotate a refresh token, it is kept. A refresh names no scopes, because a person may have granted
    fewer than were requested (RFC 6749 section 6).

    Args:
        client_id: From the provider.
        client_secret: From the provider.
        redirect_uri: Exactly the registered one: https, or http on loopback.
        scopes: The scopes to request, in a list or separated by spaces.
        authorize_url: The authorization endpoint.
        token_url: The token endpoint.
        api_url: The root of the API, to whose origin a bearer may be sent. Default: the origin of the token
            endpoint.
        prompt: What the consent page asks, see OpenID Connect Core 3.1.2.1.
        access_type: As Google has it; None to leave it out.
        redirect_uri_on_refresh: Repeat the redirect URI in each refresh.
        allow_insecure_http: Accept plain http to hosts other than loopback. Anyone on the network path can
            then read the secrets.

    Raises:
        ConfigurationError: if an argument is malformed.
    """

    kind: ClassVar[str] = "generic"

    _extras: Mapping[str, str] = field(repr=False)
    _redirect_uri_on_refresh: bool = field(repr=False)

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        scopes: str | Iterable[str],
        authorize_url: str,
        token_url: str,
        api_url: str | None = None,
        prompt: str = _SELECT_ACCOUNT,
        access_type: str | None = None,
        redirect_uri_on_refresh: bool = False,
        allow_insecure_http: bool = False,
    ) -> None:
        self._assign(
            client_id=client_id,
            client_secret=client_secret,
            endpoints=Endpoints(
                authorize_url=authorize_url,
                token_url=token_url,
                api_url=api_url or origin_of(token_url),
                allow_insecure_http=allow_insecure_http,
            ),
            scopes=parse_scopes(scopes),
            redirect_uri=check_secure(
                redirect_uri, argument="redirect_uri", allow_http=allow_insecure_http
            ),
            uses_pkce=True,
        )
        extras = {"prompt": prompt} | ({"access_type": access_type} if access_type else {})
        object.__setattr__(self, "_extras", extras)
        object.__setattr__(self, "_redirect_uri_on_refresh", redirect_uri_on_refresh)

    @classmethod
    def microsoft(cls, **app: Unpack[ProviderApp]) -> Self:
        """Return the grant for Microsoft, which needs a scope for refresh tokens.

        Args:
            app: The arguments of the class that `ProviderApp` names.
        """
        wanted = [scope for scope in parse_scopes(app["scopes"]) if scope != OFFLINE_ACCESS]
        given: ProviderApp = {**app, "scopes": (*wanted, OFFLINE_ACCESS)}
        return cls(**given, redirect_uri_on_refresh=True)

    @classmethod
    def google(cls, **app: Unpack[ProviderApp]) -> Self:
        """Return the grant for Google, which issues refresh tokens only after a consent.

        Args:
            app: The arguments of the class that `ProviderApp` names.
        """
        return cls(**app, prompt=f"{_SELECT_ACCOUNT} consent", access_type="offline")

    def _authorization_extras(self) -> Mapping[str, str]:
        return self._extras

    def _refresh_extras(self) -> Mapping[str, str]:
        return {"redirect_uri": self.redirect_uri or ""} if self._redirect_uri_on_refresh else {}

    def _encode(self, fields: Mapping[str, str], *secrets: str) -> HTTPRequest:
        return form_request(self.endpoints.token_url, fields, secrets=secrets)
