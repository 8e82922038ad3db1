"""What ``--json`` prints: one document for each command. ``docs/json.md`` is generated from here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypedDict

from atlassian_auth.status import CredentialState, TokenStatus

__all__ = [
    "DOCUMENTS",
    "AppDocument",
    "CredentialDocument",
    "DemoDocument",
    "EmulatorDocument",
    "FindingDocument",
    "ForgottenDocument",
    "IdentityDocument",
    "ListedDocument",
    "LoginDocument",
    "MovedDocument",
    "ProfileDocument",
    "PromiseDocument",
    "ResponseDocument",
    "RevokedDocument",
    "SiteDocument",
    "TokenDocument",
]


class TokenDocument(TypedDict):
    """A fresh access token."""

    access_token: Annotated[str, "the token; a secret"]
    token_type: Annotated[Literal["bearer"], "always the same"]
    expires_at: Annotated[str, "when it ends"]
    scopes: Annotated[list[str], "the granted scopes"]


class CredentialDocument(TypedDict):
    """The stored state of a credential, without secrets."""

    key: Annotated[str, "the credential's name in the store"]
    state: Annotated[CredentialState, "whether the credential works"]
    reason: Annotated[str | None, "why it is in this state"]
    refresh_status: Annotated[TokenStatus, "how its last refresh ended"]
    refresh_status_since: Annotated[str | None, "when that last changed"]
    scopes: Annotated[list[str], "the granted scopes"]
    access_expires_at: Annotated[str | None, "when the access token ends"]
    inactive_by: Annotated[str | None, "when the consent ends if it is not used"]
    consent_expires_at: Annotated[str | None, "when the consent ends in any case, if that is known"]
    authorized_at: Annotated[str | None, "when the person consented, if that is known"]
    last_refreshed_at: Annotated[str | None, "the last refresh"]
    refresh_count: Annotated[int, "the number of refreshes"]
    refreshable: Annotated[bool, "whether a token can be obtained without a person"]


class LoginDocument(CredentialDocument):
    """The credential after a login."""

    missing_scopes: Annotated[list[str], "the requested scopes that were not granted"]


class ListedDocument(TypedDict):
    """One profile or credential."""

    profile: Annotated[str | None, "its profile; null for a credential without one"]
    product: Annotated[str | None, "the profile's product"]
    key: Annotated[str, "the credential's name in the store"]
    state: Annotated[CredentialState, "whether the credential works"]
    access_expires_at: Annotated[str | None, "when the access token ends"]
    store: Annotated[str, "the store, without a password"]


class RevokedDocument(TypedDict):
    """What was revoked."""

    key: Annotated[str, "the credential's name in the store"]
    revoked: Annotated[bool, "false if nothing was stored"]


class ForgottenDocument(TypedDict):
    """What was deleted."""

    key: Annotated[str, "the credential's name in the store"]
    forgotten: Annotated[bool, "false if nothing was stored"]


class MovedDocument(TypedDict):
    """One credential that was to move."""

    key: Annotated[str, "its name in both stores"]
    outcome: Annotated[str, "moved, finished or present; or the code of an error"]
    exit_status: Annotated[int, "0, or the exit status of the error"]


class SiteDocument(TypedDict):
    """One site of Cloud."""

    name: Annotated[str, "its name"]
    url: Annotated[str, "its address"]
    cloud_id: Annotated[str, "its id in URLs of the API"]
    products: Annotated[list[str], "the products that the scopes are for"]
    scopes: Annotated[list[str], "the scopes that were granted there"]


class IdentityDocument(TypedDict):
    """The account of a credential."""

    account_id: Annotated[str, "its id; the user key on Data Center"]
    name: Annotated[str, "the display name"]
    email: Annotated[str | None, "the email address, unless it is hidden"]
    username: Annotated[str | None, "the user name; Data Center only"]


class ResponseDocument(TypedDict):
    """The answer to one request."""

    status: Annotated[int, "the HTTP status"]
    headers: Annotated[dict[str, str], "the headers, their names in lower case"]
    body: Annotated[Any, "the body: JSON, or text if it is not JSON"]


class FindingDocument(TypedDict):
    """The result of testing one link."""

    link: Annotated[str, "settings, network, clock, token, refresh, scopes, site or call"]
    outcome: Annotated[Literal["ok", "failed", "skipped"], "skipped if it was not tested"]
    detail: Annotated[str, "what was seen, or why it was not tested"]
    remedy: Annotated[str, "what to change, and where; empty if nothing"]


class ProfileDocument(TypedDict):
    """What was written."""

    profile: Annotated[str, "the new profile"]
    file: Annotated[str, "the configuration file"]
    client_secret_file: Annotated[str | None, "the new file with the client secret"]


class AppDocument(TypedDict):
    """One app that is registered at the emulator."""

    product: Annotated[str, "the server at which it is registered"]
    client_id: Annotated[str, "its id"]
    client_secret: Annotated[str, "its secret, which only the emulator knows"]
    redirect_uri: Annotated[str | None, "its callback URL"]


class EmulatorDocument(TypedDict):
    """The emulator that has started."""

    url: Annotated[str, "its address, for ATLASSIAN_AUTH_EMULATOR"]
    data_center_url: Annotated[str, "the base URL of its Data Center"]
    apps: Annotated[list[AppDocument], "the registered apps"]


class PromiseDocument(TypedDict):
    """One promise of the demonstration."""

    promise: Annotated[str, "what was promised"]
    kept: Annotated[bool, "whether it was kept"]
    problems: Annotated[list[str], "what was wrong"]


class DemoDocument(TypedDict):
    """The verdict of the demonstration."""

    passed: Annotated[bool, "whether all promises were kept"]
    api_requests: Annotated[int, "the number of requests to APIs"]
    token_requests: Annotated[int, "the number of requests to token endpoints"]
    promises: Annotated[list[PromiseDocument], "the promises"]


DOCUMENTS: Mapping[str, Any] = MappingProxyType(
    {
        "init": ProfileDocument,
        "login": LoginDocument,
        "token": TokenDocument,
        "status": CredentialDocument,
        "list": list[ListedDocument],
        "add": CredentialDocument,
        "refresh": CredentialDocument,
        "revoke": RevokedDocument,
        "forget": ForgottenDocument,
        "migrate": list[MovedDocument],
        "sites": list[SiteDocument],
        "whoami": IdentityDocument,
        "request": ResponseDocument,
        "doctor": list[FindingDocument],
        "emulator": EmulatorDocument,
        "demo": DemoDocument,
    }
)
"""The documents by command. A list has one document in each element."""
