"""A client configuration: one app that an administrator has registered at a provider."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from enum import StrEnum
from types import MappingProxyType

from pydantic import Field, field_validator

from atlassian_auth.connections import _grants as grants
from atlassian_auth.connections._forms import Form
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants import GenericGrant, Grant
from atlassian_auth.grants.base import check_text
from atlassian_auth.grants.generic import ProviderApp
from atlassian_auth.scopes import parse_scopes

__all__ = ["CALLBACK_PATH", "ClientConfig", "ClientType", "redirect_uri", "redirect_uri_suffix"]

CALLBACK_PATH = "/plugins/servlet/oauth2/client/callback"
"""Below the base URL: where a flow starts, and, with the suffix, where the browser comes back."""


class ClientType(StrEnum):
    """The kind of provider; it decides which parameters the provider needs."""

    GENERIC = "GENERIC"
    """Any OAuth 2.0 provider with an authorization endpoint."""
    MICROSOFT = "MICROSOFT"
    """Microsoft: the scope ``offline_access`` is added."""
    GOOGLE = "GOOGLE"
    """Google: offline access is requested, and the person consents each time."""
    ATLASSIAN_CLOUD = "ATLASSIAN_CLOUD"
    """A 3LO app of Atlassian Cloud: see `CloudGrant`."""
    ATLASSIAN_DATA_CENTER = "ATLASSIAN_DATA_CENTER"
    """An incoming link of Jira, Confluence or Bitbucket Data Center: see `DataCenterGrant`."""
    CLIENT_CREDENTIALS = "CLIENT_CREDENTIALS"
    """An app that acts for itself, without a person: see `ClientCredentialsGrant`."""


class ClientConfig(Form):
    """An app that was registered at a provider.

    Its ``repr`` and its JSON hold no secret, and it cannot be pickled. `changed` returns a copy.

    Args:
        id: Made by `ClientConfigs.save`; None for a new configuration.
        name: The name that people see; each name is used once.
        description: A text for people.
        type: The kind of provider.
        client_id: From the provider.
        client_secret: From the provider. None keeps the stored one when a configuration is saved again.
        authorization_endpoint: The URL at which a person consents; empty for CLIENT_CREDENTIALS.
        token_endpoint: The URL that issues tokens.
        scopes: The scopes to request, in a list or separated by spaces; they are sorted.
        redirect_uri_suffix: The last part of the redirect URI; `ClientConfigs.save` computes it.

    Raises:
        ConfigurationError: if a field is missing, unknown or malformed.
    """

    id: str | None = None
    name: str = Field(max_length=255)
    description: str = Field(default="", max_length=1000)
    type: ClientType
    client_id: str
    client_secret: str | None = Field(default=None, repr=False, exclude=True)
    authorization_endpoint: str = ""
    token_endpoint: str
    scopes: tuple[str, ...] = ()
    redirect_uri_suffix: str | None = None

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        text = name.strip()
        if not text or not text.isprintable():
            message = "name must be one line of visible text: people choose the configuration by it"
            raise ConfigurationError(message, argument="name")
        return text

    @field_validator("client_id")
    @classmethod
    def _check_client_id(cls, value: str) -> str:
        return check_text(value, "client_id")

    @field_validator("client_secret")
    @classmethod
    def _check_client_secret(cls, value: str | None) -> str | None:
        return None if value is None else check_text(value, "client_secret")

    @field_validator("scopes", mode="before")
    @classmethod
    def _sort_scopes(cls, value: str | Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(parse_scopes(value))) if value else ()

    def grant(self, base_url: str, *, allow_insecure_http: bool = False) -> Grant:
        """Return the grant of this configuration, with its redirect URI below ``base_url``.

        Args:
            base_url: The URL of your application.
            allow_insecure_http: Accept plain http to hosts other than loopback.

        Raises:
            ConfigurationError: if the secret is missing, or a field does not fit the type.
        """
        if self.client_secret is None:
            message = "client_secret is missing: copy it from the provider"
            raise ConfigurationError(message, argument="client_secret")
        return _BUILDERS[self.type](
            {
                "client_id": self.client_id,
                "client_secret": self.client_secret,
                "redirect_uri": redirect_uri(base_url, self.authorization_endpoint),
                "scopes": self.scopes,
                "authorize_url": self.authorization_endpoint,
                "token_url": self.token_endpoint,
                "allow_insecure_http": allow_insecure_http,
            }
        )


_BUILDERS: MappingProxyType[ClientType, Callable[[ProviderApp], Grant]] = MappingProxyType(
    {
        ClientType.GENERIC: lambda app: GenericGrant(**app),
        ClientType.MICROSOFT: lambda app: GenericGrant.microsoft(**app),
        ClientType.GOOGLE: lambda app: GenericGrant.google(**app),
        ClientType.ATLASSIAN_CLOUD: grants.cloud,
        ClientType.ATLASSIAN_DATA_CENTER: grants.data_center,
        ClientType.CLIENT_CREDENTIALS: grants.client_credentials,
    }
)


def redirect_uri(base_url: str, authorization_endpoint: str) -> str:
    """Return the redirect URI to register at the provider: one for each authorization endpoint."""
    return f"{base_url}{CALLBACK_PATH}/{redirect_uri_suffix(authorization_endpoint)}"


def redirect_uri_suffix(authorization_endpoint: str) -> str:
    """Return the part of a redirect URI that names the provider: 22 characters, the same each time.

    The callback is compared with it, so that a code of one provider is never sent to another. It is the
    base64url of the MD5 of the endpoint, as Atlassian's plugin makes it; it protects no secret.
    """
    digest = hashlib.md5(authorization_endpoint.encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
