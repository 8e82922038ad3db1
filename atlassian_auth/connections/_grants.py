"""The grants of Atlassian's own servers, from the endpoints that an administrator gives."""

from __future__ import annotations

from dataclasses import replace

from atlassian_auth.endpoints import Endpoints, origin_of
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants import ClientCredentialsGrant, CloudGrant, DataCenterGrant
from atlassian_auth.grants.generic import ProviderApp

__all__ = ["client_credentials", "cloud", "data_center"]

_DATA_CENTER_TOKEN = "/rest/oauth2/latest/token"
# Below the origin of an emulated Cloud, see `Endpoints.below`.
_AUTHORIZE, _TOKEN, _JIRA_TOKEN = "/auth/authorize", "/auth/oauth/token", "/api/oauth/token"


def cloud(app: ProviderApp) -> CloudGrant:
    """Return the grant of a 3LO app.

    Raises:
        ConfigurationError: if the endpoints are not those of a Cloud.
    """
    endpoints = _cloud_endpoints(app)
    if (endpoints.authorize_url, endpoints.token_url) != (app["authorize_url"], app["token_url"]):
        message = (
            "authorization_endpoint and token_endpoint must be those of Atlassian Cloud, "
            f"{endpoints.authorize_url} and {endpoints.token_url}: for another provider use the type GENERIC"
        )
        raise ConfigurationError(message, argument="authorization_endpoint")
    return CloudGrant(
        client_id=app["client_id"],
        client_secret=app["client_secret"],
        redirect_uri=app["redirect_uri"],
        scopes=app["scopes"],
        endpoints=endpoints,
    )


def _cloud_endpoints(app: ProviderApp) -> Endpoints:
    allow_http, authorize_url = app.get("allow_insecure_http", False), app["authorize_url"]
    if authorize_url == Endpoints.government().authorize_url:
        found = Endpoints.government()
    elif authorize_url.endswith(_AUTHORIZE):
        found = Endpoints.below(authorize_url.removesuffix(_AUTHORIZE), allow_http=allow_http)
    else:
        found = Endpoints.cloud()
    return replace(found, allow_insecure_http=allow_http)


def data_center(app: ProviderApp) -> DataCenterGrant:
    """Return the grant of an incoming link.

    Raises:
        ConfigurationError: if the endpoints are not those of one Data Center instance.
    """
    base_url, allow_http = app["token_url"], app.get("allow_insecure_http", False)
    endpoints = Endpoints.data_center(
        base_url.removesuffix(_DATA_CENTER_TOKEN), allow_http=allow_http
    )
    if (endpoints.authorize_url, endpoints.token_url) != (app["authorize_url"], app["token_url"]):
        message = (
            "authorization_endpoint and token_endpoint must be those of one Data Center instance, such as "
            "https://host/jira/rest/oauth2/latest/authorize and https://host/jira/rest/oauth2/latest/token"
        )
        raise ConfigurationError(message, argument="token_endpoint")
    return DataCenterGrant(
        endpoints.api_url,
        client_id=app["client_id"],
        client_secret=app["client_secret"],
        redirect_uri=app["redirect_uri"],
        scopes=app["scopes"],
        allow_insecure_http=allow_http,
    )


def client_credentials(app: ProviderApp) -> ClientCredentialsGrant:
    """Return the grant of an app that acts for itself, at Atlassian or elsewhere."""
    url, allow_http = app["token_url"], app.get("allow_insecure_http", False)
    credential = app["client_id"], app["client_secret"]
    if url.endswith(_DATA_CENTER_TOKEN):
        return ClientCredentialsGrant.data_center(
            url.removesuffix(_DATA_CENTER_TOKEN),
            *credential,
            scopes=app["scopes"],
            allow_insecure_http=allow_http,
        )
    if (known := _credential_endpoints(url, allow_http=allow_http)) is not None:
        _check_no_scopes(app)
        if known.authorize_url is None:
            return ClientCredentialsGrant.jira_software(*credential, endpoints=known)
        return ClientCredentialsGrant.service_account(*credential, endpoints=known)
    endpoints = Endpoints(token_url=url, api_url=origin_of(url), allow_insecure_http=allow_http)
    return ClientCredentialsGrant(*credential, endpoints=endpoints, scopes=tuple(app["scopes"]))


def _credential_endpoints(url: str, *, allow_http: bool) -> Endpoints | None:
    """Return the endpoints of Cloud that have this token endpoint; Jira Software's have no consent page."""
    jira, service_account = Endpoints.jira_software(), Endpoints.cloud()
    if url in {jira.token_url, service_account.token_url}:
        return jira if url == jira.token_url else service_account
    if url.endswith(_TOKEN):
        return Endpoints.below(url.removesuffix(_TOKEN), allow_http=allow_http)
    if url.endswith(_JIRA_TOKEN):
        below = Endpoints.below(url.removesuffix(_JIRA_TOKEN), allow_http=allow_http)
        return below.for_jira_software()
    return None


def _check_no_scopes(app: ProviderApp) -> None:
    if tuple(app["scopes"]):
        message = "scopes must be empty: on Cloud they are chosen where the credential is created"
        raise ConfigurationError(message, argument="scopes")
