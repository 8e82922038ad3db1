"""The way Python services authenticate to Atlassian: async OAuth 2.0 behind ``httpx``'s ``auth=``.

``AtlassianAuth`` keeps a fresh bearer on each request to Jira and Confluence, Cloud and Data Center, and
never loses the refresh token that Atlassian rotates on every use. `TokenManager` serves many credentials,
and those who do not use httpx. Begin with one of the three grants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlassian_auth import scopes
from atlassian_auth.api_tokens import StaticToken
from atlassian_auth.auth import AtlassianAuth
from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import (
    AmbiguousSite,
    AtlassianAuthError,
    AuthorizationRequired,
    ConfigurationError,
    DiscoveryError,
    OriginNotAllowed,
    ScopeMismatch,
    SiteNotFound,
    StoreError,
    TokenRejected,
    TokenResponseError,
    TransientError,
    VersionConflict,
)
from atlassian_auth.grants import (
    ClientCredentialsGrant,
    CloudGrant,
    DataCenterGrant,
    GenericGrant,
    Grant,
)
from atlassian_auth.manager import TokenManager
from atlassian_auth.ports._runtime.event_stream import EventStream
from atlassian_auth.ports._runtime.runner import InlineRunner, ThreadRunner
from atlassian_auth.protocol.tokens import Token
from atlassian_auth.settings import Settings
from atlassian_auth.status import CredentialState, CredentialStatus, TokenStatus

__all__ = [
    "AmbiguousSite",
    "AtlassianAuth",
    "AtlassianAuthError",
    "AuthorizationRequired",
    "ClientCredentialsGrant",
    "CloudGrant",
    "ConfigurationError",
    "CredentialState",
    "CredentialStatus",
    "DataCenterGrant",
    "DiscoveryError",
    "Endpoints",
    "EventStream",
    "GenericGrant",
    "Grant",
    "InlineRunner",
    "OriginNotAllowed",
    "ScopeMismatch",
    "Settings",
    "SiteNotFound",
    "StaticToken",
    "StoreError",
    "ThreadRunner",
    "Token",
    "TokenManager",
    "TokenRejected",
    "TokenResponseError",
    "TokenStatus",
    "TransientError",
    "VersionConflict",
    "scopes",
]

__version__: str

# To a type checker it would make each misspelled name an attribute.
if not TYPE_CHECKING:  # pragma: no branch

    def __getattr__(name: str) -> str:
        # Looked up when it is asked for: reading the metadata of packages would slow each import.
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            return version("atlassian-auth")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
