"""Tokens without a person (2LO): three servers, three dialects."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

from atlassian_auth.endpoints import Endpoints
from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.grants import ClientCredentialsGrant
from atlassian_auth.protocol.messages import HTTPResponse
from atlassian_auth.protocol.tokens import TokenPair

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "client-secret-1"

MAKERS = {
    "jira_software": lambda client_id="client-1", secret=SECRET: (
        ClientCredentialsGrant.jira_software(client_id, secret)
    ),
    "service_account": lambda client_id="client-1", secret=SECRET: (
        ClientCredentialsGrant.service_account(client_id, secret)
    ),
    "data_center": lambda client_id="client-1", secret=SECRET: ClientCredentialsGrant.data_center(
        "https://jira.acme.com/jira", client_id, secret, scopes=["READ"]
    ),
}
every_dialect = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def test_jira_software_sends_json_with_an_audience():
    """The request is as on Atlassian's page: four members, to the API host."""
    request = MAKERS["jira_software"]().refresh_request(None)

    assert request.url == "https://api.atlassian.com/oauth/token"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "audience": "api.atlassian.com",
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": SECRET,
    }


@pytest.mark.parametrize(
    ("endpoints", "token_url"),
    [
        (Endpoints.below("http://127.0.0.1:8080"), "http://127.0.0.1:8080/api/oauth/token"),
        (Endpoints.cloud(), "https://api.atlassian.com/oauth/token"),
    ],
)
def test_jira_software_asks_the_api_host(endpoints, token_url):
    """Endpoints of a Cloud are adapted: the token comes from the API host."""
    grant = ClientCredentialsGrant.jira_software("id", "secret", endpoints=endpoints)

    assert grant.endpoints.token_url == token_url
    assert grant.endpoints.authorize_url is None


def test_endpoints_of_the_wrong_type():
    """A URL in their place is refused, and the argument named."""
    with pytest.raises(ConfigurationError, match=r"such as Endpoints.cloud\(\), not str") as caught:
        ClientCredentialsGrant.jira_software("id", "secret", endpoints="https://example.com")

    assert caught.value.argument == "endpoints"


def test_jira_software_without_an_audience_sends_none():
    """The request for a server without an audience has no audience."""
    endpoints = replace(Endpoints.jira_software(), audience=None)

    grant = ClientCredentialsGrant.jira_software("client-1", SECRET, endpoints=endpoints)

    assert "audience" not in json.loads(grant.refresh_request(None).body)


def test_service_account_sends_a_form():
    """Three fields: its scopes are fixed where it was made, and no page names an audience."""
    request = MAKERS["service_account"]().refresh_request(None)

    assert request.url == "https://auth.atlassian.com/oauth/token"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(request.body.decode())) == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": SECRET,
    }


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("with_audience", [True, False])
@pytest.mark.parametrize("kind", ["jira_software", "service_account"])
def test_what_the_sources_leave_open_is_a_setting(kind, as_json, with_audience):
    """A grant can send JSON or a form, with or without the audience."""
    make = getattr(ClientCredentialsGrant, kind)

    request = make("id", SECRET, as_json=as_json, with_audience=with_audience).refresh_request()

    read = json.loads if as_json else lambda body: dict(parse_qsl(body.decode()))
    expected = {"grant_type": "client_credentials", "client_id": "id", "client_secret": SECRET}
    audience = {"audience": "api.atlassian.com"} if with_audience else {}
    assert read(request.body) == expected | audience
    assert request.headers["content-type"].endswith("json") == as_json


def test_service_account_of_the_government_cloud():
    """With the government's endpoints the request goes to its token endpoint."""
    grant = ClientCredentialsGrant.service_account(
        "client-1", SECRET, endpoints=Endpoints.government()
    )

    assert grant.refresh_request(None).url == "https://auth.atlassian-us-gov-mod.com/oauth/token"


def test_data_center_sends_a_form_with_scopes():
    """The token request for Data Center is a form that names the scopes each time."""
    grant = ClientCredentialsGrant.data_center(
        "https://jira.acme.com/jira/", "client-1", SECRET, scopes="READ WRITE"
    )

    request = grant.refresh_request(None)

    assert request.url == "https://jira.acme.com/jira/rest/oauth2/latest/token"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(request.body.decode())) == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": SECRET,
        "scope": "READ WRITE",
    }
    assert grant.endpoints.api_url == "https://jira.acme.com/jira"


@pytest.mark.parametrize("scope", ["ADMIN", "SYSTEM_ADMIN", "PROJECT_ADMIN", "READ_ALL"])
def test_service_accounts_of_data_center_only_read_and_write(scope):
    """Scopes above WRITE are refused, and the error says what reads the audit log."""
    with pytest.raises(ConfigurationError, match=f"{scope}.*audit log.*DataCenterGrant") as caught:
        ClientCredentialsGrant.data_center(
            "https://jira.acme.com", "client-1", SECRET, scopes=["READ", scope]
        )

    assert caught.value.argument == "scopes"


@pytest.mark.parametrize("value", ["read:jira-work", "read", "", "offline_access"])
def test_other_scopes_are_refused(value):
    """Scopes of Cloud, wrong case, and none at all."""
    with pytest.raises(ConfigurationError) as caught:
        ClientCredentialsGrant.data_center(
            "https://jira.acme.com", "client-1", SECRET, scopes=value
        )

    assert caught.value.argument == "scopes"


def test_plain_http_has_to_be_named():
    """Secrets travel in clear only where the danger was named."""
    make = ClientCredentialsGrant.data_center
    arguments = ("http://jira.acme.com", "client-1", SECRET)

    grant = make(*arguments, scopes="READ", allow_insecure_http=True)

    assert grant.endpoints.allow_insecure_http is True
    with pytest.raises(ConfigurationError, match="must be https"):
        make(*arguments, scopes="READ")


@every_dialect
def test_no_person_consents(make):
    """Client credentials have no authorization URL and no code to exchange."""
    with pytest.raises(ConfigurationError, match="no person's consent"):
        make().authorization_url(state="s")
    with pytest.raises(ConfigurationError, match="no person's consent"):
        make().code_request("code-1")


@every_dialect
def test_there_is_no_refresh_token(make):
    """A refresh token is refused: it belongs to another grant."""
    with pytest.raises(ConfigurationError, match="must be None") as caught:
        make().refresh_request("refresh-1")

    assert caught.value.argument == "refresh_token"


@every_dialect
def test_facts_of_client_credentials(make):
    """Nothing rotates, a shared store is a choice, and a new token is got a minute ahead."""
    grant = make()

    assert (grant.kind, grant.rotates) == ("client_credentials", False)
    assert grant.reuse_leeway_seconds == 0
    assert grant.refresh_ahead_seconds == 60
    assert grant.redirect_uri is None
    assert grant.uses_pkce is False
    assert grant.configuration == f"client_credentials:client-1@{grant.endpoints.token_url}"


@pytest.mark.parametrize(
    ("name", "seconds"), [("jira_software", 900), ("service_account", 3600), ("data_center", 3600)]
)
def test_default_lifetimes(name, seconds):
    """15 minutes for Jira Software, an hour elsewhere, where the answer does not say."""
    grant = MAKERS[name]()
    response = HTTPResponse(200, {}, b'{"access_token": "access-1"}')

    token = grant.read_response(response, request=grant.refresh_request(None), obtained_at=NOW)

    assert grant.default_lifetime_seconds == seconds
    assert token.lifetime == timedelta(seconds=seconds)


@every_dialect
def test_nothing_is_carried_over(make):
    """A refresh token in the answer is left out, and the previous token's parts as well."""
    grant = make()
    body = b'{"access_token": "access-2", "refresh_token": "stray"}'
    previous = TokenPair("access-1", NOW, NOW, "old", ("old",))

    token = grant.read_response(
        HTTPResponse(200, {}, body),
        request=grant.refresh_request(None),
        obtained_at=NOW,
        previous=previous,
    )

    assert token.refresh_token is None
    assert token.scopes == grant.scopes


@every_dialect
@pytest.mark.parametrize("argument", ["client_id", "client_secret"])
def test_malformed_credentials_are_refused(make, argument):
    """A slip of the clipboard is found before anything is sent."""
    good = {"client_id": "client-1", "client_secret": SECRET}
    arguments = good | {argument: "pasted\n"}

    with pytest.raises(ConfigurationError, match="pasting") as caught:
        make(*arguments.values())

    assert caught.value.argument == argument


@every_dialect
def test_the_secret_stays_inside(make):
    """Not shown, not pickled, not replaced, not copied."""
    grant = make()

    assert SECRET not in f"{grant!r} {grant} {grant.refresh_request(None)!r}"
    assert grant.refresh_request(None).secrets == (SECRET,)
    with pytest.raises(TypeError, match="ClientCredentialsGrant holds secrets"):
        pickle.dumps(grant)
    with pytest.raises(FrozenInstanceError):
        grant._as_json = True
    assert copy.deepcopy(grant) is grant


@every_dialect
def test_there_is_no_grant_to_be_harmed(make):
    """The error about a wrong secret does not mention a consent: this grant has none."""
    grant = make()
    refusal = HTTPResponse(401, {}, b'{"error": "access_denied"}')

    with pytest.raises(ConfigurationError, match="client secret is wrong") as caught:
        grant.read_response(refusal, request=grant.refresh_request(None), obtained_at=NOW)

    assert "harmed" not in str(caught.value)
