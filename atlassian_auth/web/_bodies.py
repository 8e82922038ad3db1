"""The bodies of the REST interface: names in camel case, as in Atlassian's products. No secret goes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from atlassian_auth.connections import ClientConfig, ClientType
from atlassian_auth.scopes import OFFLINE_ACCESS, missing_scopes
from atlassian_auth.status import CredentialState, CredentialStatus
from atlassian_auth.web._problems import Problem, camel

__all__ = [
    "ClientBody",
    "ClientView",
    "FlowBody",
    "FlowView",
    "ProblemView",
    "RedirectView",
    "TokenView",
    "missing_of",
]

_Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
_Long = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class _Body(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=camel, frozen=True, extra="forbid", populate_by_name=True
    )

    def document(self) -> dict[str, Any]:
        """Return what goes over the wire."""
        return self.model_dump(mode="json", by_alias=True)


class ClientBody(_Body):
    """A client configuration, as a caller sends it; what a GET returned may be sent back by a PUT."""

    id: str | None = None
    name: _Short
    description: _Long = ""
    type: ClientType
    client_id: _Short
    client_secret: SecretStr | None = Field(default=None, max_length=2000)
    authorization_endpoint: _Long = ""
    token_endpoint: Annotated[_Long, Field(min_length=1)]
    scopes: list[_Short] = Field(default_factory=list[str], max_length=200)
    redirect_uri_suffix: _Short | None = None
    redirect_uri: _Long | None = None

    def config(self, config_id: str | None) -> ClientConfig:
        """Return the configuration, checked.

        Args:
            config_id: Of the configuration to replace; None for a new one.

        Raises:
            Problem: if the body has another id.
            ConfigurationError: if a field is wrong.
        """
        if self.id not in {None, config_id}:
            message = "It must be the id in the URL; leave it out of a new configuration."
            raise Problem(400, "invalid", errors={"id": message})
        fields = self.model_dump(exclude={"id", "client_secret", "redirect_uri"})
        secret = self.client_secret.get_secret_value() if self.client_secret else None
        return ClientConfig(id=config_id, client_secret=secret or None, **fields)


class ClientView(_Body):
    """A client configuration, as it is shown. Its secret is not."""

    id: str
    name: str
    description: str
    type: ClientType
    client_id: str
    authorization_endpoint: str
    token_endpoint: str
    scopes: list[str]
    redirect_uri_suffix: str | None
    redirect_uri: str | None

    @classmethod
    def of(cls, config: ClientConfig, redirect_uri: str | None) -> Self:
        """Return what is shown of a configuration."""
        return cls(
            id=str(config.id),
            name=config.name,
            description=config.description,
            type=config.type,
            client_id=config.client_id,
            authorization_endpoint=config.authorization_endpoint,
            token_endpoint=config.token_endpoint,
            scopes=list(config.scopes),
            redirect_uri_suffix=config.redirect_uri_suffix,
            redirect_uri=redirect_uri,
        )


class RedirectView(_Body):
    """The redirect URI of an authorization endpoint."""

    redirect_uri: str


class TokenView(_Body):
    """The status of a caller's token for a client configuration. It holds nothing secret."""

    id: str
    config_id: str
    state: CredentialState
    reason: str | None
    scopes: list[str]
    missing_scopes: list[str]
    access_token_expiration: datetime | None
    inactive_by: datetime | None
    consent_expiration: datetime | None
    last_refreshed: datetime | None
    refresh_count: int
    refreshable: bool

    @classmethod
    def of(cls, config: ClientConfig, status: CredentialStatus) -> Self:
        """Return what is shown of a status."""
        return cls(
            id=status.key,
            config_id=str(config.id),
            state=status.state,
            reason=status.reason,
            scopes=list(status.scopes),
            missing_scopes=missing_of(config, status),
            access_token_expiration=status.access_expires_at,
            inactive_by=status.inactive_by,
            consent_expiration=status.consent_expires_at,
            last_refreshed=status.last_refreshed_at,
            refresh_count=status.refresh_count,
            refreshable=status.refreshable,
        )


class FlowBody(_Body):
    """What starts a flow."""

    config_id: _Short
    landing: _Short | None = None


class FlowView(_Body):
    """A flow: where to send the browser, or how it ended."""

    id: str
    status: Literal["pending", "success", "error"]
    url: str | None = None
    token_id: str | None = None
    error: str | None = None


class ProblemView(_Body):
    """What was wrong with a request, in the form of Atlassian's REST APIs with a code for programs."""

    code: str
    error_messages: list[str]
    errors: dict[str, str]


def missing_of(config: ClientConfig, status: CredentialStatus) -> list[str]:
    """Return the scopes that a configuration requests and a credential does not have."""
    wanted = [scope for scope in config.scopes if scope != OFFLINE_ACCESS]
    return list(missing_scopes(status.scopes, wanted))
