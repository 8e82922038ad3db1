"""Client credentials (2LO): the app acts for itself. Nobody consents; there is no refresh token."""

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

# confluence.atlassian.com/enterprise/how-service-accounts-work-in-data-center-1627556033.html: the
# others are refused, and the first releases expose /rest/api/2/* only (2026-11-20).
_SERVICE_ACCOUNT_SCOPES = frozenset({"READ", "WRITE"})


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ClientCredentialsGrant(Grant):
    """A credential of its own, not of a person; a new token is asked for whenever one ends.

    Build one with `jira_software`, `service_account` or `data_center`; the class itself takes what
    those know about their servers.

    Args:
        client_id: The public name of the credential.
        client_secret: Its secret.
        endpoints: Whom to ask.
        scopes: What to ask for; nothing where the credential itself decides.
        as_json: Send JSON instead of a form.
        with_audience: Send the endpoints' audience, if they have one.
        default_lifetime_seconds: How long a token lives where the answer does not say.

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
            client_secret: From the same place.
            endpoints: Whom to ask. Those at which people consent are taken as
                `Endpoints.for_jira_software` returns them.
            as_json: Send JSON, as the page of these credentials shows it; Atlassian's own Jenkins plugin
                sent a form (2022-03).
            with_audience: Send the audience, as the page shows it; the plugin sent none.

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
            client_id: Of the credential.
            client_secret: Of the credential.
            endpoints: Whom to ask.
            as_json: Send JSON instead of the form that its guide shows (a client's notes of 2026-08-08).
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
            client_id: Of the service account.
            client_secret: Of the service account.
            scopes: ``READ`` or ``WRITE``.
            allow_insecure_http: Accept plain http to hosts other than loopback. Everybody on the
                way can then read the secrets.

        Raises:
            ConfigurationError: if an argument is malformed, or a scope is not open to service
                accounts.
        """
        endpoints = Endpoints.data_center(base_url, allow_http=allow_insecure_http)
        checked = _service_account_scopes(scopes)
        return cls(client_id, client_secret, endpoints=endpoints, scopes=checked)

    def authorization_url(self, *, state: str, code_challenge: str | None = None) -> str:  # noqa: ARG002
        """Raise: nobody has to consent.

        Raises:
            ConfigurationError: always.
        """
        raise _nobody_consents()

    def code_request(self, code: str, *, code_verifier: str | None = None) -> HTTPRequest:  # noqa: ARG002
        """Raise: there is no code.

        Raises:
            ConfigurationError: always.
        """
        raise _nobody_consents()

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
            **self._extras(),
        }
        build = json_request if self._as_json else form_request
        return build(self.endpoints.token_url, fields, secrets=[self._client_secret])

    def _extras(self) -> Mapping[str, str]:
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

        A refresh token is left out: it "SHOULD NOT be included" (RFC 6749 section 4.4.3), and the
        next token is asked for with the client's own secret anyway.

        Args:
            response: The answer.
            request: What it answers.
            obtained_at: Aware UTC, taken before the request was sent.
            previous: The token that was refreshed; nothing of it is kept.

        Raises:
            TransientError: if the server has a bad minute.
            ConfigurationError: if the client or the request was refused.
            TokenResponseError: if this is not an answer of a token endpoint.
        """
        token = super().read_response(
            response, request=request, obtained_at=obtained_at, previous=previous
        )
        return token.bearer.paired(None)


def _nobody_consents() -> ConfigurationError:
    return ConfigurationError(
        "client credentials need no person's consent and no code: just use the grant. For a "
        "person's consent use CloudGrant or DataCenterGrant",
        argument="grant",
    )


def _service_account_scopes(value: str | Iterable[str]) -> tuple[str, ...]:
    scopes = data_center_scopes(value)
    if refused := [scope for scope in scopes if scope not in _SERVICE_ACCOUNT_SCOPES]:
        message = (
            f"scopes contains {', '.join(refused)}, which Data Center does not give to service "
            "accounts: only READ and WRITE. What needs ADMIN, such as the audit log, needs "
            "DataCenterGrant"
        )
        raise ConfigurationError(message, argument="scopes")
    return scopes
