"""Grants of this library for an emulated Atlassian: behind httpx, or on a loopback port."""

from __future__ import annotations

from collections.abc import Iterable

from atlassian_auth.endpoints import Endpoints
from atlassian_auth.grants import ClientCredentialsGrant, CloudGrant, DataCenterGrant
from atlassian_auth.testing.apps import CLOUD_SCOPES, App
from atlassian_auth.testing.model import FakeAtlassian
from atlassian_auth.testing.urls import Urls

__all__ = [
    "cloud_grant",
    "data_center_grant",
    "data_center_service_account_grant",
    "jira_software_grant",
    "service_account_grant",
]


def cloud_grant(
    atlassian: FakeAtlassian,
    urls: Urls | None = None,
    *,
    app: App | None = None,
    scopes: str | Iterable[str] = CLOUD_SCOPES,
) -> CloudGrant:
    """Return the grant of a 3LO app.

    Args:
        atlassian: Where the app is registered.
        urls: The URLs of a server. Default: Atlassian's own.
        app: Default: the emulator's `cloud_app`.
        scopes: Default: enough for every API of the emulated Cloud.
    """
    app = app or atlassian.cloud_app
    return CloudGrant(
        client_id=app.client_id,
        client_secret=app.client_secret,
        redirect_uri=app.redirect_uri or "",
        scopes=scopes,
        endpoints=_cloud_endpoints(urls or atlassian.urls),
    )


def data_center_grant(
    atlassian: FakeAtlassian,
    urls: Urls | None = None,
    *,
    app: App | None = None,
    scopes: str | Iterable[str] = ("ADMIN",),
) -> DataCenterGrant:
    """Return the grant of an incoming link; see `cloud_grant` for the arguments."""
    app = app or atlassian.data_center_app
    return DataCenterGrant(
        (urls or atlassian.urls).dc_base_url,
        client_id=app.client_id,
        client_secret=app.client_secret,
        redirect_uri=app.redirect_uri or "",
        scopes=scopes,
    )


def jira_software_grant(
    atlassian: FakeAtlassian, urls: Urls | None = None, *, app: App | None = None
) -> ClientCredentialsGrant:
    """Return the grant of a Jira Software credential; see `cloud_grant` for the arguments."""
    app = app or atlassian.jira_software_app
    addresses = urls or atlassian.urls
    endpoints = Endpoints(
        token_url=addresses.jira_software_token_url,
        audience="api.atlassian.com",
        api_url=addresses.api_url,
    )
    return ClientCredentialsGrant.jira_software(
        app.client_id, app.client_secret, endpoints=endpoints
    )


def service_account_grant(
    atlassian: FakeAtlassian, urls: Urls | None = None, *, app: App | None = None
) -> ClientCredentialsGrant:
    """Return the grant of a Cloud service account; see `cloud_grant` for the arguments."""
    app = app or atlassian.service_account_app
    return ClientCredentialsGrant.service_account(
        app.client_id, app.client_secret, endpoints=_cloud_endpoints(urls or atlassian.urls)
    )


def data_center_service_account_grant(
    atlassian: FakeAtlassian,
    urls: Urls | None = None,
    *,
    app: App | None = None,
    scopes: str | Iterable[str] = ("READ",),
) -> ClientCredentialsGrant:
    """Return the grant of a Data Center service account; see `cloud_grant` for the arguments."""
    app = app or atlassian.data_center_service_account_app
    return ClientCredentialsGrant.data_center(
        (urls or atlassian.urls).dc_base_url, app.client_id, app.client_secret, scopes=scopes
    )


def _cloud_endpoints(urls: Urls) -> Endpoints:
    return Endpoints(
        authorize_url=urls.authorize_url,
        token_url=urls.token_url,
        audience="api.atlassian.com",
        api_url=urls.api_url,
        revoke_url=urls.revoke_url,
        resources_url=urls.resources_url,
        identity_url=urls.identity_url,
    )
