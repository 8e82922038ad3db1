"""The base of all grants, and of the two that need a person's consent.

A grant builds the requests for one of Atlassian's servers. Its arguments are checked when it is made, so its
requests are always well formed.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import ClassVar

from atlassian_auth.endpoints import Endpoints, check_endpoints, origin_of
from atlassian_auth.exceptions import AuthorizationRequired, ConfigurationError
from atlassian_auth.protocol import _authorize as authorize
from atlassian_auth.protocol._token_endpoint import form_request, read_token_response
from atlassian_auth.protocol.confidential import Confidential
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.protocol.pkce import check_verifier
from atlassian_auth.protocol.tokens import TokenPair, is_visible_ascii

__all__ = ["AuthorizationCodeGrant", "Grant", "check_text"]

# RFC 7636 section 4.2: the base64url of 32 bytes.
_CODE_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Grant(Confidential, ABC):
    """How tokens of one client are obtained and refreshed. Frozen and pure; does no I/O.

    It cannot be pickled, a copy of it is itself, and its ``repr`` holds no secret.

    Attributes:
        kind: ``"cloud"``, ``"data_center"``, ``"client_credentials"`` or ``"generic"``.
        rotates: Whether each refresh replaces the refresh token, so that the new one has to be stored.
        reuse_leeway_seconds: How long a refresh token still works after it was replaced.
        refresh_ahead_seconds: How long before its end a token may be refreshed in the background.
        default_lifetime_seconds: How long an access token is valid if the answer does not say. Default: 3600.
        client_id: The client id of the registered app.
        endpoints: The endpoints of the server.
        scopes: The scopes to request.
        redirect_uri: The URL to which the browser comes back; None if no person has to consent.
        uses_pkce: Whether a code is bound to a code verifier (RFC 7636).
    """

    kind: ClassVar[str]
    rotates: ClassVar[bool]
    reuse_leeway_seconds: ClassVar[float] = 0.0
    refresh_ahead_seconds: ClassVar[float] = 0.0

    client_id: str
    endpoints: Endpoints
    scopes: tuple[str, ...]
    redirect_uri: str | None
    uses_pkce: bool
    default_lifetime_seconds: float
    _client_secret: str = field(repr=False)

    def __repr__(self) -> str:
        # As of a dataclass, without missing fields: they are missing if the constructor raised, and error
        # reporters show such objects.
        present = [field for field in fields(self) if field.repr and hasattr(self, field.name)]
        shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in present)
        return f"{type(self).__qualname__}({shown})"

    def _assign(
        self,
        *,
        client_id: str,
        client_secret: str,
        endpoints: Endpoints,
        scopes: tuple[str, ...] = (),
        redirect_uri: str | None = None,
        uses_pkce: bool = False,
        default_lifetime_seconds: float = 3600.0,
    ) -> None:
        values = {
            "client_id": check_text(client_id, "client_id"),
            "_client_secret": check_text(client_secret, "client_secret"),
            "endpoints": check_endpoints(endpoints),
            "scopes": scopes,
            "redirect_uri": redirect_uri,
            "uses_pkce": uses_pkce,
            "default_lifetime_seconds": default_lifetime_seconds,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def configuration(self) -> str:
        """The public identity of the registration; a token works only with the registration that got it."""
        return f"{self.kind}:{self.client_id}@{self.endpoints.token_url}"

    @abstractmethod
    def authorization_url(self, *, state: str, code_challenge: str | None = None) -> str:
        """Return the URL at which a person consents.

        Args:
            state: Unguessable text, bound to the session that started; the callback brings it back.
            code_challenge: The S256 challenge; required if the grant uses PKCE, refused otherwise.

        Raises:
            ConfigurationError: if an argument is malformed, a challenge is missing or not used, or no person
                has to consent.
        """

    @abstractmethod
    def code_request(self, code: str, *, code_verifier: str | None = None) -> HTTPRequest:
        """Return the request that exchanges an authorization code for a token.

        Args:
            code: The code in the callback; it can be used once.
            code_verifier: The verifier of the challenge; required if the grant uses PKCE, refused otherwise.

        Raises:
            ConfigurationError: if an argument is malformed, a verifier is missing or not used, or the grant
                has no codes.
        """

    @abstractmethod
    def refresh_request(self, refresh_token: str | None) -> HTTPRequest:
        """Return the request for the next access token.

        Args:
            refresh_token: The current one; None for client credentials, which have none.

        Raises:
            AuthorizationRequired: if there is no refresh token and the grant needs one.
            ConfigurationError: if the refresh token is malformed, or the grant uses none.
        """

    def revocation_request(self, token: str) -> HTTPRequest:
        """Return the request that ends a consent (RFC 7009).

        Args:
            token: The refresh token; the access token if there is none.

        Raises:
            ConfigurationError: if the server has no revocation endpoint, or has it on another host than its
                token endpoint: the client secret must not go there.
        """
        url = self.endpoints.revoke_url
        if url is not None and origin_of(url) != origin_of(self.endpoints.token_url):
            message = (
                f"endpoints.revoke_url is at {origin_of(url)}, but tokens come from "
                f"{origin_of(self.endpoints.token_url)}. Nothing was sent: name the revoke_url of that server"
            )
            raise ConfigurationError(message, argument="endpoints")
        if url is None:
            message = (
                "endpoints has no revoke_url: nothing can be revoked there. Forget the credential, and "
                "delete it where it was created"
            )
            raise ConfigurationError(message, argument="endpoints")
        fields = {
            "token": check_text(token, "token"),
            "client_id": self.client_id,
            "client_secret": self._client_secret,
        }
        return form_request(url, fields, secrets=(self._client_secret, token))

    def read_response(
        self,
        response: HTTPResponse,
        *,
        request: HTTPRequest,
        obtained_at: datetime,
        previous: TokenPair | None = None,
    ) -> TokenPair:
        """Return the token in an answer to a request of this grant.

        Args:
            response: The answer.
            request: The request that it answers.
            obtained_at: Aware UTC, taken before the request was sent.
            previous: The token that was refreshed.

        Raises:
            TransientError: if the server is temporarily unavailable.
            AuthorizationRequired: if the refresh token or the code was refused.
            ConfigurationError: if the client or the request was refused.
            TokenResponseError: if this is not an answer of a token endpoint.
        """
        return read_token_response(
            response,
            request=request,
            obtained_at=obtained_at,
            default_lifetime_seconds=self.default_lifetime_seconds,
            previous=previous,
            requested_scopes=self.scopes,
        )


@dataclass(frozen=True, init=False, eq=False, repr=False)
class AuthorizationCodeGrant(Grant):
    """A grant that starts with a person's consent and continues with rotating refresh tokens.

    Source: RFC 6749 sections 4.1 and 6. Subclasses override the methods that begin with an underscore, where
    the products differ.
    """

    rotates: ClassVar[bool] = True

    @abstractmethod
    def _encode(self, fields: Mapping[str, str], *secrets: str) -> HTTPRequest: ...

    def _authorization_extras(self) -> Mapping[str, str]:
        return {}

    def _refresh_extras(self) -> Mapping[str, str]:
        return {}

    def authorization_url(self, *, state: str, code_challenge: str | None = None) -> str:
        """Return the URL at which a person consents.

        Args:
            state: Unguessable text, bound to the session that started; the callback brings it back.
            code_challenge: The S256 challenge; required if the grant uses PKCE, refused otherwise.

        Raises:
            ConfigurationError: if an argument is malformed, or a challenge is missing or not used.
        """
        parameters = {
            **self._authorization_extras(),
            "response_type": "code",
            "client_id": self.client_id,
            "scope": " ".join(self.scopes),
            "redirect_uri": self.redirect_uri or "",
            "state": check_text(state, "state"),
            **self._challenge_fields(code_challenge),
        }
        return authorize.authorization_url(self.endpoints.authorize_url or "", parameters)

    def code_request(self, code: str, *, code_verifier: str | None = None) -> HTTPRequest:
        """Return the request that exchanges an authorization code for a token.

        Args:
            code: The code in the callback; it can be used once.
            code_verifier: The verifier of the challenge; required if the grant uses PKCE, refused otherwise.

        Raises:
            ConfigurationError: if an argument is malformed, or a verifier is missing or not used.
        """
        if "://" in code:
            message = (
                "code is a URL: give the whole URL to AuthorizationFlow.complete, which checks its "
                "state; or check the state yourself and give the code alone"
            )
            raise ConfigurationError(message, argument="code")
        fields = {
            "grant_type": "authorization_code",
            **self._client_fields(),
            "code": check_text(code, "code"),
            "redirect_uri": self.redirect_uri or "",
            **self._verifier_fields(code_verifier),
        }
        return self._encode(fields, self._client_secret, code, code_verifier or "")

    def refresh_request(self, refresh_token: str | None) -> HTTPRequest:
        """Return the request for the next access token.

        It names no scopes: with scopes Cloud answers 403.

        Args:
            refresh_token: The current one.

        Raises:
            AuthorizationRequired: if there is none.
            ConfigurationError: if it is malformed.
        """
        if refresh_token is None:
            raise AuthorizationRequired(self._no_refresh_token_message(), reason="no_refresh_token")
        fields = {
            "grant_type": "refresh_token",
            **self._client_fields(),
            "refresh_token": check_text(refresh_token, "refresh_token"),
            **self._refresh_extras(),
        }
        return self._encode(fields, self._client_secret, refresh_token)

    def _no_refresh_token_message(self) -> str:
        return (
            "the access token cannot be refreshed, because no refresh token came with it: a person "
            "has to authorize again"
        )

    def _client_fields(self) -> Mapping[str, str]:
        return {"client_id": self.client_id, "client_secret": self._client_secret}

    def _challenge_fields(self, code_challenge: str | None) -> Mapping[str, str]:
        if not self._check_pkce(code_challenge, "code_challenge"):
            return {}
        if not _CODE_CHALLENGE.fullmatch(code_challenge or ""):
            message = "code_challenge must be 43 characters: make it with code_challenge(verifier)"
            raise ConfigurationError(message, argument="code_challenge")
        return {"code_challenge": code_challenge or "", "code_challenge_method": "S256"}

    def _verifier_fields(self, code_verifier: str | None) -> Mapping[str, str]:
        if not self._check_pkce(code_verifier, "code_verifier"):
            return {}
        return {"code_verifier": check_verifier(code_verifier or "", argument="code_verifier")}

    def _check_pkce(self, value: str | None, argument: str) -> bool:
        if self.uses_pkce and value is None:
            message = f"{argument} is missing: this grant uses PKCE"
            raise ConfigurationError(message, argument=argument)
        if not self.uses_pkce and value is not None:
            message = f"{argument} must not be given: this grant uses PKCE only with pkce=True"
            raise ConfigurationError(message, argument=argument)
        return self.uses_pkce


def check_text(value: object, argument: str) -> str:
    """Return an identifier, a secret, a code or a token unchanged.

    Raises:
        ConfigurationError: if it is not non-empty visible ASCII. The error does not quote it.
    """
    if is_visible_ascii(value):
        return value
    if value is None or value == "":
        message = f"{argument} is empty: copy it from the page that shows it"
    elif not isinstance(value, str):
        message = f"{argument} must be text (str), not {type(value).__name__}"
    else:
        message = (
            f"{argument} contains a space, a line break or another character that it cannot have, "
            "probably from pasting: copy it again, without surrounding text"
        )
    raise ConfigurationError(message, argument=argument)
