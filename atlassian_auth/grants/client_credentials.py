"""Client credentials (2LO): the app acts for itself. No person consents; there is no refresh token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Self

from atlassian_auth.endpoints import Endpoints, check_endpoints
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants.base import Grant
from atlassian_auth.grants.data_center import data_center_scopes
from atlassian_auth.protocol._token_endpoint import form_request, json_request
from atlassian_auth.protocol.messages import HTTPRequest, HTTPResponse
from atlassian_auth.protocol.tokens import TokenPair

__all__ = ["ClientCredentialsGrant"]

_CLOUD = Endpoints.cloud()
_JIRA_SOFTWARE = Endpoints.jira_software()

# confluence.atlassian.com/enterprise/how-service-accounts-work-in-data-center-1627556033.html: Data Center
# refuses other scopes, and its first releases expose /rest/api/2/* only (2026-11-20).
_SERVICE_ACCOUNT_SCOPES = frozenset({"READ", "WRITE"})


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ClientCredentialsGrant(Grant):
    """The credential of an app, not of a person; it requests a new token whenever one ends.

    Build one with `jira_software`, `service_account` or `data_center`, which know their servers.

    Args:
        client_id: The client id of the credential.
        client_secret: The client secret of the credential.
        endpoints: The endpoints of the server.
        scopes: The scopes to request; empty if the credential itself determines them.
        as_json: Send JSON instead of a form.
        with_audience: Send the endpoints' audience, if they have one.
        default_lifetime_seconds: How long a token is valid if the answer does not say. Default: 3600.

    Raises:
        ConfigurationError: if an argument is malformed.
    """

    kind: ClassVar[str] = "client_credentials"
    rotates: ClassVar[bool] = False
    # "Integrate Jira Software Cloud with on-premises tools": refresh 30 to 60 seconds early.
    refresh_ahead_seconds: ClassVar[float] = 60.0

    _as_json: bool = field(repr=False)
    _with_audience: bool = field(repr=False)

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        endpoints: Endpoints,
        scopes: tuple[str, ...] = (),
        as_json: bool = False,
        with_audience: bool = False,
        default_lifetime_seconds: float = 3600.0,
    ) -> None:
        self._assign(
            client_id=client_id,
            client_secret=client_secret,
            endpoints=endpoints,
            scopes=scopes,
            default_lifetime_seconds=default_lifetime_seconds,
        )
        object.__setattr__(self, "_as_json", as_json)
        object.__setattr__(self, "_with_audience", with_audience)

    @classmethod
    def jira_software(
        cls,
        client_id: str,
        client_secret: str,
        *,
        endpoints: Endpoints = _JIRA_SOFTWARE,
        as_json: bool = True,
        with_audience: bool = True,
    ) -> Self:
        """Return the grant for "OAuth credentials" of a Jira Software Cloud site.

        They may send builds, deployments, development information and feature flags, and nothing
        else: see `Endpoints.provider_url`.

        Args:
            client_id: From the site's settings, "OAuth credentials".
            client_secret: From the same page.
            endpoints: The endpoints of the cloud. Those with a consent page are converted by
                `Endpoints.for_jira_software`.
            as_json: Send JSON, as the page of these credentials shows; Atlassian's own Jenkins plugin sent a
                form (2022-03).
            with_audience: Send the audience, as the page shows; the plugin sent none.

        Raises:
            ConfigurationError: if an argument is malformed.
        """
        # The page says 15 minutes and "check the value in the response"; the plugin said 60.
        return cls(
            client_id,
            client_secret,
            endpoints=check_endpoints(endpoints).for_jira_software(),
            as_json=as_json,
            with_audience=with_audience,
            default_lifetime_seconds=900.0,
        )

    @classmethod
    def service_account(
        cls,
        client_id: str,
        client_secret: str,
        *,
        endpoints: Endpoints = _CLOUD,
        as_json: bool = False,
        with_audience: bool = False,
    ) -> Self:
        """Return the grant for an OAuth 2.0 credential of a Cloud service account.

        Its scopes are chosen where it is created, in the administration of the organization.

        Source: https://support.atlassian.com/user-management/docs/create-oauth-2-0-credential-for-service-accounts

        Args:
            client_id: The client id of the credential.
            client_secret: The client secret of the credential.
            endpoints: The endpoints of the cloud.
            as_json: Send JSON instead of the form that the guide shows (a client's notes of 2026-08-08).
            with_audience: Send the endpoints' audience, which no page names; Nango sends none.

        Raises:
            ConfigurationError: if an argument is malformed.
        """
        return cls(
            client_id,
            client_secret,
            endpoints=endpoints,
            as_json=as_json,
            with_audience=with_audience,
        )

    @classmethod
    def data_center(
        cls,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        scopes: str | Iterable[str],
        allow_insecure_http: bool = False,
    ) -> Self:
        """Return the grant for a service account of a Data Center instance.

        Source: https://confluence.atlassian.com/spaces/ENTERPRISE/pages/1627095923/Service+accounts+overview

        Args:
            base_url: The instance's base URL with its context path, such as ``https://host/jira``.
            client_id: The client id of the service account.
            client_secret: The client secret of the service account.
            scopes: ``READ`` or ``WRITE``.
            allow_insecure_http: Accept plain http to hosts other than loopback. Anyone on the network path
                can then read the secrets.

        Raises:
            ConfigurationError: if an argument is malformed, or service accounts cannot get a scope.
        """
        endpoints = Endpoints.data_center(base_url, allow_http=allow_insecure_http)
        checked = _check_scopes(scopes)
        return cls(client_id, client_secret, endpoints=endpoints, scopes=checked)

    def authorization_url(self, *, state: str, code_challenge: str | None = None) -> str:  # noqa: ARG002
        """Raise: no person has to consent.

        Raises:
            ConfigurationError: always.
        """
        raise _no_consent_error()

    def code_request(self, code: str, *, code_verifier: str | None = None) -> HTTPRequest:  # noqa: ARG002
        """Raise: there is no code.

        Raises:
            ConfigurationError: always.
        """
        raise _no_consent_error()

    def refresh_request(self, refresh_token: str | None = None) -> HTTPRequest:
        """Return the request for the next access token.

        Args:
            refresh_token: None: client credentials have none.

        Raises:
            ConfigurationError: if a refresh token is given.
        """
        if refresh_token is not None:
            message = "refresh_token must be None: client credentials have none and need none"
            raise ConfigurationError(message, argument="refresh_token")
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self._client_secret,
            **self._optional_fields(),
        }
        build = json_request if self._as_json else form_request
        return build(self.endpoints.token_url, fields, secrets=[self._client_secret])

    def _optional_fields(self) -> Mapping[str, str]:
        audience = self.endpoints.audience if self._with_audience else None
        extras = {"audience": audience, "scope": " ".join(self.scopes)}
        return {name: value for name, value in extras.items() if value}

    def read_response(
        self,
        response: HTTPResponse,
        *,
        request: HTTPRequest,
        obtained_at: datetime,
        previous: TokenPair | None = None,
    ) -> TokenPair:
        """Return the token in an answer to a request of this grant.

        A refresh token in the answer is dropped: it "SHOULD NOT be included" (RFC 6749 section 4.4.3), and
        the client secret obtains the next token.

        Args:
            response: The answer.
            request: The request that it answers.
            obtained_at: Aware UTC, taken before the request was sent.
            previous: The token that was refreshed; not used.

        Raises:
            TransientError: if the server is temporarily unavailable.
            ConfigurationError: if the client or the request was refused.
            TokenResponseError: if this is not an answer of a token endpoint.
        """
        token = super().read_response(
            response, request=request, obtained_at=obtained_at, previous=previous
        )
        return token.bearer.paired(None)


def _no_consent_error() -> ConfigurationError:
    return ConfigurationError(
        "client credentials need no person's consent and no code: use the grant without a login. For "
        "a person's consent use CloudGrant or DataCenterGrant",
        argument="grant",
    )


def _check_scopes(value: str | Iterable[str]) -> tuple[str, ...]:
    scopes = data_center_scopes(value)
    if refused := [scope for scope in scopes if scope not in _SERVICE_ACCOUNT_SCOPES]:
        message = (
            f"scopes contains {', '.join(refused)}, but Data Center grants service accounts only READ "
            "and WRITE. ADMIN, which the audit log requires, needs DataCenterGrant"
        )
        raise ConfigurationError(message, argument="scopes")
    return scopes
